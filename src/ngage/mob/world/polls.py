"""The poll of a run, as its host has it: made, opened, closed and counted through the server API.

Calls block, so a loop makes them in a thread. An edge that is dead for a while is asked again until
it answers, so every call may have been made twice: what is there already is taken for done.
"""

import http.client
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode, urlsplit

from ngage.errors import HostError
from ngage.mob.measure.tallies import Tally
from ngage.mob.model import Poll

ANSWER_SECONDS = 10.0
PATIENCE_SECONDS = 30.0  # with an edge that is started again
RETRY_SECONDS = 0.1
TICKETS_PER_CALL = 1000
TICKET_SECONDS = 86_400
LIVE, ENDED = "live", "ended"


class Register(NamedTuple):
    """The vote of a voter that counts; mask has a bit for each choice."""

    voter: int
    seq: int
    mask: int


class Opened(NamedTuple):
    """number: of the poll. event: of the event. tallies: the ws:// URL where they come, or ""."""

    number: int
    event: int
    reactions: int
    tallies: str


class Host(Protocol):
    """Methods raise HostError, and are called in this order. registers: None if nobody tells."""

    def prepare(self) -> None: ...

    def open(self) -> Opened: ...

    def close(self) -> None: ...

    def tally(self) -> Tally: ...

    def registers(self) -> list[Register] | None: ...

    def end(self, *, keep: bool) -> None: ...


def host_of(poll: Poll, url: str, tally_url: str) -> Host:
    """url, tally_url: those of the poll, complete."""
    return EdgeHost(poll, EdgeApi(url, poll.api_key), tally_url) if url else Given(poll, tally_url)


class RefusedError(HostError):
    """The edge has answered, and not with what was asked for."""


class EdgeApi:
    """POST /api/METHOD on an admin listener. clock and sleep are for tests."""

    def __init__(
        self,
        url: str,
        api_key: str = "",
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = urlsplit(url)
        self._headers = {"X-API-Key": api_key} if api_key else {}
        self._clock = clock
        self._sleep = sleep

    def call(self, method: str, **body: object) -> dict[str, Any]:
        """The result. Raises RefusedError, or HostError when there is no answer for too long."""
        status, answer = self.request("POST", f"/api/{method}", json.dumps(body).encode())
        try:
            result = json.loads(answer)["result"]
            assert isinstance(result, dict)
            return result
        except (ValueError, KeyError, TypeError, AssertionError):
            text = answer[:200].decode(errors="replace").strip()
            raise RefusedError(f"{method}: {status} {text}") from None

    def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body, as soon as the edge has any; HostError."""
        deadline = self._clock() + PATIENCE_SECONDS
        while True:
            connection = http.client.HTTPConnection(
                self._url.hostname or "", self._url.port, timeout=ANSWER_SECONDS
            )
            try:
                connection.request(method, self._url.path.rstrip("/") + path, body, self._headers)
                response = connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException) as error:
                if self._clock() > deadline:
                    raise HostError(f"{self._url.geturl()}: no answer: {error}") from error
                self._sleep(RETRY_SECONDS)
            finally:
                connection.close()

    def tickets(self, count: int) -> list[str]:
        """For so many new voters."""
        found: list[str] = []
        while len(found) < count:
            wanted = min(TICKETS_PER_CALL, count - len(found))
            result = self.call("ticket", count=wanted, ttl_seconds=TICKET_SECONDS)
            found += [ticket["ticket"] for ticket in result["tickets"]]
        return found


class EdgeHost:
    """The host of an event on an edge."""

    def __init__(self, poll: Poll, api: EdgeApi, tally_url: str = "") -> None:
        self._poll = poll
        self._api = api
        self._tally_url = tally_url
        self._event: Mapping[str, Any] = {}
        self._public = ""
        self._number = 0
        self._made = False  # the event is of this run

    def prepare(self) -> None:
        """A live event, and the poll in it."""
        name = self._poll.event
        try:
            self._api.call("event_create", id=name, title=name)
            self._made = True
        except RefusedError:
            pass  # it is there already, or the next call says why not
        found = self._api.call("event_get", id=name)
        self._event, self._public = found["event"], urlsplit(found["audience_url"]).netloc
        if self._event["phase"] != LIVE:
            self._do(lambda event: event["phase"] == LIVE, "event_phase", id=name, phase=LIVE)
        result = self._api.call(
            "poll_create",
            event=name,
            title="Which one?",
            choices=[f"choice {i + 1}" for i in range(self._poll.choices)],
        )
        self._number = result["poll"]["id"]

    def open(self) -> Opened:
        self._move("poll_open", "open")
        return Opened(
            self._number,
            self._event["number"],
            len(self._event["reactions"]),
            f"ws://{self._public}/ws/tally:{self._poll.event}",
        )

    def close(self) -> None:
        self._move("poll_close", "closed")

    def tally(self) -> Tally:
        """The one that is final once the poll is closed."""
        if self._tally_url:
            return read_tally(self._tally_url)
        result = self._api.call("poll_results", event=self._poll.event, poll=self._number)
        return _tally(result["tally"])

    def registers(self) -> list[Register] | None:
        """The vote of each voter that counts, as the journal has it."""
        if self._tally_url:
            return None
        query = urlencode({"event": self._poll.event, "poll": self._number})
        status, answer = self._api.request("GET", f"/api/poll_audit.csv?{query}")
        if status != http.HTTPStatus.OK:
            raise HostError(f"poll_audit.csv: {status}")
        return read_registers(answer.decode())

    def end(self, *, keep: bool) -> None:
        """The event is over; unless it is to be kept, the edge lets go of what it held for it."""
        name = self._poll.event
        if self._made:
            self._do(lambda event: event["phase"] == ENDED, "event_phase", id=name, phase=ENDED)
        if self._made and not keep:
            self._api.call("event_delete", id=name)

    def _move(self, method: str, state: str) -> None:
        def moved(event: Mapping[str, Any]) -> bool:
            return {"id": self._number, "state": state} in [
                {"id": poll["id"], "state": poll["state"]} for poll in event["polls"]
            ]

        self._do(moved, method, event=self._poll.event, poll=self._number)

    def _do(self, done: Callable[[Mapping[str, Any]], bool], method: str, **body: object) -> None:
        """A refusal may mean that it was done by a call whose answer was lost."""
        try:
            self._api.call(method, **body)
        except RefusedError:
            if not done(self._api.call("event_get", id=self._poll.event)["event"]):
                raise


class Given:
    """A poll that somebody else has opened, and a URL with its tally."""

    def __init__(self, poll: Poll, tally_url: str) -> None:
        self._poll = poll
        self._tally_url = tally_url

    def prepare(self) -> None:
        """It is there."""

    def open(self) -> Opened:
        return Opened(self._poll.number, 0, 0, "")

    def close(self) -> None:
        """Somebody else does."""

    def registers(self) -> None:
        """None: nobody tells."""
        return None

    def end(self, *, keep: bool) -> None:
        """Somebody else's event goes on."""

    def tally(self) -> Tally:
        return read_tally(self._tally_url)


def read_registers(csv: str) -> list[Register]:
    """Those of an audit that are marked as counting."""
    head, *rows = csv.splitlines()
    places = [head.split(",").index(name) for name in ("voter", "seq", "choices", "counts")]
    found = []
    for row in rows:
        values = row.split(",")
        voter, seq, choices, counts = (values[place] for place in places)
        if counts == "1":
            mask = sum(1 << int(choice) for choice in choices.split())
            found.append(Register(int(voter, 16), int(seq), mask))
    return found


def read_tally(url: str) -> Tally:
    """GET: a JSON object with `counts` and `voters`. Raises HostError."""
    path = urlsplit(url)._replace(scheme="", netloc="").geturl() or "/"
    status, answer = EdgeApi(f"http://{urlsplit(url).netloc}").request("GET", path)
    try:
        return _tally(json.loads(answer))
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(f"{url}: {status}, no tally: {error}") from None


def _tally(found: Mapping[str, Any]) -> Tally:
    return Tally(tuple(found["counts"]), found["voters"])
