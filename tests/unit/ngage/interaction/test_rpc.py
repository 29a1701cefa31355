"""What clients ask: answers, and a code with a reason for everything that is not to be."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ngage.errors import RefusalCode
from ngage.identity import Identity, RpcCall, anonymous
from ngage.interaction.ballots import VoteStatus
from ngage.interaction.hooks import Hooks, Refuse
from ngage.interaction.model import Event, Kind, Phase, Poll, Scoring
from ngage.interaction.parts import Refusal
from tests.helpers.interaction import Stage, draft

FAN = anonymous(7)
KNOWN = Identity("ann", 9, msgspec.Raw(b'{"name":"Ann"}'))
HOST = Identity("host-1", 11, host="show")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    started = Stage(tmp_path, vote_rate="0", command_rate="0", reaction_rate="0", chat_rate="0")
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def event(stage: Stage) -> Event:
    return await stage.event()


def vote(stage: Stage, poll: int, user: Identity = FAN, **changes: Any) -> Any:
    call = {"poll": poll, "seq": 1, "choices": [0], **changes}
    return stage.rpc("poll.vote", user, **call)


# Votes


async def test_a_vote_goes_to_the_core(stage: Stage, event: Event) -> None:
    poll = await stage.poll(most=2)
    assert vote(stage, poll.id, choices=[0, 2], elapsed_ms=5, seq=3, command=42) is None
    assert stage.core.votes == [(7, FAN.voter, poll.id, 3, 0b101, 5, 42, 1234, 56)]


async def test_a_vote_may_be_withdrawn(stage: Stage, event: Event) -> None:
    poll = await stage.poll()
    vote(stage, poll.id)
    vote(stage, poll.id, seq=2, choices=[])
    assert stage.events.polls.tally(poll).voters == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"seq": 0},
        {"seq": 1 << 32},
        {"seq": "1"},
        {"choices": [-1]},
        {"choices": list(range(33))},
        {"choices": 3},
        {"elapsed_ms": -1},
        {"elapsed_ms": 1 << 32},
        {"poll": "7"},
        {"event": 3},
    ],
)
async def test_a_vote_that_makes_no_sense(
    stage: Stage, event: Event, wrong: dict[str, Any]
) -> None:
    poll = await stage.poll()
    refused = vote(stage, **{"poll": poll.id, **wrong})
    assert refused.code == 107
    assert not refused.temporary
    assert stage.core.votes == []


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", b'{"event"', b"1" * 5000])
async def test_data_that_is_no_call(stage: Stage, event: Event, data: bytes) -> None:
    for method in ("poll.vote", "chat.send", "react", "event.me", "question.ask", "cue.ack"):
        refused = stage.events.rpc(RpcCall(1, FAN, method, data, 1, 0, 0))
        assert isinstance(refused, Refusal)
        assert refused.code == 107


async def test_a_choice_that_has_no_bit(stage: Stage, event: Event) -> None:
    poll = await stage.poll()
    assert vote(stage, poll.id, choices=[32]).code == 4003


async def test_polls_that_are_not_there(stage: Stage, event: Event) -> None:
    created = await stage.events.polls.create(event, draft(), "host")
    await stage.event("other")
    elsewhere = await stage.poll("other")
    assert vote(stage, 999).code == 4002
    assert vote(stage, created.id).code == 4002
    assert vote(stage, elsewhere.id).code == 4002
    assert vote(stage, elsewhere.id, event="none").code == 4002


async def test_polls_that_take_no_votes(stage: Stage, event: Event) -> None:
    poll, cancelled = await stage.poll(), await stage.poll()
    await stage.events.polls.cancel(event, cancelled.id, "host")
    assert vote(stage, cancelled.id).code == 4001
    await stage.events.switch("show", "polls", False, "host")
    assert vote(stage, poll.id).code == 4009
    await stage.events.switch("show", "polls", True, "host")
    await stage.events.move("show", Phase.PAUSED, "host")
    assert vote(stage, poll.id).code == 4009


async def test_what_counts_already_is_said_by_the_core_after_the_close(
    stage: Stage, event: Event
) -> None:
    """Who never got the answer to its vote asks again, and must not hear that it did not count."""
    poll = await stage.poll()
    vote(stage, poll.id)
    await stage.events.polls.close(event, poll.id, None, "host")
    assert vote(stage, poll.id) is None
    assert stage.ballots.vote(poll.id, FAN.voter, 1, 1) is VoteStatus.DUPLICATE


async def test_a_journal_that_is_gone_after_a_restart(stage: Stage, event: Event) -> None:
    poll = await stage.poll()
    await stage.stop()
    path = stage.directory / "votes" / f"{poll.id}.votes"
    path.write_bytes(b"something else, as long as a head")
    await stage.start()
    refused = vote(stage, poll.id)
    assert (refused.code, refused.temporary) == (4007, True)
    await stage.tick()
    assert "no journal" in stage.core.last("host:show")["health"]["polls"]


# event.me


async def test_what_a_voter_has_done(stage: Stage, event: Event) -> None:
    quiz = {"kind": Kind.QUIZ, "scoring": Scoring.SPEED, "window_ms": 1000, "answer": 1}
    question = await stage.poll(**quiz)
    vote(stage, question.id, elapsed_ms=0)
    poll = await stage.poll(most=3)
    vote(stage, poll.id, choices=[0, 2], seq=5)
    await stage.events.polls.close(event, question.id, None, "host")
    assert stage.rpc("event.me", FAN) == {
        "votes": {
            str(question.id): {"seq": 1, "choices": [0]},
            str(poll.id): {"seq": 5, "choices": [0, 2]},
        },
        "score": 1000,
        "rank": 1,
        "alive": True,
        "banned": False,
    }
    nothing = {"votes": {}, "score": 0, "rank": None, "alive": True, "banned": False}
    assert stage.rpc("event.me", KNOWN) == nothing


async def test_who_is_out_and_who_is_banned(stage: Stage, event: Event) -> None:
    quiz = {"kind": Kind.QUIZ, "scoring": Scoring.ELIMINATION, "answer": 0b10}
    question = await stage.poll(**quiz)
    vote(stage, question.id)
    await stage.events.polls.close(event, question.id, None, "host")
    assert stage.rpc("event.me", FAN)["alive"] is False
    stage.events.show("show").parts.chat.ban(FAN.user, FAN.voter)
    await stage.bans.flush()
    assert stage.rpc("event.me", FAN)["banned"] is True
    poll = await stage.poll()
    assert stage.ballots.vote(poll.id, FAN.voter, 1, 1) is VoteStatus.BANNED


# The others


async def test_chat(stage: Stage, event: Event) -> None:
    sent = stage.rpc("chat.send", KNOWN, text="hello", name="forged")
    assert set(sent) == {"id"}
    line = stage.core.last("chat:show")
    assert (line["id"], line["user"], line["name"], line["text"]) == (
        sent["id"],
        "ann",
        "Ann",
        "hello",
    )
    stage.rpc("chat.send", FAN, text="hi", name="Fan")
    assert stage.core.last("chat:show")["name"] == "Fan"
    await stage.events.set_chat("show", {"review": True}, "host")
    assert stage.rpc("chat.send", FAN, text="hm") == {"held": True}
    assert set(stage.rpc("chat.send", HOST, text="welcome")) == {"id"}


async def test_questions(stage: Stage, event: Event) -> None:
    asked = stage.rpc("question.ask", KNOWN, text="Why?")
    assert stage.rpc("question.vote", FAN, question=asked["id"]) == {}
    await stage.tick()
    [question] = stage.core.last("questions:show")["questions"]
    assert (question["text"], question["votes"]) == ("Why?", 1)
    assert stage.rpc("question.vote", FAN, question=99).code == 4002


async def test_reactions(stage: Stage, event: Event) -> None:
    assert stage.rpc("react", FAN, kind=0, count=3) == {}
    assert stage.rpc("react", FAN, kind=1) == {}
    assert stage.rpc("react", FAN, kind=5).code == 4003
    await stage.tick()
    assert stage.core.last("tally:show")["reactions"] == [3, 1, 0, 0, 0]


CALLS = {
    "chat.send": ("chat", {"text": "hi"}),
    "question.ask": ("questions", {"text": "why"}),
    "question.vote": ("questions", {"question": 1}),
    "react": ("reactions", {"kind": 0}),
}


@pytest.mark.parametrize("method", CALLS)
async def test_what_is_off_or_over_is_refused(stage: Stage, event: Event, method: str) -> None:
    feature, call = CALLS[method]
    await stage.events.switch("show", feature, False, "host")
    assert stage.rpc(method, FAN, **call).code == 4009
    await stage.events.switch("show", feature, True, "host")
    await stage.events.move("show", Phase.ENDED, "host")
    assert stage.rpc(method, FAN, **call).code == 4009
    assert stage.rpc(method, FAN, **{**call, "event": "none"}).code == 4002


async def test_a_pause_stops_votes_and_reactions_but_not_the_talk(
    stage: Stage, event: Event
) -> None:
    await stage.events.move("show", Phase.PAUSED, "host")
    assert stage.rpc("react", FAN, kind=0).code == 4009
    assert "id" in stage.rpc("chat.send", FAN, text="still here")


async def test_who_is_banned(stage: Stage, event: Event) -> None:
    stage.events.show("show").parts.chat.ban(FAN.user, FAN.voter)
    for method in ("chat.send", "question.ask", "react"):
        assert stage.rpc(method, FAN, **CALLS[method][1]).code == 4004


async def test_a_method_that_is_not_there(stage: Stage, event: Event) -> None:
    assert stage.rpc("poll.steal", FAN) == Refusal(104, "method not found")


async def test_too_fast(tmp_path: Path) -> None:
    stage = Stage(tmp_path, vote_rate="2/10", command_rate="4/10")
    await stage.start()
    await stage.event()
    poll = await stage.poll()
    assert [vote(stage, poll.id, seq=n) for n in (1, 2)] == [None, None]
    refused = vote(stage, poll.id, seq=3)
    assert (refused.code, refused.temporary) == (4008, True)
    assert refused.message == "too fast: try again in 5000 ms"
    assert "votes" in stage.rpc("event.me", FAN)
    assert stage.rpc("event.me", FAN).code == 4008
    await stage.stop()


# Hooks


@pytest.fixture
async def hooked(tmp_path: Path) -> AsyncIterator[tuple[Stage, Hooks, Poll]]:
    hooks = Hooks(on_error="refuse")
    started = Stage(tmp_path)
    await started.start(hooks)
    await started.event()
    yield started, hooks, await started.poll()
    await started.stop()


async def replied(stage: Stage) -> tuple[int, int, Any]:
    async with asyncio.timeout(10):
        while not (stage.core.replies or stage.core.votes):
            await asyncio.sleep(0)
    return stage.core.replies.pop() if stage.core.replies else (0, 0, None)


async def test_a_hook_lets_a_vote_pass(hooked: tuple[Stage, Hooks, Poll]) -> None:
    stage, hooks, poll = hooked
    asked: list[object] = []
    hooks.on_vote(asked.append)
    assert vote(stage, poll.id, command=5) is None
    assert await replied(stage) == (0, 0, None)
    assert stage.core.votes[0][6] == 5
    assert len(asked) == 1


async def test_a_hook_refuses_a_vote(hooked: tuple[Stage, Hooks, Poll]) -> None:
    stage, hooks, poll = hooked
    hooks.on_vote(lambda vote: Refuse("members only"))
    assert vote(stage, poll.id, command=5) is None
    assert await replied(stage) == (FAN.voter, 5, Refusal(4010, "members only"))
    assert stage.core.votes == []


async def test_a_hook_changes_a_line(hooked: tuple[Stage, Hooks, Poll]) -> None:
    stage, hooks, _ = hooked
    hooks.on_chat(lambda line: line.text.upper())
    assert stage.rpc("chat.send", FAN, text="hello", command=6) is None
    client, command, data = await replied(stage)
    assert (client, command) == (FAN.voter, 6)
    assert stage.core.last("chat:show")["text"] == "HELLO"
    assert msgspec.json.decode(data) == {"id": stage.core.last("chat:show")["id"]}


async def test_the_chat_is_off_when_the_hook_has_spoken(
    hooked: tuple[Stage, Hooks, Poll],
) -> None:
    stage, hooks, _ = hooked
    asked, speak = asyncio.Event(), asyncio.Event()

    async def think(line: object) -> None:
        asked.set()
        await speak.wait()

    hooks.on_chat(think)
    hooks.timeout_seconds = 30
    stage.rpc("chat.send", FAN, text="hello")
    await asked.wait()
    await stage.events.switch("show", "chat", False, "host")
    speak.set()
    assert (await replied(stage))[2].code == 4009


async def test_who_waits_for_a_hook_at_the_end_is_forgotten(
    hooked: tuple[Stage, Hooks, Poll],
) -> None:
    stage, hooks, _ = hooked
    hooks.timeout_seconds = 30
    asked = asyncio.Event()

    async def never(line: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    hooks.on_chat(never)
    stage.rpc("chat.send", FAN, text="hello")
    await asked.wait()
    await stage.events.rpc.close()
    assert stage.core.replies == []


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("poll.vote", {"poll": 1, "seq": 1, "choices": [0]}),
        ("react", {"kind": 0}),
        ("question.vote", {"question": 1}),
    ],
)
async def test_monitors_are_not_counted(stage: Stage, method: str, data: Any) -> None:
    await stage.event()
    await stage.poll()
    stage.rpc("question.ask", FAN, text="Why?")
    refusal = stage.rpc(method, anonymous(12, monitor=True), **data)
    assert refusal.code == RefusalCode.NOT_NOW
    assert stage.core.votes == []


@pytest.mark.parametrize("cue", ["", "x" * 65, 1 << 63, None, 1.5])
async def test_cues_that_cannot_be(stage: Stage, cue: Any) -> None:
    await stage.event()
    assert stage.rpc("cue.ack", FAN, cue=cue).code == 107
