"""Log lines on stderr: plain, or one JSON object each."""

import logging
import sys
from datetime import UTC, datetime

import msgspec

# What libraries below us say is worth a line only from this level on.
OTHERS_LEVEL = logging.WARNING


def configure(level: str, line_format: str) -> None:
    """Send all logging to stderr; ngage from `level` on. Replaces what was configured."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if line_format == "json" else PlainFormatter())
    logging.basicConfig(level=OTHERS_LEVEL, handlers=[handler], force=True)
    set_level(level)


def set_level(level: str) -> None:
    """Log ngage from `level` on."""
    logging.getLogger("ngage").setLevel(level.upper())


class PlainFormatter(logging.Formatter):
    """TIME LEVEL LOGGER MESSAGE, the traceback below where there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return _time(record)


class JsonFormatter(logging.Formatter):
    """{"time", "level", "logger", "message"} and "exception" where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
