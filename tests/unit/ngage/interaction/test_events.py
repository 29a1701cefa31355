"""Events: what hosts do with them, what is there after a restart, what a bad disk does to them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ngage.errors import EventError, StoreError, UnknownEventError, UnknownLineError
from ngage.identity import anonymous
from ngage.interaction import records
from ngage.interaction.ballots import Tally, VoteStatus
from ngage.interaction.model import Event, Phase, State
from ngage.settings import Settings
from tests.helpers.interaction import Stage, draft, locked

FAN = anonymous(7)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    started = Stage(tmp_path)
    await started.start()
    yield started
    await started.stop()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"id": ""}, "id"),
        ({"id": "Show"}, "id"),
        ({"id": "a/b"}, "id"),
        ({"id": "a" * 41}, "id"),
        ({"id": "show\n"}, "id"),
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "a\u2028b"}, "title"),
        ({"video": ""}, "video"),
        ({"video": "x" * 129}, "video"),
    ],
)
async def test_an_event_that_cannot_be(stage: Stage, wrong: dict[str, str], named: str) -> None:
    good = {"id": "show", "title": "The show"}
    with pytest.raises(EventError, match=named):
        await stage.events.create(Event(number=0, **{**good, **wrong}), "host")
    assert stage.events.all() == []


async def test_an_id_is_taken_once(stage: Stage) -> None:
    await stage.event()
    with pytest.raises(EventError, match="of that id"):
        await stage.event()
    await stage.event("other")
    assert [event.number for event in stage.events.all()] == [1, 2]


PHASES = {
    ("scheduled", "live"): True,
    ("scheduled", "paused"): False,
    ("scheduled", "ended"): True,
    ("live", "scheduled"): False,
    ("live", "live"): False,
    ("paused", "live"): True,
    ("ended", "paused"): False,
    ("ended", "scheduled"): True,
}


@pytest.mark.parametrize(("move", "allowed"), PHASES.items())
def test_phases(move: tuple[str, str], allowed: bool) -> None:
    event = Event(number=1, id="show", title="T", phase=Phase(move[0]))
    if not allowed:
        with pytest.raises(EventError, match=move[0]):
            event.moved(Phase(move[1]))
        return
    assert event.moved(Phase(move[1])).run == (2 if move[0] == "ended" else 1)


async def test_everything_is_there_after_a_restart(stage: Stage) -> None:
    await stage.event()
    line = stage.rpc("chat.send", FAN, text="pin me", name="Fan")["id"]
    await stage.events.pin("show", line, "host")
    await stage.events.update("show", "host", title="Other", starts_ms=5, video="live")
    await stage.events.switch("show", "count", False, "host")
    await stage.events.set_chat("show", {"slow_seconds": 9}, "host")
    stage.rpc("question.ask", FAN, text="Why?")
    stage.events.show("show").parts.chat.ban("anon-0000000000000008", 8)
    poll = await stage.poll()
    stage.ballots.vote(poll.id, 7, 1, 1)
    ended = await stage.poll()
    stage.ballots.vote(ended.id, 7, 1, 2)
    await stage.events.polls.close(stage.events.get("show"), ended.id, None, "host")
    before = stage.core.last("event:show")
    assert before["pinned"] == {"id": line, "name": "Fan", "text": "pin me"}
    assert before["chat"]["slow_seconds"] == 9
    await stage.restart()
    assert stage.core.last("event:show") == before
    await stage.tick()
    assert [q["text"] for q in stage.core.last("questions:show")["questions"]] == ["Why?"]
    assert stage.ballots.vote(poll.id, 8, 1, 1) is VoteStatus.BANNED
    assert stage.ballots.vote(poll.id, 7, 1, 1) is VoteStatus.DUPLICATE
    assert stage.events.polls.tally(poll) == Tally((1, 0, 0), 1)
    own = stage.rpc("event.me", FAN)["votes"]
    assert own == {
        str(poll.id): {"seq": 1, "choices": [0]},
        str(ended.id): {"seq": 1, "choices": [1]},
    }


async def test_a_restart_after_every_step(stage: Stage) -> None:
    """Each leaves the event as it was, to whoever joins."""

    async def again() -> None:
        before = stage.core.last("event:show")
        await stage.restart()
        assert stage.core.last("event:show") == before

    await stage.event(phase=Phase.SCHEDULED)
    await again()
    event = await stage.events.move("show", Phase.LIVE, "host")
    await again()
    poll = await stage.events.polls.create(event, draft(duration_ms=60_000), "host")
    await again()
    await stage.events.polls.open(event, poll.id, 5_000_000, "host")
    await again()
    stage.ballots.vote(poll.id, 7, 1, 1)
    await stage.events.move("show", Phase.PAUSED, "host")
    await again()
    assert stage.ballots.vote(poll.id, 8, 1, 1) is VoteStatus.CLOSED
    await stage.events.move("show", Phase.LIVE, "host")
    await again()
    assert stage.ballots.vote(poll.id, 8, 1, 1) is VoteStatus.ACCEPTED
    await stage.events.polls.lock(event, poll.id, "host")
    await again()
    closed = await stage.events.polls.close(event, poll.id, None, "host")
    assert closed.result and closed.result.voters == 2
    await again()
    await stage.events.move("show", Phase.ENDED, "host")
    await again()
    await stage.events.move("show", Phase.LIVE, "host")
    assert stage.core.last("event:show")["polls"] == []
    await again()


async def test_stopped_and_started_again(stage: Stage) -> None:
    """As an edge is whose successor did not start."""
    await stage.event()
    poll = await stage.poll()
    stage.rpc("poll.vote", FAN, poll=poll.id, seq=1, choices=[0])
    await stage.events.stop()
    assert stage.ballots.boxes == {}
    refused = stage.rpc("poll.vote", FAN, poll=poll.id, seq=2, choices=[1])
    assert (refused.code, refused.temporary) == (4007, True)
    await stage.events.start()
    assert stage.rpc("poll.vote", FAN, poll=poll.id, seq=2, choices=[1]) is None
    assert stage.events.polls.tally(poll) == Tally((0, 1, 0), 1)


async def test_a_locked_store_changes_nothing_and_the_show_goes_on(stage: Stage) -> None:
    event = await stage.event()
    poll = await stage.poll()
    line = stage.rpc("chat.send", FAN, text="hello")["id"]
    published = len(stage.core.published["event:show"])
    with locked(stage.store.path):
        for act in (
            lambda: stage.event("other"),
            lambda: stage.events.update("show", "host", title="New"),
            lambda: stage.events.move("show", Phase.PAUSED, "host"),
            lambda: stage.events.switch("show", "chat", False, "host"),
            lambda: stage.events.set_chat("show", {"review": True}, "host"),
            lambda: stage.events.pin("show", line, "host"),
            lambda: stage.events.note("show", "ban", "host"),
        ):
            with pytest.raises(StoreError, match="another process"):
                await act()
        assert stage.events.all() == [event]
        assert stage.events.show("show").parts.chat.rules.review is False
        assert len(stage.core.published["event:show"]) == published
        assert stage.rpc("poll.vote", FAN, poll=poll.id, seq=1, choices=[0]) is None
        await stage.tick()
        assert stage.core.last("tally:show")["polls"][str(poll.id)]["voters"] == 1
        assert "another process" in stage.core.last("host:show")["health"]["store"]
    await stage.events.update("show", "host", title="New")
    await stage.tick()
    assert stage.core.last("host:show")["health"]["store"] == ""


async def test_a_full_disk(stage: Stage) -> None:
    event = await stage.event()
    poll = await stage.poll()
    [(pages,)] = await stage.store.read(lambda c: c.execute("PRAGMA page_count").fetchall())
    await stage.store.read(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchall())
    title = "x" * 200
    with pytest.raises(StoreError, match="disk is full"):
        for _ in range(1000):
            await stage.events.polls.create(event, draft(title=title), "host")
    kept = len(stage.events.polls.of("show"))
    assert stage.ballots.vote(poll.id, 1, 1, 1) is VoteStatus.ACCEPTED
    await stage.restart()
    assert len(stage.events.polls.of("show")) == kept
    assert stage.events.polls.tally(poll).voters == 1


async def test_deleted(stage: Stage) -> None:
    await stage.event()
    poll = await stage.poll()
    stage.events.show("show").parts.chat.ban("anon-0000000000000008", 8)
    with pytest.raises(EventError, match="end it first"):
        await stage.events.delete("show", "host")
    await stage.events.move("show", Phase.ENDED, "host")
    await stage.events.delete("show", "host")
    with pytest.raises(UnknownEventError):
        stage.events.get("show")
    assert stage.core.last("event:show")["phase"] == "ended"
    assert stage.core.last("event:show")["polls"] == []
    assert not stage.events.polls.journal(poll).exists()
    await stage.bans.flush()
    assert stage.ballots.banned == set()
    actions = await stage.store.read(lambda c: records.read_actions(c, "show", 1))
    assert actions[0]["action"] == "event_delete"
    await stage.restart()
    assert stage.events.all() == []
    again = await stage.event()
    assert (again.number, stage.events.polls.of("show")) == (2, [])


async def test_a_ban_holds_while_any_event_has_it(stage: Stage) -> None:
    for name in ("one", "two"):
        await stage.event(name)
        stage.events.show(name).parts.chat.ban("ann", 9)
    await stage.bans.flush()
    stage.events.show("one").parts.chat.pardon(9)
    await stage.bans.flush()
    assert stage.ballots.banned == {9}
    stage.events.show("two").parts.chat.pardon(9)
    await stage.bans.flush()
    assert stage.ballots.banned == set()


async def test_what_is_not_there(stage: Stage) -> None:
    await stage.event()
    with pytest.raises(UnknownLineError):
        await stage.events.pin("show", 1, "host")
    with pytest.raises(EventError, match="feature"):
        await stage.events.switch("show", "smell", True, "host")
    for changes in ({"slow_seconds": -1}, {"slow_seconds": "1"}):
        with pytest.raises(EventError):
            await stage.events.set_chat("show", changes, "host")
    with pytest.raises(UnknownEventError):
        await stage.events.note("none", "ban", "host")


async def test_the_end_closes_what_is_open(stage: Stage) -> None:
    await stage.event()
    poll = await stage.poll()
    stage.ballots.vote(poll.id, 1, 1, 1)
    await stage.events.move("show", Phase.ENDED, "host")
    ended = stage.events.polls.find("show", poll.id)
    assert ended.state is State.CLOSED
    [shown] = stage.core.last("event:show")["polls"]
    assert shown["result"] == {"counts": [1, 0, 0], "voters": 1}


# The chat goes on


async def test_lines_on_the_screens_can_be_pinned_after_an_upgrade(stage: Stage) -> None:
    await stage.event()
    line = stage.rpc("chat.send", FAN, text="Hello")["id"]
    await stage.restart(upgrade=True)
    pinned = (await stage.events.pin("show", line, "host")).pinned
    assert pinned and pinned.text == "Hello"
    stage.events.show("show").parts.chat.delete(line)
    assert stage.core.last("chat:show") == {"delete": line}


async def test_lines_that_are_kept_are_shown_again_after_a_restart(tmp_path: Path) -> None:
    stage = Stage(tmp_path, chat_keep=True)
    await stage.start()
    await stage.event()
    stage.rpc("chat.send", FAN, text="Hello")
    shown = list(stage.core.published["chat:show"])
    for upgrade in (False, True):
        await stage.restart(upgrade=upgrade)
        assert stage.core.published["chat:show"] == shown
    await stage.stop()


# Reload


async def test_a_reload_reaches_events_that_run(stage: Stage) -> None:
    await stage.event()
    stage.core.viewers = (10, 10)
    await stage.tick()
    stage.events.configure(Settings(chat_lines_per_second=1, viewers_smoothing_seconds=60))
    stage.core.viewers = (1000, 1000)
    await stage.tick(1000)
    assert stage.core.last("tally:show")["viewers"]["connections"] < 100
    for text in ("one", "two"):
        stage.rpc("chat.send", FAN, text=text)
    assert [line["text"] for line in stage.core.published["chat:show"]] == ["one"]
