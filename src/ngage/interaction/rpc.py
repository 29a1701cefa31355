"""What clients ask by rpc, taken apart, checked, and handed to the part that it is for.

A vote that has passed goes to the core, which replies when it is on the disk; where the operator's
hooks have a say, the reply comes when they have spoken. Everything else is answered at once.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from ngage.errors import PollError, RefusalCode, RefusedError, UnknownPollError
from ngage.identity import RpcCall
from ngage.interaction.authors import Author, shown_name
from ngage.interaction.hooks import ChatLine, Vote
from ngage.interaction.model import Phase, Poll, State, choices_of, mask_of
from ngage.interaction.parts import Core, Hooks, Limits, Person, Refusal
from ngage.interaction.polls import Polls
from ngage.interaction.show import Show
from ngage.limits import CUE_ID_CHARS_MAX

METHOD_NOT_FOUND = Refusal(104, "method not found")
BAD_REQUEST = 107  # Centrifugo's

Word32 = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
Word64 = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Seq = Annotated[int, Meta(ge=1, le=(1 << 32) - 1)]
Choices = Annotated[list[Annotated[int, Meta(ge=0)]], Meta(max_length=32)]


class OfEvent(Struct):
    """What every call names."""

    event: str


class PollVote(OfEvent, kw_only=True):
    """choices: numbers, none to withdraw. elapsed_ms: since the viewer saw the question."""

    poll: Word32
    seq: Seq
    choices: Choices
    elapsed_ms: Word32 = 0


class React(OfEvent, kw_only=True):
    """kind: place in the event's reactions."""

    kind: int
    count: int = 1


class Say(OfEvent, kw_only=True):
    """chat.send and question.ask; name: of somebody whose token says none."""

    text: str
    name: str = ""


class QuestionVote(OfEvent, kw_only=True):
    """up: wanted, or no longer."""

    question: int
    up: bool = True


class CueAck(OfEvent, kw_only=True):
    """cue: what identifies it."""

    cue: Annotated[str, Meta(min_length=1, max_length=CUE_ID_CHARS_MAX)] | Word64


Wanted = TypeVar("Wanted", bound=Struct)
Answer = Mapping[str, object] | Coroutine[Any, Any, bytes | None] | None


class Rpc:
    """Calls of clients about the events in `shows`; gives what ngage.centrifugo answers with."""

    def __init__(
        self,
        shows: Mapping[str, Show],
        polls: Polls,
        core: Core,
        limits: Limits,
        hooks: Hooks | None = None,
    ) -> None:
        self._shows = shows
        self._polls = polls
        self._core = core
        self._limits = limits
        self._hooks = hooks
        self._waiting: set[asyncio.Task[None]] = set()
        self._methods: dict[str, Callable[[RpcCall], Answer]] = {
            "poll.vote": self._vote,
            "event.me": self._me,
            "react": self._react,
            "chat.send": self._say,
            "question.ask": self._ask,
            "question.vote": self._want,
            "cue.ack": self._acknowledge,
        }

    def __call__(self, call: RpcCall) -> bytes | Refusal | None:
        """The data of the reply, or a refusal; None: the reply comes by itself, later."""
        known = self._methods.get(call.method)
        if known is None:
            return METHOD_NOT_FOUND
        try:
            self._limits.demand("commands", call.identity.voter)
            answer = known(call)
        except RefusedError as error:
            return _refusal(error)
        except msgspec.DecodeError as error:
            return Refusal(BAD_REQUEST, f"bad request: {error}")
        if isinstance(answer, Coroutine):
            self._later(call.client, call.command, answer)
            return None
        return None if answer is None else msgspec.json.encode(answer)

    async def close(self) -> None:
        """Give up what waits for hooks."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    # Methods

    def _vote(self, call: RpcCall) -> Answer:
        identity, wanted = call.identity, _decode(call.data, PollVote)
        _check_crowd(identity)
        poll = self._votable(wanted)
        mask = _mask(wanted.choices)
        self._limits.demand("votes", identity.voter)

        def cast() -> None:
            self._core.vote(call, poll.id, wanted.seq, mask, wanted.elapsed_ms)

        if self._hooks is None or not self._hooks.has("on_vote"):
            cast()
            return None
        choices = tuple(choices_of(mask))
        vote = Vote(identity.user, identity.voter, wanted.event, poll.id, choices)
        return _after(self._hooks.vote(vote), cast)

    def _me(self, call: RpcCall) -> Answer:
        show = self._show(_decode(call.data, OfEvent))
        event, voter = show.event, call.identity.voter
        votes = {}
        for poll in self._polls.shown(event):
            register = self._polls.register(poll, voter)
            if register is not None:
                votes[str(poll.id)] = {"seq": register.seq, "choices": choices_of(register.mask)}
        board = self._polls.board(event.id)
        standing = board.standing(voter)
        return {
            "votes": votes,
            "score": standing.score if standing else 0,
            "rank": standing.rank if standing else None,
            "alive": board.is_alive(voter),
            "banned": voter in show.parts.chat.bans,
        }

    def _react(self, call: RpcCall) -> Answer:
        wanted = _decode(call.data, React)
        _check_crowd(call.identity)
        show = self._open(wanted, "reactions", Phase.SCHEDULED, Phase.LIVE)
        self._admit(show, call.identity)
        show.parts.reactions.react(call.identity.voter, wanted.kind, wanted.count)
        return {}

    def _say(self, call: RpcCall) -> Answer:
        wanted = _decode(call.data, Say)
        chat = self._open(wanted, "chat").parts.chat
        author = _author(call.identity, wanted)
        text = chat.examine(author, wanted.text)
        self._limits.demand("chat", author.voter)
        if self._hooks is None or not self._hooks.has("on_chat"):
            return _sent(chat.accept(author, text))
        line = ChatLine(author.user, author.voter, wanted.event, author.name, text)
        return self._say_later(self._hooks.chat(line), wanted, author)

    async def _say_later(
        self, asked: Coroutine[Any, Any, str], wanted: Say, author: Author
    ) -> bytes:
        text = await asked
        # The event may have changed meanwhile.
        chat = self._open(wanted, "chat").parts.chat
        return msgspec.json.encode(_sent(chat.accept(author, text)))

    def _ask(self, call: RpcCall) -> Answer:
        wanted = _decode(call.data, Say)
        questions = self._open(wanted, "questions").parts.questions
        self._limits.demand("questions", call.identity.voter)
        return _sent(questions.ask(_author(call.identity, wanted), wanted.text))

    def _want(self, call: RpcCall) -> Answer:
        wanted, voter = _decode(call.data, QuestionVote), call.identity.voter
        _check_crowd(call.identity)
        self._open(wanted, "questions").parts.questions.vote(voter, wanted.question, wanted.up)
        return {}

    def _acknowledge(self, call: RpcCall) -> Answer:
        wanted = _decode(call.data, CueAck)
        self._show(wanted).acknowledged(str(wanted.cue))
        return {}

    # What has to hold

    def _show(self, wanted: OfEvent) -> Show:
        show = self._shows.get(wanted.event)
        if show is None:
            raise RefusedError(RefusalCode.UNKNOWN, "no such event")
        return show

    def _open(
        self,
        wanted: OfEvent,
        feature: str,
        *phases: Phase,
    ) -> Show:
        """The event, if that is on; in any phase but the last, or one of `phases`."""
        show = self._show(wanted)
        if not getattr(show.event.features, feature):
            raise RefusedError(RefusalCode.NOT_NOW, f"{feature} are off")
        phase = show.event.phase
        if phase is Phase.ENDED or (phases and phase not in phases):
            raise RefusedError(RefusalCode.NOT_NOW, f"the event is {phase}")
        return show

    def _admit(self, show: Show, identity: Person) -> None:
        if identity.voter in show.parts.chat.bans:
            raise RefusedError(RefusalCode.BANNED, "banned")

    def _votable(self, wanted: PollVote) -> Poll:
        show = self._show(wanted)
        try:
            poll = self._polls.find(wanted.event, wanted.poll)
        except UnknownPollError:
            poll = None
        if poll is None or poll.state is State.CREATED:
            raise RefusedError(RefusalCode.UNKNOWN, "no such poll")
        if poll.state is State.OPEN and not show.event.takes_votes:
            raise RefusedError(RefusalCode.NOT_NOW, "no votes now")
        # What the core has it judges by itself: a vote that counts already is a duplicate, even
        # when the poll is closed.
        if not self._polls.holds(poll.id):
            closed = poll.state is not State.OPEN
            code = RefusalCode.CLOSED if closed else RefusalCode.UNAVAILABLE
            raise RefusedError(code, "closed" if closed else "votes cannot be kept now")
        return poll

    # Later

    def _later(self, client: int, command: int, answer: Coroutine[Any, Any, bytes | None]) -> None:
        task = asyncio.ensure_future(self._reply(client, command, answer))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _reply(
        self, client: int, command: int, answer: Coroutine[Any, Any, bytes | None]
    ) -> None:
        try:
            data = await answer
        except RefusedError as error:
            self._core.reply(client, command, _refusal(error))
        else:
            if data is not None:
                self._core.reply(client, command, data)


async def _after(asked: Coroutine[Any, Any, None], act: Callable[[], None]) -> None:
    await asked
    act()


def _decode(data: bytes, wanted: type[Wanted]) -> Wanted:
    return msgspec.json.decode(data or b"{}", type=wanted)


def _check_crowd(identity: Person) -> None:
    """What is counted is what the crowd does: not screens, not hosts."""
    if identity.monitor:
        raise RefusedError(RefusalCode.NOT_NOW, "monitors and hosts are not counted")


def _mask(choices: list[int]) -> int:
    try:
        return mask_of(choices)
    except PollError as error:
        raise RefusedError(RefusalCode.NO_CHOICE, str(error)) from None


def _author(identity: Person, wanted: Say) -> Author:
    info = None if identity.info is None else bytes(identity.info)
    given = wanted.name if identity.anonymous else ""
    name = shown_name(info, given)
    return Author(identity.user, identity.voter, name, moderator=identity.host == wanted.event)


def _sent(sent: Any) -> Mapping[str, object]:
    return {"held": True} if sent.held else {"id": sent.id}


def _refusal(error: RefusedError) -> Refusal:
    return Refusal(int(error.code), str(error), error.temporary)
