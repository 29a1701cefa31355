"""Webhooks: what happens, told to HTTP servers, signed, in order, until they have understood.

Deliveries to one URL about one event form a lane, and go one after the other; lanes do not wait
for each other. A queue is bounded for each URL: what comes often (chat) may fill half of it, so
that a poll's result finds room. Nothing here is ever waited for by the show.
"""

import asyncio
import hashlib
import hmac
import logging
import random
import secrets
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import NamedTuple, Protocol, Self
from urllib.parse import urlsplit

import msgspec

from ngage.errors import SettingsError
from ngage.interaction.clock import Clock
from ngage.limits import (
    WEBHOOK_ATTEMPTS_MAX,
    WEBHOOK_BACKOFF_SECONDS,
    WEBHOOK_BACKOFF_SECONDS_MAX,
    WEBHOOK_PARALLEL_MAX,
    WEBHOOK_QUEUE_MAX,
    WEBHOOK_TIMEOUT_SECONDS,
)
from ngage.settings import Settings

logger = logging.getLogger(__name__)

GONE = 410
OUTCOMES = ("delivered", "retried", "failed", "dropped")
OFTEN = {"chat.message"}


class Poster(Protocol):
    """Makes the requests."""

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        """The status of the answer; raises what it likes if there is none."""
        ...

    async def close(self) -> None: ...


class _Delivery(NamedTuple):
    type: str
    body: bytes


class _Target:
    """One URL, and what waits for it by event."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.host = urlsplit(url).hostname or ""  # for the log: a URL may hold a password
        self.lanes: dict[str, deque[_Delivery]] = {}
        self.waiting = 0
        self.gone = False
        self.requests = asyncio.Semaphore(WEBHOOK_PARALLEL_MAX)


class Webhooks:
    """Tells `urls` of `types`. Calls belong to the event loop, and return at once.

    sleep and jitter (0 to 1) are for tests.
    """

    def __init__(
        self,
        urls: Sequence[str],
        secret: str,
        types: Collection[str],
        poster: Poster,
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.counts = Counter(dict.fromkeys(OUTCOMES, 0))
        self._targets = [_Target(url) for url in urls]
        self._secret, self._types, self._poster = secret.encode(), frozenset(types), poster
        self._clock, self._sleep, self._jitter = clock, sleep, jitter
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    def of(cls, settings: Settings, clock: Clock) -> Self | None:
        """Those of the settings, None if there are none. Raises SettingsError without httpx."""
        if not settings.webhook_urls:
            return None
        try:
            from ngage.interaction.posting import HttpxPoster  # noqa: PLC0415, an extra
        except ImportError:
            raise SettingsError(
                "webhook_urls: webhooks need httpx: pip install 'ngage[webhooks]'"
            ) from None
        return cls(
            *(settings.webhook_urls, settings.webhook_secret, settings.webhook_types),
            HttpxPoster(),
            clock=clock,
        )

    # What happens

    def tell(self, kind: str, event: str, data: object) -> None:
        """Something has happened in an event; data is what can be JSON."""
        if kind not in self._types:
            return
        body = msgspec.json.encode(
            {
                "id": f"evt_{secrets.token_hex(16)}",
                "type": kind,
                "time": self._clock.unix_ms(),
                "event": event,
                "data": data,
            }
        )
        for target in self._targets:
            self._queue(target, event, _Delivery(kind, body))

    @property
    def waiting(self) -> int:
        """Deliveries that have not ended."""
        return sum(target.waiting for target in self._targets)

    async def close(self, seconds: float) -> None:
        """End within `seconds`; what has not been delivered by then is dropped and counted."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()
        for target in self._targets:
            target.gone = True
            self.counts["dropped"] += target.waiting
            target.waiting = 0
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._poster.close()

    # Delivery

    def _queue(self, target: _Target, event: str, delivery: _Delivery) -> None:
        most = WEBHOOK_QUEUE_MAX // 2 if delivery.type in OFTEN else WEBHOOK_QUEUE_MAX
        if target.gone or target.waiting >= most:
            self.counts["dropped"] += 1
            return
        target.waiting += 1
        if event in target.lanes:
            target.lanes[event].append(delivery)
            return
        target.lanes[event] = deque([delivery])
        task = asyncio.get_running_loop().create_task(self._run(target, event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, target: _Target, event: str) -> None:
        lane = target.lanes[event]
        while lane and not target.gone:
            await self._deliver(target, lane.popleft())
            target.waiting -= 1
        del target.lanes[event]
        self.counts["dropped"] += len(lane)
        target.waiting -= len(lane)

    async def _deliver(self, target: _Target, delivery: _Delivery) -> None:
        for attempt in range(WEBHOOK_ATTEMPTS_MAX):
            if attempt:
                # Full jitter: those that failed together do not come back together.
                most = WEBHOOK_BACKOFF_SECONDS * 2 ** (attempt - 1)
                await self._sleep(min(most, WEBHOOK_BACKOFF_SECONDS_MAX) * self._jitter())
                self.counts["retried"] += 1
            async with target.requests:
                if target.gone:
                    break
                status = await self._attempt(target, delivery)
            if 200 <= status < 300:
                self.counts["delivered"] += 1
                return
            if status == GONE:
                target.gone = True
                logger.warning("webhook at %s is gone (410): it is told nothing more", target.host)
                break
        else:
            logger.warning("webhook at %s: %s is given up", target.host, delivery.type)
        self.counts["failed"] += 1

    async def _attempt(self, target: _Target, delivery: _Delivery) -> int:
        """The status of the answer, 0 if there is none."""
        headers = {
            "content-type": "application/json",
            "ngage-signature": sign(self._secret, self._clock.unix_ms() // 1000, delivery.body),
        }
        try:
            async with asyncio.timeout(WEBHOOK_TIMEOUT_SECONDS):
                return await self._poster.post(target.url, delivery.body, headers)
        except Exception as error:
            # Whatever it is, the lane has to go on.
            logger.info("webhook at %s: %s %s", target.host, type(error).__name__, error)
            return 0


def sign(secret: bytes, unix_seconds: int, body: bytes) -> str:
    """The value of Ngage-Signature: t=UNIX,v1=HEX, HMAC-SHA256 of "UNIX.BODY"."""
    signature = hmac.new(secret, b"%d.%b" % (unix_seconds, body), hashlib.sha256)
    return f"t={unix_seconds},v1={signature.hexdigest()}"
