"""ngage-edge: arguments to Settings, errors to exit codes.

0: ended after a drain. 1: could not start. 2: wrong usage or settings. 78: --strict refused.
"""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from ngage import __version__, logs
from ngage.checking import Given
from ngage.daemon.run import serve
from ngage.daemon.upgrade import Handover, read_handover
from ngage.errors import CapacityError, ChannelError, NgageError, SettingsError
from ngage.settings import Settings, load

EXIT_OK = 0
EXIT_START = 1
EXIT_USAGE = 2
EXIT_STRICT = 78  # EX_CONFIG of sysexits.h

# Flags that carry a setting of the same name, with the word for their value and their help.
VALUES = {
    "listen": ("HOST:PORT", "where clients connect (default 127.0.0.1:8080; port 0: a free one)"),
    "admin": ("HOST:PORT", "server API, health, metrics (default 127.0.0.1:8081)"),
    "studio": ("HOST:PORT", "where ngage-studio pushes live video (default: nowhere)"),
    "data": ("DIR", "where events, votes and the secret are kept (default: no events)"),
    "shards": ("N", "I/O threads (default 0: as many as cores and descriptor limit ask for)"),
    "backend": ("NAME", "how to send: auto, epoll or io_uring (default auto)"),
    "max-connections": ("N", "connections to make room for (default 0: what fits)"),
    "api-key": ("KEY", "key the server API asks for in X-API-Key"),
    "drain-seconds": ("S", "time to close the clients at a shutdown (default 10)"),
    "log-format": ("FORMAT", "plain or json (default plain)"),
    "log-level": ("LEVEL", "debug, info, warning or error (default info)"),
}
SWITCHES = {
    "echo": "serve an echo endpoint at /echo, for conformance tests",
    "strict": "exit 78 rather than hold fewer connections than wanted",
}

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ngage-edge: the exit code."""
    parsed = vars(_parser().parse_args(arguments))
    environment = dict(os.environ)
    handover = read_handover(environment)
    read_settings = partial(_read_settings, parsed, environment, handover)
    try:
        settings = read_settings()
    except SettingsError as error:
        print(f"ngage-edge: {error}", file=sys.stderr)
        return EXIT_USAGE
    logs.configure(settings.log_level, settings.log_format)
    try:
        uvloop.run(serve(settings, read_settings, environment, handover))
    except (SettingsError, ChannelError) as error:
        return _refuse(error, EXIT_USAGE)
    except CapacityError as error:
        return _refuse(error, EXIT_STRICT)
    except NgageError as error:
        return _refuse(error, EXIT_START)
    return EXIT_OK


def _refuse(error: NgageError, code: int) -> int:
    log.error("%s", error)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ngage-edge",
        description="Broadcast a live event to everybody who watches it.",
        epilog="SIGTERM drains, SIGHUP reloads the settings, SIGUSR2 upgrades in place.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE.toml", default="", help="settings from a file")
    for name, (metavar, about) in VALUES.items():
        parser.add_argument(f"--{name}", metavar=metavar, help=about)
    for name, about in SWITCHES.items():
        parser.add_argument(f"--{name}", action="store_const", const="true", help=about)
    parser.add_argument(
        "--demo",
        metavar="FILE",
        nargs="?",
        const="",
        help="run the demonstration event, playing FILE or a test picture",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="any other setting, as in the file; may be repeated",
    )
    parser.add_argument("--version", action="version", version=f"ngage-edge {__version__}")
    return parser


def _read_settings(
    parsed: Mapping[str, Any], environment: Mapping[str, str], handover: Handover | None
) -> Settings:
    given = [
        Given(name.replace("-", "_"), parsed[name.replace("-", "_")], f"flag --{name}")
        for name in (*VALUES, *SWITCHES)
        if parsed[name.replace("-", "_")] is not None
    ]
    for assignment in parsed["set"]:
        key, separator, value = assignment.partition("=")
        if not separator:
            raise SettingsError(f"--set {assignment}: it must be KEY=VALUE")
        given.append(Given(key, value, "flag --set"))
    if parsed["demo"] is not None:
        given += [Given("demo", "true", "--demo"), Given("demo_file", parsed["demo"], "--demo")]
    if handover:
        given.append(Given("listen", handover.listen, "upgrade"))
        given.append(Given("share_port", "true", "upgrade"))
    settings = load(given, environment, parsed["config"])
    if settings.demo_file and not Path(settings.demo_file).is_file():
        raise SettingsError(f"demo_file = {settings.demo_file!r}: there is no such file")
    return settings
