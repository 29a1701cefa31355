"""The levers one after the other: those that can share sockets do."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from bench.levers import networks
from bench.levers.catalogue import chosen
from bench.levers.figures import Found, Report, store
from bench.levers.lever import SMALL, Absent, Lever
from bench.levers.networks import Network
from bench.levers.options import Options
from bench.levers.report import text
from bench.levers.turns import Stand, anew, in_turns, stand
from bench.scale.crowd import Say
from bench.scale.estimate import BESIDE_BYTES, ScaleError, available_bytes, bytes_needed
from bench.scale.run import teller
from ngage.capacity import raise_descriptor_limit
from ngage.errors import NgageError
from ngage.mob.measure.machine import machine

LARGE_SHARE = 1.25  # of a large frame that nobody has read, with what it is kept in


def run(options: Options) -> int:
    """The exit code: 0, 1 if fans saw anything wrong, 2 if it did not come to its end."""
    say = teller()
    described = machine()
    say(described)
    levers = chosen(options.only, veth=options.veth)
    found: list[Found] = []
    try:
        network = networks.veth() if options.veth else networks.loopback()
        raise_descriptor_limit()
        with Course(network, options, say) as course:
            found.extend(course.take(levers))
    except (NgageError, OSError) as error:
        print(f"levers: {error}", file=sys.stderr)
        return 2
    report = Report(network.name, options.fans, described, date.today().isoformat(), found)
    print(text(report))
    say(f"figures: {store(report, Path(options.raw))}")
    return 1 if any(one.wrong for one in found) else 0


class Course:
    """A context manager that keeps a crowd connected from one lever to the next."""

    def __init__(self, network: Network, options: Options, say: Say) -> None:
        self.network, self.options, self.say = network, options, say
        self._open = ExitStack()
        self._shared: Stand | None = None

    def __enter__(self) -> "Course":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def take(self, levers: Sequence[Lever]) -> Iterator[Found]:
        """What is found of each. One that fails is told so, and the next gets another crowd."""
        for lever in levers:
            self.say(f"{lever.name}: {lever.why}?")
            try:
                yield self._take(lever)
            except Absent as error:
                self.say(f"{lever.name}: not tried: {error}")
                yield _nothing(lever, self.options.fans, absent=str(error))
            except ScaleError as error:
                self.say(f"{lever.name}: WRONG: {error}")
                yield _nothing(lever, self.options.fans, wrong=str(error))
                self._close()

    def _take(self, lever: Lever) -> Found:
        rounds = self.options.rounds
        if not (lever.anew or lever.lasting or lever.fans_most < self.options.fans):
            return in_turns(lever, self._kept(), rounds)
        self._close()
        fans = fitting(lever, self.options.fans, available_bytes())
        if lever.anew:
            return anew(lever, fans, self.network, self.say, rounds)
        with stand(fans, self.network, self.say, spare=lever.spare) as place:
            return in_turns(lever, place, rounds)

    def _kept(self) -> Stand:
        if self._shared is None:
            place = stand(self.options.fans, self.network, self.say)
            self._shared = self._open.enter_context(place)
        return self._shared

    def _close(self) -> None:
        self._shared = None
        self._open.close()


def fitting(lever: Lever, fans: int, available: int) -> int:
    """As many of the fans as the lever is for, and as large frames leave room for."""
    most = min(fans, lever.fans_most)
    size = max(lever.sizes)
    if size <= SMALL:
        return most
    of_one = bytes_needed(1) - BESIDE_BYTES + int(size * LARGE_SHARE)
    room = max(0, available - BESIDE_BYTES) // of_one
    if room < 1:
        raise Absent(f"{available / 1e9:.1f} GB of memory are no room for {size:,} bytes each")
    return min(most, room)


def _nothing(lever: Lever, fans: int, *, absent: str = "", wrong: str = "") -> Found:
    return Found(
        lever=lever.name,
        a=lever.a.what,
        b=lever.b.what,
        fans=fans,
        absent=absent,
        wrong=[wrong] if wrong else [],
    )
