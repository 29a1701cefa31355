"""The admin listener: a Starlette application, and uvicorn serving it on a bound socket."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ngage.admin.auth import Guard
from ngage.admin.failures import BAD_REQUEST, INTERNAL, METHOD_NOT_FOUND, Failure
from ngage.admin.health import health_routes
from ngage.admin.server_api import ServerApi
from ngage.api import Edge
from ngage.errors import StartError
from ngage.lifecycle import Phase
from ngage.metrics import Metrics
from ngage.options import split_address

# How long open requests may take once the listener stops.
STOP_SECONDS = 1
BACKLOG = 128


def create_app(edge: Edge, phase: Callable[[], Phase], version: str) -> Starlette:
    """The application; `phase` is asked for readiness."""
    return Starlette(
        routes=[
            *health_routes(phase, Metrics(edge, version)),
            *ServerApi(edge, version).routes(),
        ],
        middleware=[Middleware(Guard, settings=lambda: edge.settings)],
        exception_handlers={
            Failure: _answer_failure,
            HTTPException: _answer_http_exception,
            ClientDisconnect: _answer_nobody,
            Exception: _answer_defect,
        },
    )


def bind_admin(address: str) -> socket.socket:
    """A listening socket on HOST:PORT; StartError if it cannot be had."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on admin {address}: {error.strerror}") from error
    return listener


class AdminServer:
    """Serves an application on a socket while the context is open; owns the socket."""

    def __init__(self, app: Starlette, listener: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        self._listener = listener
        self._server = _Server(config)

    async def __aenter__(self) -> Self:
        self._serving = asyncio.ensure_future(self._server.serve(sockets=[self._listener]))
        await self._server.listening.wait()
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop accepting, let open requests end. Idempotent."""
        self._server.should_exit = True
        await self._serving


class _Server(uvicorn.Server):
    """uvicorn that leaves signals to their owner and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to ngage.lifecycle."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.listening.set()


async def _answer_failure(_: Request, failure: Exception) -> Response:
    assert isinstance(failure, Failure)
    return failure.response()


async def _answer_http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = METHOD_NOT_FOUND if error.status_code == 404 else BAD_REQUEST
    headers = dict(error.headers or {})
    return Failure(error.status_code, code, error.detail).response(headers)


async def _answer_nobody(_: Request, error: Exception) -> Response:
    return Response(status_code=400)


async def _answer_defect(_: Request, error: Exception) -> Response:
    return Failure(500, INTERNAL, "internal error").response()
