"""What mobsim's command line takes: docs/reference/mobsim.md is its reference."""

import argparse
import ipaddress
import re
from pathlib import Path
from urllib.parse import urlsplit

from ngage.mob.scenario.units import read_seconds, read_size

OUTPUTS = {
    "json": ("FILE", "write the result as JSON"),
    "report": ("FILE.html", "write a report for people"),
    "junit": ("FILE.xml", "write JUnit XML for a CI"),
    "hgrm": ("FILE", "write latency percentiles for HdrHistogram's plotters"),
}
FANS_MAX = 4_000_000
NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
SECRET = re.compile(r"[0-9a-fA-F]{64}")


def build_parser(version: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mobsim",
        description="A crowd that connects, behaves as people do, and knows what each must see.",
        epilog="exit codes: 0 pass, 99 threshold missed, 2 usage, 3 invariant violated, "
        "4 generator too slow (run invalid), 130 interrupted",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"mobsim {version}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    running = _running()
    outputs = _outputs()

    run = commands.add_parser("run", parents=[running, outputs], help="run a scenario")
    run.add_argument("scenario", help="a TOML file, or the name of a ready scenario")
    run.add_argument("--fans", type=_fans, metavar="N", help="the same shape with so many fans")

    run.add_argument(
        "--tally", type=_tally, metavar="URL", help="where the poll's final tally is, as JSON"
    )

    quick = commands.add_parser(
        "quick", parents=[running, outputs], help="fans that connect, stay and check; no file"
    )
    quick.add_argument(
        "--target", type=_target, required=True, metavar="URL", help="ws://HOST:PORT/PATH"
    )
    quick.add_argument("--fans", type=_fans, required=True, metavar="N", help="how many")
    quick.add_argument(
        "--duration", type=_duration, default=10.0, metavar="S", help="as 10s or 5m (default 10s)"
    )
    quick.add_argument(
        "--publish",
        type=_publish,
        metavar="URL",
        help="publish too: http://HOST:PORT of an edge's admin, or ws:// of a server that sends on",
    )
    quick.add_argument("--api-key", default="", metavar="K", help="key of the server API")
    quick.add_argument(
        "--rate", type=_rate, default=1.0, metavar="R", help="bursts per second (default 1)"
    )
    quick.add_argument(
        "--burst", type=_count, default=1, metavar="N", help="publications at once (default 1)"
    )
    quick.add_argument(
        "--size", type=_size, default=128, metavar="B", help="bytes of each (default 128)"
    )
    quick.add_argument(
        "--sources",
        type=_network,
        default="127.0.0.0/8",
        metavar="CIDR",
        help='addresses the fans come from (default 127.0.0.0/8); "" leaves it to the kernel',
    )

    _add_capacity(commands)
    _add_hunt(commands)

    report = commands.add_parser("report", help="make a report of a result")
    report.add_argument("result", type=Path, metavar="RESULT.json")
    report.add_argument(
        "-o", "--output", type=Path, dest="report", metavar="FILE.html", help="the report"
    )
    for name in ("junit", "hgrm"):
        metavar, about = OUTPUTS[name]
        report.add_argument(f"--{name}", type=Path, metavar=metavar, help=about)
    report.set_defaults(json=None)

    commands.add_parser("scenarios", help="list the ready scenarios")
    return parser


def _add_capacity(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    capacity = commands.add_parser(
        "capacity", parents=[_crowd()], help="the largest load that meets the thresholds"
    )
    capacity.add_argument("scenario", help="a TOML file, or the name of a ready scenario")
    capacity.add_argument(
        "--vary", choices=("fans", "rate"), default="fans", help="what the load is (default fans)"
    )
    capacity.add_argument(
        "--from", type=_load, dest="first", metavar="N", help="begin here (default: the scenario's)"
    )
    capacity.add_argument(
        "--to", type=_load, dest="most", default=FANS_MAX, metavar="N", help="end here"
    )
    capacity.add_argument(
        "--precision", type=_share, default=0.05, metavar="P", help="as 5%% or 0.05 (default 5%%)"
    )
    capacity.add_argument("--json", type=Path, metavar="FILE", help="write the steps as JSON")


def _add_hunt(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    hunt = commands.add_parser(
        "hunt", help="mutate scenarios until an invariant is violated, and shrink what was found"
    )
    hunt.add_argument(
        "scenario", nargs="?", help="a TOML file, or a ready scenario (default: all of these)"
    )
    hunt.add_argument("--runs", type=_count, default=10_000, metavar="N", help="at most so many")
    hunt.add_argument(
        "--duration", type=_duration, default=600.0, metavar="S", help="as 10m (default 10m)"
    )
    hunt.add_argument("--seed", type=_seed, metavar="N", help="another hunt of the same kind")
    hunt.add_argument(
        "--fans", type=_fans, default=300, metavar="N", help="at most, in each run (default 300)"
    )
    hunt.add_argument(
        "--shrink", type=_runs, default=40, metavar="N", help="runs to shrink a finding (40)"
    )
    hunt.add_argument("--corpus", type=Path, metavar="DIR", help="keep what reached something new")
    hunt.add_argument(
        "--output", type=Path, default=Path(), metavar="DIR", help="where findings go (default .)"
    )


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _running() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, parents=[_crowd()])
    parser.add_argument(
        "--metrics", type=_address, metavar="HOST:PORT", help="serve Prometheus metrics meanwhile"
    )
    parser.add_argument(
        "--secret",
        type=_secret,
        default="",
        metavar="HEX",
        help="the edge's secret: sign tickets for the fans",
    )
    parser.add_argument("--plain", action="store_true", help="lines instead of a screen")
    return parser


def _crowd() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--seed", type=_seed, metavar="N", help="another crowd of the same kind")
    parser.add_argument(
        "--threads",
        type=_threads,
        default=0,
        metavar="N",
        help="threads of the crowd (default: as few as the descriptor limit allows)",
    )
    return parser


def _outputs() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    for name, (metavar, about) in OUTPUTS.items():
        parser.add_argument(f"--{name}", type=Path, metavar=metavar, help=about)
    return parser


def _whole(text: str, least: int, most: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{value} is not between {least} and {most}")
    return value


def _fans(text: str) -> int:
    return _whole(text, 1, FANS_MAX)


def _count(text: str) -> int:
    return _whole(text, 1, 10_000)


def _runs(text: str) -> int:
    return _whole(text, 0, 10_000)


def _load(text: str) -> float:
    """Fans or bursts per second."""
    try:
        load = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0 < load <= FANS_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most {FANS_MAX}")
    return load


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no share such as 5% or 0.05") from None
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 1")
    return share


def _seed(text: str) -> int:
    return _whole(text, 0, (1 << 63) - 1)


def _threads(text: str) -> int:
    return _whole(text, 0, 1024)


def _size(text: str) -> int:
    try:
        return read_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def _duration(text: str) -> float:
    """A number alone is seconds."""
    try:
        seconds = float(text) if NUMBER.fullmatch(text) else read_seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None
    if seconds <= 0:
        raise argparse.ArgumentTypeError("it must be more than 0")
    return seconds


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0 < rate <= 100_000:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 100,000")
    return rate


def _target(text: str) -> str:
    _split(text, ("ws",))
    try:
        ipaddress.IPv4Address(urlsplit(text).hostname or "")
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: the host must be a numeric IPv4 address"
        ) from None
    return text


def _publish(text: str) -> str:
    _split(text, ("http", "ws"))
    return text


def _tally(text: str) -> str:
    _split(text, ("http",))
    return text


def _secret(text: str) -> str:
    if text and not SECRET.fullmatch(text):
        raise argparse.ArgumentTypeError("it must be 64 hexadecimal digits")
    return text


def _split(text: str, schemes: tuple[str, ...]) -> None:
    try:
        parts = urlsplit(text)
        good = parts.scheme in schemes and parts.hostname and parts.port
    except ValueError:
        good = False
    if not good:
        ways = " or ".join(f"{scheme}://HOST:PORT" for scheme in schemes)
        raise argparse.ArgumentTypeError(f"{text!r} does not begin with {ways}")


def _network(text: str) -> str:
    try:
        return text and str(ipaddress.IPv4Network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not host or not colon or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return text
