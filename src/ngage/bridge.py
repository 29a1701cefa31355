"""Where the planes meet: the only importer of the compiled core.

Owns the Engine and its Votes. Messages of clients come in batches: the core makes event_fd
readable, the loop calls _take_events(), and every reader gets the batch in its own bounded inbox.
One batch is taken per call, so that a flood of messages leaves the loop free between batches.
"""

import asyncio
import errno
import logging
import os
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ngage.capacity import Plan, plan_shards, read_host
from ngage.errors import (
    CapacityError,
    ChannelError,
    ChannelLimitError,
    NotCompiledError,
    SettingsError,
    StartError,
)
from ngage.events import ClientMessage, Message
from ngage.inbox import Inbox
from ngage.options import split_address
from ngage.settings import ChannelOptions, Settings

try:
    from ngage_core import engine as core
    from ngage_core import votes as core_votes
except ImportError as missing:
    raise NotCompiledError("no compiled core: `pip install .` or `make build`") from missing

# What `backend = "auto"` is: the first of these that the kernel grants, else epoll.
AUTO = ("io_uring",)

# Why a kernel has no io_uring for a process (io_uring_setup(2)).
REFUSALS = {
    errno.EPERM: "the sysctl kernel.io_uring_disabled or a container's seccomp filter forbids it",
    errno.ENOSYS: "the kernel has none, or a container's seccomp filter hides it",
    errno.EINVAL: "the kernel is older than Linux 6.1",
}

# Until a shard that had no room for a command is asked again.
LATE_SECONDS = 0.001

CLIENT = re.compile(r"[0-9a-f]{16}")

Votes = core_votes.Votes

OPCODE_TEXT = core.OPCODE_TEXT
OPCODE_BINARY = core.OPCODE_BINARY
LAGS = {
    "latest": core.LAG_LATEST,
    "keyframe": core.LAG_KEYFRAME,
    "ring": core.LAG_RING,
    "reliable": core.LAG_RELIABLE,
}

log = logging.getLogger(__name__)


class Bridge:
    """An Engine made from Settings, and the readers of what its clients send.

    Raises StartError for a backend that the kernel refuses, CapacityError where `strict` refuses.
    """

    def __init__(self, settings: Settings) -> None:
        limits = core.limits()
        self.backend = _choose_backend(settings.backend)
        host = read_host(
            shards_max=limits["shards_max"],
            shard_connections_max=limits["shard_connections_max"],
        )
        self.plan = plan_shards(host, wanted=settings.max_connections, shards=settings.shards)
        _check_capacity(self.plan, settings)
        self.engine = _make_engine(settings, self.plan, self.backend)
        # A port for each shard, and the last one for the control plane.
        self.votes = Votes(self.plan.shards + 1)
        self.engine.count_votes(self.votes)
        self.dropped_messages = 0
        # Of pages that are served elsewhere and belong to this edge.
        self.own_origins: tuple[str, ...] = ()
        self._address = settings.listen
        self._limits = limits
        self._names: dict[int, str] = {}
        self._inboxes: set[Inbox] = set()
        self._running = False
        self._listener: Callable[[list[ClientMessage]], None] | None = None
        self._late: deque[Callable[[], bool]] = deque()
        self._held = False

    # Life

    def prepare(self) -> None:
        """Let votes be counted, before start(). Raises StartError."""
        try:
            self.votes.start()
        except OSError as error:
            raise StartError(f"cannot count votes: {error.strerror}") from error

    def start(self) -> tuple[str, int]:
        """Start the shards: the host and port they listen on. StartError if the kernel refuses."""
        try:
            address = self.engine.start()
        except OSError as error:
            self.engine.stop()
            raise StartError(f"cannot serve {self._address}: {error.strerror}") from error
        except ValueError as error:
            self.engine.stop()
            raise SettingsError(str(error)) from None
        self._running = True
        self._watch_events()
        return address

    def stop(self) -> None:
        """Close everything at once; readers of messages come to their end."""
        if self._running:
            self._running = False
            asyncio.get_running_loop().remove_reader(self.engine.event_fd)
            self._late.clear()
        self.engine.stop()
        for inbox in self._inboxes:
            inbox.end()

    # Channels

    def channel(
        self,
        name: str,
        options: ChannelOptions,
        epoch: int = 0,
        first: int = 1,
        *,
        hidden: bool = False,
    ) -> int:
        """Create a channel or find it: its number. ChannelError names what is out of range.

        An epoch other than 0 restores a log, of a channel that does not exist.
        """
        frames = 1 << (options.history - 1).bit_length()
        if frames > self._limits["ring_frames_max"]:
            raise ChannelError(f"history {options.history}: the core holds {frames // 2} at most")
        with _refusals(name):
            number = self.engine.channel(
                name,
                lag=LAGS[options.lag],
                ring_frames=frames,
                ring_bytes=options.ring_bytes,
                lag_ms=options.lag_ms,
                tick_ms=options.tick_ms,
                deflate=options.deflate,
                cache=options.cache,
                counted=options.counted,
                hidden=hidden,
                epoch=epoch,
                first=first,
            )
        self._names[number] = name
        return number

    def view(self, channel: int, name: str, tick_ms: int) -> int:
        """Another name for a channel: its number. ChannelError as for a channel."""
        with _refusals(name):
            number = self.engine.view(channel, name, tick_ms=tick_ms)
        self._names[number] = self._names[channel]
        return number

    def push_log(self, channel: int, held: list[bytes]) -> int:
        """Its log of pushes, made if it is not there: its number. Raises ChannelError."""
        with _refusals(self._names[channel]):
            return self.engine.push_log(channel, held)

    def ladder(self, rungs: Sequence[int], *, last_resort: bool) -> None:
        """Link channels, the highest first. Raises ChannelError."""
        with _refusals(self._names[rungs[0]]):
            self.engine.ladder(tuple(rungs), last_resort=last_resort)
        for number in rungs:
            self._names[number] = self._names[rungs[0]]

    # Clients

    def set_rules(self, settings: Settings) -> None:
        """Origins and proxies for handshakes from now on; SettingsError if the core refuses."""
        try:
            self.engine.set_rules(
                allow_missing_origin=settings.allow_missing_origin,
                allowed_origins=settings.allowed_origins + self.own_origins,
                trusted_proxies=settings.trusted_proxies,
            )
        except ValueError as error:
            raise SettingsError(str(error)) from None

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Messages of all clients from now on; the core queues them while anybody reads."""
        if not self._running:
            return
        inbox = Inbox()
        self._inboxes.add(inbox)
        self.engine.deliver_messages(True)
        try:
            while batch := await inbox.take():
                for message in batch:
                    yield message
        finally:
            self._inboxes.discard(inbox)
            if self._running and not self._inboxes:
                self.engine.deliver_messages(False)

    def speak(self, listener: Callable[[list[ClientMessage]], None]) -> None:
        """Serve the client protocol; `listener` is called with each batch of its messages."""
        self._listener = listener
        self.engine.speak(True)

    def order(self, command: Callable[[], bool]) -> None:
        """Have the core do something to a client, after what was ordered before.

        A shard whose ring is full makes room within a turn; until then no more messages are taken,
        so that what waits is bounded by what one batch of them leads to.
        """
        if self._late or not command():
            self._late.append(command)
            if len(self._late) == 1 and self._running:
                self._watch_events()
                asyncio.get_running_loop().call_later(LATE_SECONDS, self._order_late)

    def hold(self, held: bool) -> None:
        """Take no more messages of clients for now, or go on; the core makes them wait."""
        self._held = held
        if self._running:
            self._watch_events()

    def _order_late(self) -> None:
        while self._late and _is_done(self._late[0]):
            self._late.popleft()
        if self._running:
            if self._late:
                asyncio.get_running_loop().call_later(LATE_SECONDS, self._order_late)
            else:
                self._watch_events()

    def _watch_events(self) -> None:
        loop = asyncio.get_running_loop()
        if self._late or self._held:
            loop.remove_reader(self.engine.event_fd)
        else:
            loop.add_reader(self.engine.event_fd, self._take_events)

    def _take_events(self) -> None:
        batch: list[Message] = []
        spoken: list[ClientMessage] = []
        for client, channel, opcode, data, address, identity, *came in self.engine.events():
            if identity is not None:
                spoken.append(ClientMessage(client, identity, data, address, *came))
                continue
            text = data.decode() if opcode == OPCODE_TEXT else data
            name = self._names.get(channel, "")
            batch.append(Message(format_client(client), name, text, address))
        if spoken and self._listener:
            self._listener(spoken)
        for inbox in self._inboxes:
            self.dropped_messages += inbox.put(batch)


def _is_done(command: Callable[[], bool]) -> bool:
    """Whether a late order needs no further try. What the core refuses would be refused again."""
    try:
        return command()
    except ValueError as error:
        log.warning("an order to a client came to nothing: %s", error)
        return True


def format_client(handle: int) -> str:
    """A client's handle as an id: 16 hexadecimal digits."""
    return f"{handle:016x}"


def parse_client(client: str) -> int:
    """The handle that format_client() wrote; ValueError for anything else."""
    if not CLIENT.fullmatch(client):
        raise ValueError(client)
    return int(client, 16)


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """What the core says of a channel, as errors of ngage."""
    try:
        yield
    except OverflowError:
        raise ChannelLimitError(f"channel {name!r}: the edge holds no more channels") from None
    except ValueError as error:
        raise ChannelError(str(error)) from None


def _check_capacity(plan: Plan, settings: Settings) -> None:
    if not plan.limited_by:
        return
    shortage = (
        f"max_connections {settings.max_connections} lowered to {plan.connections}: "
        f"{plan.limited_by}"
    )
    if settings.strict:
        raise CapacityError(f"{shortage}; refused because of strict")
    log.warning(shortage)


def _choose_backend(wanted: str) -> str:
    """The backend to use. Raises StartError if one was asked for that the kernel refuses."""
    for name in AUTO if wanted == "auto" else (wanted,):
        number = core.refusal(name)
        if not number:
            return name
        why = f"backend {name}: {REFUSALS.get(number, os.strerror(number))}"
        if wanted != "auto":
            raise StartError(f'{why}; backend = "epoll" needs nothing of it')
        log.info(why)
    return "epoll"


def _make_engine(settings: Settings, plan: Plan, backend: str) -> core.Engine:
    host, port = split_address(settings.listen)
    try:
        return core.Engine(
            host=host,
            port=port,
            shards=plan.shards,
            connections_per_shard=plan.connections_per_shard,
            backend=backend,
            echo=settings.echo,
            share_port=settings.share_port,
            waiting_per_shard=settings.waiting_per_shard,
            handshake_timeout_ms=_milliseconds(settings.handshake_timeout_seconds),
            http_idle_timeout_ms=_milliseconds(settings.http_idle_timeout_seconds),
            client_ping_ms=_milliseconds(settings.client_ping_seconds),
            connects_per_second=settings.connects_per_second,
            address_connects_per_second=settings.address_connects_per_second,
            address_connects_burst=settings.address_connects_burst,
            reactions_per_second=settings.reactions_per_second,
            votes_per_second=settings.votes_per_second,
            ping_interval_ms=_milliseconds(settings.ping_interval_seconds),
            pings_per_second=settings.pings_per_second,
            pong_timeout_ms=_milliseconds(settings.pong_timeout_seconds),
            message_timeout_ms=_milliseconds(settings.message_timeout_seconds),
            close_timeout_ms=_milliseconds(settings.close_timeout_seconds),
            message_bytes_max=settings.message_bytes_max,
            inbound_messages_per_second=settings.inbound_messages_per_second,
            inbound_bytes_per_second=settings.inbound_bytes_per_second,
            deflate_bytes_min=settings.deflate_bytes_min,
            congestion_control=_congestion_control(settings.congestion_control),
            send_buffer_bytes=settings.send_buffer_bytes,
            notsent_lowat_bytes=settings.notsent_lowat_bytes,
            user_timeout_ms=_milliseconds(settings.user_timeout_seconds),
            keepalive_seconds=settings.keepalive_seconds,
            allow_missing_origin=settings.allow_missing_origin,
            allowed_origins=settings.allowed_origins,
            trusted_proxies=settings.trusted_proxies,
        )
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _congestion_control(name: str) -> str:
    """What "auto" means here. bbr without the fq qdisc arms a timer for every socket it paces."""
    if name != "auto":
        return name
    known = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
    return "cubic" if known.exists() and "cubic" in known.read_text().split() else ""


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
