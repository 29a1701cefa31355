"""The server API for events: what hosts do about people, and who is a host."""

import time

import pytest

from ngage import hostkeys
from ngage.identity import anonymous
from ngage.interaction import chat
from tests.helpers.event_api import KEY, POLL, Api, bearer, opened
from tests.helpers.interaction import Stage


async def test_chat(api: Api, stage: Stage) -> None:
    rules = await api.result("chat_settings", event="show", review=True)
    assert rules["chat"] == {"slow_seconds": 0, "emote_only": False, "review": True}
    author = "anon-0000000000000007"
    for text in ("one", "two"):
        stage.rpc("chat.send", anonymous(7), text=text)
    await stage.tick()
    one, two = (line["id"] for line in stage.core.last("host:show")["held"])
    released = (await api.result("chat_release", event="show", id=one))["id"]
    assert stage.core.last("chat:show")["text"] == "one"
    await api.result("chat_reject", event="show", id=two)
    assert await api.refused("chat_reject", {"event": "show", "id": two}) == (404, 4002)
    pinned = (await api.result("pin", event="show", id=released))["pinned"]
    assert pinned == {"id": released, "name": "", "text": "one"}
    assert (await api.result("pin", event="show", id=None))["pinned"] is None
    await api.result("chat_delete", event="show", id=released)
    assert stage.core.last("chat:show") == {"delete": released}
    banned = await api.result("ban", event="show", user=author)
    assert banned == {"user": author, "voter": "0000000000000007", "banned": True}
    await stage.bans.flush()
    assert stage.ballots.banned == {7}
    pardoned = await api.result("ban", event="show", voter="0000000000000007", on=False)
    assert pardoned["banned"] is False


async def test_all_lines_of_somebody(api: Api, stage: Stage) -> None:
    line = stage.rpc("chat.send", anonymous(7), text="one")
    await api.result("chat_clear", event="show", user="anon-0000000000000007")
    assert stage.core.last("chat:show") == {"clear": "anon-0000000000000007"}
    assert await api.refused("pin", {"event": "show", "id": line["id"]}) == (404, 4002)


async def test_questions_of_who_is_banned_are_gone(api: Api, stage: Stage) -> None:
    for voter in (7, 8):
        stage.rpc("question.ask", anonymous(voter), text="Why?")
    await api.result("ban", event="show", voter="0000000000000007")
    [left] = (await api.result("question_list", event="show"))["questions"]
    assert left["user"] == "anon-0000000000000008"


async def test_a_full_list_of_bans(api: Api, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "CHAT_BANS_MAX", 1)
    await api.result("ban", event="show", user="ann")
    await api.result("ban", event="show", user="ann")
    assert await api.refused("ban", {"event": "show", "user": "bob"}) == (400, 107)
    actions = (await api.result("event_get", id="show"))["actions"]
    assert [one["details"].get("user") for one in actions[:3]] == ["ann", "ann", None]


async def test_questions_in_review(api: Api, stage: Stage) -> None:
    await api.result("chat_settings", event="show", review=True)
    assert stage.rpc("question.ask", anonymous(7), text="Why?") == {"held": True}
    await stage.tick(500)
    assert stage.core.last("questions:show") == {"questions": []}
    assert [one["text"] for one in stage.core.last("host:show")["held_questions"]] == ["Why?"]
    await api.result("question_state", event="show", question=1, state="open")
    await stage.tick(500)
    assert len(stage.core.last("questions:show")["questions"]) == 1


async def test_questions(api: Api, stage: Stage) -> None:
    stage.rpc("question.ask", anonymous(7), text="Why?")
    [question] = (await api.result("question_list", event="show"))["questions"]
    assert (question["text"], question["state"]) == ("Why?", "open")
    call = {"event": "show", "question": question["id"], "state": "answered"}
    await api.result("question_state", **call)
    [question] = (await api.result("question_list", event="show"))["questions"]
    assert question["state"] == "answered"
    assert await api.refused("question_state", {**call, "question": 9}) == (404, 4002)


# Who may


async def test_without_a_key(api: Api) -> None:
    assert await api.refused("event_list", {}, accept="*/*") == (401, 101)


async def test_a_host_key_opens_its_event(api: Api) -> None:
    number = await opened(api)
    for method, body in (
        ("event_get", {"id": "show"}),
        ("event_feature", {"id": "show", "feature": "chat", "on": True}),
        ("poll_create", POLL),
        ("poll_close", {"event": "show", "poll": number}),
        ("question_list", {"event": "show"}),
    ):
        answer = await api.post(method, body, **bearer("show"))
        assert answer.status_code == 200, answer.text
        assert "host_url" not in answer.json()["result"]
    query = {"event": "show", "poll": number}
    got = await api.http.get("/api/poll_audit.csv", params=query, headers=bearer("show"))
    assert got.status_code == 200
    seen = await api.result("event_get", id="show")
    assert seen["actions"][0]["host"] == "host"


async def test_a_host_key_of_another_event(api: Api) -> None:
    await api.result("event_create", id="other", title="Other")
    number = await opened(api)
    for method, body in (
        ("event_get", {"id": "show"}),
        ("event_delete", {"id": "show"}),
        ("poll_create", POLL),
        ("poll_close", {"event": "show", "poll": number}),
        ("chat_settings", {"event": "show", "review": True}),
        ("ban", {"event": "show", "user": "ann"}),
    ):
        assert await api.refused(method, body, **bearer("other", number=2)) == (403, 103)
    query = {"event": "show", "poll": number}
    got = await api.http.get("/api/poll_audit.csv", params=query, headers=bearer("other", number=2))
    assert got.status_code == 403


async def test_a_host_key_does_not_outlive_its_event(api: Api) -> None:
    await api.result("event_phase", id="show", phase="ended")
    await api.result("event_delete", id="show")
    assert await api.refused("event_get", {"id": "show"}, **bearer("show")) == (404, 4002)
    made = await api.result("event_create", id="show", title="Another")
    assert await api.refused("event_get", {"id": "show"}, **bearer("show")) == (403, 103)
    key = made["host_url"].partition("#key=")[2]
    answer = await api.post("event_get", {"id": "show"}, authorization=f"Bearer {key}")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "method", ["event_create", "event_list", "ticket", "publish", "disconnect", "publish_raw"]
)
async def test_a_host_key_opens_nothing_else(api: Api, method: str) -> None:
    assert await api.refused(method, {}, **bearer("show")) == (403, 103)
    both = {**bearer("show"), "x-api-key": KEY}
    assert await api.refused(method, {}, **both) == (403, 103)


async def test_a_host_key_that_is_none(api: Api) -> None:
    forged = hostkeys.mint(b"t" * 32, "show", int(time.time()) + 60)
    for key in (forged, "", "x.y.z", bearer("show", -10)["authorization"].split()[1]):
        headers = {"authorization": f"Bearer {key}"}
        assert await api.refused("event_get", {"id": "show"}, **headers) == (401, 101)
