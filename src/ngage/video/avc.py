"""H.264 as containers carry it (ISO/IEC 14496-15): from any form of it to the one that we publish.

That is: NAL units with lengths of 4 bytes, parameter sets in the configuration record alone. What
encoders put into the picture besides (delimiters, filler of a constant bit rate) is dropped:
filler must not be in a file (14496-15, 5.3.2), and a million viewers would pay for it.
"""

from typing import NamedTuple

from ngage.errors import MediaError
from ngage.video import h264
from ngage.video.bits import Bits

NAL_IDR = 5
NAL_FILLER = 12

SIDE_PIXELS_MAX = 16384
NAL_UNITS_MAX = 4096
PARAMETER_SET_BYTES_MAX = 4096
# seq_parameter_set_id, pic_parameter_set_id (7.4.2.1.1, 7.4.2.2); the record counts SPS in 5 bits.
_SPS_ID_MAX = 31
_PPS_ID_MAX = 255
_SPS_COUNT_MAX = 31


class Picture(NamedTuple):
    """A sample, whether it is an IDR picture, and the new record where it changes the sets."""

    sample: bytes
    key: bool
    avcc: bytes | None


class Stream:
    """One track: `avcc` is its record so far, in the form that we publish."""

    def __init__(self, record: bytes) -> None:
        """`record` is an AVCDecoderConfigurationRecord. Raises MediaError for what is none."""
        self._length_bytes, units = _parse(record)
        self._sets = _by_id(units)
        self.avcc, self.width, self.height = _record(self._sets)

    def picture(self, data: bytes) -> Picture:
        """An access unit as sent. Raises MediaError where its lengths do not add up."""
        kept, sets, key = bytearray(), [], False
        for unit in _units(data, self._length_bytes):
            kind = h264.nal_type(unit)
            if kind in (h264.NAL_SPS, h264.NAL_PPS):
                sets.append(unit)
            elif kind not in (h264.NAL_DELIMITER, NAL_FILLER):
                kept += len(unit).to_bytes(4, "big") + unit
                key |= kind == NAL_IDR
        return Picture(bytes(kept), key, self._changed(sets) if sets else None)

    def _changed(self, units: list[bytes]) -> bytes | None:
        """An SPS starts the sets anew, a PPS alone replaces the one of its id."""
        fresh = _by_id(units)
        if not any(kind == h264.NAL_SPS for kind, _ in fresh):
            fresh = self._sets | fresh
        elif not any(kind == h264.NAL_PPS for kind, _ in fresh):
            fresh |= {key: unit for key, unit in self._sets.items() if key[0] == h264.NAL_PPS}
        avcc, width, height = _record(fresh)
        self._sets = fresh
        if avcc == self.avcc:
            return None
        self.avcc, self.width, self.height = avcc, width, height
        return avcc


def _parse(record: bytes) -> tuple[int, list[bytes]]:
    """The size of the lengths in samples, and the parameter sets (14496-15, 5.3.3.1.2)."""
    if len(record) < 6 or record[0] != 1:
        raise MediaError("H.264: the sequence header is no decoder configuration record")
    units: list[bytes] = []
    at = 5
    # The numbers of SPS and of PPS; what the High profiles add behind them is made anew.
    for mask in (0x1F, 0xFF):
        if at >= len(record):
            raise MediaError("H.264: the sequence header ends too early")
        count = record[at] & mask
        at += 1
        for _ in range(count):
            length = int.from_bytes(record[at : at + 2], "big")
            unit = record[at + 2 : at + 2 + length]
            at += 2 + length
            if at > len(record):
                raise MediaError("H.264: the sequence header ends too early")
            if unit:
                units.append(unit)
    return (record[4] & 3) + 1, units


def _units(data: bytes, length_bytes: int) -> list[bytes]:
    """The NAL units of a sample; empty ones, which some encoders send, are left out."""
    units = []
    at = 0
    while at < len(data):
        start = at + length_bytes
        at = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or at > len(data):
            raise MediaError("H.264: a NAL unit is longer than its picture")
        if at > start:
            units.append(data[start:at])
        if len(units) > NAL_UNITS_MAX:
            raise MediaError(f"H.264: a picture has {NAL_UNITS_MAX} NAL units at most")
    return units


def _by_id(units: list[bytes]) -> dict[tuple[int, int], bytes]:
    """Parameter sets by their kind and id, in order."""
    return {(h264.nal_type(unit), _set_id(unit)): unit for unit in units}


def _set_id(unit: bytes) -> int:
    """seq_parameter_set_id (7.3.2.1.1) or pic_parameter_set_id (7.3.2.2): ue(v).

    Emulation prevention cannot occur before the end of an id within its limits.
    """
    sps = h264.nal_type(unit) == h264.NAL_SPS
    start = 4 if sps else 1
    try:
        number = Bits(unit[start : start + 4]).golomb()
    except ValueError as error:
        raise MediaError("H.264: a parameter set is damaged") from error
    if len(unit) > PARAMETER_SET_BYTES_MAX or number > (_SPS_ID_MAX if sps else _PPS_ID_MAX):
        raise MediaError("H.264: a parameter set is damaged")
    return number


def _record(sets: dict[tuple[int, int], bytes]) -> tuple[bytes, int, int]:
    """The configuration record with the width and height in pixels of its first SPS."""
    if sum(kind == h264.NAL_SPS for kind, _ in sets) > _SPS_COUNT_MAX:
        raise MediaError(f"H.264: a stream has {_SPS_COUNT_MAX} SPS at most")
    try:
        avcc = h264.avcc(sets.values())
        sps = h264.first_sps(avcc)
    except ValueError as error:
        raise MediaError(f"H.264: {error}") from error
    if not (0 < sps.width <= SIDE_PIXELS_MAX and 0 < sps.height <= SIDE_PIXELS_MAX):
        raise MediaError(f"H.264: a picture has 1 to {SIDE_PIXELS_MAX} pixels a side")
    return avcc, sps.width, sps.height
