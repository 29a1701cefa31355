"""What a run found: the figures, as `mobsim --json` writes them, and the verdict.

The keys up to `verdict` are a contract (docs/reference/mobsim.md); what follows them is for the
report. Times of a run are seconds from its start.
"""

from enum import StrEnum
from pathlib import Path

import msgspec


class Verdict(StrEnum):
    PASS = "pass"
    THRESHOLD = "threshold"
    INVARIANT = "invariant"
    SATURATED = "saturated"


EXIT_CODES = {
    Verdict.PASS: 0,
    Verdict.INVARIANT: 3,
    Verdict.SATURATED: 4,
    Verdict.THRESHOLD: 99,
}


class Fans(msgspec.Struct, kw_only=True):
    wanted: int
    connected: int  # fans that were ever connected
    failed: int  # fans that arrived and never were


class Percentiles(msgspec.Struct, kw_only=True):
    """Milliseconds. p99_9 in JSON for the 99.9th."""

    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    p99_9: float = 0.0
    max: float = 0.0
    count: int = 0


class Connect(msgspec.Struct, kw_only=True):
    per_second: float = 0.0
    ms: Percentiles = msgspec.field(default_factory=Percentiles)


class Messages(msgspec.Struct, kw_only=True):
    expected: int = 0
    received: int = 0
    gaps: int = 0
    duplicates: int = 0
    reordered: int = 0
    corrupt: int = 0
    told: int = 0  # missing, and the server said so
    skipped: int = 0  # missing, as the channel's policy may
    bytes: int = 0


class Votes(msgspec.Struct, kw_only=True):
    sent: int = 0
    acknowledged: int = 0
    counted: int = 0
    lost: int = 0
    doubled: int = 0


class Voting(msgspec.Struct, kw_only=True):
    """What else there is to say of votes and reactions. ms: first send to acknowledgement."""

    ms: Percentiles = msgspec.field(default_factory=Percentiles)
    repeated: int = 0  # sent again
    refused: int = 0
    put_off: int = 0  # the server had no room, or no disk
    cheats: int = 0  # forbidden things that were tried
    reactions: int = 0
    lines: int = 0  # of chat
    lines_taken: int = 0
    lines_refused: int = 0
    counts: list[int] = msgspec.field(default_factory=list)  # the final tally, by choice


class Generator(msgspec.Struct, kw_only=True):
    lag_ms_p99: float = 0.0
    cpu_seconds: float = 0.0
    bytes_per_fan: float = 0.0
    publish_lag_ms_p99: float = 0.0


class ViolationRecord(msgspec.Struct, kw_only=True):
    """fan -1: of the server as a whole (kinds memory, descriptors)."""

    kind: str
    fan: int
    channel: str
    persona: str
    expected: int
    got: int
    at: float
    text: str


class ThresholdResult(msgspec.Struct, kw_only=True):
    metric: str
    expr: str
    value: float
    ok: bool


class Moment(msgspec.Struct, kw_only=True):
    """Something that happened: the begin of a phase, a stimulus, a fault."""

    at: float
    kind: str
    text: str


class Sampling(msgspec.Struct, kw_only=True):
    """One second (or what was left of it) of a run. Milliseconds; p50 to max are of this second."""

    at: float
    open: int
    arrived: int
    connects_per_second: float
    received_per_second: float
    p50: float
    p99: float
    max: float
    lag_p99: float
    gaps: int
    violations: int
    closed: int
    votes_per_second: float = 0.0  # acknowledged
    vote_p99: float = 0.0


class Result(msgspec.Struct, kw_only=True):
    version: int = 1
    target: str
    fans: Fans
    connect: Connect
    messages: Messages
    latency_ms: Percentiles
    votes: Votes = msgspec.field(default_factory=Votes)
    generator: Generator
    violations: list[ViolationRecord]
    thresholds: list[ThresholdResult]
    verdict: Verdict
    # For the report
    scenario: str = ""
    seed: int = 0
    started: str = ""  # ISO 8601
    seconds: float = 0.0
    machine: str = ""
    reasons: list[str] = msgspec.field(default_factory=list)  # of a verdict that is not pass
    violation_count: int = 0  # violations holds the first ones
    closes: dict[str, int] = msgspec.field(default_factory=dict)  # by close code or HTTP status
    connections: dict[str, int] = msgspec.field(default_factory=dict)  # opened, lost, recovered...
    servers: dict[str, dict[str, float]] = msgspec.field(default_factory=dict)  # by server: rss...
    moments: list[Moment] = msgspec.field(default_factory=list)
    series: list[Sampling] = msgspec.field(default_factory=list)
    voting: Voting = msgspec.field(default_factory=Voting)
    histogram: str = ""  # latency in us, HdrHistogram V2, base64

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]

    def write(self, path: Path) -> None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")


def read_result(path: Path) -> Result:
    """Raises msgspec.ValidationError or DecodeError for what is no result, OSError."""
    return msgspec.json.decode(path.read_bytes(), type=Result)
