"""A full house whose server is replaced: all are sent away, come back, and have missed nothing.

SIGUSR2 starts a successor that shares the port; the predecessor then closes all its connections in
drain_seconds. As soon as it sends the first ones away one publication is made at the successor,
while nearly everybody is still with the predecessor: so each fan gets it by recovery, once.
"""

import time

from bench.scale.crowd import FAULTS, LOOK_SECONDS, QUIET_SECONDS, Crowd, Progress
from bench.scale.estimate import ScaleError
from bench.scale.figures import Restart
from bench.scale.servers import Edge, cpu_seconds
from ngage_core.swarm import publication

RETURNS_PER_SECOND_LEAST = 4000  # slower is given up
MISSED_BYTES = 128
CLOSE_SECONDS = 30.0


def restart(crowd: Crowd, edge: Edge) -> tuple[Restart, list[str]]:
    """What it took, and what was wrong. Raises ScaleError if not everybody came back."""
    crowd.sequence += 1
    crowd.swarm.reset(crowd.sequence)
    before, mob_cpu = crowd.swarm.progress(), crowd.swarm.cpu_seconds()
    bill = Bill(edge.pid)
    last = edge.position()
    assert last
    started = time.monotonic()
    edge.upgrade()
    bill.add(edge.pid)
    ready_seconds = time.monotonic() - started
    crowd.say(f"the successor serves after {ready_seconds:.1f} s, everybody is sent away")
    _await_first_close(crowd, before["closed"])
    missed = edge.publish(publication(time.monotonic_ns(), crowd.sequence, MISSED_BYTES))
    if missed.epoch != last.epoch:
        crowd.swarm.anchor(0, int(missed.epoch, 16), crowd.sequence - missed.offset)
    seconds, curve = _await_return(crowd, before["opened"], started, bill)
    time.sleep(QUIET_SECONDS)
    now = crowd.swarm.progress()
    found = Restart(
        seconds=seconds,
        ready_seconds=ready_seconds,
        recovered=now["recovered"] - before["recovered"],
        unrecovered=now["unrecovered"] - before["unrecovered"],
        received=now["received"],
        attempts_failed=now["failed"] - before["failed"],
        server_cpu_us=bill.seconds / crowd.fans * 1e6,
        mob_cpu_us=(crowd.swarm.cpu_seconds() - mob_cpu) / crowd.fans * 1e6,
        curve=curve,
    )
    crowd.say(
        f"all back after {seconds:.1f} s: {found.recovered:,} recovered, {found.unrecovered:,} "
        f"not; {found.received:,} have what was published meanwhile"
    )
    return found, _faults(found, now, crowd.fans)


class Bill:
    """CPU time of processes that may end: what each had spent when it was last seen."""

    def __init__(self, pid: int) -> None:
        self._before = cpu_seconds(pid)
        self._spent = {pid: self._before}

    def add(self, pid: int) -> None:
        """A process that has been started since."""
        self._spent[pid] = 0.0

    def look(self) -> None:
        for pid, spent in self._spent.items():
            self._spent[pid] = max(spent, cpu_seconds(pid))

    @property
    def seconds(self) -> float:
        return sum(self._spent.values()) - self._before


def _await_first_close(crowd: Crowd, closed: int) -> None:
    """Before it the predecessor may still take what is meant for the successor: they share the
    admin listener too. The predecessor leaves that before it closes anything."""
    deadline = time.monotonic() + CLOSE_SECONDS
    while crowd.swarm.progress()["closed"] == closed:
        if time.monotonic() > deadline:
            raise ScaleError("the predecessor sends nobody away")
        time.sleep(LOOK_SECONDS)


def _await_return(crowd: Crowd, opened: int, started: float, bill: Bill) -> tuple[float, list[int]]:
    """Seconds until everybody has a new connection, and how many were made in each of them."""
    deadline = started + 60 + crowd.fans / RETURNS_PER_SECOND_LEAST
    back, seconds = 0, 0.0
    curve: list[int] = []
    progress = Progress(crowd.say)
    while back < crowd.fans:
        if time.monotonic() > deadline:
            raise ScaleError(f"{back:,} of {crowd.fans:,} fans came back in time")
        time.sleep(LOOK_SECONDS)
        bill.look()
        seconds = time.monotonic() - started
        now = crowd.swarm.progress()["opened"] - opened
        curve += [0] * (int(seconds) + 1 - len(curve))
        curve[-1] += now - back
        back = now
        progress.at(f"{back:,} are back")
    return seconds, curve


def _faults(found: Restart, counters: dict[str, int], fans: int) -> list[str]:
    """Who came back without recovery was told so: that is no fault here, but counted."""
    faults = [f"restart: {counters[name]:,} {name}" for name in FAULTS if counters[name]]
    if not found.unrecovered and found.received != fans:
        faults.append(f"restart: {found.received:,} of {fans:,} fans have what they missed")
    if counters["open"] != fans:
        faults.append(f"restart: {counters['open']:,} of {fans:,} fans are back")
    return faults
