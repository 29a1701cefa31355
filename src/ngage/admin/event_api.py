"""The server API for events: POST /api/METHOD, as the rest of it, and poll_audit.csv.

Who has the API key may call all of it. Who has a host key (Authorization: Bearer) may call what
names that key's event; the guard has checked the key, here the event is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ngage import hostkeys
from ngage.admin import calls, event_calls, people
from ngage.admin.failures import (
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    Failure,
    bad_request,
    from_error,
    json_response,
)
from ngage.admin.server_api import read_body
from ngage.api import Edge
from ngage.errors import NgageError, PollStateError
from ngage.hostkeys import HostKey
from ngage.interaction import audit, journal, quiz
from ngage.interaction.events import Events
from ngage.interaction.model import Event, Poll
from ngage.interaction.questions import QuestionState
from ngage.interaction.show import private
from ngage.limits import ACTIONS_SHOWN_MAX

Result = Mapping[str, object]
Method = Callable[[Any, Request], Awaitable[Result | Response]]

API = "api"  # who acts with the API key
HOST = "host"  # who acts with a host key


# What names no event, or is for whoever runs the edge.
NOT_FOR_HOSTS = {"event_create", "event_list", "ticket"}
AUDIT_CSV = "/api/poll_audit.csv"


class EventApi:
    """The methods, on one edge. secret signs host keys and tickets.

    events gives those of the edge, None while there are none.
    """

    def __init__(self, edge: Edge, events: Callable[[], Events | None], secret: bytes) -> None:
        self._edge = edge
        self._events_now = events
        self._secret = secret
        self._methods: dict[str, tuple[type[Struct], Method]] = {
            "event_create": (event_calls.EventCreate, self.event_create),
            "event_list": (event_calls.Nothing, self.event_list),
            "ticket": (event_calls.Ticket, self.ticket),
            "event_update": (event_calls.EventUpdate, self.event_update),
            "event_get": (event_calls.EventNamed, self.event_get),
            "event_phase": (event_calls.EventPhase, self.event_phase),
            "event_feature": (event_calls.EventFeature, self.event_feature),
            "event_delete": (event_calls.EventNamed, self.event_delete),
            "poll_create": (event_calls.PollCreate, self.poll_create),
            "poll_open": (event_calls.PollOpen, self.poll_open),
            "poll_lock": (event_calls.PollNamed, self.poll_lock),
            "poll_close": (event_calls.PollClose, self.poll_close),
            "poll_cancel": (event_calls.PollNamed, self.poll_cancel),
            "poll_results": (event_calls.PollNamed, self.poll_results),
            "poll_audit": (event_calls.PollAudit, self.poll_audit),
            "leaderboard": (event_calls.Leaderboard, self.leaderboard),
            "chat_delete": (event_calls.ChatLine, self.chat_delete),
            "chat_clear": (event_calls.OfUser, self.chat_clear),
            "chat_release": (event_calls.ChatLine, self.chat_release),
            "chat_reject": (event_calls.ChatLine, self.chat_reject),
            "chat_settings": (event_calls.ChatSettings, self.chat_settings),
            "pin": (event_calls.Pin, self.pin),
            "ban": (event_calls.Ban, self.ban),
            "question_list": (event_calls.OfEvent, self.question_list),
            "question_state": (event_calls.QuestionState, self.question_state),
        }

    def routes(self) -> list[Route]:
        """To come before the one that takes every method."""
        return [
            Route(AUDIT_CSV, self._answer_csv, methods=["GET"]),
            *(Route(f"/api/{name}", self._answer, methods=["POST"]) for name in self._methods),
        ]

    @property
    def host_paths(self) -> frozenset[str]:
        """What a host key opens."""
        names = self._methods.keys() - NOT_FOR_HOSTS
        return frozenset({AUDIT_CSV, *(f"/api/{name}" for name in names)})

    # Requests in, responses out

    async def _answer(self, request: Request) -> Response:
        call_type, method = self._methods[request.url.path.rpartition("/")[2]]
        body = await read_body(request, self._edge.settings.publish_bytes_max)
        call = calls.decode(call_type, body)
        self._check_host(request, getattr(call, "event", getattr(call, "id", "")))
        try:
            result = await method(call, request)
        except NgageError as error:
            raise from_error(error) from error
        return result if isinstance(result, Response) else json_response({"result": result})

    async def _answer_csv(self, request: Request) -> Response:
        name, number = (request.query_params.get(key, "") for key in ("event", "poll"))
        if not number.isascii() or not number.isdecimal():
            raise bad_request("poll: a number is needed")
        self._check_host(request, name)
        try:
            poll = self._events.polls.find(name, int(number))
            counted = await self._registers(poll)
        except NgageError as error:
            raise from_error(error) from error
        rows = audit.rows(self._events.polls.journal(poll), counted)
        headers = {"Content-Disposition": f'attachment; filename="{name}-{poll.id}.csv"'}
        return StreamingResponse(audit.as_csv(rows), 200, headers, "text/csv; charset=utf-8")

    @property
    def _events(self) -> Events:
        events = self._events_now()
        if events is None:
            raise Failure(503, NOT_AVAILABLE, "no events: the setting data names no directory")
        return events

    # Events

    async def event_create(self, call: event_calls.EventCreate, request: Request) -> Result:
        """A new event, and the links to it."""
        draft = Event(
            number=0, id=call.id, title=call.title, starts_ms=call.starts, video=call.video
        )
        event = await self._events.create(draft, _who(request))
        return {"event": self._document(event.id), **self._links(event.id, request)}

    async def event_list(self, call: event_calls.Nothing, request: Request) -> Result:
        """All events, the oldest first."""
        return {"events": [self._document(event.id) for event in self._events.all()]}

    async def event_get(self, call: event_calls.EventNamed, request: Request) -> Result:
        """An event with all its polls, and what hosts did last."""
        event = self._document(call.id)
        actions = await self._events.actions(call.id, ACTIONS_SHOWN_MAX)
        return {"event": event, "actions": actions, **self._links(call.id, request)}

    async def event_update(self, call: event_calls.EventUpdate, request: Request) -> Result:
        """Change what is given."""
        given = {"title": call.title, "starts_ms": call.starts, "video": call.video}
        changes = {name: value for name, value in given.items() if value is not UNSET}
        await self._events.update(call.id, _who(request), **changes)
        return {"event": self._document(call.id)}

    async def event_phase(self, call: event_calls.EventPhase, request: Request) -> Result:
        """Begin, pause or end."""
        await self._events.move(call.id, call.phase, _who(request))
        return {"event": self._document(call.id)}

    async def event_feature(self, call: event_calls.EventFeature, request: Request) -> Result:
        """Switch a feature."""
        await self._events.switch(call.id, call.feature, call.on, _who(request))
        return {"event": self._document(call.id)}

    async def event_delete(self, call: event_calls.EventNamed, request: Request) -> Result:
        """Forget it."""
        await self._events.delete(call.id, _who(request))
        return {}

    # Polls

    async def poll_create(self, call: event_calls.PollCreate, request: Request) -> Result:
        """A new poll, not open yet."""
        draft = Poll(
            event=call.event,
            kind=call.kind,
            title=call.title,
            choices=tuple(call.choices),
            most=call.most,
            final=call.final,
            visible=call.visible,
            duration_ms=call.duration_ms,
            window_ms=call.window_ms,
            scoring=call.scoring,
            answer=event_calls.answer_mask(call.answer),
        )
        event = self._events.get(call.event)
        return _of(await self._events.polls.create(event, draft, _who(request)))

    async def poll_open(self, call: event_calls.PollOpen, request: Request) -> Result:
        """Voting begins."""
        event = self._events.get(call.event)
        return _of(await self._events.polls.open(event, call.poll, call.at_us, _who(request)))

    async def poll_lock(self, call: event_calls.PollNamed, request: Request) -> Result:
        """Voting ends, the result waits."""
        event = self._events.get(call.event)
        return _of(await self._events.polls.lock(event, call.poll, _who(request)))

    async def poll_close(self, call: event_calls.PollClose, request: Request) -> Result:
        """Voting ends, and is counted."""
        event, answer = self._events.get(call.event), event_calls.answer_mask(call.answer)
        return _of(await self._events.polls.close(event, call.poll, answer, _who(request)))

    async def poll_cancel(self, call: event_calls.PollNamed, request: Request) -> Result:
        """It does not count."""
        event = self._events.get(call.event)
        return _of(await self._events.polls.cancel(event, call.poll, _who(request)))

    async def poll_results(self, call: event_calls.PollNamed, request: Request) -> Result:
        """What has been counted, and what the journal amounts to now."""
        poll = self._events.polls.find(call.event, call.poll)
        tally = self._events.polls.tally(poll)._asdict()
        recount = journal.recount(await self._registers(poll), len(poll.choices))._asdict()
        return {**_of(poll), "tally": tally, "recount": recount}

    async def poll_audit(self, call: event_calls.PollAudit, request: Request) -> Result | Response:
        """Every vote; or every decision about one voter."""
        poll = self._events.polls.find(call.event, call.poll)
        path = self._events.polls.journal(poll)
        if call.voter or call.user:
            _, voter = people.named(call.user, call.voter, self._secret)
            _check_opened(poll)
            records = await asyncio.to_thread(journal.of_voter, path, voter)
            decisions = [decision._asdict() for decision in quiz.explain(poll, records)]
            return {**_of(poll), "voter": f"{voter:016x}", "decisions": decisions}
        counted = await self._registers(poll)
        recount = journal.recount(counted, len(poll.choices))._asdict()
        head = msgspec.json.encode({**_of(poll), "recount": recount}).removesuffix(b"}")
        votes = audit.rows(path, counted)
        pieces = audit.as_json(b'{"result":' + head + b',"votes":', votes, b"}}")
        return StreamingResponse(pieces, 200, media_type="application/json")

    async def leaderboard(self, call: event_calls.Leaderboard, request: Request) -> Result:
        """The best of the quiz of the event's current run."""
        event = self._events.get(call.event)
        board = self._events.polls.board(event.id)
        best = [
            {**standing._asdict(), "voter": f"{standing.voter:016x}"}
            for standing in board.top(call.limit)
        ]
        return {"leaderboard": best, "voters": board.voters, "alive": board.alive}

    # Chat and questions

    async def chat_delete(self, call: event_calls.ChatLine, request: Request) -> Result:
        """Take back a line."""
        chat = self._events.show(call.event).parts.chat
        chat.check(call.id)
        await self._events.note(call.event, "chat_delete", _who(request), line=call.id)
        chat.delete(call.id)
        return {}

    async def chat_clear(self, call: event_calls.OfUser, request: Request) -> Result:
        """Take back all lines of a user."""
        chat = self._events.show(call.event).parts.chat
        await self._events.note(call.event, "chat_clear", _who(request), user=call.user)
        chat.clear(call.user)
        return {}

    async def chat_release(self, call: event_calls.ChatLine, request: Request) -> Result:
        """Let a held line go out."""
        chat = self._events.show(call.event).parts.chat
        chat.check(call.id, held=True)
        await self._events.note(call.event, "chat_release", _who(request), line=call.id)
        return {"id": chat.release(call.id)}

    async def chat_reject(self, call: event_calls.ChatLine, request: Request) -> Result:
        """Forget a held line."""
        chat = self._events.show(call.event).parts.chat
        chat.check(call.id, held=True)
        await self._events.note(call.event, "chat_reject", _who(request), line=call.id)
        chat.reject(call.id)
        return {}

    async def chat_settings(self, call: event_calls.ChatSettings, request: Request) -> Result:
        """Change what is given."""
        given = {name: getattr(call, name) for name in ("slow_seconds", "emote_only", "review")}
        changes = {name: value for name, value in given.items() if value is not UNSET}
        event = await self._events.set_chat(call.event, changes, _who(request))
        return {"chat": event.chat}

    async def pin(self, call: event_calls.Pin, request: Request) -> Result:
        """Keep a line on top, or none."""
        event = await self._events.pin(call.event, call.id, _who(request))
        return {"pinned": event.pinned}

    async def ban(self, call: event_calls.Ban, request: Request) -> Result:
        """Silence somebody, in votes too; or no longer."""
        user, voter = people.named(call.user, call.voter, self._secret)
        parts = self._events.show(call.event).parts
        chat = parts.chat
        if call.on:
            chat.check_ban(voter)
        await self._events.note(call.event, "ban", _who(request), user=user, on=call.on)
        if call.on:
            chat.ban(user, voter)
            parts.questions.clear(user)
        else:
            chat.pardon(voter)
        return {"user": user, "voter": f"{voter:016x}", "banned": voter in chat.bans}

    async def question_list(self, call: event_calls.OfEvent, request: Request) -> Result:
        """All questions, the most wanted first."""
        return {"questions": self._events.show(call.event).parts.questions.list()}

    async def question_state(self, call: event_calls.QuestionState, request: Request) -> Result:
        """Answer, dismiss, release or reopen a question."""
        state = QuestionState(call.state)
        questions = self._events.show(call.event).parts.questions
        questions.check(call.question)
        details = {"question": call.question, "state": call.state}
        await self._events.note(call.event, "question_state", _who(request), **details)
        questions.settle(call.question, state)
        return {}

    # Tickets

    async def ticket(self, call: event_calls.Ticket, request: Request) -> Result:
        """Tickets for new voters, or one for a user."""
        return {"tickets": people.new_tickets(call, self._secret)}

    # Small things

    def _document(self, name: str) -> Result:
        """An event as hosts see it."""
        show = self._events.show(name)
        polls = [private(poll) for poll in self._events.polls.of(name)]
        return {**show.state(), "run": show.event.run, "polls": polls}

    def _links(self, name: str, request: Request) -> Result:
        """Where the audience goes, and hosts; a host key is not given to who has one already."""
        links = {"audience_url": f"{self._edge.public_url}/e/{name}"}
        if not _host_key(request):
            number = self._events.get(name).number
            admin = str(request.base_url).rstrip("/")
            links["host_url"] = hostkeys.link(admin, self._secret, name, number)
        return links

    def _check_host(self, request: Request, name: str) -> None:
        key = _host_key(request)
        if key is None:
            return
        known = {event.id: event.number for event in self._events.all()}
        if key.event != name or known.get(name, key.number) != key.number:
            raise Failure(403, PERMISSION_DENIED, "this host key is for another event")

    async def _registers(self, poll: Poll) -> journal.Records:
        _check_opened(poll)
        return await asyncio.to_thread(journal.registers, self._events.polls.journal(poll))


def _of(poll: Poll) -> Result:
    return {"poll": private(poll)}


def _check_opened(poll: Poll) -> None:
    if poll.opened_ms is None:
        raise PollStateError(f"poll {poll.id} is {poll.state}: nobody has voted")


def _host_key(request: Request) -> HostKey | None:
    """What the guard has seen; None: the API key, or none is needed."""
    key: HostKey | None = request.scope.get("state", {}).get("host")
    return key


def _who(request: Request) -> str:
    return HOST if _host_key(request) else API
