"""A publisher that says what a test wants, with the oracle's chunks and AMF0."""

from tests.oracle import amf0, chunks
from tests.oracle.chunks import Message

PART_BYTES = 1536
CONTROL, COMMAND, AUDIO, VIDEO = 2, 3, 4, 6  # chunk streams


class Peer:
    """`sent` holds what is to be sent; the calls add to it."""

    def __init__(self):
        self.writer = chunks.Writer()
        self.sent = b""
        self.heard = b""

    def take(self):
        sent, self.sent = self.sent, b""
        return sent

    def shake_hands(self):
        self.sent += b"\x03" + bytes(8) + bytes(range(254)) * 6 + bytes(4) + bytes(PART_BYTES)
        return self

    def message(self, chunk_stream, kind, body, stream=1, timestamp=0):
        message = Message(kind, stream, timestamp, body)
        self.sent += self.writer.all(chunk_stream, message)
        return self

    def command(self, name, transaction, *values, stream=0):
        body = amf0.write("string", name) + amf0.write("number", transaction)
        body += b"".join(amf0.write(*value) for value in values)
        return self.message(COMMAND, 20, body, stream)

    def connect(self, app="live"):
        return self.command("connect", 1, ("object", {"app": ("string", app)}))

    def create_stream(self):
        return self.command("createStream", 4, ("null",))

    def publish(self, key="secret", stream=1):
        values = ("null",), ("string", key), ("string", "live")
        return self.command("publish", 5, *values, stream=stream)

    def open(self, app="live", key="secret"):
        """Everything up to the publication."""
        return self.shake_hands().connect(app).create_stream().publish(key)

    def video(self, timestamp, tag):
        return self.message(VIDEO, 9, tag, timestamp=timestamp)

    def audio(self, timestamp, tag):
        return self.message(AUDIO, 8, tag, timestamp=timestamp)

    def hears(self, data):
        self.heard += data
        return self

    def answers(self):
        """The messages that were heard, after the handshake."""
        messages, refused = chunks.read(self.heard[1 + 2 * PART_BYTES :])
        assert not refused
        return messages

    def commands(self):
        """The values of the commands that were heard."""
        return [amf0.read(message.body) for message in self.answers() if message.type == 20]

    def codes(self):
        """Of the information objects among them."""
        last = [values[-1] for values in self.commands()]
        return [value["code"] for value in last if isinstance(value, dict)]
