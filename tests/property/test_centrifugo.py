"""Whatever a client sends: it is answered, or disconnected, and nothing is raised."""

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.settings import Settings
from tests.helpers.protocol import End, World

NAMES = (
    *("connect", "subscribe", "unsubscribe", "publish", "presence", "presence_stats"),
    *("history", "rpc", "send", "refresh", "sub_refresh", "ping", "other"),
)
FIELDS = (
    *("channel", "token", "data", "recover", "epoch", "offset", "positioned", "recoverable"),
    *("flag", "type", "tf", "limit", "since", "reverse", "method", "subs", "name"),
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)
CHANNELS = st.sampled_from(
    ["a", "b", "$a", "ns:a", "a#42", "host:x", "chat:x", "", "\0", "x" * 300]
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)
REQUESTS = (
    st.dictionaries(st.sampled_from(FIELDS), CHANNELS | SCALARS | ANYTHING, max_size=5) | ANYTHING
)
COMMANDS = st.fixed_dictionaries(
    {}, optional={"id": st.integers(-1, 1 << 33), **{name: REQUESTS for name in NAMES}}
)
MESSAGES = (
    st.binary()
    | ANYTHING.map(lambda value: json.dumps(value).encode())
    | st.lists(COMMANDS, min_size=1, max_size=4).map(
        lambda commands: "\n".join(map(json.dumps, commands)).encode()
    )
)


def world() -> World:
    here = World(
        Settings(namespace_publish="anybody", namespace_create=True),
        rpc=lambda call: call.data,
    )
    here.edge.channel("a", cache=True).publish("1")
    here.edge.channel("b").publish("1")
    return here


def well_formed(got: bytes | End) -> bool:
    if isinstance(got, End):
        return 3000 <= got.code < 5000 and len(got.reason) <= 32
    replies: list[Any] = [json.loads(line) for line in got.split(b"\n")]
    return all(reply["id"] > 0 and len(reply) == 2 for reply in replies)


@given(st.lists(MESSAGES, max_size=4), st.booleans())
def test_any_messages(messages: list[bytes], connects: bool) -> None:
    here = world()
    if connects:
        here.connected(1)
    bugs: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = bugs.append  # type: ignore[method-assign]
    log = logging.getLogger("ngage.centrifugo.session")
    log.addHandler(handler)
    try:
        for message in messages:
            got = here.send(1, message)
            assert all(map(well_formed, got)), got
            here.clients.settle()
    finally:
        log.removeHandler(handler)
    assert [record.exc_info for record in bugs] == []


@pytest.mark.parametrize("depth", [100, 10_000, 100_000])
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize(
    "command", [b'{"id":2,"rpc":{"data":', b'{"id":2,"publish":{"channel":"a","data":', b""]
)
def test_nested(command: bytes, opening: bytes, depth: int) -> None:
    here = world()
    here.connected(1)
    (got,) = here.send(1, command + opening * depth)
    assert isinstance(got, End)
