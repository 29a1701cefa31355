"""H.264 from containers: lengths, parameter sets and what is left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.errors import MediaError
from ngage.video import avc, mp4
from tests.helpers.media import (
    AVCC,
    IDR,
    PPS,
    PPS_1,
    PPS_OTHER,
    SLICE,
    SPS,
    SPS_SMALL,
    record,
    sample,
)


def test_a_record_is_kept_as_it_is():
    stream = avc.Stream(AVCC)
    assert (stream.avcc, stream.width, stream.height) == (AVCC, 640, 360)


def test_the_extension_of_the_high_profiles_is_made():
    assert avc.Stream(record(SPS, PPS)).avcc == AVCC


@pytest.mark.parametrize("length_bytes", [1, 2, 4])
def test_lengths_become_four_bytes(length_bytes):
    stream = avc.Stream(record(SPS, PPS, length_bytes=length_bytes))
    assert stream.avcc == AVCC
    data = sample(b"\x06sei", IDR, IDR, length_bytes=length_bytes)
    assert stream.picture(data) == avc.Picture(sample(b"\x06sei", IDR, IDR), True, None)


@given(st.lists(st.binary(min_size=1, max_size=20)), st.sampled_from([1, 2, 3, 4]))
def test_nal_units_keep_their_order_and_bytes(bodies, length_bytes):
    stream = avc.Stream(record(SPS, PPS, length_bytes=length_bytes))
    units = [b"\x41" + body for body in bodies]
    picture = stream.picture(sample(*units, length_bytes=length_bytes))
    assert picture == (sample(*units), False, None)


def test_only_idr_pictures_are_key():
    stream = avc.Stream(AVCC)
    assert stream.picture(sample(IDR)).key
    assert not stream.picture(sample(SLICE)).key
    # A recovery point: an I picture that is no IDR. What follows may refer to before it.
    assert not stream.picture(sample(b"\x06\x06\x01\xc4", b"\x61slice")).key


def test_delimiter_filler_and_empty_units_are_left_out():
    data = sample(b"\x09\xf0", SLICE, b"\x0c\xff\xff\x80", b"")
    assert avc.Stream(AVCC).picture(data) == (sample(SLICE), False, None)
    assert avc.Stream(AVCC).picture(sample(b"\x09\xf0")) == (b"", False, None)


def test_repeated_parameter_sets_are_left_out():
    data = sample(b"\x09\xf0", SPS, PPS, IDR)
    assert avc.Stream(AVCC).picture(data) == (sample(IDR), True, None)


def test_changed_parameter_sets_are_a_new_record():
    stream = avc.Stream(AVCC)
    picture = stream.picture(sample(SPS_SMALL, PPS_OTHER, IDR))
    assert picture == (sample(IDR), True, avc.Stream(record(SPS_SMALL, PPS_OTHER)).avcc)
    assert (stream.avcc, stream.width, stream.height) == (picture.avcc, 320, 240)
    assert stream.picture(sample(SPS_SMALL, PPS_OTHER, IDR)).avcc is None
    assert stream.picture(sample(SPS, PPS, IDR)).avcc == AVCC


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ([PPS_OTHER], [SPS, PPS_OTHER]),
        ([PPS_1], [SPS, PPS, PPS_1]),
        ([SPS_SMALL], [SPS_SMALL, PPS]),
        ([SPS_SMALL, PPS_1], [SPS_SMALL, PPS_1]),
    ],
    ids=["PPS replaced", "PPS added", "SPS alone", "all anew"],
)
def test_which_parameter_sets_hold(units, expected):
    picture = avc.Stream(AVCC).picture(sample(*units, IDR))
    assert picture.avcc == avc.Stream(record(*expected)).avcc


def test_what_is_made_is_good_for_an_init_segment():
    assert AVCC in mp4.video_init(mp4.Video(avc.Stream(record(SPS, PPS)).avcc))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no decoder configuration record"),
        (b"\0" + AVCC[1:], "no decoder configuration record"),
        (AVCC[:20], "too early"),
        (AVCC[: 8 + len(SPS)], "too early"),
        (record(SPS), "without SPS and PPS"),
        (record(PPS), "without SPS and PPS"),
        (record(SPS[:8], PPS), "too early"),
        (record(SPS, b"\x68"), "damaged"),
        (record(SPS, b"\x68\x00\x00\x00\x00"), "damaged"),
        (record(SPS[:4] + b"\x01" + SPS[5:], PPS), "damaged"),
        (record(SPS + bytes(avc.PARAMETER_SET_BYTES_MAX), PPS), "damaged"),
        # Baseline, 524288 macroblocks wide.
        (record(bytes.fromhex("6742001e") + b"\xf8\x00\x00\x80\x00\x10\x7f\xff", PPS), "pixels"),
    ],
)
def test_records_that_are_refused(data, reason):
    with pytest.raises(MediaError, match=reason):
        avc.Stream(data)


def test_a_unit_longer_than_its_picture_is_refused():
    for data in (b"\0\0\0\5abcd", b"\0\0\0", sample(SLICE) + b"\0"):
        with pytest.raises(MediaError, match="longer than its picture"):
            avc.Stream(AVCC).picture(data)


def test_units_are_counted():
    stream = avc.Stream(AVCC)
    stream.picture(sample(*[SLICE] * avc.NAL_UNITS_MAX))
    with pytest.raises(MediaError, match="4096 NAL units"):
        stream.picture(sample(*[SLICE] * (avc.NAL_UNITS_MAX + 1)))


def test_sps_are_counted():
    ids = [bits(number) for number in range(32)]
    many = [SPS[:4] + unit for unit in ids]
    with pytest.raises(MediaError, match="31 SPS at most"):
        avc.Stream(AVCC).picture(sample(*many, PPS))


def bits(number):
    """ue(v), as bytes."""
    text = format(number + 1, "b")
    text = "0" * (len(text) - 1) + text
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


@given(st.binary(max_size=60), st.booleans())
def test_garbage_is_refused_or_taken_but_never_worse(data, valid_head):
    for make in (avc.Stream, avc.Stream(AVCC).picture):
        try:
            make(AVCC[:6] + data if valid_head else data)
        except MediaError as error:
            assert str(error)
