"""What does a vote cost: decided, journaled, synced, answered?

A million votes of 100,000 voters, who change their minds ten times, through the two ports of one
thread, which has nothing else to do. The floor makes as many records durable in as many batches:
copied, written, synced, and nothing looked at. Once on the disk, and once in memory, where the
sync is nothing and what is left is user mode and copying.
"""

import os
import time
from pathlib import Path

import pytest

from bench.native import ROOT, parts
from bench.turns import Figure, ratio_of
from ngage_core.votes import Votes

VOTES, VOTERS = 1_000_000, 100_000
POLL = 7
ROUNDS = 9
PLACES = {"disk": ROOT / "build", "memory": Path("/dev/shm")}


def stampede(journal: Path) -> tuple[float, float, dict[str, int]]:
    """Seconds, of CPU of the votes thread also, and the counters."""
    votes = Votes(2)
    votes.start()
    try:
        votes.open(POLL, journal, choices=3)
        crowd = parts().Stampede(votes)
        started = time.perf_counter()
        assert crowd.run(POLL, VOTERS, VOTES) == VOTES
        seconds = time.perf_counter() - started
        assert votes.tally(POLL)[1] == VOTERS
        return seconds, crowd.cpu_us / 1e6, votes.counters()
    finally:
        votes.stop()
        journal.unlink()


def floor(path: Path, batches: int) -> float:
    bare = parts().BareJournal()
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        started = time.perf_counter()
        bare.run(fd, VOTES, batches)
        return time.perf_counter() - started
    finally:
        os.close(fd)
        path.unlink()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("place", PLACES)
def test_stampede(figure: Figure, place: str) -> None:
    journal = PLACES[place] / f"bench-{os.getpid()}.votes"
    rounds, bare = [], []
    for _ in range(ROUNDS + 1):
        rounds.append(stampede(journal))
        bare.append(floor(journal, rounds[-1][2]["syncs"]))
    del rounds[0], bare[0]  # warm-up
    seconds, cpu, counters = sorted(rounds, key=lambda taken: taken[0])[ROUNDS // 2]
    ratio = ratio_of([taken[0] for taken in rounds], bare)
    floor_ns = sorted(bare)[ROUNDS // 2] / VOTES * 1e9
    figure(
        f"a vote of a million, journal in {place}: ns",
        f"{seconds / VOTES * 1e9:.0f} = {ratio:.3g}x",
        floor=f"{floor_ns:.0f} copy, write, sync",
        ratio=ratio,
    )
    figure("  votes per second", f"{VOTES / seconds:,.0f}")
    figure("  ns of CPU of the votes thread", f"{cpu / VOTES * 1e9:.0f}")
    figure("  syncs; the longest, ms", f"{counters['syncs']}; {counters['sync_us_max'] / 1e3:.1f}")
    bytes_each = counters["register_bytes"] / counters["voters"]
    figure("  bytes of registers for each voter", f"{bytes_each:.1f}")
