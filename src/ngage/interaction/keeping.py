"""What outlives the process of chat and questions, written behind the show's back.

Rows are gathered while the disk works and written many in one transaction, in order. The show
never waits for them, nor fails with them: while the database cannot take them they wait, and of
too many the newest are lost and counted (bans never: they are few).
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from ngage.errors import StoreError
from ngage.interaction.authors import Author
from ngage.interaction.chat import Line
from ngage.interaction.questions import Entry, QuestionState
from ngage.limits import KEPT_ROWS_MAX, RETRY_SECONDS

logger = logging.getLogger(__name__)

VOTER_BITS = 64
Result = TypeVar("Result")


class Runs(Protocol):
    """The store, as far as it is needed here."""

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result: ...


class Scribe:
    """Writes rows in order. lost: how many were too many."""

    def __init__(
        self, store: Runs, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self.lost = 0
        self._store, self._sleep = store, sleep
        self._rows: list[tuple[str, tuple[Any, ...]]] = []
        self._writing: asyncio.Task[None] | None = None

    def write(self, statement: str, *values: object, always: bool = False) -> None:
        """Have a statement run; returns at once. always: even if too many wait."""
        if len(self._rows) >= KEPT_ROWS_MAX and not always:
            self.lost += 1
            return
        self._rows.append((statement, values))
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def close(self) -> None:
        """Return when all is written, or has failed once more."""
        if self._writing:
            self._writing.cancel()
            await asyncio.wait([self._writing])
        try:
            await self._write_once()
        except StoreError as error:
            self.lost += len(self._rows)
            logger.warning("%d rows of chat and questions are lost: %s", len(self._rows), error)

    async def _write(self) -> None:
        while self._rows:
            try:
                await self._write_once()
            except StoreError as error:
                logger.warning("chat and questions are not written down now: %s", error)
                await self._sleep(RETRY_SECONDS)
        self._writing = None

    async def _write_once(self) -> None:
        rows = self._rows[:]
        if rows:
            # Cancelled here, it may have been written or not: each statement bears a repetition.
            await self._store.run(lambda connection: _execute(connection, rows))
            del self._rows[: len(rows)]


def _execute(connection: sqlite3.Connection, rows: list[tuple[str, tuple[Any, ...]]]) -> None:
    for statement, values in rows:
        # The event may have been deleted meanwhile; and no row may hold up those behind it.
        with suppress(sqlite3.IntegrityError, UnicodeError, OverflowError):
            connection.execute(statement, values)


class ChatRecords:
    """A chat's Keeper. event is its number; lines: keep what is said, not only who is banned."""

    def __init__(self, scribe: Scribe, event: int, *, lines: bool) -> None:
        self._write, self._event, self._lines = scribe.write, event, lines

    def line(self, line: Line) -> None:
        if self._lines:
            self._write(
                "INSERT OR REPLACE INTO chat_lines VALUES (?, ?, ?, ?, ?, ?, 0)",
                *(self._event, line.id, line.t, line.user, line.name, line.text),
            )

    def deleted(self, line: int) -> None:
        if self._lines:
            self._write(
                "UPDATE chat_lines SET deleted = 1 WHERE event = ? AND id = ?", self._event, line
            )

    def cleared(self, user: str) -> None:
        if self._lines:
            self._write(
                "UPDATE chat_lines SET deleted = 1 WHERE event = ? AND user = ?", self._event, user
            )

    def banned(self, user: str, voter: int, on: bool) -> None:
        key = (self._event, signed(voter))
        if on:
            self._write("INSERT OR REPLACE INTO bans VALUES (?, ?, ?)", *key, user, always=True)
        else:
            self._write("DELETE FROM bans WHERE event = ? AND voter = ?", *key, always=True)


class QuestionRecords:
    """A QuestionKeeper. event is its number."""

    def __init__(self, scribe: Scribe, event: int) -> None:
        self._write, self._event = scribe.write, event

    def asked(self, entry: Entry) -> None:
        author = entry.author
        self._write(
            "INSERT OR IGNORE INTO questions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            *(self._event, entry.id, entry.t, author.user, signed(author.voter)),
            *(author.name, entry.text, str(entry.state)),
        )

    def settled(self, question: int, state: QuestionState) -> None:
        self._write(
            "UPDATE questions SET state = ? WHERE event = ? AND id = ?",
            *(str(state), self._event, question),
        )

    def forgotten(self, question: int) -> None:
        self._write("DELETE FROM questions WHERE event = ? AND id = ?", self._event, question)

    def voted(self, question: int, voter: int, up: bool) -> None:
        row = (self._event, question, signed(voter))
        if up:
            # The question may be one of the rows that were too many.
            self._write(
                "INSERT OR IGNORE INTO question_votes SELECT event, id, ? FROM questions"
                " WHERE event = ? AND id = ?",
                *(row[2], *row[:2]),
            )
        else:
            self._write(
                "DELETE FROM question_votes WHERE event = ? AND question = ? AND voter = ?", *row
            )


def read_bans(connection: sqlite3.Connection, event: int) -> dict[int, str]:
    """Who is banned from an event: voter -> user."""
    rows = connection.execute("SELECT voter, user FROM bans WHERE event = ?", (event,))
    return {unsigned(voter): user for voter, user in rows}


def read_lines(connection: sqlite3.Connection, event: int, limit: int) -> list[Line]:
    """The last lines of a chat that are kept and not deleted, oldest first."""
    rows = connection.execute(
        "SELECT id, at_ms, user, name, text FROM chat_lines WHERE event = ? AND NOT deleted"
        " ORDER BY id DESC LIMIT ?",
        (event, limit),
    ).fetchall()
    return [Line(*row) for row in reversed(rows)]


def read_questions(connection: sqlite3.Connection, event: int) -> list[Entry]:
    """All questions of an event with those who voted for them, oldest first."""
    entries: dict[int, Entry] = {}
    for number, at_ms, user, voter, name, text, state in connection.execute(
        "SELECT id, at_ms, user, voter, name, text, state FROM questions WHERE event = ?"
        " ORDER BY id",
        (event,),
    ):
        author = Author(user, unsigned(voter), name)
        entries[number] = Entry(number, at_ms, author, text, QuestionState(state))
    for question, voter in connection.execute(
        "SELECT question, voter FROM question_votes WHERE event = ?", (event,)
    ):
        entries[question].voters.add(unsigned(voter))
    return list(entries.values())


def signed(voter: int) -> int:
    """A voter as SQLite has it."""
    return voter - (1 << VOTER_BITS) if voter >> (VOTER_BITS - 1) else voter


def unsigned(number: int) -> int:
    """A voter from the number that SQLite has."""
    return number % (1 << VOTER_BITS)
