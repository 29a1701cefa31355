"""The journal of a poll, read: what was accepted, when, and that it adds up to the result.

The core writes a header, then batches, {magic, count, crc32, sequence} and `count` records, and
acknowledges a vote when its batch is on the disk. A batch that a crash has cut is no batch: reading
ends before it, as the core's replay does; whole ones behind it mean that the file is damaged.
Nothing here holds more than one batch and one entry for each voter.
"""

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ngage.errors import JournalError
from ngage.interaction.ballots import Tally

MAGIC = b"ngagevt1"
BATCH_MAGIC = 0x4256474E  # "NGVB"
BATCH_RECORDS_MAX = 65536  # VOTE_BATCH of the core
# Records merged at once into the registers.
MERGE_RECORDS = 1 << 20
# Batches begin at multiples of it.
ALIGNMENT = 8
SEARCH_BYTES = 1 << 16

HEAD = np.dtype([("magic", "S8"), ("poll", "<u4"), ("reserved", "<u4"), ("created_ms", "<u8")])
BATCH = np.dtype([("magic", "<u4"), ("count", "<u4"), ("crc32", "<u4"), ("sequence", "<u4")])
RECORD = np.dtype(
    [
        ("voter", "<u8"),
        ("seq", "<u4"),
        ("mask", "<u4"),
        ("elapsed_ms", "<u4"),
        ("flags", "<u2"),
        ("rtt_ms", "<u2"),
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
    yield from (records for _, records in _read(path) if len(records))


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


def encode_head(poll: int, created_ms: int) -> bytes:
    """What a journal begins with; for tests and tools."""
    return np.array([(MAGIC, poll, 0, created_ms)], HEAD).tobytes()


def encode_batch(sequence: int, records: Records) -> bytes:
    """A batch as the core writes it; for tests and tools. sequence counts from 1."""
    body = records.tobytes()
    head = np.array([(BATCH_MAGIC, len(records), zlib.crc32(body), sequence)], BATCH)
    return head.tobytes() + body


def _merge(parts: list[Records]) -> Records:
    records = np.concatenate(parts)
    order = np.lexsort((records["mask"], records["seq"], records["voter"]))
    voters = records["voter"][order]
    last = np.ones(len(order), bool)
    last[:-1] = voters[1:] != voters[:-1]
    return records[order[last]]


def _read(path: Path) -> Iterator[tuple[bytes, Records]]:
    """Header and whole batches as they stand in the file, and the records of each."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD.itemsize)
            if not MAGIC.startswith(head[: len(MAGIC)]):
                raise JournalError(f"journal {path}: it is no journal of votes")
            if len(head) < HEAD.itemsize:
                return
            yield head, np.empty(0, RECORD)
            end, sequence = file.tell(), 0
            while (batch := _batch(file)) and batch[2] == sequence + 1:
                raw, records, sequence = batch
                end += len(raw)
                yield raw, records
            _check_end(path, file, end, sequence)
    except FileNotFoundError:
        raise JournalError(f"journal {path}: it is not there") from None
    except OSError as error:
        raise JournalError(f"journal {path}: {error.strerror}") from None


def _batch(file: BinaryIO) -> tuple[bytes, Records, int] | None:
    """What is next in the file: a batch, its records and its number; None if it is not whole."""
    head = file.read(BATCH.itemsize)
    if len(head) < BATCH.itemsize:
        return None
    [(magic, count, crc32, sequence)] = np.frombuffer(head, BATCH).tolist()
    if magic != BATCH_MAGIC or not 1 <= count <= BATCH_RECORDS_MAX:
        return None
    body = file.read(count * RECORD.itemsize)
    if len(body) < count * RECORD.itemsize or zlib.crc32(body) != crc32:
        return None
    return head + body, np.frombuffer(body, RECORD), sequence


def _check_end(path: Path, file: BinaryIO, end: int, sequence: int) -> None:
    """Raises JournalError if a later batch lies behind what was read: then votes are missing."""
    mark = BATCH_MAGIC.to_bytes(4, "little")
    at = end + ALIGNMENT
    while True:
        file.seek(at)
        piece = file.read(SEARCH_BYTES + len(mark) - 1)
        if len(piece) < len(mark):
            return
        found = piece.find(mark)
        while 0 <= found < SEARCH_BYTES:
            file.seek(at + found)
            batch = _batch(file)
            if batch and batch[2] > sequence:
                raise JournalError(f"journal {path}: it is damaged after byte {end}")
            found = piece.find(mark, found + 1)
        at += SEARCH_BYTES
