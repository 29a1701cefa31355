"""The database: one connection in a thread of its own, so that no disk is ever waited for here.

Work is a function of the connection. It runs in one transaction, in the order it was asked for, and
is committed (fsync) before run() returns; whatever goes wrong leaves the database as it was.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Self, TypeVar

from ngage.errors import StoreError
from ngage.interaction.schema import MIGRATIONS
from ngage.limits import STORE_BUSY_MS, STORE_PENDING_MAX

Result = TypeVar("Result")

# Primary result codes (sqlite.org/rescode.html) as (reason, what it means).
REASONS = {
    sqlite3.SQLITE_BUSY: ("locked", "another process holds the database"),
    sqlite3.SQLITE_LOCKED: ("locked", "another process holds the database"),
    sqlite3.SQLITE_FULL: ("full", "the disk is full"),
    sqlite3.SQLITE_IOERR: ("failed", "the disk does not take what is written, or does not answer"),
    sqlite3.SQLITE_CORRUPT: ("corrupt", "the file is damaged; restore it from a backup"),
    sqlite3.SQLITE_NOTADB: ("corrupt", "the file is no database; restore it from a backup"),
    sqlite3.SQLITE_READONLY: ("readonly", "the file cannot be written"),
    sqlite3.SQLITE_PERM: ("readonly", "the file cannot be written"),
    sqlite3.SQLITE_CANTOPEN: ("readonly", "the file cannot be opened"),
}


class Store:
    """An open database; made by Store.open(), ended by close().

    trouble: why the last thing that was to be written was not; empty: it was.
    """

    def __init__(self, path: Path, busy_ms: int) -> None:
        self.path = path
        self.trouble = ""
        self._busy_ms = busy_ms
        self._thread = ThreadPoolExecutor(1, "ngage-store")
        self._pending = 0

    @classmethod
    async def open(cls, path: Path, *, busy_ms: int = STORE_BUSY_MS) -> Self:
        """The database at `path`, made or brought up to date. Raises StoreError.

        busy_ms: how long work waits for a lock that another process holds.
        """
        store = cls(path, busy_ms)
        try:
            await store._submit(store._connect)
        except BaseException:
            store._thread.shutdown(wait=False)
            raise
        return store

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """What `work` returns, once all it has written is on the disk.

        Raises StoreError, then nothing has been written; so with whatever `work` raises.
        """
        try:
            result = await self._submit(lambda: self._transact("BEGIN IMMEDIATE", work))
        except StoreError as error:
            self.trouble = str(error)
            raise
        self.trouble = ""
        return result

    async def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """The same for work that only reads: no lock of another process delays it."""
        return await self._submit(lambda: self._transact("BEGIN", work))

    async def close(self) -> None:
        """End, after the work that waits."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown()

    # In the thread

    def _connect(self) -> None:
        try:
            self._connection = sqlite3.connect(
                self.path, timeout=self._busy_ms / 1000, isolation_level=None
            )
            self._prepare()
        except sqlite3.Error as error:
            self._disconnect()
            raise self._refusal(error) from error
        except BaseException:
            self._disconnect()
            raise

    def _prepare(self) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        [(verdict,)] = self._connection.execute("PRAGMA quick_check(1)").fetchall()
        if verdict != "ok":
            raise StoreError("corrupt", f"database {self.path}: {verdict}")
        [(version,)] = self._connection.execute("PRAGMA user_version")
        if version > len(MIGRATIONS):
            raise StoreError("newer", f"database {self.path}: a newer ngage has written it")
        for number, statements in enumerate(MIGRATIONS[version:], version + 1):
            self._transact("BEGIN IMMEDIATE", _migration(number, statements))

    def _disconnect(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()

    def _transact(self, begin: str, work: Callable[[sqlite3.Connection], Result]) -> Result:
        connection = self._connection
        try:
            connection.execute(begin)
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                # A full disk rolls back by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise  # a defect of the caller, or what it has to tell by itself
            raise self._refusal(error) from error
        return result

    def _refusal(self, error: sqlite3.Error) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        reason, meaning = REASONS.get(code, ("failed", str(error)))
        return StoreError(reason, f"database {self.path}: {meaning} ({error})")

    async def _submit(self, work: Callable[[], Result]) -> Result:
        if self._pending >= STORE_PENDING_MAX:
            raise StoreError("busy", f"database {self.path}: too much waits for the disk")
        self._pending += 1
        done = asyncio.get_running_loop().run_in_executor(self._thread, work)
        done.add_done_callback(self._finished)
        # Whoever is cancelled while it waits must not take the work's result with it.
        return await asyncio.shield(done)

    def _finished(self, _: object) -> None:
        self._pending -= 1


def _migration(version: int, statements: tuple[str, ...]) -> Callable[[sqlite3.Connection], None]:
    def migrate(connection: sqlite3.Connection) -> None:
        for statement in statements:
            with closing(connection.execute(statement)):
                pass
        connection.execute(f"PRAGMA user_version = {version}")

    return migrate
