"""The comparison: every peer under every load, in turns, one server at a time, several rounds.

Each measurement is kept as a file in the directory given by --raw, and what is there already is not
measured again: a run that was interrupted goes on where it stopped.
"""

import argparse
import shutil
import sys
import tempfile
from itertools import product
from pathlib import Path

import msgspec

from bench import network, page
from bench.page import PageError
from bench.peers.measure import Load, Sample, measure
from bench.peers.peers import Peer, PeerError, choose
from bench.peers.results import PART, table, write
from bench.peers.server import Built, build

# Ticks are the same for all and about twice as long as the slowest peer needs, whose one thread
# takes 20 us for each delivery. So nobody is measured in a queue of its own making.
LOADS = (
    Load(1000, 1, tick=0.1, seconds=3),
    Load(1000, 8, tick=0.5, seconds=3),
    Load(10_000, 1, tick=0.5, seconds=4),
    Load(10_000, 8, tick=3.0, seconds=6),
    Load(19_000, 1, tick=1.0, seconds=5),
    Load(19_000, 8, tick=6.0, seconds=12),
)


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, 1 if a measurement failed, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    where = "the host's network" if options.host_network else network.enter()
    loads = [load for load in LOADS if not options.fans or load.fans in options.fans]
    options.raw.mkdir(parents=True, exist_ok=True)
    try:
        chosen = choose(options.peers)
        if options.write:
            page.check(PART)
    except (PeerError, PageError, OSError) as error:
        print(f"peers: {error}", file=sys.stderr)
        return 2
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        peers = _built(chosen, Path(directory))
        for turn, load, built in product(range(options.rounds), loads, peers):
            name = f"{turn}-{load.fans}-{load.burst}-{built.peer.name}.json"
            failed += not _take(built, load, options, options.raw / name, where)
    files = sorted(options.raw.glob("*.json"))
    samples = [msgspec.json.decode(file.read_bytes(), type=Sample) for file in files]
    print("\n" + table(samples))
    if options.write and samples:
        write(samples)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("peers", nargs="*", help="names; all if there are none")
    parser.add_argument("--fans", type=int, action="append", help="only this load; repeatable")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--raw", type=Path, default=Path("build/peers"), help="measurements")
    parser.add_argument("--write", action="store_true", help="into bench/RESULTS.md")
    parser.add_argument("--host-network", action="store_true", help="no namespace, even as root")
    beside = Path(sys.executable).parent / "mobsim"
    mobsim = str(beside) if beside.exists() else shutil.which("mobsim") or "mobsim"
    parser.add_argument("--mobsim", nargs="+", default=[mobsim], help="the command")
    return parser


def _built(peers: list[Peer], directory: Path) -> list[Built]:
    """Those that can run here; the others are named, with what they lack."""
    ready = []
    for peer in peers:
        try:
            if missing := peer.missing():
                raise PeerError(missing)
            ready.append(build(peer, directory))
        except PeerError as error:
            print(f"skipped {peer.name}: {error}", flush=True)
    return ready


def _take(built: Built, load: Load, options: argparse.Namespace, file: Path, where: str) -> bool:
    """Measure unless it is there; whether it is there now."""
    if file.exists():
        return True
    try:
        result = file.with_suffix(".mobsim")
        sample = measure(built, load, options.mobsim, result, where)
    except (PeerError, OSError, msgspec.MsgspecError) as error:
        print(f"failed {file.stem}: {error}", file=sys.stderr, flush=True)
        return False
    print(
        f"{file.stem}: {sample.upgrades_per_second:.0f} upgrades/s, "
        f"{sample.connection_bytes:.0f} bytes, {sample.delivery_us:.2f} us, "
        f"p99 {sample.latency_ms[1]:.1f} ms, {sample.incomplete} incomplete",
        flush=True,
    )
    file.write_bytes(msgspec.json.encode(sample))
    return True
