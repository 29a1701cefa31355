"""A lever taken: A and B in turns, on the same sockets where that is possible."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.levers.figures import Entry, Found, Turn
from bench.levers.lever import Absent, Lever, Side
from bench.levers.networks import Network, drops
from bench.levers.rules import applied, seen_new
from bench.levers.sender import BEFORE_EACH, Sender
from bench.scale.crowd import Crowd, Say
from bench.scale.estimate import ScaleError
from bench.scale.figures import Connecting
from bench.scale.stages import await_gone, connect

THREADS = Path("/proc/self/task")
PASSES = 2  # of a lever that lets everybody in anew: A B A B


class Stand:
    """A sender with the crowd before it, and what it cost to let everybody in."""

    def __init__(self, sender: Sender, crowd: Crowd, connecting: Connecting) -> None:
        self.sender, self.crowd, self.connecting = sender, crowd, connecting

    def hear(self, side: Side, size: int, of: str, name: str) -> Turn:
        """One broadcast. Raises ScaleError if not everybody got it as it was."""
        self.sender.order(side.orders)
        self.sender.way = side.way
        wake_as(os.SCHED_BATCH if side.batch else os.SCHED_OTHER)
        before = drops()
        found, faults = self.crowd.hear(size, of)
        if faults:
            raise ScaleError("; ".join(faults))
        return Turn(name, found, drops() - before)


def wake_as(policy: int) -> None:
    """Let the threads of the fans, which are all of this process but the first, wake under it."""
    threads = {int(entry.name) for entry in THREADS.iterdir()} - {os.getpid()}
    for thread in threads:
        if os.sched_getscheduler(thread) != policy:
            os.sched_setscheduler(thread, policy, os.sched_param(0))


@contextmanager
def stand(
    fans: int, network: Network, say: Say, *, spare: int = 1, start: tuple[str, ...] = ()
) -> Iterator[Stand]:
    """Everybody is connected within the context, and gone after it."""
    with (
        Sender(fans, network, spare=spare, start=start) as sender,
        Crowd(sender, fans, say, source=network.source) as crowd,
    ):
        connecting = connect(crowd, sender)
        sender.all_open()
        yield Stand(sender, crowd, connecting)
    await_gone()


def in_turns(lever: Lever, place: Stand, rounds: int) -> Found:
    """On the same sockets, after one broadcast of each that does not count."""
    sender, turns = place.sender, []
    copied = sender.copied
    sender.order((*BEFORE_EACH, *lever.orders))
    for number in range(rounds + 1):
        for size in lever.sizes:
            for name, side in lever.sides:
                turn = place.hear(side, size, _words(lever, name, number), name)
                turns += [turn] if number else []
    return _found(lever, place.crowd.fans, turns, copied=sender.copied - copied)


def anew(lever: Lever, fans: int, network: Network, say: Say, rounds: int) -> Found:
    """Each side with sockets of its own, so that connecting is compared too."""
    turns: list[Turn] = []
    let_in: list[Entry] = []
    for _ in range(PASSES):
        for name, side in lever.sides:
            say(f"{lever.name} {name}: {side.what}")
            with (
                applied(side.rules, network.within),
                stand(fans, network, say, spare=lever.spare, start=side.start) as place,
            ):
                _must_be_tracked(side, fans, network)
                cost = place.connecting
                let_in.append(Entry(name, cost.per_second(fans), cost.server_cpu_us))
                for number in range(max(1, rounds // PASSES) + 1):
                    for size in lever.sizes:
                        turn = place.hear(side, size, _words(lever, name, number), name)
                        turns += [turn] if number else []
    return _found(lever, fans, turns, entries=let_in)


def _must_be_tracked(side: Side, fans: int, network: Network) -> None:
    """Raises Absent unless the rules do what they are meant to."""
    if not side.rules:
        return
    entered = seen_new(network.within)
    if (entered >= fans) != side.tracked:
        raise Absent(f"with these rules conntrack has entered {entered:,} of {fans:,} connections")


def _found(
    lever: Lever,
    fans: int,
    turns: list[Turn],
    *,
    copied: int = 0,
    entries: list[Entry] | None = None,
) -> Found:
    return Found(
        lever=lever.name,
        a=lever.a.what,
        b=lever.b.what,
        fans=fans,
        load=os.getloadavg()[0],
        turns=turns,
        entries=entries or [],
        copied=copied,
    )


def _words(lever: Lever, name: str, number: int) -> str:
    return f"{lever.name} {name} {number or 'warm-up'}: "
