"""H.264 byte streams (ITU-T H.264) and their form in MP4 (ISO/IEC 14496-15)."""

import re
import struct
from collections.abc import Iterable
from typing import NamedTuple

from ngage.video.bits import Bits

NAL_SPS = 7
NAL_PPS = 8
NAL_DELIMITER = 9

# MP4 carries parameter sets in avcC; the access unit delimiter has no use in a sample.
_NOT_IN_SAMPLES = frozenset((NAL_SPS, NAL_PPS, NAL_DELIMITER))
_HIGH_PROFILES = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
_AVCC_EXTENDED_PROFILES = frozenset((100, 110, 122, 144))
_START_CODE = re.compile(rb"\x00\x00\x01")


class Sps(NamedTuple):
    """Sequence parameter set (7.3.2.1.1): width and height in pixels, after cropping."""

    profile: int
    compatibility: int
    level: int
    chroma_format: int
    bit_depth_luma: int
    bit_depth_chroma: int
    width: int
    height: int


def nal_units(stream: bytes) -> list[bytes]:
    """The NAL units of an Annex B byte stream, without start codes and trailing zeros."""
    starts = [match.end() for match in _START_CODE.finditer(stream)]
    ends = [start - 3 for start in starts[1:]] + [len(stream)] * bool(starts)
    pairs = zip(starts, ends, strict=True)
    return [unit for start, end in pairs if (unit := stream[start:end].rstrip(b"\x00"))]


def nal_type(unit: bytes) -> int:
    return unit[0] & 0x1F


def sample(stream: bytes) -> bytes:
    """An Annex B access unit as an MP4 sample: 4-byte lengths, no parameter sets, no delimiter."""
    return b"".join(
        len(unit).to_bytes(4, "big") + unit
        for unit in nal_units(stream)
        if nal_type(unit) not in _NOT_IN_SAMPLES
    )


def avcc(units: Iterable[bytes]) -> bytes:
    """AVCDecoderConfigurationRecord (14496-15, 5.3.3.1) from the parameter sets among `units`."""
    units = list(units)
    sets = [unit for unit in units if nal_type(unit) == NAL_SPS]
    pictures = [unit for unit in units if nal_type(unit) == NAL_PPS]
    if not sets or not pictures:
        raise ValueError("H.264 without SPS and PPS")
    sps = parse_sps(sets[0])
    record = bytes((1, *sets[0][1:4], 0xFC | 3, 0xE0 | len(sets))) + _sized(sets)
    record += bytes((len(pictures),)) + _sized(pictures)
    if sps.profile in _AVCC_EXTENDED_PROFILES:
        depths = (0xF8 | sps.bit_depth_luma - 8, 0xF8 | sps.bit_depth_chroma - 8)
        record += bytes((0xFC | sps.chroma_format, *depths, 0))
    return record


def codec(avcc_record: bytes) -> str:
    """The codecs parameter of RFC 6381, such as avc1.64001e."""
    return f"avc1.{avcc_record[1:4].hex()}"


def first_sps(avcc_record: bytes) -> Sps:
    (length,) = struct.unpack_from(">H", avcc_record, 6)
    return parse_sps(avcc_record[8 : 8 + length])


def parse_sps(unit: bytes) -> Sps:
    """Raises ValueError for a unit that is no SPS, or ends too early."""
    if not unit or nal_type(unit) != NAL_SPS:
        raise ValueError("not a sequence parameter set")
    bits = Bits(unit[1:].replace(b"\x00\x00\x03", b"\x00\x00"))
    profile, compatibility, level = bits.fixed(8), bits.fixed(8), bits.fixed(8)
    bits.golomb()  # seq_parameter_set_id
    chroma, luma_depth, chroma_depth = 1, 8, 8
    if profile in _HIGH_PROFILES:
        chroma = bits.golomb()
        if chroma == 3:
            bits.fixed(1)  # separate_colour_plane_flag
        luma_depth, chroma_depth = 8 + bits.golomb(), 8 + bits.golomb()
        bits.fixed(1)  # qpprime_y_zero_transform_bypass_flag
        if bits.fixed(1):
            for index in range(12 if chroma == 3 else 8):
                if bits.fixed(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    _skip_order_count(bits)
    bits.golomb()  # max_num_ref_frames
    bits.fixed(1)  # gaps_in_frame_num_value_allowed_flag
    width, height = 16 * (bits.golomb() + 1), 16 * (bits.golomb() + 1)
    frames_only = bits.fixed(1)
    if not frames_only:
        height *= 2
        bits.fixed(1)  # mb_adaptive_frame_field_flag
    bits.fixed(1)  # direct_8x8_inference_flag
    if bits.fixed(1):
        left, right, top, bottom = (bits.golomb() for _ in range(4))
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1) * (2 - frames_only)
    return Sps(profile, compatibility, level, chroma, luma_depth, chroma_depth, width, height)


def _sized(units: Iterable[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last


def _skip_order_count(bits: Bits) -> None:
    bits.golomb()  # log2_max_frame_num_minus4
    kind = bits.golomb()
    if kind == 0:
        bits.golomb()  # log2_max_pic_order_cnt_lsb_minus4
    elif kind == 1:
        bits.fixed(1)  # delta_pic_order_always_zero_flag
        bits.signed_golomb()  # offset_for_non_ref_pic
        bits.signed_golomb()  # offset_for_top_to_bottom_field
        for _ in range(bits.golomb()):
            bits.signed_golomb()  # offset_for_ref_frame
