"""Events on a real edge: votes over JSON and natively, a kill, an upgrade, what the host gets."""

import asyncio
import csv
import io
import json
import os
import re
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tests.helpers.daemon import Daemon
from tests.helpers.raw import Raw
from tests.helpers.successors import upgradable
from tests.oracle.frames import BINARY, client_frame

CHOICES = ["A", "B", "C"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def edge(data: Path) -> Iterator[Daemon]:
    with Daemon("--data", str(data)) as daemon:
        yield daemon


class Viewer:
    """One who speaks JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.ticket = ""
        self.pushes: list[Any] = []
        self._id = 0

    async def ask(self, **command: Any) -> Any:
        """The reply; pushes that come before it are kept."""
        self._id += 1
        await self.socket.send(json.dumps({"id": self._id, **command}))
        while True:
            for line in str(await self.socket.recv()).split("\n"):
                reply = json.loads(line)
                if reply.get("id") == self._id:
                    return reply
                if "push" in reply:
                    self.pushes.append(reply["push"])

    async def call(self, method: str, **data: Any) -> Any:
        return await self.ask(rpc={"method": method, "data": {"event": "gala", **data}})

    async def vote(self, poll: int, seq: int, *choices: int) -> Any:
        reply = await self.call("poll.vote", poll=poll, seq=seq, choices=choices)
        return reply["error"]["code"] if "error" in reply else reply["rpc"]["data"]["status"]

    async def push(self) -> Any:
        """The next one."""
        while not self.pushes:
            message = json.loads(await self.socket.recv())
            if "push" in message:
                self.pushes.append(message["push"])
        return self.pushes.pop(0)


@asynccontextmanager
async def viewer(edge: Daemon, ticket: str = "") -> AsyncIterator[Viewer]:
    async with websockets.connect(f"{edge.url}/connection/websocket") as socket:
        one = Viewer(socket)
        connected = await one.ask(connect={"data": {"ticket": ticket}} if ticket else {})
        one.ticket = connected["connect"]["data"]["ticket"]
        yield one


def open_poll(edge: Daemon, **more: Any) -> int:
    """The number of an open poll, of an event that is live."""
    edge.do("event_create", {"id": "gala", "title": "Gala"})
    edge.do("event_phase", {"id": "gala", "phase": "live"})
    made = edge.do("poll_create", {"event": "gala", "title": "Which?", "choices": CHOICES, **more})
    number: int = made["poll"]["id"]
    edge.do("poll_open", {"event": "gala", "poll": number})
    return number


def native_vote(edge: Daemon, ticket: str, poll: int, seq: int, mask: int) -> int:
    """The status."""
    with Raw(edge.public) as raw:
        raw.upgrade(f"/ws/event:gala?ticket={ticket}")
        assert json.loads(raw.read_message())["id"] == "gala"
        raw.send(client_frame(struct.pack("<BBHIIII", 16, 0, 0, poll, seq, mask, 0), BINARY))
        while True:
            message = raw.read_message()
            if message[0] == 144:
                return message[1]


def counted(closed: Any) -> tuple[list[int], int]:
    result = closed["poll"]["result"]
    return result["counts"], result["voters"]


def results(edge: Daemon, poll: int) -> Any:
    return edge.do("poll_results", {"event": "gala", "poll": poll})


async def test_a_person_has_one_vote_whichever_way(edge: Daemon) -> None:
    poll = open_poll(edge)
    async with viewer(edge) as one:
        assert await one.vote(poll, 1, 0) == "accepted"
        assert await one.vote(poll, 1, 0) == "duplicate"
        assert native_vote(edge, one.ticket, poll, 2, 0b010) == 0
        assert await one.vote(poll, 1, 0) == "duplicate"
        assert await one.vote(poll, 3, 9) == 4003
        assert await one.vote(poll + 1, 1, 0) == 4002
        me = (await one.call("event.me"))["rpc"]["data"]
        assert me["votes"] == {str(poll): {"seq": 2, "choices": [1]}}
    made = edge.do("poll_close", {"event": "gala", "poll": poll})
    assert counted(made) == ([0, 1, 0], 1)
    async with viewer(edge) as late:
        assert await late.vote(poll, 1, 0) == 4001


async def test_a_hook_is_asked_about_every_vote(data: Path, tmp_path: Path) -> None:
    module = "def on_vote(vote):\n    return vote.choices != (2,)\n"
    (tmp_path / "members.py").write_text(module)
    path = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    with Daemon("--data", str(data), "--set", "hooks=members", env=path) as edge:
        poll = open_poll(edge)
        async with viewer(edge) as one:
            assert native_vote(edge, one.ticket, poll, 1, 0b100) == 10
            assert await one.vote(poll, 1, 2) == 4010
            assert await one.vote(poll, 2, 1) == "accepted"
        assert results(edge, poll)["tally"]["counts"] == [0, 1, 0]


def test_the_demonstration_says_where_everything_is() -> None:
    with Daemon("--demo") as edge:
        urls = re.findall(r"https?://\S+/(?:e|stage|host)/demo\S*", edge.log())
        assert [httpx.get(url.partition("#")[0]).status_code for url in urls] == [200] * 3
        _, _, key = urls[2].partition("#key=")
        asked = {"headers": {"authorization": f"Bearer {key}"}, "json": {"id": "demo"}}
        got = httpx.post(f"{edge.admin}/api/event_get", **asked)
        assert got.json()["result"]["event"]["title"] == "The ngage demonstration"


async def test_the_tally_is_pushed_and_who_joins_has_it_at_once(edge: Daemon) -> None:
    poll = open_poll(edge)
    async with viewer(edge) as one, viewer(edge) as two:
        await one.ask(subscribe={"channel": "tally:gala"})
        await two.ask(subscribe={"channel": "event:gala"})
        await two.vote(poll, 1, 2)
        while True:
            tally = (await one.push())["pub"]["data"]
            if tally["polls"].get(str(poll)) == {"counts": [0, 0, 1], "voters": 1}:
                break
        async with viewer(edge) as three:
            state = await three.ask(subscribe={"channel": "event:gala"})
            (newest,) = state["subscribe"]["publications"]
            assert newest["data"]["polls"][0]["id"] == poll
            tallies = await three.ask(subscribe={"channel": "tally:gala"})
            (newest,) = tallies["subscribe"]["publications"]
            assert newest["data"]["polls"][str(poll)]["counts"] == [0, 0, 1]
        while tally["viewers"] != {"connections": 1, "unique": 1}:
            tally = (await one.push())["pub"]["data"]


async def test_hosts_see_what_the_audience_does_not(edge: Daemon) -> None:
    made = edge.do("event_create", {"id": "gala", "title": "Gala"})
    _, _, key = made["host_url"].partition("#key=")
    async with viewer(edge) as one:
        denied = await one.ask(subscribe={"channel": "host:gala"})
        assert denied["error"]["code"] == 103
    with Raw(edge.public) as raw:
        raw.send(raw.request("/ws/host:gala"))
        assert raw.read_refusal() == 404
    async with websockets.connect(f"{edge.url}/connection/websocket") as socket:
        host = Viewer(socket)
        await host.ask(connect={"token": key})
        shown = await host.ask(subscribe={"channel": "host:gala"})
        first = shown["subscribe"].get("publications") or [(await host.push())["pub"]]
        assert first[0]["data"]["tallies"] == {}


async def test_votes_outlive_a_kill(data: Path) -> None:
    """Every vote that was acknowledged, and no other; the poll goes on."""
    with Daemon("--data", str(data)) as edge:
        poll = open_poll(edge)
        tickets = []
        for number in range(20):
            async with viewer(edge) as one:
                tickets.append(one.ticket)
                assert await one.vote(poll, 1, number % 3) == "accepted"
        edge.process.kill()
        edge.process.wait()
    with Daemon("--data", str(data)) as edge:
        assert results(edge, poll)["tally"] == {"counts": [7, 7, 6], "voters": 20}
        assert results(edge, poll)["recount"] == {"counts": [7, 7, 6], "voters": 20}
        async with viewer(edge, tickets[0]) as one:
            assert await one.vote(poll, 1, 0) == "duplicate"
            assert await one.vote(poll, 2, 2) == "accepted"
        closed = edge.do("poll_close", {"event": "gala", "poll": poll})
        assert counted(closed) == ([6, 7, 7], 20)
        rows = edge.get("/api/poll_audit.csv", params={"event": "gala", "poll": poll}).text
        audit = list(csv.DictReader(io.StringIO(rows)))
        assert len(audit) == 21
        assert len({row["voter"] for row in audit}) == 20


async def test_an_upgrade_goes_on_with_an_open_poll(data: Path) -> None:
    with upgradable("--data", str(data)) as (edge, successors):
        poll = open_poll(edge)
        async with viewer(edge) as one:
            assert await one.vote(poll, 1, 0) == "accepted"
            ticket = one.ticket
            await asyncio.to_thread(successors.upgrade)
            await one.socket.wait_closed()
            assert one.socket.close_code == 1012
        assert await asyncio.to_thread(edge.wait) == 0  # until then it may take who comes, too
        async with viewer(edge, ticket) as one:
            assert await one.vote(poll, 1, 0) == "duplicate"
            assert await one.vote(poll, 2, 1) == "accepted"
        assert results(edge, poll)["tally"]["counts"] == [0, 1, 0]


async def test_an_upgrade_goes_on_with_the_chat(data: Path) -> None:
    with upgradable("--data", str(data)) as (edge, successors):
        open_poll(edge)
        async with viewer(edge) as one:
            said = [(await one.call("chat.send", text=text))["rpc"]["data"]["id"] for text in "ab"]
        await asyncio.to_thread(successors.upgrade)
        pinned = edge.do("pin", {"event": "gala", "id": said[0]})["pinned"]
        assert (pinned["id"], pinned["text"]) == (said[0], "a")
        edge.do("chat_delete", {"event": "gala", "id": said[1]})
        shown = edge.do("history", {"channel": "chat:gala", "limit": -1})["publications"]
        assert shown[-1]["data"] == {"delete": said[1]}


def test_kept_lines_are_shown_again_after_a_restart(data: Path) -> None:
    lines = []
    for _ in range(2):
        with Daemon("--data", str(data), "--set", "chat_keep=true") as edge:
            if not lines:
                open_poll(edge)
                asyncio.run(say(edge, "Hello"))
            history = edge.do("history", {"channel": "chat:gala", "limit": 10})
            lines.append([one["data"] for one in history["publications"]])
    assert lines[0] == lines[1]
    assert [line["text"] for line in lines[1]] == ["Hello"]


async def say(edge: Daemon, text: str) -> None:
    async with viewer(edge) as one:
        await one.call("chat.send", text=text)


def test_channels_of_events_are_made_with_them(edge: Daemon) -> None:
    for kind in ("event", "tally", "host", "chat", "questions"):
        answer = edge.api("publish", {"channel": f"{kind}:gala", "data": 1})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, 103)
    edge.do("publish", {"channel": "news:gala", "data": 1})
    for _ in range(2):
        edge.do("event_create", {"id": "gala", "title": "Gala"})
        edge.do("publish", {"channel": "chat:gala", "data": 1})
        edge.do("event_delete", {"id": "gala"})
