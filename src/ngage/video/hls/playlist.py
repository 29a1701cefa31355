"""The texts: media playlists whole and as deltas, the multivariant playlist (RFC 8216bis)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ngage.video.hls.cutter import Segment

# Section 4.4.3.8: CAN-SKIP-UNTIL is at least six target durations; parts older than three from the
# end need not be listed (4.4.4.9).
SKIP_TARGETS = 6
PARTS_TARGETS = 3
_HOLD_BACK_TARGETS = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION = 9  # for EXT-X-SKIP
_SOUND = "sound"


class Report(NamedTuple):
    """How far another rendition is."""

    uri: str
    segment: int
    part: int


class State(NamedTuple):
    """What a media playlist lists, one segment at least. `hint` is the URI of the part to come;
    empty: the end."""

    target_seconds: int
    part_target_us: int
    segments: Sequence[Segment]
    open_segment: Segment | None
    hint: str
    reports: Sequence[Report]


class Variant(NamedTuple):
    """Bits a second are those of all its media; width, height, fps are 0 where they are unknown."""

    uri: str
    peak_bps: int
    average_bps: int
    codecs: str
    width: int
    height: int
    fps: float


def segment_uri(segment: Segment) -> str:
    return f"{segment.tag}/{segment.number}.m4s"


def part_uri(tag: str, number: int, part: int) -> str:
    return f"{tag}/{number}.{part}.m4s"


def init_uri(tag: str) -> str:
    return f"{tag}/init.mp4"


def media(state: State, *, delta: bool = False) -> bytes:
    """The playlist; as a delta without the segments that a client knows who asks in time."""
    first = state.segments[0].slot
    lines = [
        *("#EXTM3U", f"#EXT-X-VERSION:{_VERSION}"),
        f"#EXT-X-TARGETDURATION:{state.target_seconds}",
        _server_control(state),
        f"#EXT-X-PART-INF:PART-TARGET={_up(state.part_target_us)}",
        f"#EXT-X-MEDIA-SEQUENCE:{first.number}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{first.discontinuities}",
    ]
    skipped = _skippable(state) if delta else 0
    tag = ""
    if skipped:
        lines.append(f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")
        tag = state.segments[skipped - 1].tag
    detailed = _with_parts(state)
    for position, segment in enumerate(state.segments[skipped:], skipped):
        lines += _opening(segment, tag)
        tag = segment.tag
        if position >= detailed:
            lines += _parts(segment)
        if not segment.parts:  # which has an address too, at which there never is anything
            lines.append("#EXT-X-GAP")
        lines += [f"#EXTINF:{_seconds(segment.duration_us)},", segment_uri(segment)]
    if state.open_segment is not None and state.open_segment.parts:
        lines += _opening(state.open_segment, tag) + _parts(state.open_segment)
    if state.hint:
        lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{state.hint}"')
        lines += (_report(report) for report in state.reports)
    else:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join([*lines, ""]).encode()


def multivariant(variants: Sequence[Variant], sound_uri: str) -> bytes:
    """`sound_uri`: the playlist of the sound that goes with all of them; may be empty."""
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}"]
    if sound_uri:
        group = f'GROUP-ID="{_SOUND}",NAME="{_SOUND}",DEFAULT=YES,AUTOSELECT=YES'
        lines.append(f'#EXT-X-MEDIA:TYPE=AUDIO,{group},URI="{sound_uri}"')
    for variant in variants:
        about = f"BANDWIDTH={variant.peak_bps},AVERAGE-BANDWIDTH={variant.average_bps}"
        about += f',CODECS="{variant.codecs}"'
        if variant.width and variant.height:
            about += f",RESOLUTION={variant.width}x{variant.height}"
        if variant.fps:
            about += f",FRAME-RATE={variant.fps:.3f}"
        if sound_uri:
            about += f',AUDIO="{_SOUND}"'
        lines += [f"#EXT-X-STREAM-INF:{about}", variant.uri]
    return "\n".join([*lines, ""]).encode()


def _server_control(state: State) -> str:
    hold_back = _up(3 * (state.part_target_us + 9))  # three times what PART-TARGET says
    return (
        f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={hold_back},"
        f"HOLD-BACK={_HOLD_BACK_TARGETS * state.target_seconds},"
        f"CAN-SKIP-UNTIL={SKIP_TARGETS * state.target_seconds}"
    )


def _opening(segment: Segment, tag: str) -> list[str]:
    """What stands before the first part of a segment; `tag` is that of the segment before."""
    lines = ["#EXT-X-DISCONTINUITY"] if segment.slot.discontinuity else []
    if segment.tag != tag:
        lines.append(f'#EXT-X-MAP:URI="{init_uri(segment.tag)}"')
    wall = _EPOCH + timedelta(microseconds=segment.slot.wall_us)
    text = wall.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return [*lines, f"#EXT-X-PROGRAM-DATE-TIME:{text}"]


def _parts(segment: Segment) -> list[str]:
    return [
        f"#EXT-X-PART:DURATION={_seconds(part.duration_us)},"
        f'URI="{part_uri(segment.tag, segment.number, number)}"'
        + (",INDEPENDENT=YES" if part.independent else "")
        for number, part in enumerate(segment.parts)
    ]


def _report(report: Report) -> str:
    return (
        f'#EXT-X-RENDITION-REPORT:URI="{report.uri}",LAST-MSN={report.segment},'
        f"LAST-PART={report.part}"
    )


def _with_parts(state: State) -> int:
    """The first segment whose parts are listed."""
    return _within(state, PARTS_TARGETS * state.target_seconds * 1_000_000)


def _skippable(state: State) -> int:
    """How many segments lie before the skip boundary."""
    return _within(state, SKIP_TARGETS * state.target_seconds * 1_000_000)


def _within(state: State, limit_us: int) -> int:
    """The first segment that ends less than so much before the end of the playlist."""
    left = state.open_segment.duration_us if state.open_segment else 0
    position = len(state.segments)
    while position and left < limit_us:
        position -= 1
        left += state.segments[position].duration_us
    return position


def _seconds(duration_us: int) -> str:
    return f"{duration_us / 1_000_000:.5f}"


def _up(duration_us: int) -> str:
    """Rounded up, for bounds."""
    return f"{-(-duration_us // 10) / 100_000:.5f}"
