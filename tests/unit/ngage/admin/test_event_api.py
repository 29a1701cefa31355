"""The server API for events: each method, each wrong body, and who may call what."""

import csv
import io
import time
from typing import Any

import pytest

from ngage import hostkeys, tickets
from ngage.identity import voter_of
from ngage.interaction.journal import registers
from tests.helpers.event_api import KEY, POLL, SECRET, Api, opened
from tests.helpers.interaction import START_MS, Stage, locked

# Events


async def test_an_event_and_the_links_to_it(api: Api) -> None:
    created = await api.result(
        "event_create", id="later", title="Later", starts=START_MS, video="live"
    )
    event = created["event"]
    assert (event["starts"], event["video"], event["phase"]) == (START_MS, "live", "scheduled")
    assert created["audience_url"].endswith("/e/later")
    address, _, key = created["host_url"].partition("#key=")
    assert address == "http://127.0.0.1:8081/host/later"
    assert hostkeys.verify(SECRET, key).event == "later"
    listed = (await api.result("event_list"))["events"]
    assert [one["id"] for one in listed] == ["show", "later"]


async def test_update_feature_phase_and_delete(api: Api) -> None:
    changed = (await api.result("event_update", id="show", title="New", starts=None))["event"]
    assert (changed["title"], changed["starts"], changed["video"]) == ("New", None, None)
    off = (await api.result("event_feature", id="show", feature="chat", on=False))["event"]
    assert off["features"]["chat"] is False
    assert (await api.refused("event_delete", {"id": "show"})) == (400, 107)
    await api.result("event_phase", id="show", phase="ended")
    await api.result("event_delete", id="show")
    assert (await api.refused("event_get", {"id": "show"})) == (404, 4002)


async def test_what_hosts_did_is_shown(api: Api) -> None:
    number = await opened(api)
    seen = await api.result("event_get", id="show")
    assert [poll["id"] for poll in seen["event"]["polls"]] == [number]
    actions = [(action["host"], action["action"]) for action in seen["actions"]]
    assert actions == [
        ("api", "poll_open"),
        ("api", "poll_create"),
        ("api", "event_phase"),
        ("api", "event_create"),
    ]


# Polls


async def test_a_poll_and_its_result(api: Api) -> None:
    number = await opened(api)
    for voter, mask in ((1, 1), (2, 2), (3, 2)):
        api.stage.ballots.vote(number, voter, 1, mask)
    results = await api.result("poll_results", event="show", poll=number)
    assert results["tally"] == results["recount"] == {"counts": [1, 2], "voters": 3}
    poll = (await api.result("poll_close", event="show", poll=number))["poll"]
    assert poll["result"]["counts"] == [1, 2]
    assert len(poll["result"]["journal"]["sha256"]) == 64
    assert await api.refused("poll_close", {"event": "show", "poll": number}) == (409, 4009)


async def test_a_prediction(api: Api) -> None:
    number = await opened(api, kind="prediction")
    named = {"event": "show", "poll": number}
    assert (await api.result("poll_lock", **named))["poll"]["state"] == "locked"
    assert await api.refused("poll_close", named) == (400, 107)
    assert await api.refused("poll_close", {**named, "answer": [2]}) == (400, 107)
    closed = (await api.result("poll_close", **named, answer=[1]))["poll"]
    assert (closed["state"], closed["answer"]) == ("closed", 0b10)


async def test_cancelled(api: Api) -> None:
    number = await opened(api)
    poll = (await api.result("poll_cancel", event="show", poll=number))["poll"]
    assert (poll["state"], poll["result"]) == ("cancelled", None)


async def test_a_quiz_its_leaderboard_and_the_proof(api: Api) -> None:
    quiz = {"kind": "quiz", "scoring": "speed", "window_ms": 1000, "answer": 2}
    number = await opened(api, **quiz)
    api.stage.clock.advance(600)
    ann = voter_of("ann", SECRET)
    api.stage.ballots.vote(number, ann, 1, 2, 500)
    api.stage.ballots.vote(number, 5, 1, 1, 100)
    await api.result("poll_close", event="show", poll=number)
    board = await api.result("leaderboard", event="show", limit=1)
    best = {"voter": f"{ann:016x}", "rank": 1, "score": 750, "elapsed_ms": 500, "alive": True}
    assert board == {"leaderboard": [best], "voters": 2, "alive": None}
    proof = await api.result("poll_audit", event="show", poll=number, user="ann")
    [decision] = proof["decisions"]
    assert proof["voter"] == f"{ann:016x}"
    assert (decision["verdict"], decision["right"], decision["points"]) == ("counts", True, 750)
    assert decision["shown_ms"] == START_MS + 100
    by_voter = {"event": "show", "poll": number, "voter": f"{5:016x}"}
    other = (await api.result("poll_audit", **by_voter))["decisions"]
    assert [(d["right"], d["points"]) for d in other] == [(False, 0)]


async def test_all_votes_as_json_and_csv(api: Api) -> None:
    number = await opened(api)
    for voter in range(1, 301):
        api.stage.ballots.vote(number, voter, 1, 1)
    api.stage.ballots.vote(number, 1, 2, 2)
    audit = await api.result("poll_audit", event="show", poll=number)
    assert audit["poll"]["id"] == number
    assert audit["recount"] == {"counts": [299, 1], "voters": 300}
    assert len(audit["votes"]) == 301
    got = await api.http.get(
        "/api/poll_audit.csv", params={"event": "show", "poll": number}, headers={"x-api-key": KEY}
    )
    assert got.headers["content-type"] == "text/csv; charset=utf-8"
    assert got.headers["content-disposition"] == f'attachment; filename="show-{number}.csv"'
    rows = list(csv.DictReader(io.StringIO(got.text)))
    assert sum(int(row["counts"]) for row in rows) == 300
    path = api.stage.events.polls.journal(api.stage.events.polls.find("show", number))
    assert len(registers(path)) == 300


@pytest.mark.parametrize("query", ["", "event=show", "event=show&poll=x", "event=show&poll=-1"])
async def test_csv_of_nothing(api: Api, query: str) -> None:
    got = await api.http.get(f"/api/poll_audit.csv?{query}", headers={"x-api-key": KEY})
    assert got.status_code == 400


# Chat, questions, tickets


async def test_tickets(api: Api) -> None:
    made = (await api.result("ticket", count=3, ttl_seconds=60))["tickets"]
    assert len({one["voter"] for one in made}) == 3
    for one in made:
        ticket = tickets.verify(SECRET, one["ticket"], time.time())
        assert ticket and f"{ticket.voter:016x}" == one["voter"]
        assert one["user"] == f"anon-{one['voter']}"
        assert not ticket.monitor
        assert 0 < ticket.expires - time.time() <= 61
    [known] = (await api.result("ticket", user="ann", monitor=True))["tickets"]
    assert known["voter"] == f"{voter_of('ann', SECRET):016x}"
    ticket = tickets.verify(SECRET, known["ticket"], time.time())
    assert ticket and ticket.monitor


# What is wrong


WRONG: dict[str, list[Any]] = {
    "event_create": [{}, {"id": "Show", "title": "T"}, {"id": "x"}, {"id": "show", "title": "T"}],
    "event_update": [{"id": "show", "title": ""}, {"id": "show", "starts": -1}],
    "event_phase": [{"id": "show", "phase": "over"}, {"id": "show", "phase": "live"}],
    "event_feature": [{"id": "show", "feature": "smell", "on": True}, {"id": "show"}],
    "event_get": [{}, {"id": 1}],
    "poll_create": [
        {},
        {**POLL, "choices": ["A"]},
        {**POLL, "choices": "AB"},
        {**POLL, "kind": "riddle"},
        {**POLL, "visible": "sometimes"},
        {**POLL, "most": 3},
        {**POLL, "answer": 1},
        {**POLL, "kind": "quiz", "answer": []},
        {**POLL, "kind": "quiz", "answer": [32]},
        {**POLL, "kind": "quiz", "answer": [-1]},
        {**POLL, "kind": "quiz", "answer": 8},
        {**POLL, "kind": "quiz", "scoring": "luck"},
        {**POLL, "duration_ms": 1.5},
    ],
    "poll_open": [{"event": "show"}, {"event": "show", "poll": "1"}],
    "poll_audit": [{"event": "show", "poll": 1, "voter": "7"}],
    "leaderboard": [{"event": "show", "limit": 0}, {"event": "show", "limit": 1001}],
    "chat_settings": [{"event": "show", "slow_seconds": -1}, {"event": "show", "review": 1}],
    "pin": [{"event": "show"}],
    "ban": [
        {"event": "show"},
        {"event": "show", "user": "anon-xyz"},
        {"event": "show", "user": "ann", "voter": "0" * 16},
        {"event": "show", "voter": "g" * 16},
        {"event": "show", "voter": "0" * 16},
        {"event": "show", "voter": "7" * 16 + "\n"},
        {"event": "show", "user": "anon-" + "f" * 32},
        {"event": "show", "user": "anon-0x00000000000007"},
        {"event": "show", "user": "anon- 000000000000007"},
    ],
    "chat_clear": [{"event": "show"}, {"event": "show", "user": ""}],
    "question_state": [{"event": "show", "question": 1, "state": "held"}],
    "ticket": [
        *({"count": 0}, {"count": 10_001}, {"ttl_seconds": 0}, {"count": 2, "user": "ann"}),
        {"user": "anon-" + "f" * 32},
    ],
}


@pytest.mark.parametrize("method", WRONG)
async def test_bodies_that_are_wrong(api: Api, method: str) -> None:
    for body in [*WRONG[method], b"{", b"[]", b"\xff"]:
        assert await api.refused(method, body) == (400, 107), body
    assert (await api.post(method, b" " * 65537)).status_code == 413


async def test_what_is_not_there(api: Api) -> None:
    number = await opened(api)
    for method in ("poll_open", "poll_lock", "poll_close", "poll_cancel", "poll_results"):
        for body in ({"event": "none", "poll": number}, {"event": "show", "poll": 99}):
            assert await api.refused(method, body) == (404, 4002)
    for method in ("leaderboard", "question_list", "chat_settings"):
        assert await api.refused(method, {"event": "none"}) == (404, 4002)
    for method in ("chat_delete", "chat_release", "chat_reject"):
        body = {"event": "show", "id": 1 << 62}
        assert await api.refused(method, body) == (404, 4002)
    actions = (await api.result("event_get", id="show"))["actions"]
    assert not any(action["action"].startswith("chat_") for action in actions)
    assert await api.refused("event_steal", {}) == (404, 104)


async def test_a_poll_that_nobody_could_vote_in_has_no_audit(api: Api) -> None:
    number = (await api.result("poll_create", **POLL))["poll"]["id"]
    assert await api.refused("poll_audit", {"event": "show", "poll": number}) == (409, 4009)


async def test_a_store_that_refuses(api: Api, stage: Stage) -> None:
    with locked(stage.store.path):
        answer = await api.post("poll_create", POLL)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == 4007
    assert "another process holds the database" in answer.json()["error"]["message"]


async def test_an_edge_without_events(stage: Stage) -> None:
    api = Api(stage, None)
    assert await api.refused("event_list", {}) == (503, 108)
    assert (await api.post("ticket", {})).status_code == 200
    await api.http.aclose()
