"""The simple handshake of RTMP 1.0 (5.2): three parts each way, of which nothing is secret.

    client  C0 version 3 | C1 time, zero, 1528 random | C2 = S1
    server  S0 version 3 | S1 time, zero, 1528 random | S2 = C1

Flash and FFmpeg put a digest into C1 and a version where the zero is. A server that answers with
zero there is one without digests to them, and they go on. C2 is therefore not compared with S1.
"""

import os

from ngage.errors import ProtocolError

VERSION = 3
PART_BYTES = 1536

_ENCRYPTED_VERSIONS = (6, 8, 9)
_TLS_HANDSHAKE = 22


class Handshake:
    """The server's side. `done` once C2 is in; what came behind it is `rest`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._answered = False
        self.done = False

    @property
    def rest(self) -> bytes:
        return bytes(self._buffer)

    def receive(self, data: bytes) -> bytes:
        """The answer, maybe empty. Raises ProtocolError at the first byte that is not RTMP's."""
        self._buffer += data
        answer = b""
        if self._buffer and not self._answered:
            _check_version(self._buffer[0])
            if len(self._buffer) > PART_BYTES:
                c1 = bytes(self._buffer[1 : 1 + PART_BYTES])
                del self._buffer[: 1 + PART_BYTES]
                self._answered = True
                s1 = bytes(8) + os.urandom(PART_BYTES - 8)
                answer = bytes((VERSION,)) + s1 + c1
        if self._answered and len(self._buffer) >= PART_BYTES:
            del self._buffer[:PART_BYTES]
            self.done = True
        return answer


def _check_version(version: int) -> None:
    if version == VERSION:
        return
    if version in _ENCRYPTED_VERSIONS:
        raise ProtocolError("RTMPE is not spoken here: use rtmp://")
    if version == _TLS_HANDSHAKE:
        raise ProtocolError("TLS is not spoken here: use rtmp://, or a proxy that ends TLS")
    raise ProtocolError(f"not RTMP: it begins with the byte {version:#04x}")
