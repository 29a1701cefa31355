"""The server API over HTTP: results, and a 4xx with a reason for everything that is wrong."""

import base64
import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.helpers.daemon import Daemon
from tests.helpers.wait import wait_until

BODY_BYTES_MAX = 65536
NUMBERS = count()


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with Daemon("--set", f"publish_bytes_max={BODY_BYTES_MAX}") as running:
        yield running


@pytest.fixture
def channel(daemon: Daemon) -> str:
    """A channel of this test's own, with one publication in it."""
    name = f"test:{next(NUMBERS)}"
    result(daemon.api("publish", {"channel": name, "data": "first"}))
    return name


def result(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()["result"]


def failure(response: httpx.Response) -> tuple[int, int]:
    """HTTP status and error code; every failure also has a message."""
    error = response.json()["error"]
    assert response.headers["content-type"] == "application/json"
    assert error["message"]
    return response.status_code, error["code"]


def post(daemon: Daemon, path: str, body: Any, **headers: str) -> httpx.Response:
    return httpx.post(f"{daemon.admin}{path}", content=body, headers=headers, trust_env=False)


# Publishing


def test_publish_reaches_a_subscriber_as_compact_json(daemon: Daemon, channel: str) -> None:
    with connect(f"{daemon.url}/ws/{channel}") as client:
        body = f'{{"channel": "{channel}", "data": {{"n": [1,  2.50], "s": "a b"}} }}'
        assert result(post(daemon, "/api/publish", body))["offset"] == 2
        assert client.recv(10) == '{"n":[1,2.50],"s":"a b"}'
        encoded = base64.b64encode(b"\x00\xff").decode()
        result(daemon.api("publish", {"channel": channel, "b64data": encoded}))
        assert client.recv(10) == b"\x00\xff"


def test_publish_creates_the_channel(daemon: Daemon) -> None:
    created = result(daemon.api("publish", {"channel": "test:new", "data": None}))
    assert created["offset"] == 1
    assert created["epoch"]


def test_idempotency_key(daemon: Daemon, channel: str) -> None:
    call = {"channel": channel, "data": 1, "idempotency_key": "k"}
    first = result(daemon.api("publish", call))
    assert result(daemon.api("publish", call)) == first
    other = result(daemon.api("publish", {**call, "idempotency_key": "l"}))
    assert other["offset"] == first["offset"] + 1


def test_broadcast_answers_for_each_channel(daemon: Daemon, channel: str) -> None:
    call = {"channels": [channel, "", "test:other"], "data": 1}
    good, bad, other = result(daemon.api("broadcast", call))["responses"]
    assert good["result"]["offset"] == 2
    assert bad["error"]["code"] == 107
    assert other["result"]["offset"] >= 1


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("", b"\x00\x01", b"\x00\x01"),
        ("application/octet-stream", b"text", b"text"),
        ("text/plain; charset=utf-8", b"text", "text"),
        ("Application/JSON", b'{ "a": 1 }', '{ "a": 1 }'),
        ("", b"", b""),
    ],
)
def test_publish_raw(
    daemon: Daemon, channel: str, content_type: str, body: bytes, message: bytes | str
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    with connect(f"{daemon.url}/ws/{channel}") as client:
        url = f"{daemon.admin}/api/publish_raw"
        sent = httpx.post(
            url, params={"channel": channel, "sync": 1}, content=body, headers=headers
        )
        assert result(sent)["offset"] == 2
        assert client.recv(10) == message


def test_publish_raw_as_text_must_be_utf8(daemon: Daemon, channel: str) -> None:
    path = f"/api/publish_raw?channel={channel}"
    refused = httpx.post(
        daemon.admin + path, content=b"ok\xff", headers={"content-type": "text/plain"}
    )
    assert failure(refused) == (400, 107)
    assert "byte 2" in refused.text


# Reading


def test_history(daemon: Daemon, channel: str) -> None:
    encoded = base64.b64encode(b"\x00").decode()
    result(daemon.api("publish", {"channel": channel, "data": {"n": 2}}))
    result(daemon.api("publish", {"channel": channel, "b64data": encoded}))
    httpx.post(
        f"{daemon.admin}/api/publish_raw",
        params={"channel": channel},
        content="not json",
        headers={"content-type": "text/plain"},
    )
    held = [
        {"offset": 1, "data": "first"},
        {"offset": 2, "data": {"n": 2}},
        {"offset": 3, "b64data": encoded},
        {"offset": 4, "data": "not json"},
    ]

    def history(**options: Any) -> Any:
        return result(daemon.api("history", {"channel": channel, **options}))

    whole = history(limit=-1)
    epoch = whole["epoch"]
    assert whole == {"publications": held, "offset": 4, "epoch": epoch}
    assert history() == {"publications": [], "offset": 4, "epoch": epoch}
    assert history(limit=2)["publications"] == held[:2]
    assert history(limit=2, reverse=True)["publications"] == held[:1:-1]
    since = {"offset": 2, "epoch": epoch}
    assert history(limit=-1, since=since)["publications"] == held[2:]
    assert history(limit=-1, since=since, reverse=True)["publications"] == held[:1]


def test_history_of_another_epoch(daemon: Daemon, channel: str) -> None:
    since = {"offset": 1, "epoch": "another"}
    assert failure(daemon.api("history", {"channel": channel, "since": since}))[1] == 112


def test_counts() -> None:
    with Daemon() as daemon:
        check_counts(daemon, "test:counts")


def check_counts(daemon: Daemon, channel: str) -> None:
    result(daemon.api("publish", {"channel": channel, "data": 1}))

    def clients() -> int:
        stats = result(daemon.api("presence_stats", {"channel": channel}))
        assert stats["num_users"] == stats["num_clients"]
        return int(stats["num_clients"])

    assert clients() == 0
    with connect(f"{daemon.url}/ws/{channel}"):
        wait_until(lambda: clients() == 1, "the subscriber")
        listed = result(daemon.api("channels", {"pattern": f"{channel[:-1]}?"}))["channels"]
        assert listed == {channel: {"num_clients": 1}}
        (node,) = result(daemon.api("info", {}))["nodes"]
        assert node["num_clients"] == 1
        assert node["num_subscriptions"] == 1
        assert node["num_channels"] >= 1
        assert node["uid"]
        assert node["version"]
        assert node["uptime"] >= 0
    wait_until(lambda: clients() == 0, "the subscriber to go")
    assert result(daemon.api("channels", {"pattern": "no such*"})) == {"channels": {}}


def closed_with(daemon: Daemon, channel: str, **options: Any) -> tuple[int, str]:
    """Code and reason that a subscriber is closed with when its channel is disconnected."""
    with connect(f"{daemon.url}/ws/{channel}") as client:
        result(daemon.api("disconnect", {"channel": channel, **options}))
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
    assert closed.value.rcvd
    return closed.value.rcvd.code, closed.value.rcvd.reason


def test_disconnect_a_channel(daemon: Daemon, channel: str) -> None:
    assert closed_with(daemon, channel)[0] == 3503
    assert closed_with(daemon, channel, code=4001)[0] == 4001


def test_disconnect_a_channel_with_a_reason(daemon: Daemon, channel: str) -> None:
    assert closed_with(daemon, channel) == (3503, "force disconnect")
    assert closed_with(daemon, channel, code=4001, reason="over") == (4001, "over")


def test_disconnect_of_a_client_that_is_gone(daemon: Daemon) -> None:
    assert result(daemon.api("disconnect", {"client": f"{1 << 40:016x}"})) == {}


# Refusing


@pytest.mark.parametrize("method", ["history", "presence_stats", "disconnect"])
def test_unknown_channel(daemon: Daemon, method: str) -> None:
    assert failure(daemon.api(method, {"channel": "test:none"})) == (404, 102)


@pytest.mark.parametrize(
    ("method", "body", "named"),
    [
        ("publish", b"{", "truncated"),
        ("publish", b"\xff", ""),
        ("publish", b"[]", "object"),
        ("publish", b"", "channel"),
        ("publish", b'{"data": 1}', "channel"),
        ("publish", b'{"channel": 5, "data": 1}', "channel"),
        ("publish", b'{"channel": "a"}', "data"),
        ("publish", b'{"channel": "a", "data": 1, "b64data": "AA=="}', "data"),
        ("publish", b'{"channel": "a", "data": nul}', "malformed"),
        ("publish", b'{"channel": "a", "data": "\xff"}', "data"),
        ("publish", b'{"channel": "a", "b64data": "%"}', "b64data"),
        ("publish", b'{"channel": "", "data": 1}', "channel"),
        ("publish", json.dumps({"channel": "a" * 256, "data": 1}).encode(), "channel"),
        ("publish", b'{"channel": "a", "data": 1, "idempotency_key": 1}', "idempotency_key"),
        ("broadcast", b'{"channels": "a", "data": 1}', "channels"),
        ("history", b'{"channel": "a", "limit": -2}', "limit"),
        ("history", b'{"channel": "a", "limit": 1e99}', "limit"),
        ("history", b'{"channel": "a", "since": {"offset": -1}}', "offset"),
        ("history", b'{"channel": "a", "since": {"offset": 99999999999999999999}}', "offset"),
        ("disconnect", b"{}", "client"),
        ("disconnect", b'{"client": "a", "channel": "b"}', "client"),
        ("disconnect", b'{"client": "1"}', "client"),
        ("disconnect", b'{"client": "-000000000000001"}', "client"),
        ("disconnect", b'{"client": "0000000000000001", "code": 99}', "code"),
        ("disconnect", b'{"client": "0000000000000001", "code": 1006}', "code"),
        ("disconnect", b'{"client": "0000000000000001", "reason": 5}', "reason"),
        ("publish_raw", b"1", "channel"),
        ("publish_raw?channel=a&sync=perhaps", b"1", "sync"),
    ],
)
def test_bad_request(daemon: Daemon, method: str, body: bytes, named: str) -> None:
    refused = post(daemon, f"/api/{method}", body)
    assert failure(refused) == (400, 107)
    assert named in refused.text


def test_reason_that_does_not_fit_a_close_frame(daemon: Daemon, channel: str) -> None:
    call = {"channel": channel, "reason": "x" * 124}
    assert failure(daemon.api("disconnect", call)) == (400, 107)


def test_disconnect_of_a_user_is_not_available_yet(daemon: Daemon) -> None:
    assert failure(daemon.api("disconnect", {"user": "u"})) == (400, 108)


def test_unknown_method(daemon: Daemon) -> None:
    assert failure(daemon.api("shout", {})) == (404, 104)


def test_wrong_http_method(daemon: Daemon) -> None:
    refused = daemon.get("/api/publish")
    assert failure(refused)[0] == 405
    assert refused.headers["allow"] == "POST"


@pytest.mark.parametrize("method", ["publish", "publish_raw?channel=a"])
@pytest.mark.parametrize("announced", [True, False])
def test_body_that_is_too_large(daemon: Daemon, method: str, announced: bool) -> None:
    size = BODY_BYTES_MAX + 1
    body = b"x" * size if announced else (b"x" * 1024 for _ in range(size // 1024 + 1))
    assert failure(post(daemon, f"/api/{method}", body)) == (413, 106)


def test_publication_larger_than_the_ring(daemon: Daemon) -> None:
    with Daemon("--set", "channel_ring_bytes=4096") as small:
        refused = post(small, "/api/publish_raw?channel=a", b"x" * 4097)
        assert failure(refused) == (400, 107)


def test_unknown_channel_is_not_created_when_that_is_forbidden() -> None:
    with Daemon("--set", "auto_create=never") as daemon:
        assert failure(daemon.api("publish", {"channel": "a", "data": 1})) == (404, 102)
        assert failure(post(daemon, "/api/publish_raw?channel=a", b"1")) == (404, 102)
        assert result(daemon.api("channels", {})) == {"channels": {}}


def test_api_key() -> None:
    with Daemon("--api-key", "secret") as daemon:
        call = {"channel": "a", "data": 1}
        assert failure(daemon.api("publish", call)) == (401, 101)
        assert failure(daemon.api("publish", call, key="Secret")) == (401, 101)
        assert failure(daemon.api("no_such_method", {})) == (401, 101)
        assert failure(post(daemon, "/%61pi/publish", b"{}")) == (401, 101)
        assert failure(post(daemon, "/api/publish", b"{}", host="localhost/x")) == (401, 101)
        assert daemon.api("publish", call, key="secret").status_code == 200
        assert daemon.get("/metrics").status_code == 200
        assert daemon.get("/healthz/ready").status_code == 200
        assert "secret" not in daemon.log()


@pytest.mark.parametrize("path", ["/api/info", "/metrics", "/healthz/live"])
def test_host_of_another_name(daemon: Daemon, path: str) -> None:
    assert daemon.get(path, headers={"Host": "evil.example"}).status_code == 403


def test_page_of_another_site(daemon: Daemon) -> None:
    for origin in ("http://evil.example", "null", "http://["):
        assert failure(post(daemon, "/api/info", b"", origin=origin)) == (403, 103)
    assert post(daemon, "/api/info", b"", origin=daemon.admin).status_code == 200
