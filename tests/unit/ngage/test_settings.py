from pathlib import Path

import pytest

from ngage.checking import Given
from ngage.errors import SettingsError
from ngage.settings import ChannelOptions, NamespaceOptions, Settings, live_changes, load

PEM = ("-----BEGIN PUBLIC KEY-----", "MFkw", "-----END PUBLIC KEY-----")


def from_file(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> Settings:
    path = tmp_path / "edge.toml"
    path.write_text(text)
    return load([], environment or {}, str(path))


def test_defaults_need_no_source() -> None:
    assert load([], {}) == Settings()


def test_flag_wins_over_environment_over_file(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text('shards = 1\nmax_connections = 1\nname = "file"\n')
    environment = {"NGAGE_SHARDS": "2", "NGAGE_MAX_CONNECTIONS": "2", "NGAGE_CONFIG": str(path)}
    settings = load([Given("shards", "3", "flag --shards")], environment)
    assert (settings.shards, settings.max_connections, settings.name) == (3, 2, "file")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("listen", "[0:0::1]:80", "[::1]:80"),
        ("listen", "localhost:0", "127.0.0.1:0"),
        ("echo", "on", True),
        ("strict", "0", False),
        ("drain_seconds", "2.5", 2.5),
        ("allowed_origins", "https://a.example, *", ("https://a.example", "*")),
        ("trusted_proxies", "10.0.0.0/8,::1", ("10.0.0.0/8", "::1/128")),
        ("allowed_origins", "", ()),
        ("secret", "ab" * 32, "ab" * 32),
        ("token_jwks_url", "https://a.example/keys", "https://a.example/keys"),
        ("token_public_key", f"{PEM[0]}\\n{PEM[1]}\\n{PEM[2]}\\n", "\n".join(PEM)),
    ],
)
def test_text_becomes_a_value(key: str, text: str, value: object) -> None:
    assert getattr(load([], {f"NGAGE_{key.upper()}": text}), key) == value


@pytest.mark.parametrize(
    ("key", "text", "accepted"),
    [
        ("shards", "-1", "a whole number from 0 to 1024"),
        ("shards", "two", "a whole number"),
        ("shards", "1.5", "a whole number"),
        ("drain_seconds", "inf", "seconds from 0 to 3600"),
        ("drain_seconds", "nan", "seconds from 0 to 3600"),
        ("echo", "maybe", "true or false"),
        ("backend", "kqueue", "one of auto, epoll, io_uring"),
        ("listen", "8080", "HOST:PORT"),
        ("listen", "example.org:80", "HOST:PORT"),
        ("listen", "127.0.0.1:65536", "HOST:PORT"),
        ("listen", "::1:80", "HOST:PORT"),
        ("listen", "[127.0.0.1]:80", "HOST:PORT"),
        ("allowed_origins", "https://a.example/path", "origins"),
        ("allowed_origins", "a.example", "origins"),
        ("trusted_proxies", "10.0.0.1/8", "networks"),
        ("name", "tab\there", "printable ASCII"),
        ("token_jwks_url", "file:///etc/passwd", "an address like https"),
        ("token_public_key", "ssh-rsa AAAA", "a public key in PEM"),
        ("namespace_subscribe", "all", "one of anybody, users, token"),
    ],
)
def test_error_names_key_value_source_and_range(key: str, text: str, accepted: str) -> None:
    with pytest.raises(SettingsError) as error:
        load([], {f"NGAGE_{key.upper()}": text})
    for part in (key, repr(text), f"environment NGAGE_{key.upper()}", accepted):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("API_KEY", "geheim\N{SNOWMAN}"),
        ("TOKEN_HMAC_SECRET", "geheim"),
        ("SECRET", "geheim"),
        ("SECRET", "abcdef"),
    ],
)
def test_a_secret_is_not_in_the_error(key: str, text: str) -> None:
    with pytest.raises(SettingsError) as error:
        load([], {f"NGAGE_{key}": text})
    assert key.lower() in str(error.value)
    assert text not in str(error.value)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("shard = 1", "did you mean shards"),
        ('shards = "1"', "a whole number"),
        ("shards = true", "a whole number"),
        ("drain_seconds = '5'", "seconds"),
        ("echo = 1", "true or false"),
        ("listen = 8080", "HOST:PORT"),
        ("allowed_origins = '*'", "list"),
        ("shards = x", "line 1"),
        ("channels = 1", "tables"),
        ("channels.stage = 1", "channels.stage"),
        ("channels.stage.lagg = 'ring'", "did you mean lag"),
        ("channels.stage.lag = 'drop'", "one of latest, keyframe, ring, reliable"),
        ("channels.stage.history = 1", "from 2 to"),
        ("namespaces = 1", "tables [namespaces.NAME]"),
        ("namespaces.chat = 1", "namespaces.chat"),
        ("namespaces.chat.publisch = 'users'", "did you mean publish"),
        ("namespaces.chat.publish = 'all'", "one of nobody, users, anybody"),
        ("namespaces.chat.history = 1", "true or false"),
    ],
)
def test_file_is_checked(tmp_path: Path, line: str, named: str) -> None:
    with pytest.raises(SettingsError) as error:
        from_file(tmp_path, line)
    assert named in str(error.value)


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load([], {}, str(tmp_path / "none.toml"))


def test_declared_channel_takes_the_rest_from_the_defaults(tmp_path: Path) -> None:
    settings = from_file(
        tmp_path,
        'channel_history = 64\n[channels."stage:main"]\nlag = "reliable"\n',
        {"NGAGE_CHANNEL_TICK_MS": "100"},
    )
    assert settings.channel_options("stage:main") == ChannelOptions(
        lag="reliable", history=64, tick_ms=100
    )
    assert settings.channel_options("other") == ChannelOptions(history=64, tick_ms=100)


def test_declared_namespace_takes_the_rest_from_the_defaults(tmp_path: Path) -> None:
    settings = from_file(
        tmp_path,
        'namespace_history = false\n[namespaces.chat]\npublish = "users"\n',
        {"NGAGE_NAMESPACE_RECOVERY": "cache"},
    )
    rest = {"history": False, "recovery": "cache"}
    assert settings.namespaces == {"chat": NamespaceOptions(publish="users", **rest)}
    assert settings.namespace_defaults() == NamespaceOptions(**rest)


def test_arguments_are_checked() -> None:
    with pytest.raises(SettingsError, match="argument"):
        Settings(shards=-1)


@pytest.mark.parametrize("admin", ["0.0.0.0:1", "10.1.1.1:1", "[::]:1"])
def test_admin_beyond_loopback_needs_a_key(admin: str) -> None:
    with pytest.raises(SettingsError, match="api_key"):
        Settings(admin=admin)
    assert Settings(admin=admin, api_key="k").admin == admin


def test_reload_takes_what_is_live_and_names_the_rest() -> None:
    old = Settings(shards=1, api_key="old", drain_seconds=1)
    tables = {"channels": {"a": ChannelOptions()}, "namespaces": {"b": NamespaceOptions()}}
    new = Settings(shards=2, api_key="new", drain_seconds=1, **tables)
    applied, waiting = live_changes(old, new)
    assert (applied.shards, applied.api_key) == (1, "new")
    assert (list(applied.channels), list(applied.namespaces)) == (["a"], ["b"])
    assert waiting == ["shards"]
