"""The chat of one event: what may be said, in which order it goes out, and what moderators do.

A line is examined, then taken in: held for a moderator, or numbered and put into a short queue
that leaves at the room's rate. When the queue is full its oldest line gives way, and the next one
that goes out is preceded by how many are missing. So ids rise in the order of publication, and a
flood costs the room neither its rate nor its freshness.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from ngage.errors import EventError, RefusalCode, RefusedError, UnknownLineError
from ngage.interaction.authors import Author
from ngage.interaction.buckets import Buckets, Rate, too_fast
from ngage.interaction.clock import Clock
from ngage.interaction.emoji import is_emoji_only
from ngage.interaction.wording import Filter, clean
from ngage.limits import (
    CHAT_BANS_MAX,
    CHAT_HELD_LINES_MAX,
    CHAT_RECENT_LINES_MAX,
    CHAT_SLOW_SECONDS_MAX,
    CHAT_TEXT_CHARS_MAX,
    CHAT_WAITING_SECONDS,
)

ROOM = "room"


class ChatRules(msgspec.Struct, frozen=True):
    """What a moderator switches while the show runs; moderators are exempt.

    slow_seconds: between lines of one user, 0 for none. emote_only: nothing but emoji. review:
    lines wait for a moderator.
    """

    slow_seconds: int = 0
    emote_only: bool = False
    review: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.slow_seconds <= CHAT_SLOW_SECONDS_MAX:
            raise ValueError(f"slow_seconds: 0 to {CHAT_SLOW_SECONDS_MAX}")


class Line(msgspec.Struct, frozen=True, gc=False):
    """A line of the chat, as it is published; t in Unix ms."""

    id: int
    t: int
    user: str
    name: str
    text: str


class Sent(NamedTuple):
    """What became of a line: its id, and whether a moderator has to release it first."""

    id: int
    held: bool


class Keeper(Protocol):
    """What is written down of a chat; each call returns at once and never raises."""

    def line(self, line: Line) -> None: ...
    def deleted(self, line: int) -> None: ...
    def cleared(self, user: str) -> None: ...
    def banned(self, user: str, voter: int, on: bool) -> None: ...


class Chat:
    """One event's chat. Calls belong to the event loop; tick() at least every 250 ms.

    publish takes the JSON of one publication. ban is told of voters that are banned and pardoned.
    words refuses or alters text. heard is given each line that goes out. known: lines that an
    earlier process has published. first: the first id, above those of any earlier run; by default
    the Unix time in ms. counts: lines by outcome, which several chats may share.
    """

    def __init__(
        self,
        publish: Callable[[str], object],
        *,
        clock: Clock,
        lines_per_second: int,
        rules: ChatRules | None = None,
        words: Filter | None = None,
        ban: Callable[[int, bool], object] = lambda voter, on: None,
        keeper: Keeper | None = None,
        heard: Callable[[Line], object] = lambda line: None,
        bans: Mapping[int, str] | None = None,
        known: Iterable[Line] = (),
        first: int = 0,
        counts: Counter[str] | None = None,
    ) -> None:
        self.rules = rules or ChatRules()
        self.words = words
        self.counts: Counter[str] = Counter() if counts is None else counts
        self.held_dropped = 0
        self._publish, self._ban = publish, ban
        self._keeper, self._heard = keeper, heard
        self._clock = clock
        self._slow = Buckets(_slow_rate(self.rules))
        self._room = Buckets(Rate(lines_per_second))
        self._waiting: deque[Line] = deque()
        self._gap = 0
        self._recent = OrderedDict((line.id, line) for line in known)
        self._next = max(first or clock.unix_ms(), max(self._recent, default=0) + 1)
        self._held: OrderedDict[int, Line] = OrderedDict()
        self._bans = dict(bans or {})

    # What people do

    def send(self, author: Author, text: str) -> Sent:
        """Say something. Raises RefusedError, whose message may be told to the author."""
        return self.accept(author, self.examine(author, text))

    def examine(self, author: Author, text: str) -> str:
        """`text` as it would be shown; where a hook has a say, it comes between this and accept().

        Raises RefusedError. Counts nothing against slow mode.
        """
        if author.voter in self._bans:
            raise self._refusal("banned", RefusalCode.BANNED, "banned")
        if not author.moderator and (
            wait_ms := self._slow.wait(author.voter, self._clock.monotonic_ms())
        ):
            self.counts["slow"] += 1
            raise too_fast(wait_ms)
        shown = self._clean(text)
        if self.rules.emote_only and not author.moderator and not is_emoji_only(shown):
            raise self._refusal("emote_only", RefusalCode.NOT_NOW, "only emoji now")
        if self.words:
            filtered = self.words(shown)
            if filtered is None:
                raise self._refusal("words", RefusalCode.REJECTED, "not acceptable here")
            shown = filtered
        return shown

    def accept(self, author: Author, text: str) -> Sent:
        """Take in a text that was examined. Raises RefusedError: for bans and slow mode too."""
        if author.voter in self._bans:
            raise self._refusal("banned", RefusalCode.BANNED, "banned")
        text = self._clean(text)
        if not author.moderator and (
            wait_ms := self._slow.take(author.voter, self._clock.monotonic_ms())
        ):
            self.counts["slow"] += 1
            raise too_fast(wait_ms)
        line = Line(self._number(), self._clock.unix_ms(), author.user, author.name, text)
        if self.rules.review and not author.moderator:
            self._hold(line)
            return Sent(line.id, True)
        self._queue(line)
        return Sent(line.id, False)

    # What moderators do

    def configure(self, **changes: Any) -> ChatRules:
        """Change some of the rules; returns all. Raises ValueError, TypeError for a wrong one."""
        self.rules = msgspec.convert(
            {**msgspec.structs.asdict(self.rules), **changes}, ChatRules, strict=True
        )
        if self._slow.rate != _slow_rate(self.rules):
            self._slow.rate = _slow_rate(self.rules)
        return self.rules

    def limit(self, lines_per_second: int) -> None:
        """Change the rate at which lines go out."""
        if self._room.rate.tokens != lines_per_second:
            self._room.rate = Rate(lines_per_second)

    def line(self, line: int) -> Line:
        """A line of late, to be pinned. Raises UnknownLineError."""
        if line not in self._recent:
            raise UnknownLineError(f"line {line}: unknown or too old")
        return self._recent[line]

    def check(self, line: int, *, held: bool = False) -> None:
        """Raise UnknownLineError if no line can have had that id, or (held) none waits under it."""
        if held and line not in self._held:
            raise UnknownLineError(f"line {line}: it is not held")
        if not 0 < line < self._next:
            raise UnknownLineError(f"line {line}: there is none")

    def delete(self, line: int) -> None:
        """Take back a line, however old: somebody may have it on the screen. UnknownLineError."""
        self.check(line)
        waiting = [one for one in self._waiting if one.id != line]
        if len(waiting) < len(self._waiting):
            self._waiting = deque(waiting)
        else:
            self._recent.pop(line, None)
            self._publish(encode({"delete": line}))
            if self._keeper:
                self._keeper.deleted(line)
        self.counts["deleted"] += 1

    def clear(self, user: str) -> None:
        """Take back all lines of a user, those that wait or are held too."""
        self._waiting = deque(one for one in self._waiting if one.user != user)
        for lines in (self._recent, self._held):
            for line in [one.id for one in lines.values() if one.user == user]:
                del lines[line]
        self._publish(encode({"clear": user}))
        if self._keeper:
            self._keeper.cleared(user)

    def check_ban(self, voter: int) -> None:
        """Raise EventError if so many are banned that nobody else can be."""
        if len(self._bans) >= CHAT_BANS_MAX and voter not in self._bans:
            raise EventError(f"{CHAT_BANS_MAX} are banned already, pardon somebody first")

    def ban(self, user: str, voter: int) -> None:
        """Silence somebody, here and in votes, and clear what they said. Raises EventError."""
        self.check_ban(voter)
        self._bans[voter] = user
        self._ban(voter, True)
        if self._keeper:
            self._keeper.banned(user, voter, True)
        self.clear(user)

    def pardon(self, voter: int) -> None:
        """Undo a ban; of somebody who is not banned it is nothing."""
        user = self._bans.pop(voter, None)
        if user is not None:
            self._ban(voter, False)
            if self._keeper:
                self._keeper.banned(user, voter, False)

    @property
    def bans(self) -> Mapping[int, str]:
        """Who is banned: voter -> user."""
        return self._bans

    @property
    def held(self) -> list[Line]:
        """What waits for a moderator, oldest first; held_dropped says how many were too many."""
        return list(self._held.values())

    def release(self, line: int) -> int:
        """Let a held line go out; returns its new id. Raises UnknownLineError."""
        held = self._judged(line)
        released = msgspec.structs.replace(held, id=self._number(), t=self._clock.unix_ms())
        self._queue(released)
        return released.id

    def reject(self, line: int) -> None:
        """Forget a held line. Raises UnknownLineError."""
        self._judged(line)
        self.counts["rejected"] += 1

    # Going out

    def tick(self) -> None:
        """Publish what the room's rate now lets go."""
        now_ms = self._clock.monotonic_ms()
        while self._waiting and not self._room.wait(ROOM, now_ms):
            self._room.take(ROOM, now_ms)
            if self._gap:
                self._publish(encode({"gap": self._gap}))
                self._gap = 0
            line = self._waiting.popleft()
            self._publish(encode(line))
            self.counts["published"] += 1
            self._recent[line.id] = line
            if len(self._recent) > CHAT_RECENT_LINES_MAX:
                self._recent.popitem(last=False)
            if self._keeper:
                self._keeper.line(line)
            self._heard(line)

    def _queue(self, line: Line) -> None:
        self._waiting.append(line)
        self.tick()
        while len(self._waiting) > CHAT_WAITING_SECONDS * self._room.rate.tokens:
            self._waiting.popleft()
            self._gap += 1
            self.counts["dropped"] += 1

    def _hold(self, line: Line) -> None:
        self._held[line.id] = line
        self.counts["held"] += 1
        if len(self._held) > CHAT_HELD_LINES_MAX:
            self._held.popitem(last=False)
            self.held_dropped += 1
            self.counts["held_dropped"] += 1

    def _judged(self, line: int) -> Line:
        self.check(line, held=True)
        return self._held.pop(line)

    def _number(self) -> int:
        self._next += 1
        return self._next - 1

    def _clean(self, text: str) -> str:
        try:
            return clean(text, CHAT_TEXT_CHARS_MAX)
        except RefusedError:
            self.counts["text"] += 1
            raise

    def _refusal(self, outcome: str, code: RefusalCode, message: str) -> RefusedError:
        self.counts[outcome] += 1
        return RefusedError(code, message)


def said(publications: Iterable[str]) -> list[Line]:
    """The lines that these publications of a chat, in their order, leave on the screen."""
    lines: dict[int, Line] = {}
    for publication in publications:
        try:
            known = msgspec.json.decode(publication, type=_Publication)
        except msgspec.DecodeError:
            continue  # not by a chat
        lines.pop(known.delete, None)
        lines = {number: line for number, line in lines.items() if line.user != known.clear}
        if known.id:
            lines[known.id] = Line(known.id, known.t, known.user, known.name, known.text)
    return list(lines.values())


class _Publication(msgspec.Struct):
    """Any of those that a chat makes."""

    id: int = 0
    t: int = 0
    user: str = ""
    name: str = ""
    text: str = ""
    delete: int = 0
    clear: str | None = None


def _slow_rate(rules: ChatRules) -> Rate:
    return Rate(1, rules.slow_seconds) if rules.slow_seconds else Rate(0)


def encode(publication: object) -> str:
    """A publication of a chat, a line or what became of one, as JSON."""
    return msgspec.json.encode(publication).decode()
