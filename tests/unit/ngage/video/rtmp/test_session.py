"""The dialogue with a publisher, without a socket."""

import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ngage.video.rtmp import session
from ngage.video.rtmp.session import End, Refused, Session
from ngage.video.units import AudioConfig, AudioUnit, Metadata, VideoConfig, VideoUnit
from tests.helpers.media import AAC_CONFIG, AVCC, IDR, SLICE, audio_tag, sample, video_tag
from tests.helpers.rtmp import COMMAND, CONTROL, PART_BYTES, Peer
from tests.oracle import amf0

SUCCESS, START = "NetConnection.Connect.Success", "NetStream.Publish.Start"
BAD_NAME, FAILED = "NetStream.Publish.BadName", "NetStream.Failed"
REJECTED, UNPUBLISHED = "NetStream.Publish.Rejected", "NetStream.Unpublish.Success"


class Door:
    def __init__(self):
        self.published = []

    def has_app(self, app):
        return app == "live"

    def publish(self, app, key):
        if key != "secret":
            raise Refused(BAD_NAME, "the stream key is wrong")
        self.published.append((app, key))


class Dialogue:
    """A session that hears what a peer says."""

    def __init__(self, peer):
        self.peer, self.door, self.units = peer, Door(), []
        self.session = Session(self.door)
        self.go_on()

    def go_on(self, cut=None):
        sent = self.peer.take()
        for at in range(0, len(sent), cut or len(sent) or 1):
            self.units += self.session.receive(sent[at : at + (cut or len(sent))])
        self.peer.hears(self.session.take_output())
        return self


def live():
    return Dialogue(Peer().open())


def with_media(peer):
    peer.video(0, video_tag(0, AVCC)).audio(0, audio_tag(0, AAC_CONFIG))
    peer.video(0, video_tag(1, sample(IDR), cts_ms=40)).audio(5, audio_tag(1, b"sound"))
    return peer.video(40, video_tag(1, sample(SLICE), frame=2))


MEDIA = [
    VideoConfig(0, AVCC, 640, 360),
    AudioConfig(0, AAC_CONFIG, 44100, 2),
    VideoUnit(0, 0, 3600, True, sample(IDR)),
    AudioUnit(0, 450, b"sound"),
    VideoUnit(0, 3600, 0, False, sample(SLICE)),
]


@pytest.mark.parametrize("cut", [1, 1000, None])
def test_a_publication_from_the_first_byte_to_the_last(cut):
    peer = Peer().open()
    with_media(peer).command("FCUnpublish", 6, ("null",), ("string", "secret"))
    dialogue = Dialogue(Peer())
    dialogue.peer = peer
    dialogue.go_on(cut)
    assert dialogue.door.published == [("live", "secret")]
    assert dialogue.units == MEDIA
    assert peer.codes() == [SUCCESS, START, UNPUBLISHED]
    assert dialogue.session.ended == End("the publisher has finished", orderly=True)


def test_answer_to_connect():
    peer = Dialogue(Peer().shake_hands().connect()).peer
    window, bandwidth, _ = peer.answers()
    assert (window.type, bandwidth.type) == (5, 6)
    name, transaction, properties, information = peer.commands()[0]
    assert (name, transaction) == ("_result", 1)
    assert information["code"] == SUCCESS
    for place in (properties, information):
        assert place["fourCcList"] == ["avc1", "mp4a"]
        assert place["videoFourCcInfoMap"] == {"avc1": 4}
        assert place["audioFourCcInfoMap"] == {"mp4a": 4}
        assert place["capsEx"] == 0x0E


def test_answers_to_publish():
    peer = live().peer
    assert [values[0] for values in peer.commands()] == ["_result", "_result", "onStatus"]
    assert peer.commands()[1] == ["_result", 4, None, 1]
    *_, begin, start = peer.answers()
    assert (begin.type, begin.body) == (4, b"\0\0\0\0\0\1")
    assert start.stream == 1


def test_what_obs_says_besides_is_answered():
    peer = Peer().shake_hands().connect()
    peer.command("releaseStream", 2, ("null",), ("string", "secret"))
    peer.command("FCPublish", 3, ("null",), ("string", "secret"))
    peer.command("getBandwidth", 9, ("null",)).command("silent", 0, ("null",))
    peer.command("onStatus", 10, ("null",))
    answers = Dialogue(peer).peer.commands()[1:]
    assert [(name, transaction) for name, transaction, *_ in answers] == [
        ("_result", 2),
        ("_result", 3),
        ("_error", 9),
    ]
    assert answers[2][3]["code"] == "NetConnection.Call.Failed"


@pytest.mark.parametrize("app", ["live", "live/", "/live", "live?user=x"])
def test_the_application_is_the_path(app):
    assert Dialogue(Peer().open(app)).door.published == [("live", "secret")]


def test_a_wrong_application_is_rejected():
    dialogue = Dialogue(Peer().open("other"))
    assert dialogue.peer.codes() == ["NetConnection.Connect.Rejected"]
    assert dialogue.peer.commands()[0][:2] == ["_error", 1]
    assert "not known here" in dialogue.session.ended.reason
    assert not dialogue.door.published


def test_a_wrong_key_is_told_so():
    dialogue = Dialogue(with_media(Peer().open(key="wrong")))
    assert dialogue.peer.codes() == [SUCCESS, BAD_NAME]
    assert dialogue.peer.commands()[-1][3]["description"] == "the stream key is wrong"
    assert dialogue.peer.answers()[-1].stream == 1
    assert dialogue.session.ended == End("the stream key is wrong", orderly=False)
    assert dialogue.units == []


@pytest.mark.parametrize("name", ["play", "play2"])
def test_players_are_refused(name):
    peer = Peer().shake_hands().connect().create_stream()
    dialogue = Dialogue(peer.command(name, 5, ("null",), ("string", "secret"), stream=1))
    assert dialogue.peer.codes() == [SUCCESS, "NetStream.Play.Failed"]
    assert "plays none" in dialogue.session.ended.reason


@pytest.mark.parametrize(
    ("name", "values", "stream"),
    [
        ("FCUnpublish", [("null",), ("string", "secret")], 0),
        ("deleteStream", [("null",), ("number", 1)], 0),
        ("closeStream", [("null",)], 1),
    ],
)
def test_ways_to_end(name, values, stream):
    dialogue = live()
    dialogue.peer.command(name, 7, *values, stream=stream)
    dialogue.go_on()
    assert dialogue.session.ended == End("the publisher has finished", orderly=True)
    assert dialogue.peer.codes()[-1] == UNPUBLISHED


def test_another_stream_may_be_deleted():
    dialogue = live()
    dialogue.peer.create_stream().command("deleteStream", 7, ("null",), ("number", 2))
    assert dialogue.go_on().session.ended is None


def test_nothing_is_heard_after_the_end():
    dialogue = live()
    dialogue.peer.command("closeStream", 7, ("null",), stream=1)
    with_media(dialogue.peer)
    dialogue.go_on()
    with_media(dialogue.peer)
    assert dialogue.go_on().units == []


def test_pings_are_answered():
    dialogue = live()
    dialogue.peer.message(CONTROL, 4, b"\0\6\1\2\3\4", stream=0)
    assert dialogue.go_on().peer.answers()[-1].body == b"\0\7\1\2\3\4"


def test_received_bytes_are_acknowledged():
    dialogue = live()
    dialogue.peer.message(CONTROL, 5, (5000).to_bytes(4, "big"), stream=0)
    dialogue.peer.video(0, video_tag(0, AVCC)).video(0, video_tag(1, sample(bytes([1]) * 6000)))
    sent = len(dialogue.peer.sent)
    last = dialogue.go_on().peer.answers()[-1]
    assert last.type == 3
    assert sent < int.from_bytes(last.body, "big") < sent + 1000


@pytest.mark.parametrize(
    "body",
    [
        amf0.write("string", "@setDataFrame") + amf0.write("string", "onMetaData"),
        amf0.write("string", "onMetaData"),
    ],
    ids=["@setDataFrame", "onMetaData"],
)
@pytest.mark.parametrize(("kind", "prefix"), [(18, b""), (15, b"\0")])
def test_metadata(body, kind, prefix):
    properties = {"framerate": ("number", 30), "width": ("number", 640), "height": ("string", "x")}
    body += amf0.write("ecma array", properties)
    dialogue = live()
    dialogue.peer.message(COMMAND, kind, prefix + body)
    assert dialogue.go_on().units == [Metadata(30.0, 640, None, None)]


def test_metadata_that_cannot_be_read_is_passed_over():
    dialogue = live()
    dialogue.peer.message(COMMAND, 18, b"\x02\0\1\xff").message(COMMAND, 18, b"")
    assert with_media(dialogue.peer)
    assert dialogue.go_on().units == MEDIA


def test_commands_may_come_in_the_form_of_amf3():
    dialogue = live()
    body = amf0.write("string", "closeStream") + amf0.write("number", 0)
    dialogue.peer.message(COMMAND, 17, b"\0" + body)
    assert dialogue.go_on().session.ended.orderly


def test_a_codec_that_cannot_be_carried_ends_it_with_its_name():
    dialogue = live()
    dialogue.peer.video(0, b"\x90hvc1" + bytes(30))
    dialogue.go_on()
    assert dialogue.peer.codes()[-1] == REJECTED
    reason = "HEVC cannot be carried, only H.264: choose it in the encoder"
    assert dialogue.session.ended == End(reason, orderly=False)
    assert dialogue.peer.commands()[-1][3]["description"] == reason


def test_units_before_a_fault_are_handed_over():
    dialogue = live()
    with_media(dialogue.peer).video(0, b"\x12")
    assert dialogue.go_on().units == MEDIA


def test_ended_from_our_side():
    dialogue = live()
    dialogue.session.fail("the server stops")
    dialogue.go_on()
    assert dialogue.peer.codes()[-1] == FAILED
    assert dialogue.session.ended == End("the server stops", orderly=False)
    dialogue.session.fail("again")
    assert dialogue.session.ended.reason == "the server stops"
    assert dialogue.session.take_output() == b""


@pytest.mark.parametrize(
    ("peer", "reason"),
    [
        (Peer().shake_hands().create_stream(), "before connect"),
        (Peer().shake_hands().publish(), "before connect"),
        (Peer().shake_hands().connect().connect(), "connect twice"),
        (Peer().shake_hands().command("connect", 1, ("null",)), "without an application"),
        (Peer().shake_hands().connect().publish(), "without a stream"),
        (Peer().shake_hands().connect().create_stream().publish(stream=2), "without a stream"),
        (Peer().open().create_stream().publish(stream=2), "publish twice"),
        (Peer().shake_hands().connect().video(0, video_tag(0, AVCC)), "type 9 at this point"),
        (Peer().open().message(COMMAND, 22, b""), "type 22"),
        (Peer().open().message(COMMAND, 17, b"\x11"), "AMF3"),
        (Peer().open().message(COMMAND, 20, b""), "name and a transaction"),
        (Peer().open().message(COMMAND, 20, amf0.write("null") * 2), "name and a transaction"),
        (Peer().shake_hands().message(CONTROL, 1, bytes(4)), "chunk size"),
    ],
)
def test_order_is_kept(peer, reason):
    ended = Dialogue(peer).session.ended
    assert reason in ended.reason
    assert not ended.orderly


def test_streams_are_counted():
    peer = Peer().shake_hands().connect()
    for _ in range(session.STREAMS_MAX):
        peer.create_stream()
    dialogue = Dialogue(peer)
    assert dialogue.session.ended is None
    peer.create_stream()
    assert "8 streams at most" in dialogue.go_on().session.ended.reason


def test_a_stranger_may_not_say_much():
    dialogue = Dialogue(Peer().shake_hands().connect())
    for _ in range(session.STRANGER_BYTES_MAX // 1000 + 1):
        dialogue.peer.message(CONTROL, 3, bytes(1000), stream=0)
        dialogue.go_on()
    assert "nothing is published" in dialogue.session.ended.reason


def test_a_stranger_may_not_say_it_in_one_message():
    peer = Peer().shake_hands().message(COMMAND, 20, bytes(session.STRANGER_BYTES_MAX + 1))
    assert "65536 is the most" in Dialogue(peer).session.ended.reason


PREFIXES = [
    b"",
    Peer().shake_hands().take(),
    Peer().shake_hands().connect().take(),
    Peer().open().take(),
    with_media(Peer().open()).take(),
]


@given(st.sampled_from(PREFIXES), st.lists(st.binary(max_size=400), max_size=6))
@example(b"", [b"GET / HTTP/1.1\r\n\r\n"])
def test_garbage_ends_a_session_or_is_waited_for_but_never_worse(prefix, pieces):
    heard = Session(Door())
    heard.receive(prefix)
    for piece in pieces:
        heard.receive(piece)
    assert heard.ended is None or heard.ended.reason


@given(st.lists(st.tuples(st.integers(1, 2**16), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_publication_never_does_worse(damages):
    data = bytearray(with_media(with_media(Peer().open())).take())
    chunks = len(data) - 1 - 2 * PART_BYTES
    for at, value in damages:
        data[-(1 + at % chunks)] = value
    heard = Session(Door())
    heard.receive(bytes(data))
    assert heard.ended is None or heard.ended.reason


@pytest.mark.memory
def test_promises_of_much_cost_little():
    """Headers of the longest messages, on as many chunk streams as there may be."""
    peer = Peer().open()
    for chunk_stream in range(10, 70):
        length = (8 << 20).to_bytes(3, "big")
        peer.sent += b"\0" + bytes((chunk_stream,)) + bytes(3) + length + b"\x09" + bytes(4)
        peer.sent += bytes(128)
    data = peer.take()
    tracemalloc.start()
    try:
        heard = Session(Door())
        heard.receive(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert heard.ended is None
    assert peak < 1 << 20
