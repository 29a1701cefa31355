"""What a packager made of messages, read back from everything that its host was told."""

import re
from itertools import pairwise

import pytest

from ngage.video import message
from ngage.video.hls import Hls
from tests.helpers import hls_media as media
from tests.helpers.hls_media import Remembering

BASE = "/hls/show/"
MEDIA = f"{BASE}0.m3u8"
SECOND = f"{BASE}1.m3u8"
SOUND = f"{BASE}64.m3u8"
LIVE = f"{BASE}live.m3u8"
GAP = "#EXT-X-GAP"
SEGMENT = re.compile(r"([0-9a-f]{12}-\d+)/(\d+)\.m4s")
PART = re.compile(r"([0-9a-f]{12}-\d+)/(\d+)\.(\d+)\.m4s")


def package(messages, host=None):
    host = host or Remembering()
    hls = Hls(host, BASE)
    for data in messages:
        hls.take(message.parse(data))
    return host


def whole_show(pictures, **options):
    audio = options.get("sounds", True)
    return [
        media.init(video=options.get("video", 1), audio=audio),
        *media.show(pictures, **options),
        media.end(),
    ]


def segments(host, path=MEDIA):
    """{segment number: bytes} of all that there ever was."""
    number = path.removeprefix(BASE).removesuffix(".m3u8")
    found = [(SEGMENT.fullmatch(p.removeprefix(BASE)), body) for p, body in host.ever.items()]
    return {int(m[2]): body for m, body in found if m and m[1].endswith(f"-{number}")}


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


def table(host, path):
    """{segment number: (wall, whether time breaks before it)}, as the playlists told it."""
    found = {}
    for playlist in host.playlists[path]:
        wall, broken = "", False
        for line in lines(playlist.whole):
            if line.startswith("#EXT-X-PROGRAM-DATE-TIME"):
                wall = line
            elif line == "#EXT-X-DISCONTINUITY":
                broken = True
            elif line.endswith(".m4s"):
                number = int(SEGMENT.fullmatch(line)[2])
                assert found.setdefault(number, (wall, broken)) == (wall, broken)
                broken = False
    return found


def head(host, path):
    """What the newest playlist says of its first segment."""
    text = lines(host.now[path])
    return [line for line in text if "MEDIA-SEQUENCE" in line or "DISCONTINUITY-SEQ" in line]


def gaps(host, path):
    text = lines(host.now[path])
    return [int(SEGMENT.fullmatch(text[n + 2])[2]) for n, line in enumerate(text) if line == GAP]
