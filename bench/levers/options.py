"""What a run of the levers is asked to do, as flags."""

import argparse
from pathlib import Path

import msgspec

from bench.scale.options import count

FANS, ROUNDS = 100_000, 7
TEXT = "What the kernel offers a broadcast, A against B on the same sockets, as root."


class Options(msgspec.Struct, frozen=True):
    """rounds: of each side and size, in turns. only: names with commas between; "" is all."""

    fans: int
    rounds: int
    only: str
    veth: bool
    raw: str


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.levers", description=TEXT)
    parser.add_argument("--fans", type=count, default=FANS, metavar="N", help=f"default {FANS:,}")
    parser.add_argument(
        "--rounds", type=count, default=ROUNDS, metavar="N", help=f"of each side; default {ROUNDS}"
    )
    parser.add_argument("--only", default="", metavar="NAME[,NAME]", help="these levers")
    parser.add_argument("--veth", action="store_true", help="two networks, not one loopback")
    parser.add_argument("--list", action="store_true", help="the levers, and what they are for")
    parser.add_argument(
        "--raw", type=Path, default=Path("build/levers"), metavar="DIRECTORY", help="figures"
    )
    return parser


def options(arguments: argparse.Namespace) -> Options:
    """The flags."""
    return Options(
        fans=arguments.fans,
        rounds=arguments.rounds,
        only=arguments.only,
        veth=arguments.veth,
        raw=str(arguments.raw),
    )
