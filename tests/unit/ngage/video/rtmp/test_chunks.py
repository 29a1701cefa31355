"""Bounds of the chunk reader, and headers that refer to nothing; the rest is in tests/property."""

import pytest

from ngage.errors import ProtocolError
from ngage.video.rtmp import chunks
from ngage.video.rtmp.chunks import ChunkReader, Message
from tests.oracle.chunks import Writer, basic


def read(*pieces, **options):
    reader = ChunkReader(**options)
    return [message for piece in pieces for message in reader.receive(piece)]


def head(length, ident=4, kind=9):
    """A header of format 0 without payload."""
    return basic(0, ident) + bytes(3) + length.to_bytes(3, "big") + bytes((kind, 1, 0, 0, 0))


def test_messages_longer_than_the_bound_are_refused_at_their_header():
    assert read(head(100) + bytes(100), message_bytes_max=100) == [Message(9, 1, 0, bytes(100))]
    with pytest.raises(ProtocolError, match="101 bytes, 100 is the most"):
        read(head(101), message_bytes_max=100)


def test_the_bound_may_grow():
    reader = ChunkReader(10)
    assert len(list(reader.receive(head(10) + bytes(10)))) == 1
    reader.message_bytes_max = 100
    assert len(list(reader.receive(head(100) + bytes(100)))) == 1


def test_chunk_streams_are_counted():
    most = chunks.CHUNK_STREAMS_MAX
    data = b"".join(head(0, ident) for ident in range(3, 3 + most))
    assert len(read(data, data)) == 2 * most
    with pytest.raises(ProtocolError, match="64 chunk streams at most"):
        read(data, head(0, 3 + most))


def test_unfinished_messages_are_bounded_together():
    part = chunks.MESSAGE_BYTES_MAX - 1
    whole = [head(part + 1, ident) + bytes(part) for ident in (4, 5)]
    reader = ChunkReader()
    # Two that lack a byte each are within the bound.
    size = Writer().all(2, Message(1, 0, 0, part.to_bytes(4, "big")))
    assert list(reader.receive(size + whole[0] + whole[1])) == []
    with pytest.raises(ProtocolError, match="unfinished"):
        list(reader.receive(head(part, 6) + bytes(3)))


def test_finished_and_aborted_messages_do_not_count_as_unfinished():
    part = chunks.MESSAGE_BYTES_MAX - 1
    writer = Writer()
    reader = ChunkReader()
    size = writer.all(2, Message(1, 0, 0, part.to_bytes(4, "big")))
    abort = writer.all(2, Message(2, 0, 0, (4).to_bytes(4, "big")))
    assert list(reader.receive(size)) == []
    for _ in range(4):
        assert list(reader.receive(head(part + 1, 4) + bytes(part) + abort)) == []
        assert len(list(reader.receive(head(part, 5) + bytes(part)))) == 1


@pytest.mark.parametrize("size", [0, 0x80000000])
def test_chunk_sizes_out_of_range_are_refused(size):
    with pytest.raises(ProtocolError, match="chunk size"):
        read(Writer().all(2, Message(1, 0, 0, size.to_bytes(4, "big"))))


@pytest.mark.parametrize("kind", [1, 2])
def test_control_messages_have_four_bytes(kind):
    with pytest.raises(ProtocolError, match="4 bytes"):
        read(Writer().all(2, Message(kind, 0, 0, b"\0\0\1")))


@pytest.mark.parametrize("chunk_format", [2, 3])
def test_a_chunk_stream_cannot_begin_with_what_was_before(chunk_format):
    with pytest.raises(ProtocolError, match="refers back"):
        read(basic(chunk_format, 4) + bytes(11))


def test_librtmp_may_ping_with_format_1_first():
    ping = b"\x42" + bytes(3) + b"\0\0\6" + b"\4" + b"\0\6\0\0\0\7"
    assert read(ping) == [Message(4, 0, 0, b"\0\6\0\0\0\7")]


def test_a_message_may_not_begin_inside_another_of_its_chunk_stream():
    with pytest.raises(ProtocolError, match="before the last one has ended"):
        read(head(200) + bytes(128) + head(10) + bytes(10))


def test_received_bytes_are_those_given():
    reader = ChunkReader()
    list(reader.receive(head(4) + b"ab"))
    list(reader.receive(b"c"))
    assert reader.received_bytes == 12 + 3
