"""A journal, read: every whole batch, nothing of a torn one, and the same sums as a slow count."""

import csv
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.errors import JournalError
from ngage.interaction import audit, journal
from ngage.interaction.ballots import Tally
from ngage.interaction.journal import BATCH, HEAD, RECORD, Records

Vote = tuple[int, int, int]  # voter, seq, mask

votes = st.lists(
    st.tuples(st.integers(1, 6) | st.just((1 << 64) - 1), st.integers(1, 4), st.integers(0, 7)),
    max_size=30,
)


def records_of(given: list[Vote]) -> Records:
    rows = [(v, s, m, 10 * n, 0, 80 + n, 1000 + n, 7) for n, (v, s, m) in enumerate(given)]
    return np.array(rows, RECORD)


def write(path: Path, *batches: list[Vote]) -> bytes:
    content = journal.encode_head(1, 99)
    for number, batch in enumerate(batches, 1):
        content += journal.encode_batch(number, records_of(batch))
    path.write_bytes(content)
    return content


def slow_registers(given: list[Vote]) -> dict[int, tuple[int, int]]:
    known: dict[int, tuple[int, int]] = {}
    for voter, seq, mask in given:
        known[voter] = max(known.get(voter, (0, 0)), (seq, mask))
    return known


@given(given=votes, cut=st.integers(1, 29), merge=st.sampled_from([1, 3, 1 << 20]))
def test_registers_are_those_of_a_slow_count(
    tmp_path_factory: pytest.TempPathFactory, given: list[Vote], cut: int, merge: int
) -> None:
    path = tmp_path_factory.mktemp("votes") / "1.votes"
    write(path, *(batch for batch in (given[:cut], given[cut:]) if batch))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "MERGE_RECORDS", merge)
        counted = journal.registers(path)
    known = slow_registers(given)
    assert [(r["voter"], (r["seq"], r["mask"])) for r in counted] == sorted(known.items())
    masks = [mask for _, mask in known.values()]
    counts = tuple(sum(mask >> bit & 1 for mask in masks) for bit in range(3))
    assert journal.recount(counted, 3) == Tally(counts, sum(map(bool, masks)))
    for voter in [*known, 77]:
        found = journal.find(counted, voter)
        assert (found is not None) == (voter in known)


def test_cut_at_every_byte_of_the_last_batch(tmp_path: Path) -> None:
    path = tmp_path / "1.votes"
    first, last = [(1, 1, 1), (2, 1, 2)], [(1, 2, 4), (3, 1, 1)]
    whole = write(path, first, last)
    kept = write(path, first)
    for size in range(len(kept), len(whole)):
        path.write_bytes(whole[:size])
        assert journal.digest(path) == (len(kept), hashlib.sha256(kept).hexdigest(), 2)
        assert len(journal.registers(path)) == 2
    path.write_bytes(whole)
    assert journal.digest(path) == (len(whole), hashlib.sha256(whole).hexdigest(), 4)


def test_every_byte_of_the_last_batch_matters(tmp_path: Path) -> None:
    path = tmp_path / "1.votes"
    kept = write(path, [(1, 1, 1)])
    whole = write(path, [(1, 1, 1)], [(2, 1, 1)])
    for at in range(len(kept), len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 0x10
        path.write_bytes(flipped)
        assert len(journal.registers(path)) == 1, at


@pytest.mark.parametrize("batches", [3, 400])
def test_damage_in_the_middle_is_told(tmp_path: Path, batches: int) -> None:
    """Otherwise votes that were acknowledged would be missing without a word."""
    path = tmp_path / "1.votes"
    content = bytearray(write(path, *[[(n + 1, 1, 1)] * 10 for n in range(batches)]))
    content[HEAD.itemsize + BATCH.itemsize] ^= 1
    path.write_bytes(content)
    with pytest.raises(JournalError, match=f"damaged after byte {HEAD.itemsize}"):
        journal.digest(path)


@pytest.mark.parametrize("size", range(HEAD.itemsize))
def test_a_head_that_is_torn_holds_nothing(tmp_path: Path, size: int) -> None:
    path = tmp_path / "1.votes"
    path.write_bytes(write(path)[:size])
    assert journal.digest(path) == (0, hashlib.sha256().hexdigest(), 0)
    assert list(journal.batches(path)) == []


def test_what_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "1.votes"
    with pytest.raises(JournalError, match="not there"):
        journal.digest(path)
    path.write_bytes(b"GIF89a, not a journal at all")
    with pytest.raises(JournalError, match="no journal"):
        journal.digest(path)


def test_the_same_bytes_as_the_core_writes(tmp_path: Path) -> None:
    """Little-endian, without padding: sizes and places are those of docs/internals/votes.md."""
    assert (HEAD.itemsize, BATCH.itemsize, RECORD.itemsize) == (24, 16, 40)
    content = write(tmp_path / "1.votes", [(0x0102030405060708, 2, 3)])
    assert content[:12] == b"ngagevt1" + b"\x01\0\0\0"
    assert content[24:32] == b"NGVB" + b"\x01\0\0\0"
    assert content[36:40] == b"\x01\0\0\0"
    assert content[40:56] == bytes(range(8, 0, -1)) + b"\x02\0\0\0" + b"\x03\0\0\0"


# For whoever counts again


def test_audit_as_csv_and_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PIECE_BYTES", 64)
    path = tmp_path / "1.votes"
    write(path, [(1, 1, 0b101), (2, 1, 1)], [(1, 2, 0b10), (2, 2, 0), ((1 << 64) - 1, 1, 4)])
    counted = journal.registers(path)
    pieces = list(audit.as_csv(audit.rows(path, counted)))
    assert len(pieces) > 3
    rows = list(csv.DictReader(io.StringIO(b"".join(pieces).decode())))
    assert [(r["voter"], r["seq"], r["choices"], r["counts"], r["rtt_ms"]) for r in rows] == [
        ("0000000000000001", "1", "0 2", "0", "80"),
        ("0000000000000002", "1", "0", "0", "81"),
        ("0000000000000001", "2", "1", "1", "80"),
        ("0000000000000002", "2", "", "0", "81"),
        ("ffffffffffffffff", "1", "2", "1", "82"),
    ]
    document = b"".join(audit.as_json(b'{"votes":', audit.rows(path, counted), b"}"))
    listed = json.loads(document)["votes"]
    assert listed[0] == {
        "voter": "0000000000000001",
        "seq": 1,
        "choices": [0, 2],
        "elapsed_ms": 0,
        "received_ms": 1000,
        "client": "0000000000000007",
        "counts": False,
        "rtt_ms": 80,
    }
    assert sum(vote["counts"] for vote in listed) == journal.recount(counted, 3).voters


def test_audit_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "1.votes"
    write(path)
    counted = journal.registers(path)
    assert b"".join(audit.as_json(b"", audit.rows(path, counted), b"")) == b"[]"
    assert b"".join(audit.as_csv(audit.rows(path, counted))).count(b"\r\n") == 1
