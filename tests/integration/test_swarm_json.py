"""Fans of Centrifugo's protocol: what they say, and what a server may answer."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ngage_core.behaviour import Action, Delay, Distribution, Persona, Step, Way
from ngage_core.protocol import verify_ticket
from ngage_core.swarm import Swarm
from tests.helpers.json_stage import Spelling, command, frame_of, joined, subscribed, timed
from tests.helpers.stage import Script, Visit, closing, staged, swarm_of
from tests.helpers.tickets import SECRET
from tests.helpers.wait import eventually
from tests.oracle.frames import TEXT, server_frame

NOW = Delay(Distribution.CONSTANT, 0.0)
PLAIN = Spelling()


@contextmanager
def crowd(port: int, *steps: Step, lost: int = -1, **options: Any) -> Iterator[Swarm]:
    """One fan, and a poll; steps are entered by a stimulus, from 1 on."""
    persona = Persona("fan", 1.0, (Step(), *steps), lost, 0, "centrifugo")
    with swarm_of(port, 1, personas=[persona], **options) as swarm:
        swarm.poll(7, 3, event=2, name="final", reactions=4)
        yield swarm


async def enter(swarm: Swarm, step: int) -> None:
    await asyncio.to_thread(swarm.stimulate, 0, 1.0, NOW, step)


async def reach(swarm: Swarm, **counters: int) -> None:
    await eventually(lambda: all(swarm.progress()[name] == n for name, n in counters.items()))


def answering(*replies: dict[str, Any], heard: list[dict[str, Any]]) -> Script:
    """A server that lets a fan in, and gives these replies to what it says, with its ids."""

    async def script(visit: Visit) -> None:
        asked = await joined(visit)
        visit.send(frame_of(json.dumps(subscribed(asked, 100))))
        for reply in replies:
            said = await command(visit)
            heard.append(said)
            visit.send(frame_of(json.dumps({"id": said["id"], **reply})))
        await visit.end()

    return script


ACCEPTED = {"rpc": {"data": {"status": "accepted"}}}
DUPLICATE = {"rpc": {"data": {"status": "duplicate"}}}


def refused(code: int) -> dict[str, Any]:
    return {"error": {"code": code, "message": "no"}}


async def test_votes_are_rpcs() -> None:
    heard: list[dict[str, Any]] = []
    async with staged(answering(ACCEPTED, DUPLICATE, heard=heard)) as port:
        with crowd(port, Step(Action.VOTE, 2)) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await reach(swarm, votes_acknowledged=2)
            bounds = swarm.vote_bounds()
    calls = [said["rpc"] for said in heard]
    assert [call["method"] for call in calls] == ["poll.vote"] * 2
    datas = [call["data"] for call in calls]
    assert [(data["event"], data["poll"], data["seq"]) for data in datas] == [
        ("final", 7, 1),
        ("final", 7, 2),
    ]
    (choice,) = datas[1]["choices"]
    assert bounds.least == bounds.most == tuple(int(i == choice) for i in range(3))


@pytest.mark.parametrize(
    ("code", "counter"),
    [
        (4001, "votes_refused"),
        (4002, "votes_refused"),
        (4006, "votes_refused"),
        (4007, "votes_put_off"),
        (4008, "votes_put_off"),
        (111, "votes_put_off"),
        (100, "votes_put_off"),
        (4009, "votes_refused"),
        (104, "votes_refused"),
    ],
)
async def test_errors_are_refusals_or_put_off(code: int, counter: str) -> None:
    async with staged(answering(refused(code), heard=[])) as port:
        with crowd(port, Step(Action.VOTE, 1)) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await reach(swarm, **{counter: 1})


async def test_reactions_and_chat_are_rpcs_too() -> None:
    heard: list[dict[str, Any]] = []
    said = {"rpc": {"data": {"id": 17}}}
    async with staged(answering({"rpc": {}}, said, refused(4008), heard=heard)) as port:
        with crowd(port, Step(Action.REACT, 5, kind=3), Step(Action.CHAT)) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await enter(swarm, 1)
            await eventually(lambda: len(heard) == 1)
            for lines in (1, 2):
                await enter(swarm, 2)
                await reach(swarm, lines=lines)
            await reach(swarm, reactions=5, lines_taken=1, lines_refused=1, violations=0)
    assert heard[0]["rpc"] == {
        "method": "react",
        "data": {"event": "final", "kind": 3, "count": 5},
    }
    texts = [one["rpc"]["data"]["text"] for one in heard[1:]]
    assert len(set(texts)) == 2
    assert len({one["id"] for one in heard}) == 3


async def test_who_comes_back_recovers_and_says_its_vote_again() -> None:
    """The position is in the subscription, and what was missed in its answer."""
    asked: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []

    async def script(visit: Visit) -> None:
        asked.append(await joined(visit))
        if len(asked) == 1:
            visit.send(frame_of(json.dumps(subscribed(asked[0], 0))))
            visit.send(frame_of(PLAIN.push(timed(1), 1), PLAIN.push(timed(2), 2)))
            said.append(await command(visit))
            visit.writer.write_eof()
            await visit.end()
            return
        said.append(asked[1])
        missed = [PLAIN.published(timed(number), number) for number in (3, 4)]
        answer = subscribed(await command(visit), 2, recovered=True, missed=missed)
        answer["id"] = asked[1]["id"]
        visit.send(frame_of(json.dumps(answer), PLAIN.push(timed(5), 5)))
        await visit.end()

    async with staged(script) as port:
        with crowd(port, Step(Action.VOTE, 1), Step(Action.RESUME), lost=2) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await reach(swarm, received=2)
            await enter(swarm, 1)
            await reach(swarm, opened=2, received=5, recovered=1, gaps=0, votes_repeated=1)
            assert swarm.violations() == []
    subscribe = asked[1]["subscribe"]
    assert (subscribe["recover"], subscribe["epoch"], subscribe["offset"]) == (True, "0000abcd", 2)


async def test_a_ping_is_answered() -> None:
    pongs: list[bytes] = []

    async def script(visit: Visit) -> None:
        await joined(visit)
        visit.send(frame_of("{}"))
        pongs.append((await visit.frame())[1])
        visit.send(server_frame(b"{}\n{}", TEXT))
        pongs.extend([(await visit.frame())[1], (await visit.frame())[1]])
        await visit.end()

    async with staged(script) as port:
        with crowd(port) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await eventually(lambda: pongs == [b"{}"] * 3)
            await reach(swarm, pings=3)


@pytest.mark.parametrize(
    "told",
    [
        {"error": {"code": 102, "message": "unknown channel"}},
        {"push": {"channel": "stage", "unsubscribe": {"code": 2500, "reason": "no"}}},
    ],
)
async def test_who_is_not_subscribed_any_more_comes_again(told: dict[str, Any]) -> None:
    visits: list[Visit] = []

    async def script(visit: Visit) -> None:
        asked = await joined(visit)
        if len(visits) == 1:
            reply = {"id": asked["id"], **told} if "error" in told else told
            visit.send(frame_of(json.dumps(reply)))
        else:
            visit.send(frame_of(json.dumps(subscribed(asked, 0)), PLAIN.push(timed(1), 1)))
        await visit.end()

    async with staged(script, visits) as port:
        with crowd(port, Step(Action.CONNECT), lost=1) as swarm:
            await asyncio.to_thread(swarm.connect, 0)
            await reach(swarm, received=1, refused=1)
            assert swarm.close_codes() in ({102: 1}, {2500: 1})


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b'{"push":',
        b'{"push":1} x',
        b'{"push":tru}',
        b'{"push":01}',
        b'{"push":[1,]}',
        b'{"push":"\x01"}',
        b'{"push":"\\x"}',
        b'{"push":"\\u00g0"}',
        b"[" * 40 + b"]" * 40,
        b'{"a":1,}',
        b"{]",
    ],
)
async def test_what_is_no_json_is_a_violation(text: bytes) -> None:
    async def script(visit: Visit) -> None:
        await joined(visit)
        visit.send(server_frame(text, TEXT), frame_of(PLAIN.push(timed(1), 1)))
        await visit.end()

    async with staged(script) as port:
        with crowd(port) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await reach(swarm, received=1)
            kinds = [found.kind for found in swarm.violations()]
    assert kinds == ["malformed"] * (text != b"")


async def test_altered_padding_is_found() -> None:
    async def script(visit: Visit) -> None:
        asked = await joined(visit)
        whole = timed(1, 200)
        assert "\\" in whole, "it needs escapes"
        bad = whole[:150] + chr(ord(whole[150]) ^ 1) + whole[151:]
        visit.send(frame_of(json.dumps(subscribed(asked, 0))))
        visit.send(frame_of(PLAIN.push(whole, 1), PLAIN.push(timed(2, 200), 2)))
        visit.send(frame_of(PLAIN.push(bad.replace(" 1 ", " 3 "), 3)))
        await visit.end()

    async with staged(script) as port:
        with crowd(port, check_padding=True) as swarm:
            await asyncio.to_thread(swarm.connect, 10)
            await reach(swarm, received=3, bytes=600)
            assert [found.kind for found in swarm.violations()] == ["corrupt"]


# Tickets


@pytest.mark.parametrize("way", [None, Way.FORGED, Way.CUT, Way.NOBODY])
async def test_the_ticket_is_in_the_connect(way: Way | None) -> None:
    """A cheater comes back even after a code that forbids it, with a ticket that holds."""
    shown: list[tuple[str, bool]] = []

    async def script(visit: Visit) -> None:
        visit.send(visit.head())
        connect = (await command(visit))["connect"]
        ticket = connect.get("data", {}).get("ticket", "")
        holds = verify_ticket(SECRET, ticket.encode(), 0) is not None
        shown.append((ticket, holds))
        if ticket and not holds:
            visit.send(closing(3500))
            await visit.frame()  # its own; then the server closes
            return
        await visit.end()

    steps = (Step(Action.CHEAT, way or 0), Step(Action.CONNECT)) if way else ()
    async with staged(script) as port:
        with crowd(port, *steps, lost=2 if way else -1) as swarm:
            swarm.sign_tickets(SECRET, 2_000_000_000)
            await asyncio.to_thread(swarm.connect, 10)
            await eventually(lambda: len(shown) == 1)
            if way:
                await enter(swarm, 1)
                await eventually(lambda: len(shown) == (2 if way == Way.NOBODY else 3))
            assert swarm.progress()["violations"] == 0
    holds = [held for _, held in shown]
    assert holds == {None: [True], Way.NOBODY: [True, False]}.get(way, [True, False, True])
    assert (shown[-1][0] == "") == (way == Way.NOBODY)
