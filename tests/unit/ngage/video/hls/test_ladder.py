"""Several pictures and one sound: the same segments in every rendition, whoever comes and goes."""

import json
from itertools import chain, pairwise

import m3u8
import pytest

from ngage.video import message
from ngage.video.hls import Hls
from ngage.video.message import Flag, Message, Type
from tests.helpers import hls_media as media
from tests.helpers.hls import (
    BASE,
    GAP,
    LIVE,
    MEDIA,
    PART,
    SECOND,
    SEGMENT,
    SOUND,
    assert_consistent,
    assert_parts_obey,
    gaps,
    head,
    lines,
    package,
    segments,
    table,
    whole_show,
)
from tests.helpers.hls_media import Frame, Remembering, frames

ALL = (MEDIA, SECOND, SOUND)


def flagged(data):
    read = message.parse(data)
    return message.pack(read._replace(flags=read.flags | Flag.DISCONTINUITY))


def marked(messages):
    """The first message of each track says that it does not follow the last."""
    seen = set()
    for data in messages:
        rendition = message.parse(data).rendition
        yield data if rendition in seen else flagged(data)
        seen.add(rendition)


def sounds_until(pictures):
    last = pictures[-1]
    return -(-(last.time + last.duration) * 48 // 90 // media.SOUND_TICKS)


def go_on(pictures, seconds, **options):
    """What follows after such a pause."""
    later = [f._replace(time=f.time + seconds * 90_000) for f in pictures]
    sound = -(-later[0].time * 48 // 90 // media.SOUND_TICKS)
    return media.show(later, number=sound, **options)


def test_all_renditions_have_the_same_segments():
    first = frames(400)
    messages = [
        media.init(video=2),
        *media.show(first, video=2),
        *marked(go_on(first, 16, video=2)),
        media.init("other", video=2),
        *go_on(first, 32, video=2),
    ]
    host = package(messages)
    tables = [table(host, path) for path in ALL]
    assert tables[0] == tables[1] == tables[2]
    assert len(tables[0]) == 20
    assert [broken for _, broken in tables[0].values()].count(True) == 2
    assert head(host, MEDIA) == head(host, SECOND) == head(host, SOUND)
    for path in ALL:
        assert_consistent(host, path)
        assert_parts_obey(host, path)
        assert GAP not in lines(host.now[path])


def test_a_rung_begins_its_segments_with_the_key_frames_of_the_first():
    host = package(whole_show(frames(700, gop=25), video=2))
    for (_, one), (_, two) in zip(
        segments(host).items(), segments(host, SECOND).items(), strict=True
    ):
        assert one.replace(b"0:", b"1:") == two


@pytest.mark.parametrize(
    "second",
    [
        lambda n, frame: frame._replace(duration=6000) if n % 2 == 0 else None,
        lambda n, frame: frame if n % 7 != 5 or frame.key else None,
        lambda n, frame: frame if n not in {60, 240} else None,
    ],
    ids=["half the rate", "lost frames", "lost key frames"],
)
def test_a_rung_that_has_other_frames_has_the_same_segments(second):
    def both():
        for n, (frame, data) in enumerate(zip(pictures, shown, strict=True)):
            yield from data
            if other := second(n, frame):
                yield media.picture(other, n, rendition=1)

    pictures = frames(400)
    shown = grouped(media.show(pictures))
    host = package([media.init(video=2), *both()])
    assert table(host, MEDIA) == table(host, SECOND) == table(host, SOUND)
    assert len(segments(host, SECOND)) == len(segments(host)) == 6


def grouped(messages):
    """Each picture with the sound before it."""
    group = []
    for data in messages:
        group.append(data)
        if message.parse(data).rendition == 0:
            yield group
            group = []


def test_key_frames_may_come_in_any_order():
    messages = [media.init(video=2), *media.show(frames(200), video=2)]
    swapped = list(messages)
    for n, (one, two) in enumerate(pairwise(messages)):
        if [message.parse(data).rendition for data in (one, two)] == [0, 1]:
            swapped[n : n + 2] = two, one
    assert swapped != messages
    straight, crossed = package(messages), package(swapped)
    for path in ALL:
        assert segments(straight, path) == segments(crossed, path)


def test_a_picture_whose_frames_are_reordered_is_cut_at_the_time_that_is_shown():
    """Its key frame is decoded two frames before it is shown; a rung without B-frames has none."""
    offset = 6000

    def reordered(frame, seq):
        read = message.parse(media.picture(frame, seq))
        pts_us = (frame.time + offset) * 1_000_000 // 90_000
        return message.pack(read._replace(pts_us=pts_us))

    first = [reordered(frame, n) for n, frame in enumerate(frames(300))]
    second = [
        media.picture(frame, n, rendition=1) for n, frame in enumerate(frames(300, start=offset))
    ]
    host = package([media.init(video=2, audio=False), *chain(*zip(first, second, strict=True))])
    assert table(host, MEDIA) == table(host, SECOND)
    for path, name, start in ((MEDIA, b"0:%d", 0), (SECOND, b"1:%d", offset)):
        begins = [name % (start + n * 180_000) for n in range(4)]
        found = [body[body.index(b"mdat") + 4 :] for body in segments(host, path).values()]
        assert len(found) == 4
        assert all(map(bytes.startswith, found, begins))


# Tracks that come and go


@pytest.mark.parametrize(("gone", "stays"), [(1, 0), (0, 1)])
def test_a_track_that_is_gone_leaves_the_others_alone(gone, stays):
    path, other = (f"{BASE}{number}.m3u8" for number in (gone, stays))
    pictures = frames(600)
    messages = [
        media.init(video=2),
        *media.show(pictures[:240], video=2),
        media.init(video=[stays]),
        *media.show(pictures[240:], video=[stays], number=sounds_until(pictures[:240])),
    ]
    host = package(messages)
    assert path not in host.now
    assert path not in host.expected
    read = m3u8.loads(host.now[LIVE].decode())
    assert [p.uri for p in read.playlists] == [f"{stays}.m3u8", "64.m3u8"]
    assert not any("RENDITION-REPORT" in line and path in line for line in lines(host.now[other]))
    for still in (other, SOUND):
        assert len(table(host, still)) == 9
        assert not any(broken for _, broken in table(host, still).values())
        assert_consistent(host, still)
        assert_parts_obey(host, still)
        assert GAP not in lines(host.now[still])
    # What was listed can still be had by who has the list.
    held = [SEGMENT.fullmatch(p[len(BASE) :]) for p in host.now]
    assert sum(bool(m) and m[1].endswith(f"-{gone}") for m in held) == 4


@pytest.mark.parametrize(("gone", "stays"), [(1, 0), (0, 1)])
def test_a_track_that_comes_back_goes_on_with_the_others(gone, stays):
    path, other = (f"{BASE}{number}.m3u8" for number in (gone, stays))
    pictures = frames(900)
    parts = pictures[:240], pictures[240:510], pictures[510:]
    numbers = 0, sounds_until(parts[0]), sounds_until(parts[1])
    videos = (0, 1), (stays,), (0, 1)
    messages = [
        data
        for shown, number, video in zip(parts, numbers, videos, strict=True)
        for data in [media.init(video=video), *media.show(shown, video=video, number=number)]
    ]
    host = package(messages)
    assert [p.uri for p in m3u8.loads(host.now[LIVE].decode()).playlists][:2] == [
        "0.m3u8",
        "1.m3u8",
    ]
    assert head(host, path) == head(host, other) == head(host, SOUND)
    first = min(segments(host, other))
    missing = set(segments(host, other)) - set(segments(host, path))
    assert missing == {first + n for n in range(4, 9)}
    assert gaps(host, path) == sorted(missing)[-3:]  # the older ones are no longer listed
    assert_parts_obey(host, path)
    for each in ALL:
        assert not any(broken for _, broken in table(host, each).values())
    joint = set(segments(host, path))
    assert all(
        segments(host, path)[n].replace(b"%d:" % gone, b"%d:" % stays) == segments(host, other)[n]
        for n in joint
    )


def test_what_is_gone_is_forgotten():
    pictures = frames(1800)
    messages = [
        media.init(video=2),
        *media.show(pictures[:240], video=2),
        media.init(video=1),
        *media.show(pictures[240:], number=sounds_until(pictures[:240])),
    ]
    host = package(messages)
    held = [p[len(BASE) :] for p in [*host.now, *host.expected]]
    found = [m for p in held if (m := SEGMENT.fullmatch(p) or PART.fullmatch(p))]
    assert len(found) > 100
    assert not any(m[1].endswith("-1") for m in found)


def test_init_segments_of_a_track_that_sends_nothing_are_forgotten():
    host = Remembering()
    hls = Hls(host, BASE.removesuffix("/"))
    for n in range(50):
        hls.take(message.parse(media.init(f"timeline {n}", video=2)))
    held = [path for path in host.now if path.endswith("/init.mp4")]
    assert len(held) == 3  # of two pictures and the sound


def test_what_is_no_picture_and_no_sound_is_left_alone():
    messages = whole_show(frames(200), video=2)
    foreign = [
        Message(Type.TIMED, 254, Flag.NONE, 0, 0, 0, b"{}"),
        Message(Type.CLOCK, 254, Flag.NONE, 0, 0, 0, b"{}"),
        Message(Type.MEDIA, 255, Flag.KEY, 0, 0, 0, b""),
        Message(Type.MEDIA, 7, Flag.KEY, 0, 0, 0, b"of no track"),
    ]
    init = message.parse(messages[0])
    about, inits = message.parse_tracks(init.payload)
    text = json.dumps(
        {**about, "tracks": [*about["tracks"], {"id": 7, "kind": "text", "bytes": 0}]}
    )
    payload = len(text).to_bytes(4, "little") + text.encode() + b"".join(inits)
    mixed = [message.pack(init._replace(payload=payload))]
    mixed += [data for one in messages[1:] for data in (one, *map(message.pack, foreign))]
    assert package(mixed).ever == package(messages).ever


@pytest.mark.parametrize(
    ("number", "kind"), [(128, "video"), (254, "audio"), (-1, "video")], ids=str
)
def test_tracks_that_nobody_could_name_are_refused(number, kind):
    track = message.Track(number, kind, media.VIDEO.mime, b"", {})
    payload = message.pack_tracks("one", [track])
    init = Message(Type.INIT, message.RENDITION_ALL, Flag.KEY, 0, 0, 0, payload)
    with pytest.raises(ValueError, match=f"number {number}"):
        package([message.pack(init)])


def test_a_frame_without_its_key_frame_begins_no_rung():
    """An edge that joins late: the rung's key frame was lost, so its first segment is a gap."""
    pictures = frames(240)
    messages = [media.init(video=2), *media.show(pictures, video=2)]
    lost = media.picture(Frame(0, 3000, True), 0, rendition=1)
    assert lost in messages
    messages.remove(lost)
    host = package(messages)
    first = min(segments(host))
    assert min(segments(host, SECOND)) == first + 1
    assert gaps(host, SECOND) == [first]
    assert head(host, SECOND) == head(host, MEDIA)
