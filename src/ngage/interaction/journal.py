"""The journal of a poll, read: what was accepted, when, and that it adds up to the result.

The core writes batches, {magic, count, crc32} and `count` records, and acknowledges a vote when its
batch is on the disk. A batch that a crash has cut is no batch: reading ends before it, as the
core's replay does. Nothing here holds more than one batch and one entry for each voter.
"""

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ngage.errors import JournalError
from ngage.interaction.ballots import Tally

MAGIC = 0x3154_4F56  # "VOT1"
BATCH_RECORDS_MAX = 1 << 20
# Records merged at once into the registers.
MERGE_RECORDS = 1 << 20

BATCH = np.dtype([("magic", "<u4"), ("count", "<u4"), ("crc32", "<u4"), ("reserved", "<u4")])
RECORD = np.dtype(
    [
        ("voter", "<u8"),
        ("seq", "<u4"),
        ("mask", "<u4"),
        ("elapsed_ms", "<u4"),
        ("flags", "<u4"),
        ("received_ms", "<u8"),
        ("client", "<u8"),
    ]
)

Records = NDArray[np.void]


class Digest(NamedTuple):
    """Size in bytes and SHA-256 (hexadecimal) of what of a journal is whole, and votes in it."""

    size: int
    sha256: str
    records: int


def batches(path: Path) -> Iterator[Records]:
    """The records of each whole batch, in the order they were accepted. Raises JournalError."""
    for _, records in _read(path):
        yield records


def digest(path: Path) -> Digest:
    """What identifies a journal that is closed. Raises JournalError."""
    size = count = 0
    sha256 = hashlib.sha256()
    for raw, records in _read(path):
        sha256.update(raw)
        size += len(raw)
        count += len(records)
    return Digest(size, sha256.hexdigest(), count)


def registers(path: Path) -> Records:
    """The record that counts of each voter, by voter: the one of the largest (seq, mask).

    A vote that was withdrawn has mask 0. Raises JournalError.
    """
    merged: Records = np.empty(0, RECORD)
    waiting: list[Records] = []
    for records in batches(path):
        waiting.append(records)
        if sum(map(len, waiting)) >= MERGE_RECORDS:
            merged, waiting = _merge([merged, *waiting]), []
    return _merge([merged, *waiting])


def recount(counted: Records, choices: int) -> Tally:
    """The tally that registers() amount to."""
    masks = counted["mask"]
    counts = (int(np.count_nonzero(masks >> np.uint32(bit) & 1)) for bit in range(choices))
    return Tally(tuple(counts), int(np.count_nonzero(masks)))


def of_voter(path: Path, voter: int) -> Records:
    """All records of one voter, in the order they were accepted. Raises JournalError."""
    found = [records[records["voter"] == voter] for records in batches(path)]
    return np.concatenate(found) if found else np.empty(0, RECORD)


def find(counted: Records, voter: int) -> Any:
    """The record of `voter` in registers(), None without one."""
    place = int(np.searchsorted(counted["voter"], np.uint64(voter)))
    if place == len(counted) or counted["voter"][place] != voter:
        return None
    return counted[place]


def encode_batch(records: Records) -> bytes:
    """A batch as the core writes it; for tests and tools."""
    body = records.tobytes()
    return np.array([(MAGIC, len(records), zlib.crc32(body), 0)], BATCH).tobytes() + body


def _merge(parts: list[Records]) -> Records:
    records = np.concatenate(parts)
    order = np.lexsort((records["mask"], records["seq"], records["voter"]))
    voters = records["voter"][order]
    last = np.ones(len(order), bool)
    last[:-1] = voters[1:] != voters[:-1]
    return records[order[last]]


def _read(path: Path) -> Iterator[tuple[bytes, Records]]:
    """Each whole batch as it stands in the file, and its records."""
    try:
        with path.open("rb") as file:
            while len(head := file.read(BATCH.itemsize)) == BATCH.itemsize:
                [(magic, count, crc32, _)] = np.frombuffer(head, BATCH).tolist()
                if magic != MAGIC or not 0 < count <= BATCH_RECORDS_MAX:
                    return
                body = file.read(count * RECORD.itemsize)
                if len(body) < count * RECORD.itemsize or zlib.crc32(body) != crc32:
                    return
                yield head + body, np.frombuffer(body, RECORD)
    except FileNotFoundError:
        raise JournalError(f"journal {path}: it is not there") from None
    except OSError as error:
        raise JournalError(f"journal {path}: {error.strerror}") from None
