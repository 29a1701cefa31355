"""Webhooks against a real HTTP server that fails, hangs, or wants no more."""

import asyncio
import json
import re
import shutil
import ssl
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ngage.errors import SettingsError
from ngage.interaction import webhooks as module
from ngage.interaction.posting import HttpxPoster
from ngage.interaction.webhooks import Webhooks, sign
from ngage.settings import WEBHOOK_TYPES, Settings
from tests.helpers.manual_clock import START_UNIX_MS, ManualClock

SECRET = "whsec"
PAGE = Path(__file__).parents[4] / "docs/reference/hooks.md"
HANG = 0  # instead of a status: never answer


class Receiver:
    """Answers with the statuses of `script` for each event, then 200; remembers what came."""

    def __init__(self) -> None:
        self.script: dict[str, list[int]] = {}
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.bodies: list[bytes] = []
        self.arrived = asyncio.Event()
        self.answer_bytes = 2
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                await self._answer(head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        first, *lines = head.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        body = await reader.readexactly(int(headers["content-length"]))
        told = json.loads(body)
        self.requests.append((first, headers, told))
        self.bodies.append(body)
        self.arrived.set()
        script = self.script.get(told["event"], [])
        status = script.pop(0) if script else 200
        if status == HANG:
            await reader.read()
            return
        location = "Location: /elsewhere\r\n" if 300 <= status < 400 else ""
        answer = f"HTTP/1.1 {status} X\r\n{location}Content-Length: {self.answer_bytes}\r\n\r\n"
        writer.write(answer.encode() + b"x" * self.answer_bytes)
        await writer.drain()

    def told(self, event: str) -> list[Any]:
        """The data of all requests about an event."""
        return [told["data"] for _, _, told in self.requests if told["event"] == event]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def url(receiver: Receiver) -> AsyncIterator[str]:
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    server.close()


class Sender:
    """Webhooks that do not sleep, and what they would have slept."""

    def __init__(self, *urls: str, types: tuple[str, ...] = WEBHOOK_TYPES) -> None:
        self.slept: list[float] = []
        self.clock = ManualClock()
        self.poster = HttpxPoster()
        self.webhooks = Webhooks(
            *(urls, SECRET, types, self.poster),
            clock=self.clock,
            sleep=self._sleep,
            jitter=lambda: 0.5,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def __aenter__(self) -> Webhooks:
        return self.webhooks

    async def __aexit__(self, *_: object) -> None:
        await self.webhooks.close(30)


async def test_what_happens_is_posted_and_signed(receiver: Receiver, url: str) -> None:
    sender = Sender(url)
    async with sender as webhooks:
        webhooks.tell("event.phase", "show", {"phase": "live"})
    [(first, headers, told)] = receiver.requests
    assert first == "POST /hook HTTP/1.1"
    assert headers["content-type"] == "application/json"
    assert re.fullmatch(r"evt_[0-9a-f]{32}", told.pop("id"))
    assert told == {
        "type": "event.phase",
        "time": START_UNIX_MS,
        "event": "show",
        "data": {"phase": "live"},
    }
    seconds = START_UNIX_MS // 1000
    assert headers["ngage-signature"] == sign(SECRET.encode(), seconds, receiver.bodies[0])
    assert webhooks.counts == Counter(delivered=1)
    assert webhooks.waiting == 0


def test_the_documented_verification(monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)[2]
    names: dict[str, Any] = {}
    exec(code, names)
    monkeypatch.setattr(names["time"], "time", lambda: 1000.0)
    verify, body = names["verify"], b'{"id":1}'
    assert verify(sign(b"s", 1000, body), body, b"s")
    assert verify(sign(b"s", 700, body), body, b"s")
    assert not verify(sign(b"s", 699, body), body, b"s")
    assert not verify(sign(b"other", 1000, body), body, b"s")
    assert not verify(sign(b"s", 1000, body), body + b" ", b"s")
    replayed = sign(b"s", 1, body).replace("t=1,", "t=1000,")
    assert not verify(replayed, body, b"s")


async def test_only_types_that_are_wanted_are_told(receiver: Receiver, url: str) -> None:
    async with Sender(url, types=("poll.closed",)) as webhooks:
        webhooks.tell("event.phase", "show", {})
        webhooks.tell("poll.closed", "show", {"poll": 1})
    assert receiver.told("show") == [{"poll": 1}]


async def test_a_failure_is_tried_again_later_and_later(receiver: Receiver, url: str) -> None:
    receiver.script["show"] = [500, 404, 302, 429, 503]
    sender = Sender(url)
    async with sender as webhooks:
        webhooks.tell("poll.closed", "show", {"poll": 1})
    assert sender.slept == [0.5, 1, 2, 4, 8]
    assert receiver.told("show") == [{"poll": 1}] * 6
    assert len({told["id"] for _, _, told in receiver.requests}) == 1
    assert webhooks.counts == Counter(retried=5, delivered=1)


async def test_it_is_given_up_after_eight_attempts(receiver: Receiver, url: str) -> None:
    receiver.script["show"] = [500] * 8
    sender = Sender(url)
    async with sender as webhooks:
        webhooks.tell("poll.closed", "show", 1)
        webhooks.tell("poll.closed", "show", 2)
    assert receiver.told("show") == [1] * 8 + [2]
    assert sender.slept == [0.5, 1, 2, 4, 8, 16, 30]
    assert webhooks.counts == Counter(retried=7, failed=1, delivered=1)


async def test_each_attempt_is_signed_with_its_own_time(receiver: Receiver, url: str) -> None:
    receiver.script["show"] = [500]
    sender = Sender(url)

    async def sleep(seconds: float) -> None:
        sender.clock.ms += 5000

    sender.webhooks._sleep = sleep
    async with sender as webhooks:
        webhooks.tell("poll.closed", "show", 1)
    times = [headers["ngage-signature"].partition(",")[0] for _, headers, _ in receiver.requests]
    assert times == [f"t={START_UNIX_MS // 1000}", f"t={START_UNIX_MS // 1000 + 5}"]


async def test_an_event_is_told_in_order_and_does_not_wait_for_another(
    receiver: Receiver, url: str
) -> None:
    receiver.script["slow"] = [500, 500]
    gate, slow = asyncio.Event(), Sender(url)

    async def sleep(seconds: float) -> None:
        await gate.wait()

    slow.webhooks._sleep = sleep
    async with slow as webhooks:
        for number in range(3):
            webhooks.tell("poll.closed", "slow", number)
            webhooks.tell("poll.closed", "quick", number)
        while len(receiver.told("quick")) < 3:
            await _next(receiver)
        assert receiver.told("slow") == [0]
        gate.set()
    assert receiver.told("quick") == [0, 1, 2]
    assert receiver.told("slow") == [0, 0, 0, 1, 2]


async def _next(receiver: Receiver) -> None:
    receiver.arrived.clear()
    await receiver.arrived.wait()


async def test_who_hangs_is_left_after_a_while(
    receiver: Receiver, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WEBHOOK_TIMEOUT_SECONDS", 0.05)
    receiver.script["show"] = [HANG]
    async with Sender(url) as webhooks:
        webhooks.tell("poll.closed", "show", 1)
    assert receiver.told("show") == [1, 1]
    assert webhooks.counts == Counter(retried=1, delivered=1)


async def test_gone_means_never_again(receiver: Receiver, url: str) -> None:
    receiver.script["show"] = [410]
    async with Sender(url) as webhooks:
        webhooks.tell("poll.closed", "show", 1)
        webhooks.tell("poll.closed", "show", 2)
        await _next(receiver)
        while webhooks.waiting:
            await asyncio.sleep(0)
        webhooks.tell("poll.closed", "show", 3)
    assert receiver.told("show") == [1]
    assert webhooks.counts == Counter(failed=1, dropped=2)


async def test_one_url_that_is_gone_leaves_the_others(receiver: Receiver, url: str) -> None:
    async with Sender("http://127.0.0.1:1/nobody", url) as webhooks:
        webhooks.tell("poll.closed", "show", 1)
    assert receiver.told("show") == [1]
    assert webhooks.counts == Counter(retried=7, failed=1, delivered=1)


async def test_a_queue_is_bounded_and_what_comes_often_fills_half(
    receiver: Receiver, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WEBHOOK_QUEUE_MAX", 4)
    async with Sender(url) as webhooks:
        for number in range(3):
            webhooks.tell("chat.message", "show", number)
        for number in range(10, 13):
            webhooks.tell("poll.closed", "show", number)
        assert webhooks.counts == Counter(dropped=2)
    assert receiver.told("show") == [0, 1, 10, 11]


async def test_requests_to_a_url_are_bounded(receiver: Receiver, url: str) -> None:
    for number in range(10):
        receiver.script[f"show{number}"] = [HANG]
    sender = Sender(url)
    for number in range(10):
        sender.webhooks.tell("poll.closed", f"show{number}", number)
    while len(receiver.requests) < module.WEBHOOK_PARALLEL_MAX:
        await _next(receiver)
    await sender.webhooks.close(0)
    assert len(receiver.requests) == module.WEBHOOK_PARALLEL_MAX
    assert sender.webhooks.counts == Counter(dropped=10)


async def test_a_close_waits_no_longer_than_told(receiver: Receiver, url: str) -> None:
    receiver.script["show"] = [HANG]
    sender = Sender(url)
    sender.webhooks.tell("poll.closed", "show", 1)
    sender.webhooks.tell("poll.closed", "show", 2)
    await _next(receiver)
    await sender.webhooks.close(0)
    sender.webhooks.tell("poll.closed", "show", 3)
    assert sender.webhooks.counts == Counter(dropped=3)
    assert sender.webhooks.waiting == 0


async def test_connections_are_kept_unless_the_answer_is_long(receiver: Receiver, url: str) -> None:
    async with Sender(url) as webhooks:
        for number in range(3):
            webhooks.tell("poll.closed", "show", number)
    assert receiver.connections == 1
    receiver.answer_bytes = 100_000
    async with Sender(url) as webhooks:
        for number in range(3):
            webhooks.tell("poll.closed", "show", number)
    assert receiver.connections == 4
    assert webhooks.counts == Counter(delivered=3)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
async def test_a_certificate_is_verified(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", str(certificate), "-out", str(tmp_path / "public.pem")),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    public = tmp_path / "public.pem"
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(public, certificate)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    poster = HttpxPoster()
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        await poster.post(url, b'{"event":""}', {})
    await poster.close()
    monkeypatch.setenv("SSL_CERT_FILE", str(public))
    poster = HttpxPoster()
    assert await poster.post(url, b'{"event":""}', {}) == 200
    await poster.close()
    server.close()


async def test_settings_decide(url: str) -> None:
    assert Webhooks.of(Settings(), ManualClock()) is None
    webhooks = Webhooks.of(Settings(webhook_urls=(url,), webhook_secret="s"), ManualClock())
    assert webhooks is not None
    await webhooks.close(0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook_urls": ("https://example.org",)},
        {"webhook_urls": ("ftp://example.org",), "webhook_secret": "s"},
        {"webhook_types": ("poll.open",)},
    ],
)
def test_wrong_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"webhook_"):
        Settings(**wrong)
