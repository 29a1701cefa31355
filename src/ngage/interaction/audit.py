"""A poll's votes for whoever wants to count again: CSV and JSON, a piece at a time.

Each accepted vote is a row, also those that a later one has replaced; `counts` marks those that
make up the result.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from ngage.interaction import journal
from ngage.interaction.journal import Records
from ngage.interaction.model import choices_of

PIECE_BYTES = 1 << 16
COLUMNS = ("voter", "seq", "choices", "elapsed_ms", "received_ms", "client", "counts", "rtt_ms")

Row = tuple[str, int, list[int], int, int, str, bool, int]


def rows(path: Path, counted: Records) -> Iterator[Row]:
    """The votes of a journal as COLUMNS has them; counted: its registers(). Raises JournalError."""
    choices: dict[int, list[int]] = {}
    for records in journal.batches(path):
        for record, counts in zip(records.tolist(), _counting(records, counted), strict=True):
            voter, seq, mask, elapsed_ms, _, rtt_ms, received_ms, client = record
            picked = choices.get(mask)
            if picked is None:
                picked = choices[mask] = choices_of(mask)
            name, device = f"{voter:016x}", f"{client:016x}"
            yield name, seq, picked, elapsed_ms, received_ms, device, counts, rtt_ms


def as_csv(votes: Iterable[Row]) -> Iterator[bytes]:
    """RFC 4180: a head, then a line for each vote; choices are numbers separated by spaces."""
    yield (",".join(COLUMNS) + "\r\n").encode()
    lines = (
        f"{voter},{seq},{' '.join(map(str, picked))},{elapsed},{received},{client},{counts:d},"
        f"{rtt}\r\n"
        for voter, seq, picked, elapsed, received, client, counts, rtt in votes
    )
    yield from _pieces(line.encode() for line in lines)


def as_json(head: bytes, votes: Iterable[Row], tail: bytes) -> Iterator[bytes]:
    """A JSON array of objects, between `head` and `tail`."""
    yield head + b"["
    encoded = (
        (b"," if number else b"") + msgspec.json.encode(dict(zip(COLUMNS, vote, strict=True)))
        for number, vote in enumerate(votes)
    )
    yield from _pieces(encoded)
    yield b"]" + tail


def _counting(records: Records, counted: Records) -> list[bool]:
    """Which records are registers; a vote may have come after those were read."""
    if not len(counted):
        return [False] * len(records)
    places = np.searchsorted(counted["voter"], records["voter"])
    known = counted[np.minimum(places, len(counted) - 1)]
    same = np.ones(len(records), np.bool_)
    for column in ("voter", "seq", "mask"):
        same &= known[column] == records[column]
    counts: list[bool] = (same & (records["mask"] != 0)).tolist()
    return counts


def _pieces(small: Iterable[bytes]) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for piece in small:
        gathered.append(piece)
        size += len(piece)
        if size >= PIECE_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)
