"""The header of a media message, byte by byte, and what is no message."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.video import message
from ngage.video.message import Flag, Message, Track, Type

U64 = st.integers(0, 2**64 - 1)


MESSAGES = st.builds(
    Message,
    type=st.sampled_from(Type),
    rendition=st.integers(0, 255),
    flags=st.sampled_from([Flag.NONE, Flag.KEY, Flag.DISCONTINUITY, Flag.KEY | Flag.ENCRYPTED]),
    seq=st.integers(0, 2**32 - 1),
    pts_us=U64,
    t_in_us=U64,
    payload=st.binary(max_size=64),
)


@given(MESSAGES)
def test_what_is_packed_is_parsed(sent):
    assert message.parse(message.pack(sent)) == sent


def test_layout_is_the_one_of_the_specification():
    data = message.pack(Message(Type.MEDIA, 64, Flag.KEY, 0x04030201, 0x0B0A, 0x0D0C, b"chunk"))
    assert data[:24].hex(" ", 4) == "02400103 01020304 0a0b0000 00000000 0c0d0000 00000000"
    assert data[24:] == b"chunk"


def test_sequence_wraps():
    data = message.pack(Message(Type.MEDIA, 0, Flag.NONE, 2**32 + 5, 0, 0, b""))
    assert message.parse(data).seq == 5


def test_a_longer_header_is_skipped():
    data = bytearray(message.pack(Message(Type.TIMED, 0, Flag.NONE, 1, 2, 3, b"newfieldpayload")))
    data[3] = 4
    assert message.parse(bytes(data)).payload == b"payload"


@pytest.mark.parametrize(
    "data",
    [b"", bytes(23), bytes(24), b"\x09\0\0\x03" + bytes(20), b"\x01\0\0\x04" + bytes(20)],
    ids=["empty", "short", "no header length", "unknown type", "header beyond the end"],
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(ValueError):
        message.parse(data)


def test_tracks_travel_with_their_init_segments():
    tracks = [
        Track(0, "video", "video/mp4", b"first init", {"width": 640}),
        Track(64, "audio", "audio/mp4", b"second", {}),
    ]
    payload = message.pack_tracks("timeline", tracks)
    about, inits = message.parse_tracks(payload)
    assert inits == [b"first init", b"second"]
    assert about["timeline"] == "timeline"
    assert about["tracks"][0] == {
        **{"id": 0, "kind": "video", "mime": "video/mp4", "bytes": 10, "width": 640}
    }
    with pytest.raises(ValueError):
        message.parse_tracks(payload + b"more")
    with pytest.raises(ValueError):
        message.parse_tracks(b"")


TRACK = {"id": 0, "kind": "video", "bytes": 0}


@pytest.mark.parametrize(
    "about",
    [
        *([], {}, {"timeline": "t"}, {"tracks": [TRACK]}),
        *(
            {"timeline": "t", "tracks": tracks}
            for tracks in (
                *([], [7], [TRACK, 7]),
                *([TRACK | wrong] for wrong in ({"id": "0"}, {"id": 128}, {"id": -1})),
                *([TRACK | wrong] for wrong in ({"kind": None}, {"bytes": -1}, {"bytes": "0"})),
                *([{k: v for k, v in TRACK.items() if k != missing}] for missing in TRACK),
            )
        ),
    ],
)
def test_what_describes_no_tracks_is_refused(about):
    text = json.dumps(about).encode()
    with pytest.raises(ValueError, match="INIT"):
        message.parse_tracks(len(text).to_bytes(4, "little") + text)
