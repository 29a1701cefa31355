"""What a run is asked to do, as flags."""

import argparse
from pathlib import Path

import msgspec

from bench.scale.estimate import ScaleError

SIZES = (128, 1024)
SMOKE_FANS, FANS = 100_000, 1_000_000
RESTARTED_FANS_MAX = 1_000_000  # unless asked for: the goal is for so many
TEXT = "So many subscribers of one channel on this host, as root: ngage-edge beside the floor."


class Options(msgspec.Struct, frozen=True):
    """rounds: publications of each size. idle_seconds: how long the crowd is watched, once it is
    pinged if steady."""

    fans: int
    rounds: int
    idle_seconds: float
    steady: bool
    floor: bool
    restart: bool
    write: bool
    raw: str

    @property
    def sizes(self) -> list[int]:
        """Of the publications, in turns."""
        return list(SIZES) * self.rounds


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=TEXT)
    parser.add_argument("--fans", type=count, metavar="N", help=f"default {FANS:,}")
    parser.add_argument("--rounds", type=count, metavar="N", help="of each size; default: by fans")
    parser.add_argument("--smoke", action="store_true", help=f"only check {SMOKE_FANS:,} fans")
    parser.add_argument("--restart", action="store_true", help="a restart too, whatever the size")
    parser.add_argument("--steady", action="store_true", help="watch it idle once it is pinged")
    parser.add_argument("--restore", action="store_true", help="put back what a crash has left")
    parser.add_argument("--write", action="store_true", help="into bench/RESULTS.md")
    parser.add_argument("--raw", type=Path, default=Path("build/scale"), help="where figures are")
    return parser


def count(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def options(arguments: argparse.Namespace) -> Options:
    """The flags, with the defaults that depend on others. Raises ScaleError if they clash."""
    smoke = arguments.smoke
    if smoke and arguments.write:
        raise ScaleError("--smoke measures nothing that --write could write")
    fans = arguments.fans or (SMOKE_FANS if smoke else FANS)
    return Options(
        fans=fans,
        rounds=arguments.rounds or (1 if smoke else rounds_for(fans)),
        idle_seconds=0.0 if smoke else 60.0,
        steady=arguments.steady,
        floor=not smoke,
        restart=arguments.restart or (not smoke and fans <= RESTARTED_FANS_MAX),
        write=arguments.write,
        raw=str(arguments.raw),
    )


def rounds_for(fans: int) -> int:
    """So many that a million takes about 12 minutes, and two 16."""
    return 5 if fans <= 300_000 else 3 if fans <= 1_000_000 else 2
