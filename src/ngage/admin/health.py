"""/healthz/live: restart me if I do not answer. /healthz/ready: send me clients. /metrics."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ngage.lifecycle import Phase
from ngage.metrics import CONTENT_TYPE, Metrics


def health_routes(
    phase: Callable[[], Phase], trouble: Callable[[], str], metrics: Metrics
) -> list[Route]:
    """The routes that a monitor asks; none needs a key. A trouble is told, and clients may come."""

    async def live(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        serving = phase() is Phase.SERVING
        lines = [phase().value, *filter(None, [trouble()])]
        return PlainTextResponse("".join(f"{line}\n" for line in lines), 200 if serving else 503)

    async def exposition(_: Request) -> Response:
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    return [
        Route("/healthz/live", live),
        Route("/healthz/ready", ready),
        Route("/metrics", exposition),
    ]
