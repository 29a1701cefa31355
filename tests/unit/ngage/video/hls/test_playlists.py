"""The playlists of the packager, and what is at the paths that they name."""

import re

import m3u8
import pytest

from ngage.video import message
from ngage.video.hls import Hls
from tests.helpers import hls_media as media
from tests.helpers.hls import (
    BASE,
    MEDIA,
    PART,
    SEGMENT,
    SOUND,
    assert_consistent,
    attributes,
    complete,
    lines,
    package,
    segments,
    whole_show,
)
from tests.helpers.hls_media import START_US, Remembering, frames


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
        if path != MEDIA:
            return
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
        if path != MEDIA:
            return
        found = re.search(rb'PRELOAD-HINT:TYPE=PART,URI="([^"]*)"', playlist.whole)
        hints.append(found and found[1].decode())

    host = Remembering(told)
    package(whole_show(frames(300)), host)
    assert {hint for hint in hints[:-1] if BASE + hint not in host.ever} == {hints[-2]}
    assert hints[-1] is None
    assert BASE + hints[-2] in host.withdrawn


def test_an_early_key_frame_withdraws_the_hint():
    pictures = [f._replace(key=n in {0, 50, 110}) for n, f in enumerate(frames(127))]
    host = package(whole_show(pictures)[:-1])
    assert host.withdrawn
    assert all(path not in host.ever for path in host.withdrawn)
    assert_consistent(host)


def test_memory_is_bounded():
    host = package(whole_show(frames(3000))[:-1])
    for tag in ("-0", "-64"):
        segments = [m for p in host.now if (m := SEGMENT.fullmatch(p[len(BASE) :]))]
        parts = [m for p in host.now if (m := PART.fullmatch(p[len(BASE) :]))]
        assert sum(m[1].endswith(tag) for m in segments) == 16
        assert sum(m[1].endswith(tag) for m in parts) <= 78
    assert len(host.expected) == 2  # the hints


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
    assert host.expected == {f"{BASE}live.m3u8": 6.0, MEDIA: 6.0, SOUND: 6.0}


def test_what_comes_before_the_first_key_frame_is_left_out():
    late = [f for f in frames(150) if f.time >= 9000]
    host = package(whole_show(late))
    picture, sound = (next(iter(segments(host, path).values())) for path in (MEDIA, SOUND))
    assert b"0:90000" in picture
    assert b"0:87000" not in picture
    assert b"s46" not in sound  # it begins before the picture
    assert b"s47" in sound


@pytest.mark.parametrize("payload", [b"", b"\0\0\0\1moof", b"\0\0\0\x10moof" + bytes(8)])
def test_chunks_that_are_none(payload):
    host = Hls(Remembering(), BASE)
    host.take(message.parse(media.init()))
    bad = message.Message(message.Type.MEDIA, 0, message.Flag.KEY, 0, 0, 0, payload)
    with pytest.raises(ValueError):
        host.take(bad)
