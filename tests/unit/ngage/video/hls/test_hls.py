"""The packager: what it makes of messages, by the rules of RFC 8216bis."""

import re
from itertools import pairwise

import m3u8
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.video import message
from ngage.video.hls import Hls
from tests.helpers import media
from tests.helpers.media import START_US, Frame, Remembering, frames

BASE = "/hls/show/"
MEDIA = f"{BASE}0.m3u8"
SEGMENT = re.compile(r"([0-9a-f]{12}-\d+)/(\d+)\.m4s")
PART = re.compile(r"([0-9a-f]{12}-\d+)/(\d+)\.(\d+)\.m4s")


def package(messages, host=None, **options):
    host = host or Remembering()
    hls = Hls(host, BASE)
    for data in messages:
        hls.message(data)
    return host


def whole_show(pictures, **options):
    audio = options.get("sounds", True)
    return [
        media.init(video=options.get("video", 1), audio=audio),
        *media.show(pictures, **options),
        media.end(),
    ]


def payloads(messages, *renditions):
    read = [message.parse(data) for data in messages]
    return [m.payload for m in read if m.type is message.Type.MEDIA and m.rendition in renditions]


def lines(text):
    return text.decode().splitlines()


def attributes(line):
    return dict(re.findall(r'([A-Z-]+)=("[^"]*"|[^,]*)', line.partition(":")[2]))


def parts_by_segment(host, path=MEDIA):
    """{segment number: [(duration, independent, uri)]}, as the playlists told it."""
    found = {}
    for playlist in host.playlists[path]:
        for line in lines(playlist.whole):
            if line.startswith("#EXT-X-PART:"):
                about = attributes(line)
                uri = about["URI"].strip('"')
                _, number, part = PART.fullmatch(uri).groups()
                value = (float(about["DURATION"]), "INDEPENDENT" in about, uri)
                parts = found.setdefault(int(number), {})
                assert parts.setdefault(int(part), value) == value
    return {
        number: [parts[n] for n in range(len(parts))]
        for number, parts in found.items()
        if min(parts) == 0
    }


def complete(host, path=MEDIA):
    """{segment number: duration}."""
    found = {}
    for playlist in host.playlists[path]:
        for about, uri in pairwise(lines(playlist.whole)):
            if about.startswith("#EXTINF:"):
                duration = float(about.removeprefix("#EXTINF:").rstrip(","))
                assert found.setdefault(int(SEGMENT.fullmatch(uri)[2]), duration) == duration
    return found


def assert_parts_obey(host, path=MEDIA):
    """Sections 4.4.4.9 and 4.4.3.7: no part is longer than the target, and none but the last of a
    segment, or one that is independent, shorter than 85 % of it."""
    targets = {
        line for p in host.playlists[path] for line in lines(p.whole) if "PART-TARGET=" in line
    }
    (target,) = {float(attributes(line)["PART-TARGET"]) for line in targets}
    done = complete(host, path)
    for number, parts in parts_by_segment(host, path).items():
        for position, (duration, independent, _) in enumerate(parts):
            assert 0 < duration <= target
            is_last = position == len(parts) - 1
            assert duration >= 0.85 * target or independent or is_last
        if number in done:
            assert sum(duration for duration, _, _ in parts) == pytest.approx(
                done[number], abs=1e-4
            )


def assert_consistent(host, path=MEDIA):
    """What playlists name is served while they name it, and segments are their parts joined."""
    for number, parts in parts_by_segment(host, path).items():
        tag = PART.fullmatch(parts[0][2])[1]
        joined = b"".join(host.ever[BASE + uri] for _, _, uri in parts)
        if f"{BASE}{tag}/{number}.m4s" in host.ever:
            assert host.ever[f"{BASE}{tag}/{number}.m4s"] == joined
    numbers = sorted(complete(host, path))
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


# Bytes


def test_segments_and_parts_are_the_chunks():
    messages = whole_show(frames(300))
    host = package(messages)
    assert_consistent(host)
    segments = [body for path, body in host.ever.items() if SEGMENT.fullmatch(path[len(BASE) :])]
    assert b"".join(segments) == b"".join(payloads(messages, 0, 64))
    assert len(segments) == 5


def test_a_regular_show_has_regular_parts():
    host = package(whole_show(frames(300)))
    done = complete(host)
    assert set(done.values()) == {2.0}
    whole = [parts for number, parts in parts_by_segment(host).items() if number in done]
    assert {len(parts) for parts in whole} == {10}
    assert {duration for parts in whole for duration, _, _ in parts} == {0.2}
    assert all(
        [independent for _, independent, _ in parts] == [True, *[False] * 4] * 2 for parts in whole
    )


def test_sound_comes_with_the_picture_of_its_time():
    """The sound that is before a key picture begins the segment with it."""
    host = package(whole_show(frames(121)))
    first, second = sorted(p for p in host.ever if SEGMENT.fullmatch(p[len(BASE) :]))[:2]
    assert b"s0" in host.ever[first]
    start = host.ever[second].index(b"0:180000")
    assert host.ever[second][:start].count(b"moof") <= 3
    assert b"0:177000" not in host.ever[second]


@pytest.mark.parametrize("video", [1, 3])
@pytest.mark.parametrize("sounds", [True, False])
def test_two_edges_have_the_same_bytes_at_the_same_paths(video, sounds):
    messages = whole_show(frames(400), video=video, sounds=sounds)
    one, two = package(messages), package(messages)
    assert one.ever == two.ever
    assert one.now == two.now
    assert one.playlists == two.playlists
    assert one.headers == two.headers


# Durations


@pytest.mark.parametrize("duration", [1500, 1502, 3000, 3003, 3600, 3750, 3754, 6000, 9000])
@pytest.mark.parametrize("gop_seconds", [0.5, 0.8, 1, 1.5, 2, 2.4, 4])
def test_all_frame_rates_and_groups(duration, gop_seconds):
    gop = round(gop_seconds * 90_000 / duration)
    host = package(whole_show(frames(20 * 90_000 // duration, duration=duration, gop=gop)))
    assert_parts_obey(host)
    assert_consistent(host)
    assert max(complete(host).values()) < 2.5
    assert min(list(complete(host).values())[:-1]) >= (0.8 if gop_seconds < 2.5 else 0.4)


def test_times_that_were_rounded_to_milliseconds():
    times = [round(n * 1000 / 30) * 90 for n in range(301)]
    pictures = [Frame(a, b - a, n % 30 == 0) for n, (a, b) in enumerate(pairwise(times))]
    host = package(whole_show(pictures))
    assert_parts_obey(host)
    assert {len(parts) for n, parts in parts_by_segment(host).items()} == {10}


@given(
    lost=st.sets(st.integers(1, 299), max_size=80),
    duration=st.sampled_from([3000, 3003, 3600, 1500]),
    gop=st.integers(5, 150),
    late=st.integers(0, 90_000),
)
def test_lost_frames_make_no_part_short_or_long(lost, duration, gop, late):
    pictures = [
        frame
        for n, frame in enumerate(frames(300, duration=duration, gop=gop, start=late))
        if n not in lost
    ]
    host = package(whole_show(pictures))
    if host.playlists:
        assert_consistent(host)
        target = max(
            float(attributes(line)["PART-TARGET"])
            for p in host.playlists[MEDIA]
            for line in lines(p.whole)
            if "PART-TARGET=" in line
        )
        for parts in parts_by_segment(host).values():
            assert all(0 < part <= target for part, _, _ in parts)
        assert all(part < 2.5 for part in complete(host).values())


def test_single_lost_frames_obey_every_rule():
    pictures = [f for n, f in enumerate(frames(400)) if n % 17 != 5 or f.key]
    assert_parts_obey(package(whole_show(pictures)))


def test_where_the_picture_stands_sound_goes_on():
    pictures = [*frames(150), *frames(60, start=150 * 3000 + 10 * 90_000 - 9000)]
    host = package(whole_show(pictures))
    assert_consistent(host)
    assert sum(complete(host).values()) == pytest.approx(16.9, abs=0.5)
    assert max(complete(host).values()) < 2.5


def test_sound_alone():
    messages = [media.init(video=0), *(media.sound(n) for n in range(500)), media.end()]
    host = package(messages)
    path = f"{BASE}64.m3u8"
    assert_parts_obey(host, path)
    assert_consistent(host, path)
    assert all(
        independent
        for parts in parts_by_segment(host, path).values()
        for _, independent, _ in parts
    )
    (variant,) = m3u8.loads(host.now[f"{BASE}live.m3u8"].decode()).playlists
    assert (variant.uri, variant.stream_info.codecs) == ("64.m3u8", "mp4a.40.2")


# Playlists


def test_the_playlist_says_what_is():
    host = package(whole_show(frames(600))[:-1])
    text = host.now[MEDIA].decode()
    read = m3u8.loads(text)
    assert read.version == 9
    assert read.target_duration == 2
    assert read.server_control.can_block_reload == "YES"
    target = float(read.part_inf.part_target)
    assert 3 * target <= float(read.server_control.part_hold_back) < 0.7
    assert float(read.server_control.can_skip_until) == 12
    assert read.media_sequence == START_US // 1_000_000 + 1
    assert len(read.segments) == 9  # m3u8 counts the open one
    assert read.segments[0].init_section.uri in {p[len(BASE) :] for p in host.now}
    walls = [s.program_date_time.timestamp() for s in read.segments[:-1]]
    assert walls == pytest.approx([START_US / 1e6 + 2 + 2 * n for n in range(8)])
    assert text.count("#EXT-X-PROGRAM-DATE-TIME") == 9
    with_parts = [bool(s.parts) for s in read.segments]
    assert with_parts == [False] * 6 + [True] * 3
    hint = read.preload_hint
    assert BASE + hint.uri in host.expected
    assert "#EXT-X-ENDLIST" not in text
    for uri in [*read.segments.uri, *(p.uri for s in read.segments for p in s.parts)]:
        assert uri is None or BASE + uri in host.now


def test_a_delta_is_the_playlist_without_what_is_skipped():
    host = package(whole_show(frames(650))[:-1])
    latest = host.playlists[MEDIA][-1]
    whole, delta = lines(latest.whole), lines(latest.delta)
    (skip,) = [line for line in delta if line.startswith("#EXT-X-SKIP:")]
    count = int(attributes(skip)["SKIPPED-SEGMENTS"])
    assert count == 2
    position = delta.index(skip)
    head, rest = delta[:position], delta[position + 1 :]
    assert whole[:position] == head
    assert whole[-len(rest) :] == rest
    assert sum(line.startswith("#EXTINF") for line in whole[position : -len(rest)]) == count


def test_each_part_has_its_playlist_and_was_there_before_it():
    served = []

    def told(path, playlist):
        text = lines(playlist.whole)
        names = [re.search(r'URI="([^"]*)"', line)[1] for line in text if "PART:" in line]
        names += [line for line in text if line.endswith(".m4s")]
        assert all(BASE + name in host.now for name in names)
        served.append((playlist.segment, playlist.parts))

    host = Remembering(told)
    package(whole_show(frames(300)), host)
    assert served == sorted(served)
    first = START_US // 1_000_000
    expected = [(first + s, p) for s in range(1, 5) for p in range(11)]
    assert [position for position in served if position < (first + 5, 0)] == expected


def test_the_hint_is_the_next_part():
    hints = []

    def told(path, playlist):
        found = re.search(rb'PRELOAD-HINT:TYPE=PART,URI="([^"]*)"', playlist.whole)
        hints.append(found and found[1].decode())

    host = Remembering(told)
    package(whole_show(frames(300)), host)
    assert {hint for hint in hints[:-1] if BASE + hint not in host.ever} == {hints[-2]}
    assert hints[-1] is None
    assert host.withdrawn == [BASE + hints[-2]]


def test_an_early_key_frame_withdraws_the_hint():
    pictures = [
        *frames(67, gop=60),
        *(f._replace(key=f.key) for f in frames(60, gop=60, start=67 * 3000)),
    ]
    pictures = [f._replace(key=n in {0, 50, 110}) for n, f in enumerate(pictures)]
    host = package(whole_show(pictures)[:-1])
    assert all(path not in host.ever for path in host.withdrawn)
    assert_consistent(host)


def test_memory_is_bounded():
    host = package(whole_show(frames(3000)))
    kinds = [SEGMENT.fullmatch(p[len(BASE) :]) for p in host.now]
    assert sum(map(bool, kinds)) == 16
    assert sum(bool(PART.fullmatch(p[len(BASE) :])) for p in host.now) <= 70
    assert len(host.expected) == 0


def test_another_timeline_is_a_discontinuity():
    host = package(
        [
            media.init("one"),
            *media.show(frames(130)),
            media.init("two"),
            *media.show(frames(130)),
            media.init("two"),
            *media.show(frames(70, start=390_000)),
        ]
    )
    text = lines(host.now[MEDIA])
    assert text.count("#EXT-X-DISCONTINUITY") == 1
    maps = [line for line in text if line.startswith("#EXT-X-MAP")]
    assert len(maps) == len(set(maps)) == 2
    at = text.index("#EXT-X-DISCONTINUITY")
    assert text[at + 1].startswith("#EXT-X-MAP")
    assert text[at + 2].startswith("#EXT-X-PROGRAM-DATE-TIME")
    assert_consistent(host)


@pytest.mark.parametrize("start", [-90_000 * 3, 90_000 * 60])
def test_times_that_jump_are_a_discontinuity(start):
    messages = [
        media.init(),
        *media.show(frames(130)),
        *media.show(frames(200, start=130 * 3000 + start)),
    ]
    text = lines(package(messages).now[MEDIA])
    assert text.count("#EXT-X-DISCONTINUITY") == 1
    assert sum(line.startswith("#EXT-X-MAP") for line in text) == 1


def test_discontinuities_that_leave_the_list_are_counted():
    messages = [
        media.init("one"),
        *media.show(frames(130)),
        media.init("two"),
        *media.show(frames(700)),
    ]
    text = lines(package(messages).now[MEDIA])
    assert "#EXT-X-DISCONTINUITY" not in text
    assert f"#EXT-X-DISCONTINUITY-SEQUENCE:{START_US // 1_000_000 % 1000 + 1}" in text


def test_the_end():
    host = package(whole_show(frames(150)))
    last = host.playlists[MEDIA][-1]
    assert last.ended
    assert lines(last.whole)[-1] == "#EXT-X-ENDLIST"
    assert b"PRELOAD-HINT" not in last.whole
    assert sum(complete(host).values()) == pytest.approx(5)
    assert host.expected == {}


def test_the_multivariant_playlist():
    host = package(whole_show(frames(200), video=2))
    read = m3u8.loads(host.now[f"{BASE}live.m3u8"].decode())
    assert [p.uri for p in read.playlists] == ["0.m3u8", "1.m3u8"]
    for variant in read.playlists:
        assert variant.stream_info.codecs == "avc1.64001e,mp4a.40.2"
        assert variant.stream_info.resolution == (640, 360)
        rates = [
            8 * len(body) / 2
            for path, body in host.ever.items()
            if (m := SEGMENT.fullmatch(path[len(BASE) :])) and m[1].endswith(variant.uri[:2][0])
        ]
        assert variant.stream_info.bandwidth >= max(rates[:-1])


def test_renditions_report_each_other():
    host = package(whole_show(frames(200), video=2)[:-1])
    one, two = host.playlists[MEDIA][-1], host.playlists[f"{BASE}1.m3u8"][-1]
    (report,) = [line for line in lines(one.whole) if "RENDITION-REPORT" in line]
    about = attributes(report)
    assert about["URI"] == '"1.m3u8"'
    # The second has been given each frame after the first.
    assert (int(about["LAST-MSN"]), int(about["LAST-PART"])) in {
        (two.segment, two.parts - 1),
        (two.segment, two.parts - 2),
    }


def test_what_may_be_cached():
    host = package(whole_show(frames(200)))
    latest = host.playlists[MEDIA][-1]
    assert latest.headers["Cache-Control"] == "public, max-age=1"
    assert latest.blocking_headers["Cache-Control"] == "public, max-age=12"
    for path, headers in host.headers.items():
        if not path.endswith(".m3u8"):
            assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert headers["Access-Control-Allow-Origin"] == "*"


def test_a_viewer_before_the_show_waits():
    host = package([media.init()])
    assert host.expected == {f"{BASE}live.m3u8": 6.0, MEDIA: 6.0}


def test_what_comes_before_the_first_key_frame_is_left_out():
    late = [f for f in frames(150) if f.time >= 9000]
    host = package(whole_show(late))
    first = min(p for p in host.ever if SEGMENT.fullmatch(p[len(BASE) :]))
    assert b"0:90000" in host.ever[first]
    assert b"0:87000" not in host.ever[first]
    assert b"s40" not in host.ever[first]
    assert b"s47" in host.ever[first]


@pytest.mark.parametrize("payload", [b"", b"\0\0\0\1moof", b"\0\0\0\x10moof" + bytes(8)])
def test_chunks_that_are_none(payload):
    host = Hls(Remembering(), BASE)
    host.message(media.init())
    bad = message.Message(message.Type.MEDIA, 0, message.Flag.KEY, 0, 0, 0, payload)
    with pytest.raises(ValueError):
        host.message(message.pack(bad))
