"""The database keeps what it said, changes nothing that fails, and says why it failed."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ngage.errors import StoreError
from ngage.interaction import schema
from ngage.interaction.store import Store

INSERT = (
    "INSERT INTO audit (at_ms, event, host, action, details) VALUES (1, 'show', 'api', ?, '{}')"
)


def add(connection: sqlite3.Connection, action: str = "open") -> None:
    connection.execute(INSERT, (action,))


def count(connection: sqlite3.Connection) -> int:
    [(number,)] = connection.execute("SELECT count(*) FROM audit")
    return int(number)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "ngage.db", busy_ms=50)
    yield opened
    await opened.close()


async def test_what_is_kept_is_there_after_opening_again(tmp_path: Path) -> None:
    for number in range(3):
        store = await Store.open(tmp_path / "ngage.db")
        assert await store.read(count) == number
        await store.run(add)
        await store.close()


async def test_work_that_fails_leaves_nothing(store: Store) -> None:
    def half(connection: sqlite3.Connection) -> None:
        add(connection)
        raise LookupError("in the middle")

    with pytest.raises(LookupError):
        await store.run(half)
    assert await store.read(count) == 0
    await store.run(add)
    assert await store.read(count) == 1


async def test_work_is_done_in_order_while_the_loop_goes_on(store: Store) -> None:
    order: list[int] = []
    await asyncio.gather(*(store.run(lambda _, n=n: order.append(n)) for n in range(50)))
    assert order == list(range(50))


async def test_who_gives_up_waiting_takes_nothing_back(store: Store) -> None:
    waiting = asyncio.ensure_future(store.run(add))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await store.read(count) == 1


async def test_locked_by_another_process(store: Store) -> None:
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another process") as refused:
        await store.run(add)
    assert refused.value.reason == "locked"
    assert await store.read(count) == 0
    other.execute("ROLLBACK")
    other.close()
    await store.run(add)
    assert await store.read(count) == 1


async def test_full(store: Store) -> None:
    [(pages,)] = await store.read(lambda c: c.execute("PRAGMA page_count").fetchall())
    await store.read(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchall())

    def much(connection: sqlite3.Connection) -> None:
        for _ in range(1000):
            add(connection, "x" * 100)

    with pytest.raises(StoreError, match="disk is full") as refused:
        await store.run(much)
    assert refused.value.reason == "full"
    assert await store.read(count) == 0
    await store.read(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchall())
    await store.run(much)
    assert await store.read(count) == 1000


@pytest.mark.parametrize(
    "content", [b"no database at all" * 500, b""], ids=["something else", "empty"]
)
async def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ngage.db"
    path.write_bytes(content)
    if not content:
        await (await Store.open(path)).close()
        return
    with pytest.raises(StoreError, match="restore it") as refused:
        await Store.open(path)
    assert refused.value.reason == "corrupt"


async def test_a_page_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "ngage.db"
    store = await Store.open(path)
    await store.run(lambda c: [add(c, "x" * 1000) for _ in range(500)])
    await store.close()
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(StoreError) as refused:
        await Store.open(path)
    assert refused.value.reason == "corrupt"


async def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened") as refused:
        await Store.open(tmp_path / "none" / "ngage.db")
    assert refused.value.reason == "readonly"


async def test_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "ngage.db"
    await (await Store.open(path)).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer") as refused:
        await Store.open(path)
    assert refused.value.reason == "newer"


async def test_a_migration_happens_once_and_wholly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ngage.db"
    store = await Store.open(path)
    await store.run(add)
    await store.close()
    known = schema.MIGRATIONS
    broken = ("CREATE TABLE extra (id INTEGER) STRICT", "CREATE TABLE extra (id INTEGER) STRICT")
    monkeypatch.setattr("ngage.interaction.store.MIGRATIONS", (*known, broken))
    with pytest.raises(StoreError):
        await Store.open(path)
    monkeypatch.setattr("ngage.interaction.store.MIGRATIONS", (*known, broken[:1]))
    for _ in range(2):
        store = await Store.open(path)
        assert await store.read(lambda c: c.execute("SELECT * FROM extra").fetchall()) == []
        assert await store.read(count) == 1
        await store.close()


FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from ngage.errors import StoreError
from ngage.interaction.store import Store

async def main():
    store = await Store.open(Path(sys.argv[1]))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    wal = Path(sys.argv[1] + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal + 50_000, resource.RLIM_INFINITY))
    def add(connection):
        connection.execute(INSERT, ("x" * 1000,))
    kept = 0
    try:
        while True:
            await store.run(add)
            kept += 1
    except StoreError as error:
        print(kept, error.reason)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.run(add)
    await store.close()

asyncio.run(main())
"""


async def test_a_disk_that_takes_no_more(tmp_path: Path) -> None:
    """What was said to be kept is, what was refused is not, and it goes on where it can."""
    path = tmp_path / "ngage.db"
    script = FULL_DISK.replace("INSERT", repr(INSERT))
    run = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    kept, reason = run.stdout.split()
    assert reason in {"failed", "full"}
    store = await Store.open(path)
    assert await store.read(count) == int(kept) + 1
    await store.close()


KILLED = """
import asyncio, sys
from pathlib import Path
from ngage.interaction.store import Store

async def main():
    store = await Store.open(Path(sys.argv[1]))
    number = 0
    while True:
        await store.run(lambda c: [c.execute(INSERT, ("a",)), c.execute(INSERT, ("b",))])
        number += 1
        print(number, flush=True)

asyncio.run(main())
"""


async def test_killed_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "ngage.db"
    script = KILLED.replace("INSERT", repr(INSERT))
    child = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    with child:
        assert child.stdout
        said = 0
        while said < 20:
            said = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        said = max([said, *(int(line) for line in child.stdout.read().split())])
    store = await Store.open(path)
    kept = await store.read(count)
    assert kept % 2 == 0
    assert kept // 2 in {said, said + 1}
    await store.close()
