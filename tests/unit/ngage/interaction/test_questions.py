"""Questions: one voice each, a stable order, bounds, and publications only when needed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.errors import RefusalCode, RefusedError, UnknownQuestionError
from ngage.interaction import questions as module
from ngage.interaction.authors import Author
from ngage.interaction.questions import Questions, QuestionState
from ngage.limits import QUESTIONS_INTERVAL_MS
from tests.helpers.manual_clock import START_UNIX_MS, ManualClock

ASHA = Author("asha", 1, "Asha")
HOST = Author("host", 3, moderator=True)


class Board:
    def __init__(self, **options: Any) -> None:
        self.out: list[list[dict[str, Any]]] = []
        self.clock = ManualClock()
        self.questions = Questions(
            lambda text: self.out.append(json.loads(text)["questions"]), clock=self.clock, **options
        )

    def tick(self) -> bool:
        """The next one at which something may be published."""
        self.clock.ms += QUESTIONS_INTERVAL_MS
        return self.questions.tick()

    def shown(self) -> list[int]:
        """The ids as they are published next, or were last."""
        self.tick()
        return [question["id"] for question in self.out[-1]]


def refused(call: Any, *arguments: object) -> RefusalCode:
    with pytest.raises(RefusedError) as refusal:
        call(*arguments)
    return refusal.value.code


def test_a_question_is_published_without_who_asked() -> None:
    board = Board()
    board.questions.ask(ASHA, " Why?\n")
    assert board.tick()
    assert board.out == [[{"id": 1, "text": "Why?", "name": "Asha", "votes": 0, "state": "open"}]]
    assert board.questions.list()[0].user == "asha"
    assert board.questions.list()[0].t == START_UNIX_MS


def test_publications_are_half_a_second_apart() -> None:
    board = Board()
    assert board.questions.tick()
    board.questions.ask(ASHA, "Why?")
    board.clock.ms += 499
    assert not board.questions.tick()
    board.clock.ms += 1
    assert board.questions.tick()
    assert not board.tick()


def test_a_tick_publishes_changes_only() -> None:
    board = Board()
    assert board.tick()  # an empty list, for who joins
    assert not board.tick()
    board.questions.ask(ASHA, "Why?")
    assert board.tick()
    board.questions.vote(1, 1, True)
    board.questions.vote(1, 1, False)
    assert not board.tick()
    assert board.out == [[], board.out[1]]


def test_a_voice_counts_once_and_can_be_withdrawn() -> None:
    board = Board()
    board.questions.ask(ASHA, "Why?")
    for voter, up in ((1, True), (1, True), (2, True), (3, False), (2, False), (2, False)):
        board.questions.vote(voter, 1, up)
    board.tick()
    assert board.out[-1][0]["votes"] == 1


def test_most_wanted_first_and_of_equal_ones_the_older() -> None:
    board = Board()
    for text in "abcd":
        board.questions.ask(ASHA, text)
    for voter, question in ((1, 3), (2, 3), (1, 4), (1, 2)):
        board.questions.vote(voter, question, True)
    assert board.shown() == [3, 2, 4, 1]


def test_only_the_best_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUESTIONS_SHOWN_MAX", 2)
    board = Board()
    for text in "abc":
        board.questions.ask(ASHA, text)
    board.questions.vote(1, 3, True)
    assert board.shown() == [3, 1]
    assert len(board.questions.list()) == 3


def test_what_hosts_settle() -> None:
    board = Board()
    for text in "abc":
        board.questions.ask(ASHA, text)
    board.questions.settle(1, QuestionState.ANSWERED)
    board.questions.settle(2, QuestionState.DISMISSED)
    assert board.shown() == [1, 3]
    assert board.out[-1][0]["state"] == "answered"
    assert refused(board.questions.vote, 1, 1, True) == RefusalCode.CLOSED
    assert refused(board.questions.vote, 1, 2, True) == RefusalCode.UNKNOWN
    assert refused(board.questions.vote, 1, 9, True) == RefusalCode.UNKNOWN
    board.questions.settle(2, QuestionState.OPEN)
    board.questions.vote(1, 2, True)
    with pytest.raises(UnknownQuestionError):
        board.questions.settle(9, QuestionState.OPEN)
    with pytest.raises(ValueError, match="open, answered or dismissed"):
        board.questions.settle(1, QuestionState.HELD)


def test_in_review_a_question_waits_for_a_moderator() -> None:
    board = Board(review=lambda: True)
    assert board.questions.ask(ASHA, "Why?") == (1, True)
    assert board.questions.ask(HOST, "Who?") == (2, False)
    assert board.shown() == [2]
    assert refused(board.questions.vote, 1, 1, True) == RefusalCode.UNKNOWN
    board.questions.settle(1, QuestionState.OPEN)
    assert board.shown() == [1, 2]


def test_who_may_not() -> None:
    board = Board(banned=lambda voter: voter == 1, words=lambda text: None)
    assert refused(board.questions.ask, ASHA, "Why?") == RefusalCode.BANNED
    assert refused(board.questions.vote, 1, 1, True) == RefusalCode.BANNED
    assert refused(board.questions.ask, HOST, "bad") == RefusalCode.REJECTED
    assert refused(board.questions.ask, HOST, " ") == RefusalCode.REJECTED
    assert refused(board.questions.ask, HOST, "x" * 301) == RefusalCode.REJECTED
    assert board.questions.counts == {"banned": 2, "words": 1, "text": 2}


def test_a_user_can_be_cleared() -> None:
    board = Board()
    board.questions.ask(ASHA, "a")
    board.questions.ask(HOST, "b")
    board.questions.clear("asha")
    assert board.shown() == [2]


def test_of_too_many_the_settled_give_way_then_the_least_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "QUESTIONS_MAX", 3)
    board = Board()
    for text in "abc":
        board.questions.ask(ASHA, text)
    board.questions.vote(1, 1, True)
    board.questions.vote(1, 3, True)
    board.questions.settle(3, QuestionState.ANSWERED)
    board.questions.ask(ASHA, "d")
    assert board.shown() == [1, 2, 4]
    board.questions.ask(ASHA, "e")
    assert board.shown() == [1, 4, 5]
    assert board.questions.counts["dropped"] == 2


def test_votes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUESTION_VOTES_MAX", 1)
    board = Board()
    board.questions.ask(ASHA, "a")
    board.questions.vote(1, 1, True)
    assert refused(board.questions.vote, 2, 1, True) == RefusalCode.UNAVAILABLE
    board.questions.vote(1, 1, False)
    board.questions.vote(2, 1, True)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 5), st.booleans()), max_size=80))
def test_votes_are_a_set_for_each_question(votes: list[tuple[int, int, bool]]) -> None:
    board = Board()
    for number in range(5):
        board.questions.ask(ASHA, str(number))
    wanted: dict[int, set[int]] = {number: set() for number in range(1, 6)}
    for voter, question, up in votes:
        board.questions.vote(voter, question, up)
        (wanted[question].add if up else wanted[question].discard)(voter)
    order = sorted(wanted, key=lambda number: (-len(wanted[number]), number))
    assert board.shown() == order
    assert {one.id: one.votes for one in board.questions.list()} == {
        number: len(voters) for number, voters in wanted.items()
    }
    assert board.questions._votes == sum(map(len, wanted.values()))
