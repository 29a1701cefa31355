"""What an event has beside its polls, as far as the rest of it needs to know.

Chat, Questions, Reactions and Viewers are these; whoever tests one of them alone has its own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ngage.identity import RpcCall
from ngage.interaction.authors import Author
from ngage.interaction.hooks import ChatLine, Vote

# Takes the JSON text of one publication: Channel.publish of ngage.api.
Publish = Callable[[str], object]


class Person(Protocol):
    """Who a connection is: ngage.identity.Identity."""

    @property
    def user(self) -> str: ...
    @property
    def voter(self) -> int: ...
    @property
    def info(self) -> Any:
        """JSON that others may see, None for none."""

    @property
    def host(self) -> str:
        """The event whose host it is."""

    @property
    def monitor(self) -> bool:
        """Whether it is no viewer, but a screen or a host."""

    @property
    def anonymous(self) -> bool: ...


class Sent(Protocol):
    """What became of a line or a question."""

    @property
    def id(self) -> int: ...
    @property
    def held(self) -> bool: ...


class ChatPart(Protocol):
    """The chat."""

    @property
    def rules(self) -> Any:
        """A msgspec.Struct, as the audience sees it."""

    @property
    def held(self) -> Sequence[Any]:
        """Lines that wait for a host."""

    @property
    def held_dropped(self) -> int:
        """How many of those were too many."""

    @property
    def bans(self) -> Mapping[int, str]:
        """Who is banned: voter -> user."""

    def send(self, author: Author, text: str) -> Sent: ...
    def examine(self, author: Author, text: str) -> str: ...
    def accept(self, author: Author, text: str) -> Sent: ...
    def configure(self, **changes: Any) -> Any: ...
    def limit(self, lines_per_second: int) -> None: ...
    def line(self, line: int) -> Any: ...
    def check(self, line: int, *, held: bool = False) -> None: ...
    def delete(self, line: int) -> None: ...
    def release(self, line: int) -> int: ...
    def reject(self, line: int) -> None: ...
    def clear(self, user: str) -> None: ...
    def check_ban(self, voter: int) -> None: ...
    def ban(self, user: str, voter: int) -> None: ...
    def pardon(self, voter: int) -> None: ...
    def tick(self) -> None: ...


class QuestionsPart(Protocol):
    """Questions and answers."""

    @property
    def held(self) -> Sequence[Any]:
        """Questions that wait for a host."""

    def ask(self, author: Author, text: str) -> Sent: ...
    def vote(self, voter: int, question: int, up: bool) -> None: ...
    def check(self, question: int) -> None: ...
    def clear(self, user: str) -> None: ...
    def settle(self, question: int, state: Any) -> None: ...
    def list(self) -> Sequence[Any]: ...
    def tick(self) -> object: ...


class ReactionsPart(Protocol):
    """Reactions."""

    def react(self, voter: int, kind: int, count: int) -> None: ...
    def tick(self, native: Mapping[int, int]) -> Sequence[int] | None: ...


class ViewersPart(Protocol):
    """The viewer count: (connections, unique)."""

    smoothing_seconds: float

    @property
    def exact(self) -> tuple[int, int]: ...
    def tick(self, now_ms: int) -> tuple[int, int] | None: ...


class Limits(Protocol):
    """Who may do how much."""

    def demand(self, name: str, key: int, cost: int = 1) -> None: ...


class Hooks(Protocol):
    """What the operator's own code says to it."""

    def has(self, name: str) -> bool: ...
    async def vote(self, vote: Vote) -> None: ...
    async def chat(self, line: ChatLine) -> str: ...


class Refusal(NamedTuple):
    """Why a client may not do something; temporary: it may work later."""

    code: int
    message: str
    temporary: bool = False


class Outlets(NamedTuple):
    """Where an event is published: the channels event:ID, tally:ID, host:ID, chat:ID, questions:ID.

    viewers reads connections and unique viewers of event:ID. said: what chat:ID holds already.
    """

    state: Publish
    tally: Publish
    host: Publish
    chat: Publish
    questions: Publish
    viewers: Callable[[], tuple[int, int]]
    said: Sequence[str] = ()


class Core(Protocol):
    """The edge, as events use it."""

    def check(self, event: str) -> None:
        """Raise EventError if a channel of that event is there, made by somebody else."""

    def outlets(self, event: str) -> Outlets:
        """Where an event of that id is published; the channels are made if they are new."""

    def vote(self, call: RpcCall, poll: int, seq: int, mask: int, elapsed_ms: int) -> None:
        """Have a vote counted; the core replies to the call when it is on the disk."""

    def reply(self, client: int, command: int, answer: bytes | Refusal) -> None:
        """Answer a command for which rpc() has given None."""

    def reactions(self) -> Mapping[int, int]:
        """Counts by event number << 8 | kind since the start."""


class Parts(NamedTuple):
    """All of one event."""

    chat: ChatPart
    questions: QuestionsPart
    reactions: ReactionsPart
    viewers: ViewersPart
