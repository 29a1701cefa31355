"""AMF0 and the chunk stream of RTMP against their oracles, whole, cut and damaged."""

from hypothesis import given
from hypothesis import strategies as st

from ngage.errors import ProtocolError
from ngage.video.rtmp import amf0
from ngage.video.rtmp.chunks import ChunkReader, ChunkWriter, Message
from tests.oracle import amf0 as amf0_oracle
from tests.oracle import chunks as oracle

IDENTS = [3, 63, 64, 319, 320, 65599]
CONTROL = 2
STEPS = st.sampled_from([0, 40, 0xFFFFFE, 0xFFFFFF, 0x1000000, 0xFFFFFFFF])

texts = st.text(max_size=5)
scalars = st.one_of(
    st.tuples(st.just("number"), st.floats(allow_nan=False)),
    st.tuples(st.just("boolean"), st.booleans()),
    st.tuples(st.sampled_from(["string", "long string", "xml"]), texts),
    st.tuples(st.just("date"), st.floats(allow_nan=False)),
    st.tuples(st.sampled_from(["null", "undefined", "unsupported"])),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.tuples(
            st.sampled_from(["object", "ecma array", "typed object"]),
            st.dictionaries(texts, inner, max_size=3),
        ),
        st.tuples(st.just("strict array"), st.lists(inner, max_size=3)),
    ),
    max_leaves=12,
)
encodable = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


def outcome(read, data, refused):
    """What it reads, as text because NaN is not equal to itself; or that it refuses."""
    try:
        return repr(read(data))
    except refused:
        return "refused"


def assert_same_values(data):
    expected = outcome(amf0_oracle.read, data, amf0_oracle.Refused)
    assert outcome(amf0.decode, data, ProtocolError) == expected


@given(st.lists(values, max_size=4))
def test_amf0_of_every_type(items):
    data = b"".join(amf0_oracle.write(*item) for item in items)
    assert_same_values(data)


@given(st.lists(values, min_size=1, max_size=3), st.data())
def test_amf0_damaged(items, draw):
    data = bytearray(b"".join(amf0_oracle.write(*item) for item in items))
    data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    assert_same_values(bytes(data))
    assert_same_values(bytes(data[: draw.draw(st.integers(0, len(data)))]))


@given(st.binary(max_size=60))
def test_amf0_of_garbage(data):
    assert_same_values(data)


@given(st.lists(encodable, max_size=4))
def test_amf0_encoded_is_read_back(items):
    assert amf0_oracle.read(amf0.encode(*items)) == items


class Conversation:
    """Chunk streams in one another; `data` is what was sent, `messages` what it carries."""

    def __init__(self):
        self.writer, self.data, self.messages = oracle.Writer(), b"", []
        self._open = {}

    def control(self, kind, value):
        self.data += self.writer.all(CONTROL, Message(kind, 0, 0, value.to_bytes(4, "big")))

    def resize(self, size):
        self.control(1, size)
        self.writer.size = size

    def abort(self, ident):
        self.control(2, ident)
        self._open.pop(ident, None)

    def is_open(self, ident):
        return ident in self._open

    def begin(self, ident, message, longest):
        self._open[ident] = [message, self.writer.chunks(ident, message, longest), message.body]

    def next_chunk(self, ident):
        message, chunks, left = self._open[ident]
        self.data += next(chunks)
        self._open[ident][2] = left[self.writer.size :]
        if not self._open[ident][2]:
            self.messages.append(message)
            del self._open[ident]


@st.composite
def conversations(draw):
    talk = Conversation()
    idents = draw(st.lists(st.sampled_from(IDENTS), min_size=1, max_size=3, unique=True))
    times = dict.fromkeys(idents, 0)
    for action in draw(st.lists(st.sampled_from(["chunk"] * 6 + ["size", "abort"]), max_size=30)):
        ident = draw(st.sampled_from(idents))
        if action == "size":
            talk.resize(draw(st.integers(1, 200)))
        elif action == "abort":
            talk.abort(ident)
        else:
            if not talk.is_open(ident):
                times[ident] = (times[ident] + draw(STEPS)) % 2**32
                body = draw(st.sampled_from([b"", b"a", b"b" * 127, b"c" * 129, b"d" * 300]))
                kind, stream = draw(st.sampled_from([(8, 1), (9, 1), (20, 0x1020304)]))
                message = Message(kind, stream, times[ident], body)
                talk.begin(ident, message, longest=draw(st.integers(0, 4)) == 0)
            talk.next_chunk(ident)
    return talk


def read(pieces):
    """(messages, whether it was refused after them)"""
    reader, messages = ChunkReader(), []
    try:
        for piece in pieces:
            messages.extend(reader.receive(piece))
    except ProtocolError:
        return messages, True
    return messages, False


def one_by_one(data):
    return [data[at : at + 1] for at in range(len(data))]


@given(conversations())
def test_messages_of_interleaved_chunk_streams(talk):
    assert oracle.read(talk.data) == (talk.messages, False)
    assert read([talk.data]) == (talk.messages, False)
    assert read(one_by_one(talk.data)) == (talk.messages, False)


@given(conversations(), st.data())
def test_chunks_damaged(talk, draw):
    data = bytearray(talk.data or b"\0")
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    expected = oracle.read(bytes(data))
    assert read([bytes(data)]) == expected
    assert read(one_by_one(bytes(data))) == expected


@given(st.binary(max_size=200))
def test_chunks_of_garbage(data):
    assert read([data]) == read(one_by_one(data)) == oracle.read(data)


def test_chunks_cut_in_two_at_every_byte():
    talk = Conversation()
    for round_ in range(3):
        for ident in IDENTS:
            body = bytes(range(200)) * (1 + round_)
            talk.begin(ident, Message(9, 1, round_ * 0xFFFFFF, body), longest=False)
        for _ in range(2):
            for ident in IDENTS:
                talk.next_chunk(ident)
        talk.resize(250 + round_)
        for ident in IDENTS:
            while talk.is_open(ident):
                talk.next_chunk(ident)
    assert len(talk.messages) == 3 * len(IDENTS)
    for at in range(len(talk.data) + 1):
        assert read([talk.data[:at], talk.data[at:]]) == (talk.messages, False)


@given(
    st.integers(2, 63),
    st.integers(1, 300),
    st.binary(max_size=1000),
    st.integers(0, 2**32 - 1) | st.sampled_from([0xFFFFFE, 0xFFFFFF]),
)
def test_what_is_written_is_read_back(ident, size, body, timestamp):
    writer = ChunkWriter()
    data = writer.write(ident, Message(1, 0, 0, size.to_bytes(4, "big")))
    writer.chunk_bytes = size
    message = Message(20, 0x1020304, timestamp, body)
    data += writer.write(ident, message)
    assert oracle.read(data) == ([message], False)
