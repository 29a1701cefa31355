"""The bodies of server API calls about events, as msgspec checks them."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from ngage.errors import PollError
from ngage.interaction.model import Kind, Phase, Scoring, UnixMs, Visible, mask_of
from ngage.limits import (
    LEADERBOARD_MAX,
    TICKET_SECONDS,
    TICKET_SECONDS_MAX,
    TICKETS_PER_CALL_MAX,
    USER_CHARS_MAX,
)

Voter = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
# A mask, or the numbers of choices.
Answer = Annotated[int, Meta(ge=0)] | list[int]


class OfEvent(Struct, kw_only=True):
    """What every call but a few names."""

    event: str


class Nothing(Struct):
    """Takes nothing."""


class EventCreate(Struct):
    """starts: Unix ms. video: a channel of video."""

    id: str
    title: str
    starts: UnixMs | None = None
    video: str | None = None


class EventUpdate(Struct):
    """What is left out stays."""

    id: str
    title: str | UnsetType = UNSET
    starts: UnixMs | UnsetType | None = UNSET
    video: str | UnsetType | None = UNSET


class EventNamed(Struct):
    """An event by its id."""

    id: str


class EventPhase(Struct):
    """Where it is to go."""

    id: str
    phase: Phase


class EventFeature(Struct):
    """feature: polls, reactions, chat, questions or count."""

    id: str
    feature: str
    on: bool


class PollCreate(OfEvent):
    """A poll, as docs/reference/events.md has it."""

    title: str
    choices: list[str]
    kind: Kind = Kind.POLL
    most: int = 1
    final: bool = False
    visible: Visible = Visible.ALWAYS
    duration_ms: int = 0
    window_ms: int = 0
    scoring: Scoring = Scoring.NONE
    answer: Answer | None = None


class PollNamed(OfEvent):
    """A poll by its number."""

    poll: int


class PollOpen(PollNamed):
    """at_us: media time of the picture that it belongs to."""

    at_us: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] | None = None


class PollClose(PollNamed):
    """answer: what is right, of a quiz or a prediction."""

    answer: Answer | None = None


class PollAudit(PollNamed):
    """voter or user: every decision about one, in place of all votes."""

    voter: Voter = ""
    user: str = ""


class Leaderboard(OfEvent):
    """The best of the quiz."""

    limit: Annotated[int, Meta(ge=1, le=LEADERBOARD_MAX)] = 10


class ChatLine(OfEvent):
    """A line of the chat."""

    id: int


class OfUser(OfEvent):
    """Somebody by the user that lines have."""

    user: Annotated[str, Meta(min_length=1, max_length=USER_CHARS_MAX)]


class ChatSettings(OfEvent):
    """What is left out stays."""

    slow_seconds: int | UnsetType = UNSET
    emote_only: bool | UnsetType = UNSET
    review: bool | UnsetType = UNSET


class Pin(OfEvent):
    """id: of a line, null for none."""

    id: int | None


class Ban(OfEvent):
    """Exactly one of user and voter."""

    user: str = ""
    voter: Voter = ""
    on: bool = True


class QuestionState(OfEvent):
    """state: open, answered or dismissed."""

    question: int
    state: Literal["open", "answered", "dismissed"]


class Ticket(Struct):
    """For `count` new voters, or for a user. monitor: not counted as a viewer."""

    count: Annotated[int, Meta(ge=1, le=TICKETS_PER_CALL_MAX)] = 1
    ttl_seconds: Annotated[int, Meta(ge=1, le=TICKET_SECONDS_MAX)] = TICKET_SECONDS
    user: str = ""
    monitor: bool = False


def answer_mask(answer: Answer | None) -> int | None:
    """The mask of an answer. Raises PollError for a choice that has no bit."""
    if answer is None or isinstance(answer, int):
        return answer
    if not answer:
        raise PollError("answer: no choice is named")
    return mask_of(answer)
