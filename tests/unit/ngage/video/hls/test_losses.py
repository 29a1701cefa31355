"""What frames and rungs are lost, the renditions of a ladder stay together."""

import re
from datetime import datetime
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import hls_media as media
from tests.helpers.hls import (
    BASE,
    GAP,
    MEDIA,
    SECOND,
    SEGMENT,
    SOUND,
    attributes,
    lines,
    package,
    segments,
    table,
)
from tests.helpers.hls_media import frames

ALL = (MEDIA, SECOND, SOUND)


@settings(max_examples=60)
@given(
    lost=st.sets(st.tuples(st.sampled_from([0, 1]), st.integers(0, 359)), max_size=200),
    spells=st.sets(st.tuples(st.sampled_from([0, 1]), st.integers(0, 5)), max_size=3),
    gop=st.integers(5, 60),
    video=st.lists(st.sampled_from([(0, 1), (0,), (1,)]), min_size=6, max_size=6),
)
def test_whatever_is_lost_the_numbers_stay_those_of_the_same_time(lost, spells, gop, video):
    """Single frames, two seconds of a rung, rungs that INIT names only now and then."""

    def messages():
        sound = 0
        for n, frame in enumerate(frames(360, gop=gop)):
            if n % 60 == 0:
                yield media.init(video=video[n // 60])
            while sound * media.SOUND_TICKS * 90 < (frame.time + frame.duration) * 48:
                yield media.sound(sound)
                sound += 1
            for rendition in video[n // 60]:
                if not {(rendition, n)} & lost and not {(rendition, n // 60)} & spells:
                    yield media.picture(frame, n, rendition=rendition)

    def told(path, playlist):
        text = lines(playlist.whole)
        number, breaks = (line.partition(":")[2] for line in text if "-SEQUENCE:" in line)
        assert starts.setdefault(number, breaks) == breaks
        named = [uri for mark, _, uri in zip(text, text[1:], text[2:], strict=False) if mark != GAP]
        named = [uri for uri in named if uri.endswith(".m4s")]
        named += [attributes(line)["URI"].strip('"') for line in text if "-PART:" in line]
        assert all(BASE + uri in host.now for uri in named)

    starts: dict[str, str] = {}
    host = media.Remembering(told)
    package(messages(), host)
    tables = [table(host, path) for path in ALL if path in host.playlists]
    for one, two in pairwise(tables):
        assert all(one[number] == two[number] for number in one.keys() & two.keys())
    for path in ALL:
        if path in host.playlists:
            assert_in_order(host, path)


def assert_in_order(host, path):
    """Each chunk once, and none before another that is earlier; no part is too long."""
    joined = b"".join(body for _, body in sorted(segments(host, path).items()))
    times = [int(found) for found in re.findall(rb"(?<=mdat)(?:\d:|s)(\d+)", joined)]
    assert times == sorted(set(times))
    for playlist in host.playlists[path]:
        text = lines(playlist.whole)
        (target,) = (attributes(line)["PART-TARGET"] for line in text if "PART-INF" in line)
        parts = [attributes(line)["DURATION"] for line in text if line.startswith("#EXT-X-PART:")]
        assert all(0 < float(part) <= float(target) for part in parts)
        numbers = [SEGMENT.fullmatch(line) for line in text if line.endswith(".m4s")]
        found = [int(number[2]) for number in numbers]
        assert found == list(range(found[0], found[0] + len(found)))
        durations = [float(line[8:-1]) for line in text if line.startswith("#EXTINF:")]
        assert all(0 < duration < 2.5 for duration in durations)
        # The next one begins where this ends, but for less than a part or more than a segment.
        walls = [
            datetime.fromisoformat(line.partition(":")[2]).timestamp()
            for line in text
            if "DATE-TIME" in line
        ]
        for (one, two), duration in zip(pairwise(walls), durations, strict=False):
            assert abs(two - one - duration) < 0.21 or duration == 2.44 < two - one
