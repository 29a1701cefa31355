"""What is published of an event, when, and that nobody sees what is not for them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ngage.identity import anonymous
from ngage.interaction.model import Kind, Phase, State, Visible
from tests.helpers.interaction import START_MS, Stage, draft


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    started = Stage(tmp_path)
    await started.start()
    yield started
    await started.stop()


async def test_the_state_as_the_contract_has_it(stage: Stage) -> None:
    await stage.event()
    poll = await stage.poll(duration_ms=1000)
    assert stage.core.last("event:show") == {
        "v": 1,
        "id": "show",
        "number": 1,
        "title": "The show",
        "phase": "live",
        "starts": None,
        "video": None,
        "features": dict.fromkeys(("polls", "reactions", "chat", "questions", "count"), True),
        "reactions": ["❤️", "👏", "😂", "🔥", "🎉"],
        "chat": {"slow_seconds": 0, "emote_only": False, "review": False},
        "pinned": None,
        "polls": [
            {
                "id": poll.id,
                "kind": "poll",
                "title": "Which?",
                "choices": ["A", "B", "C"],
                "most": 1,
                "final": False,
                "state": "open",
                "visible": "always",
                "opened": START_MS,
                "closes": START_MS + 1000,
                "at_us": None,
                "window_ms": 0,
                "scoring": "none",
                "answer": None,
                "result": None,
            }
        ],
    }


# While it is open: whether its counts are on the tally channel. Then whether there is a result.
VISIBLE = {
    Visible.ALWAYS: (True, True),
    Visible.AFTER_VOTE: (True, True),
    Visible.AFTER_CLOSE: (False, True),
    Visible.NEVER: (False, False),
}


@pytest.mark.parametrize(("visible", "sees"), VISIBLE.items())
@pytest.mark.parametrize("end", ["close", "lock", "cancel"])
async def test_who_sees_what_when(
    stage: Stage, visible: Visible, sees: tuple[bool, bool], end: str
) -> None:
    event = await stage.event()
    poll = await stage.poll(visible=visible)
    stage.ballots.vote(poll.id, 1, 1, 0b010)
    counts = {str(poll.id): {"counts": [0, 1, 0], "voters": 1}}
    await stage.tick()
    tally, host = stage.core.last("tally:show"), stage.core.last("host:show")
    assert tally["polls"] == (counts if sees[0] else {})
    assert host["tallies"] == counts
    assert stage.core.last("event:show")["polls"][0]["result"] is None
    act = {
        "close": lambda: stage.events.polls.close(event, poll.id, None, "host"),
        "lock": lambda: stage.events.polls.lock(event, poll.id, "host"),
        "cancel": lambda: stage.events.polls.cancel(event, poll.id, "host"),
    }
    await act[end]()
    await stage.tick()
    [shown] = stage.core.last("event:show")["polls"]
    result = counts[str(poll.id)] if end == "close" and sees[1] else None
    assert shown["result"] == result
    locked = end == "lock" and sees[0]
    assert stage.core.last("tally:show")["polls"] == (counts if locked else {})
    if end == "close":
        assert stage.core.last("host:show")["tallies"] == counts


@pytest.mark.parametrize("kind", [Kind.QUIZ, Kind.PREDICTION])
async def test_an_answer_is_told_when_it_is_decided(stage: Stage, kind: Kind) -> None:
    event = await stage.event()
    poll = await stage.poll(kind=kind, answer=0b100)
    for end in (None, stage.events.polls.lock):
        if end:
            await end(event, poll.id, "host")
        assert stage.core.last("event:show")["polls"][0]["answer"] is None
        await stage.tick()
        assert stage.core.last("host:show")["polls"][0]["answer"] == 0b100
    await stage.events.polls.close(event, poll.id, None, "host")
    assert stage.core.last("event:show")["polls"][0]["answer"] == 0b100


async def test_a_poll_that_is_not_open_yet_is_for_hosts(stage: Stage) -> None:
    event = await stage.event()
    await stage.events.polls.create(event, draft(), "host")
    await stage.tick()
    assert stage.core.last("event:show")["polls"] == []
    assert [poll["state"] for poll in stage.core.last("host:show")["polls"]] == ["created"]


async def test_begin_progress_and_end_are_told(stage: Stage) -> None:
    event = await stage.event()
    poll = await stage.poll()
    for voter in (1, 2):
        stage.ballots.vote(poll.id, voter, 1, 1)
        await stage.tick()
    await stage.events.polls.close(event, poll.id, None, "host")
    seen = [p["polls"][0] for p in stage.core.published["event:show"] if p["polls"]]
    assert [(p["state"], p["result"] is not None) for p in seen] == [
        ("open", False),
        ("closed", False),
        ("closed", True),
    ]
    progress = [t["polls"][str(poll.id)]["voters"] for t in stage.core.published["tally:show"]]
    assert progress == [1, 2]
    assert [(kind, data.get("state", data.get("phase"))) for kind, _, data in stage.told] == [
        ("event.phase", Phase.LIVE),
        ("poll.opened", State.OPEN),
        ("poll.closed", State.CLOSED),
    ]
    assert stage.told[0][2] == {"phase": "live", "before": "scheduled"}


async def test_a_tick_without_news_says_nothing(stage: Stage) -> None:
    await stage.event()
    await stage.tick()
    before = {name: len(sent) for name, sent in stage.core.published.items()}
    for _ in range(3):
        await stage.tick(250)
    assert {name: len(sent) for name, sent in stage.core.published.items()} == before


async def test_reactions_are_told_once(stage: Stage) -> None:
    """Who comes later finds the newest tally, and does not see them fly again."""
    event = await stage.event()
    await stage.tick()
    stage.core.native = {event.number << 8 | 1: 5}
    await stage.tick(250)
    assert stage.core.last("tally:show")["reactions"] == [0, 5, 0, 0, 0]
    stage.core.native = {event.number << 8 | 1: 10}
    await stage.tick(250)
    assert stage.core.last("tally:show")["reactions"] == [0, 5, 0, 0, 0]
    await stage.tick(250)
    assert stage.core.last("tally:show")["reactions"] == [0] * 5
    told = len(stage.core.published["tally:show"])
    await stage.tick(250)
    assert len(stage.core.published["tally:show"]) == told


async def test_viewers(stage: Stage) -> None:
    await stage.event()
    stage.core.viewers = (12, 10)
    await stage.tick(250)
    tally = stage.core.last("tally:show")
    assert tally["viewers"] == {"connections": 12, "unique": 10}
    assert tally["t"] == stage.clock.unix


async def test_what_is_switched_off_is_hidden(stage: Stage) -> None:
    event = await stage.event()
    poll = await stage.poll()
    stage.ballots.vote(poll.id, 1, 1, 1)
    stage.core.viewers = (12, 10)
    for feature in ("polls", "reactions", "count"):
        await stage.events.switch("show", feature, False, "host")
    stage.core.native = {event.number << 8: 3}
    await stage.tick(250)
    state, tally = stage.core.last("event:show"), stage.core.last("tally:show")
    assert state["polls"] == []
    assert state["features"]["polls"] is False
    assert (tally["viewers"], tally["polls"], tally["reactions"]) == (None, {}, [0] * 5)
    assert stage.core.last("host:show")["viewers"] == {"connections": 12, "unique": 10}
    await stage.events.switch("show", "polls", True, "host")
    await stage.tick(250)
    assert stage.core.last("tally:show")["polls"][str(poll.id)]["voters"] == 1


async def test_hosts_hear_of_trouble(stage: Stage) -> None:
    await stage.event()
    poll = await stage.poll()
    stage.ballots.broken[poll.id] = "No space left on device"
    stage.events.tick()
    trouble = f"poll {poll.id}: No space left on device"
    assert stage.core.last("host:show")["journal"] == trouble
    assert stage.core.last("host:show")["health"]["votes"] == trouble
    await stage.tick()
    assert stage.core.last("host:show")["journal"] == ""


async def test_cues_that_viewers_have_shown(stage: Stage) -> None:
    await stage.event()
    for voter in (1, 2):
        assert stage.rpc("cue.ack", anonymous(voter), cue=17) == {}
    for number in range(100):
        stage.rpc("cue.ack", anonymous(3), cue=f"forged {number}")
    await stage.tick()
    cues: dict[str, Any] = stage.core.last("host:show")["cues"]
    assert cues["17"] == 2
    assert len(cues) == 32


async def test_what_is_over_ends_between_ticks(tmp_path: Path) -> None:
    stage = Stage(tmp_path, attend_ms=10)
    await stage.start()
    await stage.event()
    poll = await stage.poll(duration_ms=1000)
    stage.clock.advance(1000)
    async with asyncio.timeout(10):
        while stage.events.polls.find("show", poll.id).result is None:
            await asyncio.sleep(0.01)
        stage.rpc("question.ask", anonymous(7), text="Why?")
        while len(stage.core.published.get("questions:show", [])) < 1:
            await asyncio.sleep(0.01)
    await stage.stop()


async def test_it_ticks_by_itself(tmp_path: Path) -> None:
    stage = Stage(tmp_path, tick_ms=10)
    await stage.start()
    await stage.event()
    async with asyncio.timeout(10):
        stage.core.viewers = (1, 1)
        wanted = {"connections": 1, "unique": 1}
        while not (told := stage.core.published.get("tally:show")) or told[-1]["viewers"] != wanted:
            await asyncio.sleep(0.01)
    await stage.stop()
