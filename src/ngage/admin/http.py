"""What the admin listener serves: a Starlette application."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ngage.admin.auth import Guard
from ngage.admin.event_api import EventApi
from ngage.admin.failures import BAD_REQUEST, INTERNAL, METHOD_NOT_FOUND, Failure
from ngage.admin.health import health_routes
from ngage.admin.host_page import host_routes
from ngage.admin.server_api import ServerApi
from ngage.api import Edge
from ngage.interaction.events import Events
from ngage.lifecycle import Phase
from ngage.metrics import Figures, Metrics


def create_app(
    edge: Edge,
    phase: Callable[[], Phase],
    version: str,
    *,
    events: Callable[[], Events | None] = lambda: None,
    secret: bytes = b"",
    figures: Figures | None = None,
    trouble: Callable[[], str] = lambda: "",
) -> Starlette:
    """The application; `phase` is asked for readiness.

    events: those of this edge, once there are any. secret: what signs host keys and tickets.
    figures: what is counted of them, for metrics. trouble: what is wrong now, for readiness.
    """
    event_api = EventApi(edge, events, secret)
    return Starlette(
        routes=[
            *health_routes(phase, trouble, Metrics(edge, version, figures)),
            *event_api.routes(),
            *ServerApi(edge, version).routes(),
            *host_routes(),
        ],
        middleware=[
            Middleware(
                Guard,
                settings=lambda: edge.settings,
                secret=secret,
                host_paths=event_api.host_paths,
            )
        ],
        exception_handlers={
            Failure: _answer_failure,
            HTTPException: _answer_http_exception,
            ClientDisconnect: _answer_nobody,
            Exception: _answer_defect,
        },
    )


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
