"""The simple handshake, whoever is at the other end and however it is cut."""

import os

import pytest

from ngage.errors import ProtocolError
from ngage.video.rtmp.handshake import PART_BYTES, Handshake

C1_SIMPLE = bytes(8) + os.urandom(PART_BYTES - 8)
# FFmpeg and Flash: a time, a version of Flash, and a digest somewhere in the rest.
C1_DIGEST = bytes.fromhex("00000000 09007c02") + os.urandom(PART_BYTES - 8)


@pytest.mark.parametrize("c1", [C1_SIMPLE, C1_DIGEST], ids=["simple", "digest"])
@pytest.mark.parametrize("cut", [1, 7, PART_BYTES, 4000])
def test_the_answer_echoes_c1_and_claims_no_digest(c1, cut):
    handshake, answer = Handshake(), b""
    sent = b"\x03" + c1 + os.urandom(PART_BYTES)
    for at in range(0, len(sent), cut):
        assert not handshake.done
        answer += handshake.receive(sent[at : at + cut])
    assert handshake.done
    assert len(answer) == 1 + 2 * PART_BYTES
    assert answer[0] == 3
    assert answer[5:9] == bytes(4)
    assert answer[1 + PART_BYTES :] == c1


def test_what_follows_c2_is_kept():
    handshake = Handshake()
    handshake.receive(b"\x03" + C1_SIMPLE)
    handshake.receive(bytes(PART_BYTES) + b"chunks")
    assert handshake.done
    assert handshake.rest == b"chunks"


def test_nothing_is_answered_before_c1_is_complete():
    handshake = Handshake()
    assert handshake.receive(b"\x03" + C1_SIMPLE[:-1]) == b""
    assert len(handshake.receive(C1_SIMPLE[-1:])) == 1 + 2 * PART_BYTES
    assert not handshake.done


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (b"GET / HTTP/1.1", "not RTMP: it begins with the byte 0x47"),
        (b"\x16\x03\x01", "TLS"),
        (b"\x06", "RTMPE"),
        (b"\x00", "not RTMP"),
    ],
    ids=["http", "tls", "rtmpe", "zero"],
)
def test_others_are_refused_at_their_first_byte(first, reason):
    with pytest.raises(ProtocolError, match=reason):
        Handshake().receive(first)
