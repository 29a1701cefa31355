"""What Python sees of the data plane: one Engine, its channels by number, its clients by handle.

Only ngage/bridge.py imports this. Every method returns at once, holds no lock and may be called
from any thread that holds the GIL; nothing here is called by the I/O threads.
"""

from typing import Final, final

from ngage_core.channels import Channels
from ngage_core.votes import Votes

LAG_LATEST: Final[int]
LAG_KEYFRAME: Final[int]
LAG_RING: Final[int]
LAG_RELIABLE: Final[int]

OPCODE_TEXT: Final[int]
OPCODE_BINARY: Final[int]

def limits() -> dict[str, int]:
    """Every bound of the core by the name it has in limits.pxd."""

def backends() -> tuple[str, ...]:
    """Poller backends built in."""

def refusal(backend: str) -> int:
    """The errno with which the kernel refuses a backend to this process; 0: it does not.

    Raises ValueError for one that is not built in.
    """

@final
class Engine(Channels):
    """The shards of one listener, started by start() and ended by stop().

    Raises OSError where the kernel refuses, ValueError for an option it cannot have.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        shards: int,
        connections_per_shard: int,
        backend: str = "epoll",
        echo: bool = False,
        client_ping_ms: int = 25000,
        reactions_per_second: int = 20,
        votes_per_second: int = 20,
        connects_per_second: int = 0,
        address_connects_per_second: int = 0,
        address_connects_burst: int = 200,
        share_port: bool = False,
        waiting_per_shard: int = 16384,
        handshake_timeout_ms: int = 5000,
        http_idle_timeout_ms: int = 30000,
        ping_interval_ms: int = 25000,
        pings_per_second: int = 1000,
        pong_timeout_ms: int = 10000,
        message_timeout_ms: int = 30000,
        close_timeout_ms: int = 5000,
        message_bytes_max: int = 65536,
        inbound_messages_per_second: int = 100,
        inbound_bytes_per_second: int = 1048576,
        deflate_bytes_min: int = 256,
        congestion_control: str = "",
        send_buffer_bytes: int = 0,
        notsent_lowat_bytes: int = 65536,
        user_timeout_ms: int = 30000,
        keepalive_seconds: int = 0,
        allow_missing_origin: bool = True,
        allowed_origins: tuple[str, ...] = (),
        trusted_proxies: tuple[str, ...] = (),
    ) -> None:
        """host and port as in getaddrinfo with numeric host; port 0 picks a free one.

        connects_per_second: WebSockets taken in a second by all shards, each its part; over it 503.
        address_connects_...: of one address, with a burst; over it 429. 0 is no limit.
        share_port joins a port another process serves (upgrade); otherwise EADDRINUSE is raised.
        An Origin is accepted if it names the Host, or stands in allowed_origins ("*" is any).
        trusted_proxies are CIDR networks whose X-Forwarded-For is believed.
        """

    def start(self) -> tuple[str, int]:
        """Start the I/O threads; returns the bound host and port once every shard listens."""

    def stop(self) -> None:
        """End the I/O threads, close every socket, free everything. Idempotent."""

    @property
    def event_fd(self) -> int:
        """Readable while events() has something to give (an eventfd; events() clears it)."""

    def send(self, client: int, data: bytes, opcode: int) -> bool:
        """One message to one client. False: the command ring of its shard is full, try later.

        A client that is gone is not an error: the message is dropped and counted.
        """

    def close(self, client: int, code: int, reason: str = "") -> bool:
        """Close one client, after what is pending for it. False as for send()."""

    def close_channel(self, channel: int, code: int, reason: str = "") -> None:
        """Close everybody whom subscribers() counts now, at 10,000 a second and shard."""

    def speak(self, wanted: bool) -> None:
        """Serve the client protocol at /connection/websocket, or no more to who comes now."""

    # Clients that speak the client protocol. What is said to one of them comes in the order of the
    # calls; False as for send().

    def identify(self, client: int, voter: int, expires: int, about: bytes) -> bool:
        """Who a client is: `about` comes back with each of its messages.

        voter: what it is counted and votes by, 0 for a monitor, which does neither; it stays what
        it was the first time. expires: the Unix second after which (and a grace of 25) it is closed
        with 3005, 0 for never.
        """

    def subscribe(
        self,
        client: int,
        push_log: int,
        id: int,
        first: int,
        result: bytes,
        recovers: bool = False,
    ) -> bool:
        """Subscribe a client from the offset `first` on, and answer its command `id`.

        The answer is {"id":ID,"subscribe":{RESULT}}. recovers: what there is from `first` on is
        part of the answer, as "publications"; recovered_max of limits() at most. A client that is
        subscribed already is answered with error 105, over its subscriptions with 106. id 0:
        nothing is answered.
        """

    def unsubscribe(self, client: int, push_log: int) -> bool:
        """Not to be subscribed is no error; nothing is answered."""

    def set_ticket_key(self, secret: bytes) -> None:
        """16 to 64 bytes; before start(). Without one no ticket is taken. Raises ValueError."""

    def count_votes(self, votes: Votes) -> None:
        """Take votes of clients with tickets, each shard by the port of its number; before start().

        stop() stops them too. Raises ValueError for too few ports.
        """

    def reactions(self, event: int) -> list[int]:
        """Counts by kind of an event number, since start; one counts as any 256 away."""

    def http_put(self, path: str, response: bytes, head_bytes: int) -> None:
        """Answer GET path with these complete response bytes (HEAD: the first head_bytes)."""

    def http_expect(self, path: str, wait_ms: int) -> None:
        """Let who asks for path wait, until it is put or removed; what is there already stays."""

    def http_playlist(
        self,
        path: str,
        responses: tuple[tuple[bytes, int], ...],
        *,
        segment: int,
        parts: int,
        parts_before: int,
        parts_ahead: int,
        wait_ms: int,
        ended: bool,
    ) -> None:
        """Answer GET path as a media playlist of LL-HLS (RFC 8216bis section 6.2.5).

        responses, each with its head_bytes: as it is, for _HLS_msn, for _HLS_skip, for both.
        Complete are the segments before `segment`, which has `parts` so far; the one before has
        parts_before. Who asks for more than two segments or parts_ahead parts past the end gets
        400; who asks for less waits.
        """

    def http_remove(self, path: str) -> bool:
        """Whether it was there; who waits for it gets 404."""

    def set_rules(
        self,
        *,
        allow_missing_origin: bool,
        allowed_origins: tuple[str, ...],
        trusted_proxies: tuple[str, ...],
    ) -> None:
        """Replace origin and proxy rules for handshakes from now on (reload)."""

    def deliver_messages(self, wanted: bool) -> None:
        """Whether clients' messages wait for events(); otherwise they are counted and dropped."""

    def events(
        self, limit: int = 4096
    ) -> list[tuple[int, int, int, bytes, str, bytes | None, int, int]]:
        """(client, channel, opcode, data, address, about, received_ms, rtt_ms) of messages
        received, oldest first.

        about: None for a raw client, else what identify() was last told of this one, or b"".
        received_ms: of CLOCK_MONOTONIC. rtt_ms: of TCP at that moment, 0 for a raw client.
        """

    def drain(self, code: int, reason: str, milliseconds: int) -> None:
        """Stop accepting; close every client after what is pending for it, spread over the time."""

    def counters(self) -> dict[str, int]:
        """Counters and gauges summed over shards (names in counters.pxd). Gauges that must return
        to zero: connections, subscriptions, inbound_states, outboxes, held_bytes, waiting. What
        ends in _max is the largest value so far."""

    def shard_counters(self) -> list[dict[str, int]]:
        """The same for each shard, with cpu_us (thread CPU time) added."""
