"""An edge that has nothing but the pages of events and stubs behind them, in a thread of its own.

Listens like the daemon: a public address, and an admin one with the server API.
"""

import asyncio
import secrets
import threading
from concurrent.futures import Future
from typing import Any, Self

import httpx
import uvicorn
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ngage.admin.host_page import host_routes
from ngage.pages import serve_assets, serve_event_pages
from tests.helpers.stub_centrifugo import Hub, Refusal, User
from tests.helpers.stub_event import UNKNOWN, StubEvent

FLUSH_SECONDS = 0.02
METRICS = """ngage_client_websockets {websockets}
ngage_messages_skipped_total{{policy="latest"}} 3.0
ngage_messages_skipped_total{{policy="ring"}} 1.0
ngage_shard_cpu_seconds_total{{shard="0"}} {cpu}
process_cpu_seconds_total {cpu}
ngage_video_delay_seconds_bucket{{channel="live",le="0.05",stage="made"}} 10.0
ngage_video_delay_seconds_bucket{{channel="live",le="0.1",stage="made"}} 90.0
ngage_video_delay_seconds_bucket{{channel="live",le="+Inf",stage="made"}} 100.0
ngage_video_delay_seconds_bucket{{channel="live",le="0.05",stage="link"}} 100.0
ngage_video_delay_seconds_bucket{{channel="live",le="+Inf",stage="link"}} 100.0
"""


class StubEdge:
    """A context manager. `video`: ws://HOST:PORT of an edge whose channels it passes on."""

    def __init__(self, video: str = "") -> None:
        self.video = video
        self.address = ("127.0.0.1", 0)
        self.admin = ""
        self.events: dict[str, StubEvent] = {}
        self.users: dict[str, User] = {}
        self.pages: dict[str, Response] = {}
        self.keys: dict[str, str] = {}
        self.scrapes = 0
        self.hub = Hub(self._call, self._find)
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.result(timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    # As an edge has it for serve_event_pages()

    def serve(self, path: str, body: bytes, content_type: str, headers: Any = None) -> None:
        self.pages[path] = Response(body, 200, headers, content_type)

    # As the daemon has it

    def api(self, method: str, body: object) -> Any:
        """The result of a call of the server API."""
        answer = httpx.post(f"{self.admin}/api/{method}", json=body, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    # In the thread

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        public = _server(
            WebSocketRoute("/connection/websocket", self.hub.serve),
            WebSocketRoute("/ws/{channel}", self._relay),
            Route("/{path:path}", self._page),
        )
        admin = _server(
            Route("/api/poll_audit.csv", self._csv),
            Route("/api/{method}", self._answer, methods=["POST"]),
            Route("/metrics", self._metrics),
            *host_routes(),
        )
        serving = [asyncio.ensure_future(server.serve()) for server in (public, admin)]
        while not (public.started and admin.started):
            await asyncio.sleep(0.01)
        self.address = _address(public)
        self.admin = "http://{}:{}".format(*_address(admin))
        self._ready.set_result(None)
        while not self._stop.is_set():
            await self.hub.flush()
            await asyncio.sleep(FLUSH_SECONDS)
        public.should_exit = admin.should_exit = True
        await asyncio.gather(*serving)

    async def _page(self, request: Request) -> Response:
        return self.pages.get(request.url.path) or Response(status_code=404)

    async def _relay(self, socket: WebSocket) -> None:
        path = f"{self.video}/ws/{socket.path_params['channel']}"
        await socket.accept()
        async with websockets.connect(path, max_size=None) as upstream:
            try:
                async for message in upstream:
                    await (socket.send_bytes if isinstance(message, bytes) else socket.send_text)(
                        message
                    )
            except (WebSocketDisconnect, RuntimeError):
                pass

    def _call(self, user: User, method: str, data: Any) -> Any:
        if data["event"] not in self.events:
            raise Refusal(UNKNOWN, "no such event")
        return self.events[data["event"]].call(user, method, data)

    def _find(self, body: Any) -> User:
        if token := body.get("token"):
            return User("host", "", self.keys.get(token, ""))
        ticket = (body.get("data") or {}).get("ticket") or secrets.token_urlsafe(32)
        user = User(f"anon-{secrets.token_hex(8)}", ticket)
        return self.users.setdefault(ticket, user)

    async def _answer(self, request: Request) -> Response:
        method, body = request.path_params["method"], await request.json()
        if method == "event_create":
            return JSONResponse({"result": self._create(body)})
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        event = body.get("event") or body.get("id")
        if key and self.keys.get(key) != event:
            return JSONResponse({"error": {"code": 101, "message": "unauthorized"}}, 401)
        try:
            result = getattr(self.events[event], f"api_{method}")(body)
        except Refusal as refusal:
            return JSONResponse({"error": refusal.body}, 400)
        if method == "event_get":
            result |= {"audience_url": self._url(event)}
        else:
            self.events[event].publish()
        return JSONResponse({"result": result or {}})

    def _create(self, body: Any) -> Any:
        id, key = body["id"], f"key-of-{body['id']}"
        self.events[id] = StubEvent(self.hub, id, body["title"], body.get("video"))
        self.keys[key] = id
        serve_assets(self)  # type: ignore[arg-type]
        serve_event_pages(self, id, body["title"])  # type: ignore[arg-type]
        links = {"audience_url": self._url(id), "host_url": f"{self.admin}/host/{id}#key={key}"}
        return {"event": self.events[id].state, **links}

    def _url(self, id: str) -> str:
        return f"http://{self.address[0]}:{self.address[1]}/e/{id}"

    async def _csv(self, request: Request) -> Response:
        return Response("voter,seq,choices\n", media_type="text/csv")

    async def _metrics(self, request: Request) -> Response:
        self.scrapes += 1
        text = METRICS.format(websockets=len(self.hub.connections), cpu=self.scrapes * 0.4)
        return Response(text, media_type="text/plain")


def _server(*routes: Any) -> uvicorn.Server:
    config = uvicorn.Config(
        Starlette(routes=routes),
        **{"port": 0, "lifespan": "off", "log_config": None, "ws": "websockets-sansio"},
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def _address(server: uvicorn.Server) -> tuple[str, int]:
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    return host, port
