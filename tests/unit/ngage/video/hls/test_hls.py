"""Parts and segments: what the packager makes of chunks, by the rules of RFC 8216bis."""

from itertools import pairwise

import m3u8
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import hls_media as media
from tests.helpers.hls import (
    BASE,
    MEDIA,
    SOUND,
    assert_consistent,
    assert_parts_obey,
    attributes,
    complete,
    lines,
    package,
    parts_by_segment,
    payloads,
    segments,
    whole_show,
)
from tests.helpers.hls_media import Frame, frames

# Bytes


def test_segments_and_parts_are_the_chunks():
    messages = whole_show(frames(300))
    host = package(messages)
    for path, rendition in ((MEDIA, 0), (SOUND, 64)):
        assert_consistent(host, path)
        found = segments(host, path)
        assert b"".join(found.values()) == b"".join(payloads(messages, rendition))
        assert len(found) == 5


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


def test_sound_is_cut_where_the_picture_is():
    """A frame of sound belongs to the segment in which it begins."""
    host = package(whole_show(frames(121)))
    first, second = list(segments(host, SOUND).values())[:2]
    last = 2 * 48_000 // media.SOUND_TICKS  # begins within two seconds
    assert first.endswith(b"s%d" % last)
    assert b"s%d" % (last + 1) in second
    assert first.count(b"moof") == last + 1


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
    assert_consistent(host, SOUND)
    sound, picture = (segments(host, path) for path in (SOUND, MEDIA))
    assert sum(complete(host, SOUND).values()) == pytest.approx(16.9, abs=0.1)
    assert max(complete(host, SOUND).values()) < 2.5
    assert list(sound) == list(range(min(sound), min(sound) + len(sound)))
    # The picture has gaps meanwhile, and goes on with a key frame.
    assert picture.keys() < sound.keys()
    assert b"0:1341000" in picture[max(sound)]
    gaps = [n for n, uri in enumerate(lines(host.now[MEDIA])) if uri == "#EXT-X-GAP"]
    assert len(gaps) == len(sound.keys() - picture.keys()) >= 3


def test_sound_alone():
    messages = [media.init(video=0), *(media.sound(n) for n in range(500)), media.end()]
    host = package(messages)
    path = SOUND
    assert_parts_obey(host, path)
    assert_consistent(host, path)
    assert all(
        independent
        for parts in parts_by_segment(host, path).values()
        for _, independent, _ in parts
    )
    (variant,) = m3u8.loads(host.now[f"{BASE}live.m3u8"].decode()).playlists
    assert (variant.uri, variant.stream_info.codecs) == ("64.m3u8", "mp4a.40.2")
