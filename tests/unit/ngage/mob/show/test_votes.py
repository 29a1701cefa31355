"""Votes where a run's figures are shown; and nothing of them where there were none."""

import io

import pytest
from rich.console import Console

from ngage.mob.measure.results import Percentiles, Result, Votes, Voting
from ngage.mob.measure.totals import Totals
from ngage.mob.show.live import LiveDisplay, PlainDisplay
from ngage.mob.show.report import render
from ngage.mob.show.summary import summary
from tests.helpers import mob

MS = Percentiles(p50=21.0, p90=30.0, p99=321.0, p99_9=400.0, max=654.0, count=3630)


def voted() -> Result:
    result = mob.good_result()
    result.votes = Votes(sent=3637, acknowledged=3630, counted=1208, lost=2, doubled=1)
    result.voting = Voting(ms=MS, repeated=108, refused=5, cheats=87, reactions=656, counts=[7, 9])
    return result


def printed(result: Result) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(summary(result))
    return console.file.getvalue()


def test_the_summary_and_the_report_tell_votes() -> None:
    text = printed(voted())
    for figure in ("3,637 sent", "3,630 acknowledged", "2 lost", "p99 321 ms", "656 reactions"):
        assert figure in text
    page = render(voted())
    for name, figure in (("votes lost", "2"), ("final tally", "7, 9"), ("votes sent", "3,637")):
        row = page.partition(name)[2][:100]
        assert figure in row


def test_without_votes_nothing_is_told() -> None:
    assert "acknowledged" not in printed(mob.good_result())
    assert "votes" not in render(mob.good_result())


@pytest.mark.parametrize("kind", [PlainDisplay, LiveDisplay])
def test_a_run_tells_votes_while_it_goes_on(kind: type[PlainDisplay | LiveDisplay]) -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=kind is LiveDisplay)
    second = mob.samplings(seconds=1)[0]
    second.votes_per_second, second.vote_p99 = 18_200.0, 321.0
    totals = mob.totals(second)
    counters = {**totals.counters, "votes_sent": 3637, "votes_acknowledged": 3630}
    with kind(console) as display:
        display.begin("poll", "ws://127.0.0.1:1/ws/a", 10, 10.0)
        display.update(second, Totals(counters, totals.latency, totals.closes, MS))
    text = console.file.getvalue()
    assert "18.2 k/s" in text
    assert "321 ms" in text
