"""Points, ranks and who is still in, against the same said slowly in fractions and dictionaries."""

from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.interaction.journal import RECORD, Records
from ngage.interaction.model import Kind, Poll, Scoring
from ngage.interaction.quiz import Board, explain, points, score
from tests.helpers.interaction import START_MS, draft

WINDOW_MS = 7000


def question(scoring: Scoring = Scoring.SPEED, **changes: Any) -> Poll:
    fields = {"kind": Kind.QUIZ, "window_ms": WINDOW_MS, "answer": 0b010, "opened_ms": START_MS}
    return draft(scoring=scoring, **{**fields, **changes})


def registers(answers: dict[int, tuple[int, int]]) -> Records:
    """From voter -> (mask, elapsed_ms)."""
    rows = [(v, 1, mask, ms, 0, 0, START_MS + ms, 0) for v, (mask, ms) in sorted(answers.items())]
    return np.array(rows, RECORD)


def slow_points(elapsed_ms: int) -> int:
    share = Fraction(min(elapsed_ms, WINDOW_MS), 2 * WINDOW_MS)
    return floor(1000 * (1 - share) + Fraction(1, 2))


@pytest.mark.parametrize(
    ("elapsed_ms", "worth"), [(0, 1000), (7, 1000), (8, 999), (3500, 750), (7000, 500), (7250, 500)]
)
def test_points(elapsed_ms: int, worth: int) -> None:
    assert points(np.array([elapsed_ms]), WINDOW_MS).tolist() == [worth]
    assert slow_points(elapsed_ms) == worth


answers = st.dictionaries(
    st.integers(1, 8) | st.just((1 << 64) - 1),
    st.tuples(st.integers(0, 3), st.integers(0, WINDOW_MS + 250)),
)
games = st.lists(st.tuples(st.sampled_from(Scoring), answers), max_size=5)


@given(game=games)
def test_a_game_is_what_a_slow_one_is(
    game: list[tuple[Scoring, dict[int, tuple[int, int]]]],
) -> None:
    board = Board()
    sums: dict[int, list[int]] = {}
    right_in_all: set[int] | None = None
    for scoring, answered in game:
        board = board.after(scoring, score(question(scoring), registers(answered)))
        right = {voter for voter, (mask, _) in answered.items() if mask == 0b010}
        for voter, (mask, elapsed) in answered.items():
            if mask == 0:
                continue
            worth = {
                Scoring.SPEED: slow_points(elapsed),
                Scoring.ELIMINATION: 1000,
                Scoring.NONE: 0,
            }[scoring]
            known = sums.setdefault(voter, [0, 0])
            if voter in right:
                known[0] += worth
                known[1] += elapsed
        if scoring is Scoring.ELIMINATION:
            right_in_all = right if right_in_all is None else right_in_all & right
    best = sorted(sums, key=lambda voter: (-sums[voter][0], sums[voter][1], voter))
    assert [standing.voter for standing in board.top(100)] == best
    for standing in board.top(100):
        score_of, elapsed_of = sums[standing.voter]
        better = sum((-s, e) < (-score_of, elapsed_of) for s, e in sums.values())
        assert standing == (
            standing.voter,
            better + 1,
            score_of,
            elapsed_of,
            right_in_all is None or standing.voter in right_in_all,
        )
        assert board.standing(standing.voter) == standing
    assert board.alive == (None if right_in_all is None else len(right_in_all & sums.keys()))
    assert board.is_alive(99) is (right_in_all is None)
    assert board.standing(99) is None
    assert board.voters == len(sums)


def test_who_comes_after_the_first_round_is_out() -> None:
    board = Board()
    for answered in ({1: (0b010, 5)}, {1: (0b010, 5), 2: (0b010, 5)}):
        scores = score(question(Scoring.ELIMINATION), registers(answered))
        board = board.after(Scoring.ELIMINATION, scores)
    assert (board.is_alive(1), board.is_alive(2), board.alive) == (True, False, 1)


def test_right_is_exactly_the_answer() -> None:
    poll = question(answer=0b011, most=2)
    scores = score(poll, registers({1: (0b011, 0), 2: (0b001, 0), 3: (0b111, 0)}))
    assert scores.points.tolist() == [1000, 0, 0]


def test_a_million_voters() -> None:
    """All of them in, ranked, and one found; the time is for bench, the sum is here."""
    count = 1_000_000
    rows = np.zeros(count, RECORD)
    rows["voter"] = np.arange(1, count + 1)
    rows["seq"] = 1
    rows["mask"] = 0b010
    rows["elapsed_ms"] = np.arange(count) % (WINDOW_MS + 1)
    board = Board().after(Scoring.SPEED, score(question(), rows))
    best = board.top(3)
    assert [standing.rank for standing in best] == [1, 1, 1]
    assert {standing.elapsed_ms for standing in best} == {0}
    last = board.standing(int(rows["voter"][WINDOW_MS]))
    assert last and last.score == 500


# The proof


def test_every_decision_about_a_voter() -> None:
    poll = question(closes_ms=START_MS + 20_000)
    rows = [
        (9, 1, 0b001, 1000, 0, 0, START_MS + 3000, 5),
        (9, 3, 0b010, 2500, 0, 101, START_MS + 4550, 5),
        (9, 2, 0b100, 2000, 0, 0, START_MS + 5000, 6),
    ]
    first, second, third = explain(poll, np.array(rows, RECORD))
    assert (first.verdict, first.right, first.points) == ("replaced", None, 0)
    assert (third.verdict, third.choices) == ("replaced", [2])
    assert second.verdict == "counts"
    assert second.right
    assert second.points == slow_points(2500)
    assert (second.rtt_ms, second.shown_ms) == (101, START_MS + 4550 - 50 - 2500)
    assert f"elapsed_ms <= {WINDOW_MS} + 250" in second.rule
    shown = f"{START_MS} - 250 - rtt_ms // 2 <= shown_ms <= {START_MS} + 15000"
    assert shown in second.rule
    assert f"received_ms <= {START_MS + 20_000}" in second.rule


def test_a_vote_that_was_withdrawn() -> None:
    rows = [(9, 1, 1, 0, 0, 0, START_MS, 5), (9, 2, 0, 0, 0, 0, START_MS, 5)]
    decisions = explain(draft(opened_ms=START_MS), np.array(rows, RECORD))
    assert [decision.verdict for decision in decisions] == ["replaced", "withdrawn"]
    assert explain(draft(), np.empty(0, RECORD)) == []
