"""The server API on a stage, called as over HTTP."""

import json
import time
from typing import Any, cast

import httpx

from ngage import hostkeys
from ngage.admin.http import create_app
from ngage.api import Edge
from ngage.interaction.events import Events
from ngage.lifecycle import Phase
from ngage.settings import Settings
from tests.helpers.interaction import Stage

SECRET = b"s" * 32
KEY = "k"
POLL = {"event": "show", "title": "T", "choices": ["A", "B"]}


class Api:
    """The application on a stage, called as over HTTP."""

    def __init__(self, stage: Stage, events: Events | None) -> None:
        self.stage = stage
        settings = Settings(api_key=KEY, publish_bytes_max=65536)
        app = create_app(
            Edge(settings), lambda: Phase.SERVING, "1", events=lambda: events, secret=SECRET
        )
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8081"
        )

    async def post(self, method: str, body: Any = None, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = headers or {"x-api-key": KEY}
        return await self.http.post(f"/api/{method}", content=content, headers=headers)

    async def result(self, method: str, **body: Any) -> Any:
        answer = await self.post(method, body)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    async def refused(self, method: str, body: Any, **headers: str) -> tuple[int, int]:
        answer = await self.post(method, body, **headers)
        error = answer.json()["error"]
        assert error["message"]
        return answer.status_code, error["code"]


async def opened(api: Api, **fields: Any) -> int:
    body = {"event": "show", "title": "Which?", "choices": ["A", "B"], **fields}
    created = (await api.result("poll_create", **body))["poll"]
    assert created["state"] == "created"
    number = cast(int, created["id"])
    poll = (await api.result("poll_open", event="show", poll=number, at_us=7))["poll"]
    assert (poll["state"], poll["at_us"]) == ("open", 7)
    return number


def bearer(event: str, seconds: int = 60, number: int = 1) -> dict[str, str]:
    key = hostkeys.mint(SECRET, event, int(time.time()) + seconds, number)
    return {"authorization": f"Bearer {key}"}
