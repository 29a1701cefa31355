from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.bridge import Bridge, format_client, parse_client
from ngage.errors import SettingsError
from ngage.options import Seconds, Whole
from ngage.settings import ChannelOptions, Settings


def bounds(of: type) -> list[Any]:
    """(key, value) for the least and the most of every setting that has a range."""
    kinds = [(known.name, known.metadata.get("kind")) for known in fields(of)]
    return [
        pytest.param(key, value, id=f"{key}={value}")
        for key, kind in kinds
        if isinstance(kind, Whole | Seconds)
        for value in (kind.least, kind.most)
    ]


@pytest.mark.parametrize(("key", "value"), bounds(Settings))
def test_the_core_takes_every_setting_in_its_range(key: str, value: float) -> None:
    Bridge(Settings(listen="127.0.0.1:0", **{key: value}))


@pytest.mark.parametrize(("key", "value"), bounds(ChannelOptions))
def test_the_core_takes_every_channel_option_in_its_range(key: str, value: int) -> None:
    bridge = Bridge(Settings(listen="127.0.0.1:0"))
    options = ChannelOptions(**{key: value})
    assert bridge.channel("stage", options) == bridge.channel("stage", options)


def test_a_backend_that_is_not_built_in() -> None:
    with pytest.raises(SettingsError, match="built in are epoll"):
        Bridge(Settings(listen="127.0.0.1:0", backend="io_uring"))


@given(st.integers(0, (1 << 64) - 1))
def test_client_ids_are_read_back(handle: int) -> None:
    assert parse_client(format_client(handle)) == handle


@pytest.mark.parametrize("text", ["", "0x10", "1_0", "-000000000000001", "10000000000000000" * 2])
def test_what_is_no_client_id(text: str) -> None:
    with pytest.raises(ValueError):
        parse_client(text)
