"""What must hold of every run, in words and for the server as a whole.

The crowd checks its fans while they read (ngage_core.swarm). Here its findings get names, and the
servers that mobsim started are asked whether they are back where they were. What a tally may be is
in tallies.py.
"""

from collections.abc import Sequence

from ngage.mob.measure.footprint import Footprint
from ngage.mob.measure.results import ViolationRecord
from ngage.mob.model import Scenario
from ngage_core.behaviour import Violation

NOBODY = -1  # of the server as a whole
NS = 1e9
# A server keeps what it has touched: a slab of 160 bytes for each connection there ever was (the
# edge's own budget), its rings, and what its allocator does not give back.
BYTES_PER_FAN = 256
BYTES_KEPT = 32 << 20
# Where there is a poll: votes and answers under way (72 bytes each, 2**20 at most) and a batch of
# them; a register for each voter, in a table that doubles.
BYTES_OF_VOTES = 96 << 20
BYTES_PER_VOTER = 64
TEXTS = {
    "gap": "{missing} missing, and nobody said so",
    "recovery": "the server said that nothing is missing, but {got} came instead of {expected}",
    "duplicate": "publication {got} came again where {expected} was next",
    "reordered": "publication {got} came late, when {expected} was next",
    "corrupt": "the bytes of publication {got} are not those that were published",
    "tail": "{rest} missing at the end",
    "gap_note": "a gap was announced from offset {got}, where {expected} was next",
    "malformed": "what the server sent breaks RFC 6455, after publication {got}",
    "close_code": "a close frame has the code {got}, which may not be sent",
    "ack": "vote {got} was acknowledged, but the newest that was sent is {expected}",
    "forbidden": "what must be refused, with {expected}, was answered with {got}",
    "vote_lost": "its acknowledged vote {expected} does not stand: the register has {got}",
    "vote_doubled": "the register has vote {got}, which was not sent: the newest is {expected}",
    "tally": "the tally is {got}, not {expected}",
}


def record(
    violation: Violation, scenario: Scenario, paths: Sequence[str], start_ns: int
) -> ViolationRecord:
    return ViolationRecord(
        kind=violation.kind,
        fan=violation.fan,
        channel=paths[violation.channel],
        persona=scenario.personas[violation.persona].name,
        expected=violation.expected,
        got=violation.got,
        at=(violation.at_ns - start_ns) / NS,
        text=describe(violation),
    )


def describe(violation: Violation) -> str:
    expected, got = violation.expected, violation.got
    return TEXTS[violation.kind].format(
        expected=expected,
        got=got,
        missing=_numbers(expected, got - 1),
        rest=_numbers(expected, got),
    )


def leftovers(
    name: str, before: Footprint, after: Footprint, fans: int, at: float, *, votes: bool = False
) -> list[ViolationRecord]:
    """What a server has not given back, after `fans` fans have come, perhaps voted, and gone."""
    found = []
    if after.descriptors > before.descriptors:
        text = f"{name} has {after.descriptors} descriptors, and had {before.descriptors}"
        found.append(("descriptors", before.descriptors, after.descriptors, text))
    allowed = before.resident_bytes + BYTES_KEPT + BYTES_PER_FAN * fans
    if votes:
        allowed += BYTES_OF_VOTES + BYTES_PER_VOTER * fans
    if after.resident_bytes > allowed:
        text = f"{name} has {after.resident_bytes:,} bytes in memory, at most {allowed:,} are right"
        found.append(("memory", allowed, after.resident_bytes, text))
    return [
        of_server(kind, name, text, at=at, expected=wanted, got=got)
        for kind, wanted, got, text in found
    ]


def of_server(
    kind: str, name: str, text: str, *, at: float, expected: int = 0, got: int = 0
) -> ViolationRecord:
    """A violation that no single fan has seen."""
    return ViolationRecord(
        kind=kind,
        fan=NOBODY,
        channel=name,
        persona="",
        expected=expected,
        got=got,
        at=at,
        text=text,
    )


def _numbers(first: int, last: int) -> str:
    if first >= last:
        return f"publication {first} is"
    return f"publications {first} to {last} are"
