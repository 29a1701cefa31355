"""Latencies as an HdrHistogram, the form that other tools read and merge.

Microseconds from 1 to an hour with three digits, V2, compressed, base64: finer than the core's
buckets, so that nothing more is lost. "" is a histogram of nothing.
"""

import binascii
import io
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hdrh.codec import HdrCookieException, HdrLengthException
from hdrh.histogram import HdrHistogram

from ngage.errors import ResultError
from ngage.mob.measure.percentiles import Histogram
from ngage.mob.measure.results import Result

LEAST_US = 1
MOST_US = 3_600_000_000
DIGITS = 3
TICKS = 5  # points of the percentile curve for each halving of the distance to 100 %
US_PER_MS = 1000.0


class CurvePoint(NamedTuple):
    """`percent` % of the latencies are at most `ms`."""

    percent: float
    ms: float


def encode(histogram: Histogram) -> str:
    """Each bucket of the core becomes its middle."""
    result = _empty()
    for bucket in np.flatnonzero(histogram.counts):
        middle = round(float(histogram.middles[bucket]) / US_PER_MS)
        value = min(max(middle, LEAST_US), MOST_US)
        result.record_value(value, int(histogram.counts[bucket]))
    return _text(result)


def decode(text: str) -> HdrHistogram:
    """Raises ResultError for what is no histogram."""
    if not text:
        return _empty()
    try:
        return HdrHistogram.decode(text.encode())
    except (
        HdrCookieException,
        HdrLengthException,
        UnicodeEncodeError,
        binascii.Error,
        zlib.error,
    ) as error:
        raise ResultError(
            f"histogram: not an HdrHistogram V2 in base64 ({error}); run the scenario again"
        ) from error


def merge(texts: Iterable[str]) -> str:
    """The histogram of several runs, or of several generators of one run."""
    result = _empty()
    for text in texts:
        result.add(decode(text))
    return _text(result)


def percentile_curve(text: str) -> list[CurvePoint]:
    """From 0 % to 100 %, denser towards the end; [] for a histogram of nothing."""
    # The iterator hands out one object again and again.
    return [
        CurvePoint(step.percentile_level_iterated_to, step.value_iterated_to / US_PER_MS)
        for step in decode(text).get_percentile_iterator(TICKS)
    ]


def write_hgrm(result: Result, path: Path) -> None:
    """The table that HdrHistogram's plotters read, in microseconds.

    Raises ResultError if the histogram is none, OSError if the file cannot be written.
    """
    output = io.BytesIO()
    # Not scaled to milliseconds: the package would leave the standard deviation as it is.
    decode(result.histogram).output_percentile_distribution(output, 1, TICKS)
    path.write_bytes(output.getvalue())


def _empty() -> HdrHistogram:
    return HdrHistogram(LEAST_US, MOST_US, DIGITS)


def _text(histogram: HdrHistogram) -> str:
    encoded: bytes = histogram.encode()
    return encoded.decode("ascii")
