"""The host of a poll, and an edge that answers, refuses, loses answers, or is dead for a while."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ngage.errors import HostError
from ngage.mob.measure.tallies import Tally
from ngage.mob.model import Poll
from ngage.mob.world.polls import (
    EdgeApi,
    Given,
    Opened,
    RefusedError,
    Register,
    host_of,
    read_registers,
)
from ngage.mob.world.tallies import Report, read_report

Answer = dict[str, Any] | None  # None: the connection ends without one


class Desk:
    """An event and its polls, as the server API has them. lost: methods whose answer is lost."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.event: dict[str, Any] = {}
        self.polls: dict[int, str] = {}
        self.lost: set[str] = set()

    def answer(self, method: str, body: dict[str, Any]) -> Answer:
        self.calls.append((method, body))
        done = getattr(self, f"_{method}")(body)
        if method in self.lost:
            self.lost.discard(method)
            return None
        if isinstance(done, str):
            return {"error": {"code": 1, "message": done}}
        return {"result": done}

    def _event_create(self, body: dict[str, Any]) -> Any:
        if self.event:
            return "it is there"
        self.event = {"id": body["id"], "number": 3, "phase": "scheduled", "reactions": ["a", "b"]}
        return {}

    def _event_get(self, _: dict[str, Any]) -> Any:
        polls = [{"id": number, "state": state} for number, state in self.polls.items()]
        return {"event": {**self.event, "polls": polls}, "audience_url": "http://1.2.3.4:80/e/x"}

    def _event_phase(self, body: dict[str, Any]) -> Any:
        if self.event["phase"] == body["phase"]:
            return "it is so"
        self.event["phase"] = body["phase"]
        return {}

    def _event_delete(self, _: dict[str, Any]) -> Any:
        self.event = {}
        return {}

    def _poll_create(self, body: dict[str, Any]) -> Any:
        self.polls[7] = "draft"
        return {"poll": {"id": 7, "choices": body["choices"]}}

    def _poll_open(self, body: dict[str, Any]) -> Any:
        return self._to(body, "draft", "open")

    def _poll_close(self, body: dict[str, Any]) -> Any:
        return self._to(body, "open", "closed")

    def _to(self, body: dict[str, Any], before: str, after: str) -> Any:
        if self.polls[body["poll"]] != before:
            return f"it is {self.polls[body['poll']]}"
        self.polls[body["poll"]] = after
        return {}

    def _poll_results(self, _: dict[str, Any]) -> Any:
        return {"tally": {"counts": [1, 2], "voters": 3}}

    def _ticket(self, body: dict[str, Any]) -> Any:
        first = sum(body["count"] for method, body in self.calls[:-1] if method == "ticket")
        numbers = range(first, first + body["count"])
        return {"tickets": [{"ticket": f"t{number}"} for number in numbers]}


@contextmanager
def serving(answer: Callable[[str, dict[str, Any]], Answer]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.reply(answer(self.path.removeprefix("/api/"), body))

        def do_GET(self) -> None:
            self.reply({"counts": [4, 5], "voters": 9})

        def reply(self, found: Answer) -> None:
            if found is None:
                return
            text = json.dumps(found).encode()
            self.send_response(400 if "error" in found else 200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


POLL = Poll(url="http://{edge.admin}", event="x", choices=2)
OPENED = Opened(7, 3, 2, "ws://1.2.3.4:80/ws/tally:x")


@pytest.mark.parametrize(
    "lost", [set(), {"event_create"}, {"event_phase"}, {"poll_open", "poll_close"}]
)
def test_a_poll_from_its_making_to_its_tally(lost: set[str]) -> None:
    """Whatever answer is lost on the way: calls are made again, and done is done."""
    desk = Desk()
    desk.lost = set(lost)
    with serving(desk.answer) as url:
        host = host_of(POLL, url, "")
        host.prepare()
        assert desk.event["phase"] == "live"
        assert host.open() == OPENED
        assert desk.polls == {7: "open"}
        host.close()
        assert desk.polls == {7: "closed"}
        assert host.tally() == Tally((1, 2), 3)
        host.end(keep=False)
        assert desk.event == {} or "event_create" in lost


def test_an_event_that_was_there_stays() -> None:
    desk = Desk()
    desk.event = {"id": "x", "number": 3, "phase": "live", "reactions": []}
    with serving(desk.answer) as url:
        host = host_of(POLL, url, "")
        host.prepare()
        host.end(keep=False)
        assert desk.event["phase"] == "live"


def test_an_event_with_a_wrong_tally_is_kept() -> None:
    desk = Desk()
    with serving(desk.answer) as url:
        host = host_of(POLL, url, "")
        host.prepare()
        host.end(keep=True)
        assert desk.event["phase"] == "ended"


def test_a_refusal_that_changes_nothing_is_told() -> None:
    desk = Desk()
    with serving(desk.answer) as url:
        host = host_of(POLL, url, "")
        host.prepare()
        desk.polls[7] = "cancelled"
        with pytest.raises(RefusedError, match=r"poll_open: 400 .*it is cancelled"):
            host.open()


def test_an_edge_that_never_answers_is_given_up() -> None:
    times = iter(range(0, 1000, 20))
    with socket.socket() as taken:  # and not listening
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        api = EdgeApi(url, clock=lambda: next(times), sleep=lambda _: None)
        with pytest.raises(HostError, match="no answer"):
            api.call("info")


def test_tickets_come_in_portions() -> None:
    desk = Desk()
    with serving(desk.answer) as url:
        assert EdgeApi(url).tickets(2500) == [f"t{number}" for number in range(2500)]
    assert [body["count"] for _, body in desk.calls] == [1000, 1000, 500]


def test_a_tally_may_come_from_elsewhere() -> None:
    with serving(Desk().answer) as url:
        assert host_of(POLL, url, f"{url}/tally").tally() == Tally((4, 5), 9)
        given = host_of(Poll(number=4, tally="x"), "", f"{url}/tally?poll=4")
        assert isinstance(given, Given)
        given.prepare()
        assert given.open() == Opened(4, 0, 0, "")
        given.close()
        assert given.tally() == Tally((4, 5), 9)


def test_registers_are_those_that_count() -> None:
    rows = [
        "00000000000000ff,2,1 3,0,1,c,1,0",
        "00000000000000ff,1,0,0,1,c,0,0",
        "0001,7,,0,1,c,1,9",
    ]
    csv = "\r\n".join(["voter,seq,choices,elapsed_ms,received_ms,client,counts,rtt_ms", *rows, ""])
    assert read_registers(csv) == [Register(255, 2, 10), Register(1, 7, 0)]


def test_reports_of_tallies() -> None:
    told = {"t": 1, "polls": {"7": {"counts": [1, 2], "voters": 3}}, "reactions": [4, 5]}
    text = json.dumps(told)
    assert read_report(text, 7) == Report(Tally((1, 2), 3), 9)
    assert read_report(text.encode(), 8) == Report(None, 9)
    assert read_report("{}", 7) == Report(None, 0)
    with pytest.raises(ValueError, match="Expecting"):
        read_report("no", 7)
