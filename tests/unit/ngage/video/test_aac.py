"""AudioSpecificConfig, against a writer of bits that knows nothing of the parser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.errors import MediaError
from ngage.video import aac

RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350]


def config(kind=2, rate=44100, layout=2, *, sbr_rate=None, frame_960=False):
    """sbr_rate makes it explicit HE-AAC: `kind` is then 5 or 29."""

    def frequency(hz):
        return f"{RATES.index(hz):04b}" if hz in RATES else f"1111{hz:024b}"

    def object_type(number):
        return f"{number:05b}" if number < 31 else f"11111{number - 32:06b}"

    bits = object_type(kind) + frequency(rate) + f"{layout:04b}"
    if sbr_rate:
        bits += frequency(sbr_rate) + object_type(2)
    bits += f"{int(frame_960):b}00"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def test_what_encoders_send():
    assert config() == bytes.fromhex("1210")
    assert aac.parse(bytes.fromhex("1210")) == (44100, 2)
    assert aac.parse(bytes.fromhex("1188")) == (48000, 1)
    # FFmpeg's, with an extension that says that there is no spectral band replication.
    assert aac.parse(bytes.fromhex("120856e500")) == (44100, 1)


@given(
    st.sampled_from(RATES[2:]) | st.integers(1, 65535), st.sampled_from([(1, 1), (6, 6), (7, 8)])
)
def test_rates_and_channels(rate, layout):
    assert aac.parse(config(2, rate, layout[0])) == (rate, layout[1])


@pytest.mark.parametrize("kind", [5, 29], ids=["HE-AAC", "HE-AAC v2"])
def test_rate_of_he_aac_is_that_of_its_core(kind):
    assert aac.parse(config(kind, 24000, 1, sbr_rate=48000)) == (24000, 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (config(1), "AAC Main cannot be carried"),
        (config(39), "AAC ELD"),
        (config(42), "xHE-AAC"),
        (config(34), "MP3"),
        (config(63), "object type 63"),
        (config(frame_960=True), "960 samples"),
        (config(layout=0), "channel configuration 0"),
        (config(layout=15), "channel configuration 15"),
        (config(rate=96000), "96000 Hz cannot be carried, choose 48000"),
        (config(rate=0), "at 0 Hz"),
        (bytes.fromhex("1690"), "reserved sample rate"),
        (b"", "too early"),
        (b"\x12", "too early"),
        (bytes.fromhex("1210") + bytes(63), "64 bytes at most"),
    ],
)
def test_refusals(data, reason):
    with pytest.raises(MediaError, match=reason):
        aac.parse(data)


@given(st.binary(max_size=20))
def test_garbage_is_refused_or_parsed_but_never_worse(data):
    try:
        rate, channels = aac.parse(data)
    except MediaError as error:
        assert str(error)
    else:
        assert 0 < rate <= aac.SAMPLE_RATE_HZ_MAX
        assert 1 <= channels <= 8
