"""AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1): what has to be known of AAC to carry it."""

from typing import NamedTuple

from ngage.errors import MediaError
from ngage.video.bits import Bits

CONFIG_BYTES_MAX = 64
# The sample entry of MP4 has 16 bits for it (14496-12, 12.2.3).
SAMPLE_RATE_HZ_MAX = 65_535

_LC, _SBR, _PS = 2, 5, 29
_NAMES = {
    1: "AAC Main",
    3: "AAC SSR",
    4: "AAC LTP",
    23: "AAC LD",
    34: "MP3",
    39: "AAC ELD",
    42: "xHE-AAC",
}
# samplingFrequencyIndex (1.6.3.4); 13 and 14 are reserved, 15 says that the rate follows.
_RATES_HZ = (
    96000,
    88200,
    64000,
    48000,
    44100,
    32000,
    24000,
    22050,
    16000,
    12000,
    11025,
    8000,
    7350,
)
_RATE_FOLLOWS = 15
# channelConfiguration (1.6.3.5).
_CHANNELS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8, 11: 7, 12: 8, 14: 8}


class Config(NamedTuple):
    """sample_rate in Hz, of the core where there is spectral band replication."""

    sample_rate: int
    channels: int


def parse(config: bytes) -> Config:
    """Raises MediaError, which names the kind of AAC, for what browsers do not play."""
    if len(config) > CONFIG_BYTES_MAX:
        raise MediaError(f"AAC: a sequence header has {CONFIG_BYTES_MAX} bytes at most")
    try:
        return _read(Bits(config))
    except MediaError:
        raise
    except ValueError as error:
        raise MediaError(f"AAC: {error}") from error


def _read(bits: Bits) -> Config:
    kind = _object_type(bits)
    sample_rate = _sample_rate(bits)
    layout = bits.fixed(4)
    core = kind
    if kind in (_SBR, _PS):  # said explicitly: the rate after replication, then the core's type
        _sample_rate(bits)
        core = _object_type(bits)
    if core != _LC:
        name = _NAMES.get(core, f"MPEG-4 audio object type {core}")
        raise MediaError(f"{name} cannot be carried, only AAC-LC and HE-AAC")
    if bits.fixed(1):  # frameLengthFlag (4.4.1)
        raise MediaError("AAC with frames of 960 samples cannot be carried, only of 1024")
    if layout not in _CHANNELS:
        raise MediaError(f"AAC with channel configuration {layout} cannot be carried")
    if not 0 < sample_rate <= SAMPLE_RATE_HZ_MAX:
        raise MediaError(f"AAC at {sample_rate} Hz cannot be carried, choose 48000 or 44100")
    return Config(sample_rate, _CHANNELS[layout])


def _object_type(bits: Bits) -> int:
    kind = bits.fixed(5)
    return 32 + bits.fixed(6) if kind == 31 else kind


def _sample_rate(bits: Bits) -> int:
    index = bits.fixed(4)
    if index == _RATE_FOLLOWS:
        return bits.fixed(24)
    if index >= len(_RATES_HZ):
        raise MediaError("AAC: the sequence header has a reserved sample rate")
    return _RATES_HZ[index]
