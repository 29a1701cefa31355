"""Where somebody may begin: nowhere before INIT, then at key frames of the first track."""

import pytest

from ngage.video import message, mp4
from ngage.video.entry import Entries, Entry
from ngage.video.message import Flag, Message, Type
from ngage.video.packager import Packager
from tests.helpers import hls_media
from tests.helpers.media import AAC_CONFIG
from tests.helpers.programme import Programme


def see(entries, data):
    return entries.see(message.parse(data))


def test_key_frames_of_the_first_track_are_sync_points():
    programme = Programme()
    entries = Entries()
    assert see(entries, programme.init) is Entry.INIT
    read = [see(entries, programme.picture()) for _ in range(21)]
    syncs = [n for n, entry in enumerate(read) if entry is Entry.SYNC]
    assert syncs == [0, 10, 20]
    assert {entry for entry in read if entry is not Entry.SYNC} == {Entry.WITHIN}


def test_sound_is_within_where_there_is_a_picture_and_a_sync_point_where_there_is_none():
    sound = message.pack(Message(Type.MEDIA, 64, Flag.KEY, 0, 0, 0, b"AAC"))
    entries = Entries()
    see(entries, Programme().init)
    assert see(entries, sound) is Entry.WITHIN
    packager = Packager()
    alone = Entries()
    see(alone, packager.describe({}, mp4.Audio(AAC_CONFIG, 44_100, 2)).data)
    assert see(alone, packager.sound(0, b"AAC", t_in_us=0).data) is Entry.SYNC


def test_of_several_pictures_the_first_that_is_named_counts():
    entries = Entries()
    see(entries, hls_media.init(video=[1, 2]))
    shown = list(hls_media.show(hls_media.frames(61), video=[1, 2]))
    syncs = [data for data in shown if see(entries, data) is Entry.SYNC]
    assert syncs == [
        hls_media.picture(frame, n, rendition=1)
        for n, frame in enumerate(hls_media.frames(61))
        if frame.key
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(24),
        Programme().picture(),
        Programme().init[:-1],
        message.pack(Message(Type.INIT, 254, Flag.KEY, 0, 0, 0, b"\x02\0\0\0{}")),
        message.pack(Message(Type.INIT, 254, Flag.KEY, 0, 0, 0, b'\x0d\0\0\0{"tracks":[]}')),
    ],
    ids=["empty", "no type", "media first", "cut", "no tracks", "none of them"],
)
def test_what_cannot_begin_a_stream_is_refused(data):
    with pytest.raises(ValueError, match=r"\S"):
        see(Entries(), data)
