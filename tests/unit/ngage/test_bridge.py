import asyncio
import errno
import os
import socket
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage import bridge
from ngage.bridge import LATE_SECONDS, Bridge, format_client, parse_client
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


async def test_what_the_core_refuses_late_does_not_keep_the_next_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bridge = Bridge(Settings(listen="127.0.0.1:0", max_connections=10))
    bridge.start()
    done = asyncio.Event()
    answers = iter([False, True])

    def last() -> bool:
        done.set()
        return True

    bridge.order(lambda: next(answers))
    bridge.order(lambda: bridge.engine.close(0, 1))
    bridge.order(last)
    async with asyncio.timeout(5):
        await done.wait()
    assert [one.levelname for one in caplog.records] == ["WARNING"]
    bridge.stop()


async def test_what_is_late_at_the_stop_is_forgotten() -> None:
    bridge = Bridge(Settings(listen="127.0.0.1:0", max_connections=10))
    bridge.start()
    asked: list[bool] = []

    def never() -> bool:
        asked.append(True)
        return False

    bridge.order(never)
    bridge.stop()
    await asyncio.sleep(2 * LATE_SECONDS)
    assert asked == [True]


async def test_a_start_that_fails_leaves_no_thread() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        before = len(os.listdir("/proc/self/task"))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        failed = Bridge(Settings(listen=address, max_connections=10))
        failed.prepare()
        with pytest.raises(StartError, match="cannot serve"):
            failed.start()
        assert len(os.listdir("/proc/self/task")) == before


@given(st.integers(0, (1 << 64) - 1))
def test_client_ids_are_read_back(handle: int) -> None:
    assert parse_client(format_client(handle)) == handle


@pytest.mark.parametrize("text", ["", "0x10", "1_0", "-000000000000001", "10000000000000000" * 2])
def test_what_is_no_client_id(text: str) -> None:
    with pytest.raises(ValueError):
        parse_client(text)
