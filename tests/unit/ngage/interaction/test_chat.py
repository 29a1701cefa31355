"""The chat: what is refused and why, what goes out and in which order, what moderators undo."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.errors import EventError, RefusalCode, RefusedError, UnknownLineError
from ngage.interaction import chat as module
from ngage.interaction.authors import Author
from ngage.interaction.chat import Chat, ChatRules, Line, said
from tests.helpers.manual_clock import START_UNIX_MS, ManualClock

ASHA = Author("asha", 1, "Asha")
RAVI = Author("ravi", 2)
HOST = Author("host", 3, "Host", moderator=True)


class Kept:
    """What a chat would have written down."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def line(self, line: Line) -> None:
        self.calls.append(("line", line.id))

    def deleted(self, line: int) -> None:
        self.calls.append(("deleted", line))

    def cleared(self, user: str) -> None:
        self.calls.append(("cleared", user))

    def banned(self, user: str, voter: int, on: bool) -> None:
        self.calls.append(("banned", user, voter, on))


class Room:
    """A chat, its clock, and what it published."""

    def __init__(self, lines_per_second: int = 1000, **options: Any) -> None:
        self.clock = ManualClock()
        self.out: list[dict[str, Any]] = []
        self.bans: list[tuple[int, bool]] = []
        self.kept = Kept()
        self.chat = Chat(
            lambda text: self.out.append(json.loads(text)),
            clock=self.clock,
            lines_per_second=lines_per_second,
            ban=lambda voter, on: self.bans.append((voter, on)),
            keeper=self.kept,
            **{"first": 1, **options},
        )

    def texts(self) -> list[str]:
        return [line["text"] for line in self.out if "text" in line]


def refused(call: Callable[..., object], *arguments: object) -> tuple[RefusalCode, str]:
    with pytest.raises(RefusedError) as refusal:
        call(*arguments)
    return refusal.value.code, str(refusal.value)


def test_a_line_is_published_with_who_and_when() -> None:
    room = Room()
    assert room.chat.send(ASHA, " hello\n") == (1, False)
    line = {"id": 1, "t": START_UNIX_MS, "user": "asha", "name": "Asha", "text": "hello"}
    assert room.out == [line]
    assert room.kept.calls == [("line", 1)]


def test_ids_go_on_above_those_of_an_earlier_run() -> None:
    assert Room(first=0).chat.send(ASHA, "hello").id == START_UNIX_MS
    assert Room(first=18).chat.send(ASHA, "hello").id == 18


def test_what_cannot_be_shown_is_refused() -> None:
    room = Room()
    assert refused(room.chat.send, ASHA, " ") == (RefusalCode.REJECTED, "empty")
    code, message = refused(room.chat.send, ASHA, "x" * 501)
    assert (code, message) == (RefusalCode.REJECTED, "too long: at most 500 characters")
    room.chat.send(ASHA, "x" * 500)
    assert room.chat.counts == {"text": 2, "published": 1}


# Slow mode


def test_slow_mode_says_when_again() -> None:
    room = Room(rules=ChatRules(slow_seconds=10))
    room.chat.send(ASHA, "one")
    room.clock.ms = 3999
    assert refused(room.chat.send, ASHA, "two") == (
        RefusalCode.TOO_FAST,
        "too fast: try again in 6001 ms",
    )
    room.chat.send(RAVI, "another user")
    room.clock.ms = 10_000
    room.chat.send(ASHA, "two")
    assert room.texts() == ["one", "another user", "two"]


def test_moderators_may_write_in_slow_mode() -> None:
    room = Room(rules=ChatRules(slow_seconds=10))
    for text in ("one", "two"):
        room.chat.send(HOST, text)
    assert room.texts() == ["one", "two"]


def test_a_refused_line_does_not_slow_down() -> None:
    room = Room(rules=ChatRules(slow_seconds=10), words=lambda text: None)
    refused(room.chat.send, ASHA, "bad")
    room.chat.words = None
    room.chat.send(ASHA, "good")


def test_two_lines_examined_at_once_are_not_both_accepted() -> None:
    room = Room(rules=ChatRules(slow_seconds=10))
    texts = [room.chat.examine(ASHA, text) for text in ("one", "two")]
    room.chat.accept(ASHA, texts[0])
    assert refused(room.chat.accept, ASHA, texts[1])[0] == RefusalCode.TOO_FAST


def test_rules_change_while_the_show_runs() -> None:
    room = Room()
    room.chat.send(ASHA, "one")
    assert room.chat.configure(slow_seconds=5) == ChatRules(slow_seconds=5)
    room.chat.send(ASHA, "two")
    refused(room.chat.send, ASHA, "three")
    assert room.chat.configure(emote_only=True).slow_seconds == 5
    refused(room.chat.send, ASHA, "three")
    room.chat.configure(slow_seconds=0, emote_only=False)
    room.chat.send(ASHA, "three")


@pytest.mark.parametrize(
    "change", [{"slow_seconds": -1}, {"slow_seconds": 3601}, {"slow_seconds": "5"}, {"review": 1}]
)
def test_a_wrong_rule_changes_nothing(change: dict[str, Any]) -> None:
    room = Room()
    with pytest.raises(ValueError):
        room.chat.configure(**change)
    assert room.chat.rules == ChatRules()


# What may be said


def test_emote_only() -> None:
    room = Room(rules=ChatRules(emote_only=True))
    room.chat.send(ASHA, "👍🏽 👨\u200d👩\u200d👧\u200d👦")
    assert refused(room.chat.send, ASHA, "👍 yes") == (RefusalCode.NOT_NOW, "only emoji now")
    room.chat.send(HOST, "only emoji now, please")


def test_a_filter_may_refuse_or_alter() -> None:
    room = Room(words=lambda text: None if "bad" in text else text.replace("cat", "dog"))
    room.chat.send(ASHA, "my cat")
    assert refused(room.chat.send, ASHA, "bad") == (RefusalCode.REJECTED, "not acceptable here")
    assert room.texts() == ["my dog"]


# Moderation


def test_a_line_is_taken_back() -> None:
    room = Room()
    number = room.chat.send(ASHA, "oops").id
    assert room.chat.line(number).text == "oops"
    room.chat.delete(number)
    assert room.out[-1] == {"delete": number}
    assert room.kept.calls == [("line", 1), ("deleted", 1)]
    with pytest.raises(UnknownLineError):
        room.chat.line(number)


def test_a_line_that_waits_is_taken_back_unseen() -> None:
    room = Room(lines_per_second=1)
    room.chat.send(ASHA, "one")
    room.chat.delete(room.chat.send(RAVI, "two").id)
    room.clock.ms = 1000
    room.chat.tick()
    assert [line.get("text") for line in room.out] == ["one"]


def test_a_line_of_any_age_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHAT_RECENT_LINES_MAX", 2)
    room = Room()
    for text in ("one", "two", "three"):
        room.chat.send(ASHA, text)
    with pytest.raises(UnknownLineError):
        room.chat.line(1)
    room.chat.delete(1)
    assert room.out[-1] == {"delete": 1}
    for never in (-1, 0, 4):
        with pytest.raises(UnknownLineError):
            room.chat.delete(never)


def test_lines_of_an_earlier_process_are_known() -> None:
    before = Room()
    for author, text in ((ASHA, "one"), (RAVI, "two"), (ASHA, "three"), (HOST, "four")):
        before.chat.send(author, text)
    before.chat.delete(4)
    before.chat.clear("ravi")
    held = ["no chat's", *map(json.dumps, before.out), '{"gap": 2}']
    known = said(held)
    assert [line.text for line in known] == ["one", "three"]
    after = Room(known=known)
    assert after.chat.line(3).text == "three"
    assert after.chat.send(ASHA, "five").id == 4
    after.chat.delete(3)
    assert after.out[-1] == {"delete": 3}


def test_who_is_banned_is_silent_and_all_they_said_is_gone() -> None:
    room = Room(lines_per_second=2)
    room.chat.send(ASHA, "one")
    room.chat.send(RAVI, "two")
    room.chat.send(ASHA, "waits")
    room.chat.ban("asha", 1)
    room.clock.ms = 1000
    room.chat.tick()
    assert room.out[2:] == [{"clear": "asha"}]
    assert room.bans == [(1, True)]
    assert room.chat.bans == {1: "asha"}
    for call in (room.chat.examine, room.chat.accept):
        assert refused(call, ASHA, "three") == (RefusalCode.BANNED, "banned")
    with pytest.raises(UnknownLineError):
        room.chat.line(1)
    room.chat.pardon(1)
    room.chat.pardon(1)
    room.chat.send(ASHA, "sorry")
    assert room.bans == [(1, True), (1, False)]
    assert [call for call in room.kept.calls if call[0] == "banned"] == [
        ("banned", "asha", 1, True),
        ("banned", "asha", 1, False),
    ]


def test_bans_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHAT_BANS_MAX", 1)
    room = Room(bans={1: "asha"})
    room.chat.ban("asha", 1)
    with pytest.raises(EventError, match="1 are banned already"):
        room.chat.ban("ravi", 2)


def test_a_line_is_held_until_a_moderator_has_seen_it() -> None:
    room = Room(rules=ChatRules(review=True))
    first, second, third = (room.chat.send(ASHA, text) for text in ("one", "two", "three"))
    assert first.held
    room.chat.send(HOST, "welcome")
    assert [line.text for line in room.chat.held] == ["one", "two", "three"]
    room.clock.ms = 5
    room.chat.reject(first.id)
    released = room.chat.release(third.id)
    assert room.texts() == ["welcome", "three"]
    assert room.out[-1] == {
        **{"id": released, "t": START_UNIX_MS + 5},
        **{"user": "asha", "name": "Asha", "text": "three"},
    }
    assert released > third.id
    assert [line.id for line in room.chat.held] == [second.id]
    for call in (room.chat.release, room.chat.reject):
        with pytest.raises(UnknownLineError):
            call(third.id)


def test_a_ban_takes_held_lines_too() -> None:
    room = Room(rules=ChatRules(review=True))
    room.chat.send(ASHA, "one")
    room.chat.ban("asha", 1)
    assert room.chat.held == []


def test_of_too_many_held_lines_the_oldest_go_and_hosts_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CHAT_HELD_LINES_MAX", 2)
    room = Room(rules=ChatRules(review=True))
    for text in ("one", "two", "three"):
        room.chat.send(ASHA, text)
    assert [line.text for line in room.chat.held] == ["two", "three"]
    assert room.chat.held_dropped == 1


# The room's rate


def test_a_flood_drops_the_oldest_and_shows_the_gap() -> None:
    room = Room(lines_per_second=2)
    for number in range(1, 11):
        room.chat.send(Author("user", number), str(number))
    assert room.texts() == ["1", "2"]
    room.clock.ms = 499
    room.chat.tick()
    assert room.texts() == ["1", "2"]
    room.clock.ms = 1000
    room.chat.tick()
    assert room.out[2:] == [{"gap": 4}, *room.out[3:]]
    assert room.texts() == ["1", "2", "7", "8"]
    assert room.chat.counts == {"published": 4, "dropped": 4}


def test_the_rate_may_change() -> None:
    room = Room(lines_per_second=1)
    for text in ("one", "two", "three"):
        room.chat.send(HOST, text)
    room.chat.limit(10)
    room.chat.tick()
    assert room.texts() == ["one", "two", "three"]


actions = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 4)),
        st.tuples(st.just("wait"), st.integers(1, 700)),
        st.tuples(st.just("review"), st.booleans()),
        st.tuples(st.just("release"), st.integers(0, 3)),
        st.tuples(st.just("delete"), st.integers(0, 5)),
        st.tuples(st.just("clear"), st.integers(1, 4)),
    ),
    max_size=80,
)


@given(st.integers(1, 5), actions)
def test_every_line_is_published_once_in_order_or_accounted_for(
    lines_per_second: int, actions: list[tuple[str, int]]
) -> None:
    room = Room(lines_per_second=lines_per_second)
    accepted: set[int] = set()
    taken_back: set[int] = set()
    for action, number in actions:
        if action == "send":
            sent = room.chat.send(Author(f"user{number}", number), "x")
            accepted |= set() if sent.held else {sent.id}
        elif action == "wait":
            room.clock.ms += number
            room.chat.tick()
        elif action == "review":
            room.chat.configure(review=bool(number))
        elif action == "release" and number < len(room.chat.held):
            accepted.add(room.chat.release(room.chat.held[number].id))
        elif action == "delete":
            waits = room.chat._waiting
            if number < len(waits):
                taken_back.add(waits[number].id)
                room.chat.delete(waits[number].id)
        elif action == "clear":
            user = f"user{number}"
            taken_back |= {line.id for line in room.chat._waiting if line.user == user}
            room.chat.clear(user)
    room.clock.ms += 10_000
    room.chat.tick()
    while room.chat._waiting:
        room.clock.ms += 1000
        room.chat.tick()
    ids = [line["id"] for line in room.out if "id" in line]
    gaps = sum(line.get("gap", 0) for line in room.out) + room.chat._gap
    assert ids == sorted(set(ids))
    assert set(ids) <= accepted - taken_back
    assert len(accepted) == len(ids) + len(taken_back) + gaps
    assert all(
        "id" in after for line, after in zip(room.out, room.out[1:], strict=False) if "gap" in line
    )
