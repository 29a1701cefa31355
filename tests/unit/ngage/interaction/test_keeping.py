"""What is kept of chat and questions is there after a restart; a failing database stops nobody."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from ngage.errors import StoreError
from ngage.interaction import keeping
from ngage.interaction.authors import Author
from ngage.interaction.chat import Chat, Line
from ngage.interaction.keeping import (
    ChatRecords,
    QuestionRecords,
    Scribe,
    read_bans,
    read_lines,
    read_questions,
    signed,
    unsigned,
)
from ngage.interaction.questions import Questions, QuestionState
from ngage.interaction.store import Store
from tests.helpers.manual_clock import ManualClock

EVENT = 5
VOTER = (1 << 64) - 2  # negative in SQLite
ASHA = Author("asha", VOTER, "Asha")
RAVI = Author("ravi", 2)
Result = TypeVar("Result")


def add_event(connection: sqlite3.Connection) -> None:
    """An event, whatever columns it has."""
    columns = connection.execute("PRAGMA table_info(events)").fetchall()
    values = {
        name: EVENT if name == "number" else 1 if kind == "INTEGER" else "{}"
        for _, name, kind, *_ in columns
    }
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO events ({names}) VALUES ({marks})", tuple(values.values()))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "ngage.db", busy_ms=50)
    await opened.run(add_event)
    yield opened
    await opened.close()


def chat(scribe: Scribe, *, lines: bool = True) -> Chat:
    return Chat(
        lambda text: None,
        clock=ManualClock(),
        lines_per_second=100,
        keeper=ChatRecords(scribe, EVENT, lines=lines),
        first=1,
    )


async def lines_of(store: Store) -> list[Line]:
    return await store.read(lambda connection: read_lines(connection, EVENT, 100))


async def bans_of(store: Store) -> dict[int, str]:
    return await store.read(lambda connection: read_bans(connection, EVENT))


def test_a_voter_fits_into_sqlite() -> None:
    for voter in (1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
        assert -(1 << 63) <= signed(voter) < 1 << 63
        assert unsigned(signed(voter)) == voter


async def test_lines_are_kept_but_for_those_taken_back(store: Store) -> None:
    scribe = Scribe(store)
    room = chat(scribe)
    for author, text in ((ASHA, "one"), (RAVI, "two"), (ASHA, "three"), (RAVI, "four")):
        room.send(author, text)
    room.delete(2)
    room.clear("asha")
    await scribe.close()
    kept = await lines_of(store)
    assert [(line.id, line.user, line.text) for line in kept] == [(4, "ravi", "four")]
    total = await store.read(
        lambda connection: connection.execute("SELECT count(*) FROM chat_lines").fetchone()
    )
    assert total == (4,)


async def test_bans_are_kept_and_lines_only_where_wanted(store: Store) -> None:
    scribe = Scribe(store)
    room = chat(scribe, lines=False)
    room.send(ASHA, "one")
    room.ban("asha", VOTER)
    room.ban("ravi", 2)
    room.pardon(2)
    await scribe.close()
    assert await bans_of(store) == {VOTER: "asha"}
    assert await lines_of(store) == []


async def test_questions_go_on_after_a_restart(store: Store) -> None:
    scribe = Scribe(store)

    def questions(known: list[keeping.Entry]) -> Questions:
        return Questions(
            lambda text: None,
            clock=ManualClock(),
            keeper=QuestionRecords(scribe, EVENT),
            known=known,
        )

    before = questions([])
    for text in "abc":
        before.ask(ASHA, text)
    before.vote(VOTER, 2, True)
    before.vote(3, 2, True)
    before.vote(3, 2, False)
    before.vote(3, 1, True)
    before.settle(1, QuestionState.ANSWERED)
    before.clear("nobody")
    before._forget(before._entries[3])
    await scribe.close()
    after = questions(await store.read(lambda connection: read_questions(connection, EVENT)))
    assert after.list() == before.list()
    after.vote(VOTER, 2, True)
    assert after.list()[1].votes == 1
    assert after.ask(RAVI, "d").id == 3
    await scribe.close()


class Failing:
    """A store that fails so often, and works then."""

    def __init__(self, store: Store, failures: int) -> None:
        self.store, self.failures, self.transactions = store, failures, 0

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        if self.failures:
            self.failures -= 1
            raise StoreError("full", "the disk is full")
        self.transactions += 1
        return await self.store.run(work)


async def test_a_full_disk_delays_and_loses_nothing(store: Store) -> None:
    failing, slept = Failing(store, 3), list[float]()
    done = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            done.set()

    scribe = Scribe(failing, sleep=sleep)
    room = chat(scribe)
    for text in ("one", "two"):
        room.send(ASHA, text)
    await done.wait()
    room.send(ASHA, "three")
    await scribe.close()
    assert [line.text for line in await lines_of(store)] == ["one", "two", "three"]
    assert scribe.lost == 0
    assert slept == [keeping.RETRY_SECONDS] * 3


async def test_many_rows_are_one_transaction(store: Store) -> None:
    counting = Failing(store, 0)
    scribe = Scribe(counting)
    room = chat(scribe)
    for number in range(50):
        room.send(ASHA, str(number))
    await scribe.close()
    assert len(await lines_of(store)) == 50
    assert counting.transactions == 1


async def test_rows_that_wait_are_bounded_but_a_ban_is_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "KEPT_ROWS_MAX", 2)
    scribe = Scribe(store)
    room = chat(scribe)
    for text in ("one", "two", "three"):
        room.send(RAVI, text)
    room.ban("asha", VOTER)
    await scribe.close()
    assert [line.text for line in await lines_of(store)] == ["one", "two"]
    assert await bans_of(store) == {VOTER: "asha"}
    assert scribe.lost == 2  # a line, and that Asha's are cleared


async def test_what_cannot_be_written_at_the_end_is_counted(store: Store) -> None:
    scribe = Scribe(Failing(store, 100))
    chat(scribe).send(ASHA, "one")
    await scribe.close()
    assert scribe.lost == 1


async def test_rows_of_an_event_that_is_gone_are_left_out(store: Store) -> None:
    scribe = Scribe(store)
    gone = ChatRecords(scribe, EVENT + 1, lines=True)
    gone.banned("asha", 1, True)
    ChatRecords(scribe, EVENT, lines=True).banned("\ud800", 1, True)  # no text for SQLite
    chat(scribe).send(ASHA, "one")
    await scribe.close()
    assert [line.text for line in await lines_of(store)] == ["one"]


async def test_an_event_takes_all_of_its_own_with_it(store: Store) -> None:
    scribe = Scribe(store)
    room = chat(scribe)
    room.send(RAVI, "one")
    room.ban("asha", VOTER)
    questions = Questions(
        lambda text: None, clock=ManualClock(), keeper=QuestionRecords(scribe, EVENT)
    )
    questions.ask(ASHA, "a")
    questions.vote(VOTER, 1, True)
    await scribe.close()
    await store.run(lambda connection: connection.execute("DELETE FROM events"))
    tables = ("bans", "chat_lines", "questions", "question_votes")
    every = " UNION ALL ".join(f"SELECT count(*) FROM {table}" for table in tables)
    assert await store.read(lambda connection: connection.execute(every).fetchall()) == [(0,)] * 4
