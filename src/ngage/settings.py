"""Every setting, with its default, range and meaning; the only reader of files and environment.

A later source wins: TOML file, environment (NGAGE_ and the key in capitals), flags. Durations are
in seconds and sizes in bytes unless the name says otherwise.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from ngage.checking import Given, check_fields, check_given, options_of
from ngage.errors import SettingsError
from ngage.limits import RATE_COUNT_MAX, RATE_SECONDS_MAX, WEBHOOK_URLS_MAX
from ngage.options import (
    Address,
    Choice,
    Networks,
    Origins,
    PublicKey,
    Rate,
    Seconds,
    Secret,
    Switch,
    Text,
    Url,
    Urls,
    Whole,
    Words,
    is_loopback,
    option,
)

PREFIX = "NGAGE_"

LAG = Choice(("latest", "keyframe", "ring", "reliable"))
HISTORY = Whole(2, 1048576)
RING_BYTES = Whole(4096, 1 << 30)
LAG_MS = Whole(0, 60000)
TICK_MS = Whole(0, 60000)
RATE = Rate(RATE_COUNT_MAX, RATE_SECONDS_MAX)

WEBHOOK_TYPES = ("event.phase", "poll.opened", "poll.closed", "chat.message")

SUBSCRIBE = Choice(("anybody", "users", "token"))
PUBLISH = Choice(("nobody", "users", "anybody"))
RECOVERY = Choice(("none", "position", "cache"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOptions:
    """What a channel keeps, and what it does with a subscriber who is too slow."""

    lag: str = option("ring", LAG, "what a slow subscriber gets")
    lag_ms: int = option(0, LAG_MS, "age in ms at which lag applies; 0: where the log ends")
    history: int = option(1024, HISTORY, "publications held, rounded up to a power of two")
    ring_bytes: int = option(16 << 20, RING_BYTES, "bytes of publications held")
    tick_ms: int = option(0, TICK_MS, "milliseconds between sends; 0 sends at once")
    deflate: bool = option(True, Switch(), "compress for clients that can inflate")
    cache: bool = option(False, Switch(), "who joins gets the newest publication at once")
    counted: bool = option(False, Switch(), "count its viewers, each person once")

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceOptions:
    """What clients of the JSON protocol may do in the channels of a namespace."""

    subscribe: str = option("anybody", SUBSCRIBE, "who may subscribe; users: no anonymous ones")
    publish: str = option("nobody", PUBLISH, "who of those may publish")
    history: bool = option(True, Switch(), "answer history")
    presence_stats: bool = option(True, Switch(), "answer presence_stats")
    recovery: str = option("position", RECOVERY, "what who comes back gets; cache: the newest")
    create: bool = option(False, Switch(), "make a channel for its first subscriber or publisher")

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A complete, checked configuration. Raises SettingsError for a value out of range."""

    # Listeners
    listen: str = option("127.0.0.1:8080", Address(), "public HOST:PORT; port 0 picks a free one")
    admin: str = option("127.0.0.1:8081", Address(), "admin HOST:PORT; API, health, metrics")
    studio: str = option(
        "", Address(optional=True), "HOST:PORT where ngage-studio pushes; empty: nowhere"
    )
    share_port: bool = option(False, Switch(), "join a port another ngage-edge serves (upgrade)")
    allowed_origins: tuple[str, ...] = option(
        (), Origins(256), "web origins accepted beside the edge's own", live=True
    )
    allow_missing_origin: bool = option(
        True, Switch(), "accept clients that send no Origin", live=True
    )
    trusted_proxies: tuple[str, ...] = option(
        (), Networks(256), "networks whose X-Forwarded-For is believed", live=True
    )

    # Capacity
    shards: int = option(0, Whole(0, 1024), "I/O threads; 0 is as many as needed")
    backend: str = option("auto", Choice(("auto", "epoll", "io_uring")), "how to poll and send")
    max_connections: int = option(
        0, Whole(0, 1 << 32), "connections to make room for; 0: what fits"
    )
    strict: bool = option(False, Switch(), "exit 78 rather than hold fewer connections than wanted")

    # The admin listener
    api_key: str = option("", Text(256, secret=True), "key the server API asks for", live=True)
    auto_create: str = option(
        "publish", Choice(("publish", "never")), "when an unknown channel is created", live=True
    )
    publish_bytes_max: int = option(
        4 << 20, Whole(1024, 64 << 20), "largest body of a server API call", live=True
    )
    name: str = option("", Text(128), "name of this edge in info; empty: HOST_PORT")

    # Events
    data: str = option(
        "", Text(4096), "directory of events, votes and the secret; empty: no events"
    )
    public_url: str = option(
        "", Url(), "where the audience finds the public listener; empty: its address", live=True
    )
    event_tick_ms: int = option(250, Whole(20, 60000), "between tallies of an event")

    # What is served
    echo: bool = option(False, Switch(), "an echo endpoint at /echo, for conformance tests")
    demo: bool = option(False, Switch(), "run the demonstration event")
    demo_file: str = option("", Text(4096), "video file the demonstration plays; empty: a picture")

    # Clients
    handshake_timeout_seconds: float = option(
        5.0, Seconds(0.1, 60), "until the upgrade is complete"
    )
    http_idle_timeout_seconds: float = option(
        30.0, Seconds(0.1, 3600), "until a kept HTTP connection that asks for nothing is closed"
    )
    waiting_per_shard: int = option(
        16384, Whole(0, 1048576), "HTTP requests of a shard that may wait for what is to come"
    )
    ping_interval_seconds: float = option(
        25.0, Seconds(0, 3600), "between pings to an idle client; 0: none"
    )
    pings_per_second: int = option(
        1000, Whole(0, 1000000), "pings to all clients; more clients are pinged less often; 0: any"
    )
    client_ping_seconds: float = option(
        25.0, Seconds(1, 3600), "between pings to a client that speaks the client protocol"
    )
    connects_per_second: int = option(
        0, Whole(0, 10000000), "WebSockets accepted in a second, over it 503; 0: any"
    )
    address_connects_per_second: int = option(
        0, Whole(0, 1000000), "from one address (IPv6: one /64), over it 429; 0: any"
    )
    address_connects_burst: int = option(
        200, Whole(1, 1000000), "that one address may open at once before that applies"
    )
    reactions_per_second: int = option(20, Whole(0, 65535), "from one viewer, by native verbs")
    votes_per_second: int = option(20, Whole(1, 255), "likewise; a vote over it is told to wait")
    pong_timeout_seconds: float = option(10.0, Seconds(0.1, 600), "until an unanswered ping closes")
    message_timeout_seconds: float = option(
        30.0, Seconds(0.1, 600), "until an incomplete message closes"
    )
    close_timeout_seconds: float = option(5.0, Seconds(0.1, 60), "until an unanswered close resets")
    message_bytes_max: int = option(65536, Whole(125, 16 << 20), "largest message from a client")
    inbound_messages_per_second: int = option(100, Whole(1, 65534), "from one client")
    inbound_bytes_per_second: int = option(1 << 20, Whole(1024, 1 << 30), "from one client")

    # Who they are
    secret: str = option("", Secret(32), "signs tickets and host keys; empty: made and kept")
    anonymous: bool = option(True, Switch(), "accept clients without a token", live=True)
    token_hmac_secret: str = option(
        "", Text(1024, secret=True, bytes_min=32), "verifies tokens of HS256 to HS512", live=True
    )
    token_public_key: str = option(
        "", PublicKey(), "verifies tokens of RS256 to RS512 and ES256 to ES512", live=True
    )
    token_jwks_url: str = option("", Url(), "where such keys are, in place of the key", live=True)
    token_audience: str = option("", Text(256), "aud that tokens must have; empty: any", live=True)
    token_issuer: str = option("", Text(256), "iss that tokens must have; empty: any", live=True)

    # Namespaces of the JSON protocol
    namespace_subscribe: str = option(
        "anybody", SUBSCRIBE, "subscribe of namespaces that declare none", live=True
    )
    namespace_publish: str = option("nobody", PUBLISH, "publish likewise", live=True)
    namespace_history: bool = option(True, Switch(), "history likewise", live=True)
    namespace_presence_stats: bool = option(True, Switch(), "presence_stats likewise", live=True)
    namespace_recovery: str = option("position", RECOVERY, "recovery likewise", live=True)
    namespace_create: bool = option(False, Switch(), "create likewise", live=True)
    namespaces: Mapping[str, NamespaceOptions] = field(default_factory=dict)

    # What people may do, each in a token bucket of its own: COUNT at once, all again in SECONDS
    chat_rate: str = option("5/10", RATE, "lines of chat from one user", live=True)
    question_rate: str = option("3/60", RATE, "questions from one user", live=True)
    reaction_rate: str = option("200/10", RATE, "reactions from one user, over JSON", live=True)
    vote_rate: str = option("20/10", RATE, "votes from one user, over JSON", live=True)
    command_rate: str = option("100/10", RATE, "commands (rpc) from one user, in all", live=True)

    # The room
    chat_lines_per_second: int = option(
        10, Whole(1, 1000), "lines an event's chat sends; of more the oldest are dropped", live=True
    )
    chat_words_file: str = option(
        "", Text(4096), "file of words, one a line, that no line may hold; empty: none"
    )
    chat_keep: bool = option(False, Switch(), "keep lines of chat in the database")
    viewers_smoothing_seconds: float = option(
        0.0, Seconds(0, 60), "how slowly a shown viewer count follows the real one", live=True
    )

    # Plug-in points
    hooks: str = option(
        "", Text(256), "Python module with on_connect, on_message, on_vote, on_chat"
    )
    hooks_on_error: str = option(
        "allow", Choice(("allow", "refuse")), "what a hook that fails or is late means", live=True
    )
    hook_timeout_seconds: float = option(
        0.2, Seconds(0.01, 30), "until an async hook is late", live=True
    )
    webhook_urls: tuple[str, ...] = option((), Urls(WEBHOOK_URLS_MAX), "where webhooks are posted")
    webhook_secret: str = option("", Text(256, secret=True), "key that webhooks are signed with")
    webhook_types: tuple[str, ...] = option(
        WEBHOOK_TYPES[:3], Words(WEBHOOK_TYPES), "what webhooks tell of"
    )

    # Channels
    channel_lag: str = option("ring", LAG, "lag of channels that declare none", live=True)
    channel_lag_ms: int = option(0, LAG_MS, "lag_ms likewise", live=True)
    channel_history: int = option(1024, HISTORY, "history where none is declared", live=True)
    channel_ring_bytes: int = option(16 << 20, RING_BYTES, "ring_bytes likewise", live=True)
    channel_tick_ms: int = option(0, TICK_MS, "tick_ms likewise", live=True)
    channel_deflate: bool = option(True, Switch(), "deflate likewise", live=True)
    deflate_bytes_min: int = option(256, Whole(0, 1 << 20), "smaller publications stay as they are")
    channels: Mapping[str, ChannelOptions] = field(default_factory=dict)

    # Sockets
    congestion_control: str = option(
        "auto", Text(15), "TCP congestion control; auto: cubic if there is one; empty: the system's"
    )
    send_buffer_bytes: int = option(0, Whole(0, 64 << 20), "SO_SNDBUF; 0 leaves it to the kernel")
    notsent_lowat_bytes: int = option(65536, Whole(0, 64 << 20), "TCP_NOTSENT_LOWAT; 0: off")
    user_timeout_seconds: float = option(30.0, Seconds(0, 3600), "TCP_USER_TIMEOUT; 0: off")
    keepalive_seconds: int = option(
        0, Whole(0, 7200), "TCP keepalive, which raises TCP_USER_TIMEOUT to three probes; 0: off"
    )

    # The process
    drain_seconds: float = option(
        10.0, Seconds(0, 3600), "a shutdown's time to close the clients", live=True
    )
    log_level: str = option(
        "info", Choice(("debug", "info", "warning", "error")), "least level logged", live=True
    )
    log_format: str = option("plain", Choice(("plain", "json")), "how a log line looks")

    def __post_init__(self) -> None:
        check_fields(self)
        for key in ("admin", "studio"):
            address = getattr(self, key)
            if address and not is_loopback(address) and not self.api_key:
                raise SettingsError(
                    f"{key} = {address!r}: an address that is not loopback needs api_key"
                )
        if self.webhook_urls and not self.webhook_secret:
            raise SettingsError("webhook_urls: webhooks are signed, so they need webhook_secret")

    def channel_options(self, name: str) -> ChannelOptions:
        """What `name` was declared with, else the defaults."""
        return self.channels.get(name) or self.channel_defaults()

    def channel_defaults(self) -> ChannelOptions:
        """Options of a channel nobody declared."""
        return ChannelOptions(
            lag=self.channel_lag,
            lag_ms=self.channel_lag_ms,
            history=self.channel_history,
            ring_bytes=self.channel_ring_bytes,
            tick_ms=self.channel_tick_ms,
            deflate=self.channel_deflate,
        )

    def namespace_defaults(self) -> NamespaceOptions:
        """Options of a namespace nobody declared, and of channels without one."""
        return NamespaceOptions(
            subscribe=self.namespace_subscribe,
            publish=self.namespace_publish,
            history=self.namespace_history,
            presence_stats=self.namespace_presence_stats,
            recovery=self.namespace_recovery,
            create=self.namespace_create,
        )


Options = TypeVar("Options", ChannelOptions, NamespaceOptions)


def load(given: Iterable[Given], environment: Mapping[str, str], config: str = "") -> Settings:
    """Settings from the file `config` (or NGAGE_CONFIG), the environment, then `given`.

    Raises SettingsError for the first name or value that is wrong.
    """
    table = _read_toml(config or environment.get(f"{PREFIX}CONFIG", ""))
    channels, namespaces = table.pop("channels", {}), table.pop("namespaces", {})
    known = options_of(Settings)
    layers = [
        *(Given(key, value, "config file", True) for key, value in table.items()),
        *_from_environment(known, environment),
        *given,
    ]
    values: dict[str, Any] = {}
    for entry in layers:
        values[entry.key] = check_given(known, entry)
    settings = Settings(**values)
    return replace(
        settings,
        channels=_declared("channels", channels, settings.channel_defaults()),
        namespaces=_declared("namespaces", namespaces, settings.namespace_defaults()),
    )


def live_changes(old: Settings, new: Settings) -> tuple[Settings, list[str]]:
    """What a reload leads to: `old` with the live settings of `new`, and keys that must wait."""
    changed = {key for key in options_of(Settings) if getattr(old, key) != getattr(new, key)}
    live = {key for key in changed if options_of(Settings)[key].metadata["live"]}
    applied = replace(
        old,
        channels=new.channels,
        namespaces=new.namespaces,
        **{key: getattr(new, key) for key in live},
    )
    return applied, sorted(changed - live)


# Reading


def _read_toml(path: str) -> dict[str, Any]:
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise SettingsError(f"config file {path}: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"config file {path}: {error}") from None


def _from_environment(
    known: Mapping[str, Field[Any]], environment: Mapping[str, str]
) -> Iterator[Given]:
    for key in known:
        variable = PREFIX + key.upper()
        if variable in environment:
            yield Given(key, environment[variable], f"environment {variable}")


def _declared(of: str, tables: object, defaults: Options) -> dict[str, Options]:
    """The tables [OF.NAME] by name, with `defaults` for what each leaves out."""
    if not isinstance(tables, dict):
        raise SettingsError(f"{of} (config file): it must be tables [{of}.NAME]")
    declared = {}
    known = options_of(type(defaults))
    for name, table in tables.items():
        source = f"config file, {of.removesuffix('s')} {name}"
        if not isinstance(table, dict):
            raise SettingsError(f"{of}.{name} = {table!r} (config file): it must be a table")
        entries = [Given(key, value, source, True) for key, value in table.items()]
        values: dict[str, Any] = {entry.key: check_given(known, entry) for entry in entries}
        declared[name] = replace(defaults, **values)
    return declared
