"""The core's frame parser against the oracle, its input cut everywhere."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ngage_core.protocol import FrameParser, deflate, encode_frame, inflate, mask, utf8_check
from tests.oracle import frames
from tests.oracle.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, RSV1, TEXT, client_frame

LIMIT, FRAGMENTS = 300, 5
KEYS = st.binary(min_size=4, max_size=4)

texts = st.text(max_size=40).map(str.encode)
payloads = st.one_of(
    texts,
    st.binary(max_size=140),
    st.sampled_from([0, 125, 126, 127, LIMIT - 1, LIMIT, LIMIT + 1]).map(lambda n: b"a" * n),
)
closes = st.one_of(
    st.just(b""),
    st.just(b"\x03"),
    st.binary(max_size=130),
    st.builds(frames.close_payload, st.integers(0, 65535), st.text(max_size=30)),
)


def frame(opcode: int, data: bytes, fin: bool, rsv: int, key: bytes) -> bytes:
    return client_frame(data, opcode, fin=fin, rsv=rsv, key=key)


def squeezed(data: bytes, opcode: int, key: bytes) -> bytes:
    return client_frame(frames.deflate(data), opcode, rsv=RSV1, key=key)


def split_message(opcode: int, data: bytes, cuts: list[int], key: bytes) -> bytes:
    """One message in fragments, cut wherever: also inside a character."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    parts = [data[a:b] for a, b in pairwise(edges)]
    return b"".join(
        client_frame(part, CONTINUATION if i else opcode, fin=i == len(parts) - 1, rsv=0, key=key)
        for i, part in enumerate(parts)
    )


data_opcodes = st.sampled_from([TEXT, BINARY])
good = st.one_of(
    st.builds(
        frame,
        st.sampled_from([PING, PONG]),
        st.binary(max_size=125),
        st.just(True),
        st.just(0),
        KEYS,
    ),
    st.builds(frame, st.just(TEXT), texts, st.just(True), st.just(0), KEYS),
    st.builds(frame, st.just(BINARY), st.binary(max_size=LIMIT), st.just(True), st.just(0), KEYS),
    st.builds(split_message, data_opcodes, texts, st.lists(st.integers(0, 99), max_size=4), KEYS),
    st.builds(squeezed, st.binary(max_size=LIMIT), st.just(BINARY), KEYS),
    st.builds(squeezed, texts, st.just(TEXT), KEYS),
)
rare = st.one_of(
    st.builds(
        frame, st.integers(0, 15), payloads, st.booleans(), st.sampled_from(range(0, 128, 16)), KEYS
    ),
    st.builds(
        split_message, data_opcodes, payloads, st.lists(st.integers(0, 999), max_size=6), KEYS
    ),
    st.builds(frame, st.just(CLOSE), closes, st.just(True), st.just(0), KEYS),
    st.builds(squeezed, payloads, data_opcodes, KEYS),
)
streams = st.lists(st.one_of(good, good, good, rare), max_size=8).map(b"".join)


def core_events(pieces: Iterable[bytes], deflate: bool) -> list[tuple[object, ...]]:
    parser = FrameParser(message_bytes_max=LIMIT, fragments_max=FRAGMENTS, deflate=deflate)
    return [event for piece in pieces for event in parser.feed(piece)]


def assert_same(stream: bytes, pieces: list[bytes], deflate: bool) -> None:
    oracle = frames.Parser(message_bytes_max=LIMIT, fragments_max=FRAGMENTS, deflate=deflate)
    expected = oracle.feed(stream)
    got = core_events(pieces, deflate)
    if oracle.cut_in_header and got and got[-1][0] == "error":
        got.pop()  # a header may be judged before its last byte is there
    assert got == expected


@given(streams, st.booleans())
def test_whole(stream: bytes, deflate: bool) -> None:
    assert_same(stream, [stream], deflate)


@given(streams, st.booleans())
def test_cut_at_every_byte(stream: bytes, deflate: bool) -> None:
    assert_same(stream, [stream[i : i + 1] for i in range(len(stream))], deflate)


@given(streams, st.booleans(), st.lists(st.integers(0, 2000), max_size=6))
def test_cut_anywhere(stream: bytes, deflate: bool, cuts: list[int]) -> None:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert_same(stream, pieces, deflate)


@given(streams.filter(len), st.booleans(), st.data())
def test_one_byte_changed(stream: bytes, deflate: bool, data: st.DataObject) -> None:
    """Uncompressed streams: a damaged deflate stream may be noticed early or at its end."""
    at = data.draw(st.integers(0, len(stream) - 1))
    value = data.draw(st.integers(0, 255))
    damaged = stream[:at] + bytes([value]) + stream[at + 1 :]
    assert_same(damaged, [damaged], deflate=False)


@given(st.binary(max_size=200))
@example(b"GET / HTTP/1.1\r\n\r\n")
def test_noise(noise: bytes) -> None:
    assert_same(noise, [noise], deflate=False)


@pytest.mark.parametrize("limit", [65535, 65536, 100000])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 65537, 100000, 100001])
def test_length_boundaries(limit: int, size: int) -> None:
    """The length field changes its form at 126 and 65,536; the limit is inclusive."""
    parser = FrameParser(message_bytes_max=limit)
    data = bytes(size)
    expected = [("message", BINARY, data)] if size <= limit else [("error", 1009)]
    assert parser.feed(client_frame(data, BINARY)) == expected


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 100001])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_encoder_boundaries(size: int, opcode: int) -> None:
    data = b"x" * size
    assert encode_frame(data, opcode) == frames.server_frame(data, opcode)
    assert encode_frame(data, opcode, rsv1=True) == frames.server_frame(data, opcode, rsv1=True)


@given(st.binary(max_size=300), KEYS, st.integers(0, 3))
def test_mask(data: bytes, key: bytes, phase: int) -> None:
    assert mask(data, key, phase) == frames.mask(data, key, phase)


def test_mask_of_every_length_and_phase() -> None:
    """Every tail length of a 64-byte SIMD step, from every phase of the key."""
    data, key = bytes(range(200)), b"\x37\xfa\x21\x3d"
    for size in range(len(data)):
        for phase in range(4):
            assert mask(data[:size], key, phase) == frames.mask(data[:size], key, phase)


# A whole SIMD step of ASCII, characters of every length, a surrogate, overlong forms, loose ends.
PIECES = (
    *(b"a" * 31, b"\xc3\xa9", b"\xe2\x82\xac", b"\xf0\x9f\x8e\xa4", b"\xed\xa0\x80"),
    *(b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\x80", b"\xff", b"\x80", b"\xf0\x9f"),
)
characters = st.one_of(
    st.text(max_size=30).map(str.encode),
    st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join),
    st.binary(max_size=20),
)


@given(characters)
def test_utf8_at_every_split(data: bytes) -> None:
    """Fed in two pieces, cut anywhere, the verdict on each is that of Python's own decoder."""
    for cut in range(len(data) + 1):
        first = utf8_check(data[:cut])
        assert min(first, 1) == frames.utf8_check(data[:cut])
        if first >= 0:
            assert min(utf8_check(data[cut:], first), 1) == frames.utf8_check(data)


@given(st.binary(max_size=2000), st.integers(9, 15))
def test_deflate_is_readable_by_zlib(data: bytes, window_bits: int) -> None:
    assert frames.inflate(deflate(data, window_bits), len(data)) == data


@given(st.binary(max_size=2000))
def test_inflate_reads_zlib(data: bytes) -> None:
    assert inflate(frames.deflate(data), len(data)) == data
