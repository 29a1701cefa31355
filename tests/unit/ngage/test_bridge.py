import errno
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage import bridge
from ngage.bridge import Bridge, format_client, parse_client
from ngage.errors import StartError
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


@pytest.mark.parametrize("backend", bridge.core.backends())
def test_a_backend_that_the_kernel_refuses(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for by name it is an error, which says what would work."""
    monkeypatch.setattr(bridge.core, "refusal", lambda name: errno.EPERM)
    with pytest.raises(StartError, match=f'{backend}: .*seccomp.*backend = "epoll"'):
        Bridge(Settings(listen="127.0.0.1:0", backend=backend))


def test_auto_passes_over_what_the_kernel_refuses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(bridge, "AUTO", ("io_uring", "epoll"))
    monkeypatch.setattr(
        bridge.core, "refusal", lambda name: errno.ENOSYS if name == "io_uring" else 0
    )
    assert Bridge(Settings(listen="127.0.0.1:0")).backend == "epoll"
    (said,) = caplog.records
    assert said.levelname == "INFO"
    assert said.message.startswith("backend io_uring: the kernel has none")


def test_auto_takes_the_first_that_the_kernel_grants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "AUTO", ("io_uring", "epoll"))
    monkeypatch.setattr(bridge.core, "refusal", lambda name: 0)
    assert Bridge(Settings(listen="127.0.0.1:0")).backend == "io_uring"


@given(st.integers(0, (1 << 64) - 1))
def test_client_ids_are_read_back(handle: int) -> None:
    assert parse_client(format_client(handle)) == handle


@pytest.mark.parametrize("text", ["", "0x10", "1_0", "-000000000000001", "10000000000000000" * 2])
def test_what_is_no_client_id(text: str) -> None:
    with pytest.raises(ValueError):
        parse_client(text)
