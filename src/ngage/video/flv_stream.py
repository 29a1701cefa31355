"""An FLV stream, as a muxer writes it into a pipe, to access units.

The Video File Format Specification 10.1, annex E.2 and E.3: a header, then tags, each followed by
its size. What is in a tag is read by `ngage.video.flv`.
"""

from ngage.errors import MediaError
from ngage.video.flv import Demuxer
from ngage.video.units import Unit

# 2 s of 30 Mbit/s: no picture is larger.
TAG_BYTES_MAX = 8 << 20

_SIGNATURE = b"FLV"
_HEADER_BYTES, _TAG_HEADER_BYTES, _SIZE_BYTES = 9, 11, 4
_AUDIO, _VIDEO = 8, 9
_FILTERED = 0x20  # encrypted


class FlvStream:
    """Bytes in, in pieces of any size; units out. Raises MediaError, which ends it."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._demuxer = Demuxer()
        self._has_header = False

    def receive(self, data: bytes) -> list[Unit]:
        """The units that `data` completes."""
        self._held += data
        if not self._has_header and not self._skip_header():
            return []
        units: list[Unit] = []
        at = 0
        while len(self._held) - at >= _TAG_HEADER_BYTES:
            size = int.from_bytes(self._held[at + 1 : at + 4], "big")
            if size > TAG_BYTES_MAX:
                raise MediaError(f"FLV: a tag of {size} bytes")
            end = at + _TAG_HEADER_BYTES + size
            if len(self._held) < end + _SIZE_BYTES:
                break
            units += self._tag(at, bytes(self._held[at + _TAG_HEADER_BYTES : end]))
            at = end + _SIZE_BYTES
        del self._held[:at]
        return units

    def _skip_header(self) -> bool:
        if not _SIGNATURE.startswith(self._held[: len(_SIGNATURE)]):
            raise MediaError("not an FLV stream")
        if len(self._held) < _HEADER_BYTES:
            return False
        size = int.from_bytes(self._held[5:9], "big")
        if not _HEADER_BYTES <= size <= TAG_BYTES_MAX:
            raise MediaError(f"FLV: a header of {size} bytes")
        if len(self._held) < size + _SIZE_BYTES:
            return False
        del self._held[: size + _SIZE_BYTES]
        self._has_header = True
        return True

    def _tag(self, at: int, body: bytes) -> list[Unit]:
        kind = self._held[at]
        if kind & _FILTERED:
            raise MediaError("FLV: the stream is encrypted")
        # E.4.1: the upper 8 bits of the time stand behind the lower 24.
        time_ms = int.from_bytes(self._held[at + 7 : at + 8] + self._held[at + 4 : at + 7], "big")
        if kind == _VIDEO:
            return self._demuxer.video(time_ms, body)
        if kind == _AUDIO:
            return self._demuxer.audio(time_ms, body)
        return []
