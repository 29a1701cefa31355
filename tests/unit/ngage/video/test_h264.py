"""Byte streams and parameter sets, against a writer of SPS that knows nothing of the parser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.video import h264

# x264, 640x360, High, level 3.0.
SPS = bytes.fromhex("6764001eacb405017fcb080000030008000003 01e478b175".replace(" ", ""))
PPS = bytes.fromhex("68ef0fcb")


class Bits:
    def __init__(self):
        self.text = ""

    def u(self, value, count):
        self.text += format(value, f"0{count}b")

    def ue(self, value):
        text = format(value + 1, "b")
        self.text += "0" * (len(text) - 1) + text

    def se(self, value):
        self.ue(2 * value - 1 if value > 0 else -2 * value)

    def unit(self):
        """With the stop bit, and emulation prevention (7.3.1)."""
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        unit, zeros = bytearray(b"\x67"), 0
        for byte in int(text, 2).to_bytes(len(text) // 8, "big"):
            if zeros == 2 and byte <= 3:
                unit.append(3)
                zeros = 0
            unit.append(byte)
            zeros = 0 if byte else zeros + 1
        return bytes(unit)


@st.composite
def parameter_sets(draw):
    """(an SPS, its width, its height)"""
    bits = Bits()
    profile = draw(st.sampled_from([66, 77, 100, 110, 122, 244]))
    chroma = draw(st.integers(0, 3)) if profile >= 100 else 1
    bits.u(profile, 8)
    bits.u(0, 8)
    bits.u(30, 8)
    bits.ue(draw(st.integers(0, 31)))
    if profile >= 100:
        bits.ue(chroma)
        if chroma == 3:
            bits.u(0, 1)
        bits.ue(0)
        bits.ue(0)
        bits.u(0, 1)
        write_scaling_lists(bits, draw(st.booleans()), chroma)
    bits.ue(draw(st.integers(0, 12)))
    order = draw(st.integers(0, 2))
    bits.ue(order)
    if order == 0:
        bits.ue(4)
    elif order == 1:
        bits.u(0, 1)
        offsets = draw(st.lists(st.integers(-9, 9), max_size=4))
        for offset in (-5, 7):
            bits.se(offset)
        bits.ue(len(offsets))
        for offset in offsets:
            bits.se(offset)
    bits.ue(draw(st.integers(0, 16)))
    bits.u(0, 1)
    columns, rows = draw(st.integers(1, 512)), draw(st.integers(1, 256))
    frames_only = draw(st.integers(0, 1))
    bits.ue(columns - 1)
    bits.ue(rows - 1)
    bits.u(frames_only, 1)
    if not frames_only:
        bits.u(0, 1)
    bits.u(1, 1)
    crop = draw(st.one_of(st.none(), st.tuples(*[st.integers(0, 1)] * 4)))
    bits.u(crop is not None, 1)
    for edge in crop or ():
        bits.ue(edge)
    bits.u(0, 1)
    left, right, top, bottom = crop or (0, 0, 0, 0)
    unit_x = 2 if chroma in (1, 2) else 1
    unit_y = (2 if chroma == 1 else 1) * (1 if frames_only else 2)
    width = 16 * columns - unit_x * (left + right)
    height = 16 * rows * (1 if frames_only else 2) - unit_y * (top + bottom)
    return bits.unit(), width, height


def write_scaling_lists(bits, wanted, chroma):
    """One list written in full, one that ends at once; the rest absent."""
    bits.u(wanted, 1)
    if wanted:
        bits.u(1, 1)
        for _ in range(16):
            bits.se(1)
        bits.u(1, 1)
        bits.se(-8)
        for _ in range(10 if chroma == 3 else 6):
            bits.u(0, 1)


@given(parameter_sets())
def test_size_of_any_sps(case):
    unit, width, height = case
    sps = h264.parse_sps(unit)
    assert (sps.width, sps.height) == (width, height)


def test_size_of_an_sps_of_x264():
    sps = h264.parse_sps(SPS)
    assert (sps.profile, sps.level, sps.width, sps.height) == (100, 30, 640, 360)


@given(st.binary(max_size=40))
def test_garbage_is_refused_or_parsed_but_never_worse(data):
    try:
        h264.parse_sps(b"\x67" + data)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize("unit", [b"", PPS], ids=["empty", "pps"])
def test_what_is_no_sps_is_refused(unit):
    with pytest.raises(ValueError):
        h264.parse_sps(unit)


def test_nal_units_of_a_byte_stream():
    stream = b"\0\0\0\1\x09\xf0" + b"\0\0\0\1" + SPS + b"\0\0\1" + PPS + b"\0\0\1\x65slice\0\0"
    assert h264.nal_units(stream) == [b"\x09\xf0", SPS, PPS, b"\x65slice"]
    assert h264.nal_units(b"") == []


def test_a_sample_has_lengths_and_no_parameter_sets():
    stream = b"\0\0\1\x09\xf0\0\0\1" + SPS + b"\0\0\1" + PPS + b"\0\0\0\1\x06sei\0\0\1\x65slice"
    assert h264.sample(stream) == b"\0\0\0\4\x06sei" + b"\0\0\0\6\x65slice"


def test_configuration_record():
    record = h264.avcc([SPS, PPS])
    assert record[:6] == b"\x01\x64\x00\x1e\xff\xe1"
    assert record[6:] == b"\0\x18" + SPS + b"\1\0\4" + PPS + b"\xfd\xf8\xf8\0"
    assert h264.codec(record) == "avc1.64001e"
    assert h264.first_sps(record).width == 640


def test_configuration_record_needs_both_sets():
    with pytest.raises(ValueError):
        h264.avcc([SPS])
