"""Events and polls as rows: what is written in one transaction, and what is read at a start.

Functions of a connection, for Store.run() and Store.read().
"""

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np

from ngage.errors import EventError
from ngage.interaction.model import Event, Poll, Result
from ngage.interaction.quiz import Scores

Row = tuple[Any, ...]

EVENT_COLUMNS = (
    "number, id, title, phase, run, starts_ms, video, features, reactions, chat, pinned, created_ms"
)


class Action(NamedTuple):
    """What a host did, for the audit log."""

    at_ms: int
    host: str
    name: str
    details: Mapping[str, object]


# Events


def insert_event(connection: sqlite3.Connection, event: Event, action: Action) -> Event:
    """Keep a new event: the event with its number. Raises EventError if the id is taken."""
    columns = EVENT_COLUMNS.removeprefix("number, ")
    marks = ", ".join("?" * (columns.count(",") + 1))
    try:
        row = connection.execute(
            f"INSERT INTO events ({columns}) VALUES ({marks})", _event_row(event)[1:]
        )
    except sqlite3.IntegrityError:
        raise EventError(f"id {event.id!r}: there is an event of that id") from None
    log_action(connection, event.id, action)
    return msgspec.structs.replace(event, number=row.lastrowid)


def update_event(connection: sqlite3.Connection, event: Event, action: Action) -> None:
    """Keep an event as it is now."""
    assignments = ", ".join(f"{name} = ?" for name in EVENT_COLUMNS.split(", ")[1:])
    connection.execute(
        f"UPDATE events SET {assignments} WHERE number = ?", (*_event_row(event)[1:], event.number)
    )
    log_action(connection, event.id, action)


def delete_event(connection: sqlite3.Connection, event: Event, action: Action) -> None:
    """Forget an event and all that belongs to it, but not what hosts did to it."""
    connection.execute("DELETE FROM events WHERE number = ?", (event.number,))
    log_action(connection, event.id, action)


def read_events(connection: sqlite3.Connection) -> list[Event]:
    """All events, the oldest first."""
    rows = connection.execute(f"SELECT {EVENT_COLUMNS} FROM events ORDER BY number").fetchall()
    return [_event(row) for row in rows]


def _event_row(event: Event) -> Row:
    return (
        event.number,
        event.id,
        event.title,
        str(event.phase),
        event.run,
        event.starts_ms,
        event.video,
        _json(event.features),
        _json(event.reactions),
        _json(event.chat),
        _json(event.pinned),
        event.created_ms,
    )


def _event(row: Row) -> Event:
    columns = dict(zip(EVENT_COLUMNS.split(", "), row, strict=True))
    for name in ("features", "reactions", "chat", "pinned"):
        columns[name] = msgspec.json.decode(columns[name])
    return msgspec.convert(columns, Event)


# Polls


def insert_poll(connection: sqlite3.Connection, event: Event, poll: Poll, action: Action) -> Poll:
    """Keep a new poll: the poll with its number."""
    row = connection.execute(
        "INSERT INTO polls (event, run, state, opened_ms, closes_ms, document)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (event.number, *_poll_row(poll)),
    )
    known = msgspec.structs.replace(poll, id=row.lastrowid)
    log_action(connection, event.id, _of_poll(action, known))
    return known


def update_poll(connection: sqlite3.Connection, poll: Poll, action: Action) -> None:
    """Keep a poll as it is now, but for its result."""
    connection.execute(
        "UPDATE polls SET run = ?, state = ?, opened_ms = ?, closes_ms = ?, document = ?"
        " WHERE id = ?",
        (*_poll_row(poll), poll.id),
    )
    log_action(connection, poll.event, _of_poll(action, poll))


def insert_result(
    connection: sqlite3.Connection, poll: Poll, scores: Scores | None, at_ms: int
) -> None:
    """Keep what a poll ended with; again is the same."""
    result = poll.result
    assert result is not None
    connection.execute(
        "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?)",
        (
            poll.id,
            _json(result.counts),
            result.voters,
            result.journal_bytes,
            result.journal_sha256,
            at_ms,
        ),
    )
    if scores is not None:
        connection.execute(
            "INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?)",
            (
                poll.id,
                scores.voters.astype("<u8").tobytes(),
                scores.points.astype("<u4").tobytes(),
                scores.elapsed_ms.astype("<u4").tobytes(),
                scores.correct.astype("u1").tobytes(),
            ),
        )


def read_polls(connection: sqlite3.Connection) -> list[Poll]:
    """All polls with their results, the oldest first."""
    rows = connection.execute(
        "SELECT polls.id, document, counts, voters, journal_bytes, journal_sha256"
        " FROM polls LEFT JOIN results ON results.poll = polls.id ORDER BY polls.id"
    ).fetchall()
    return [_poll(*row) for row in rows]


def read_scores(connection: sqlite3.Connection, poll: int) -> Scores | None:
    """The scores of a question, if it has any."""
    found = connection.execute(
        "SELECT voters, points, elapsed_ms, correct FROM scores WHERE poll = ?", (poll,)
    ).fetchone()
    if found is None:
        return None
    voters, points, elapsed, correct = found
    return Scores(
        np.frombuffer(voters, "<u8").astype(np.uint64),
        np.frombuffer(points, "<u4").astype(np.int64),
        np.frombuffer(elapsed, "<u4").astype(np.int64),
        np.frombuffer(correct, "u1").astype(np.bool_),
    )


def _poll_row(poll: Poll) -> Row:
    document = _json(msgspec.structs.replace(poll, result=None))
    return poll.run, str(poll.state), poll.opened_ms, poll.closes_ms, document


def _poll(number: int, document: str, counts: str | None, *rest: Any) -> Poll:
    poll = msgspec.json.decode(document, type=Poll)
    result = None
    if counts is not None:
        result = Result(msgspec.json.decode(counts, type=tuple[int, ...]), *rest)
    return msgspec.structs.replace(poll, id=number, result=result)


# The audit log


def log_action(connection: sqlite3.Connection, event: str, action: Action) -> None:
    """Keep what a host did; belongs into the transaction that does it."""
    connection.execute(
        "INSERT INTO audit (at_ms, event, host, action, details) VALUES (?, ?, ?, ?, ?)",
        (action.at_ms, event, action.host, action.name, _json(action.details)),
    )


def read_actions(connection: sqlite3.Connection, event: str, limit: int) -> list[dict[str, Any]]:
    """The newest actions of an event, the newest first."""
    rows = connection.execute(
        "SELECT at_ms, host, action, details FROM audit WHERE event = ? ORDER BY id DESC LIMIT ?",
        (event, limit),
    ).fetchall()
    return [
        {"at": at_ms, "host": host, "action": name, "details": msgspec.json.decode(details)}
        for at_ms, host, name, details in rows
    ]


def _of_poll(action: Action, poll: Poll) -> Action:
    return action._replace(details={"poll": poll.id, **action.details})


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
