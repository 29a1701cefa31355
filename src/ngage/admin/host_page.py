"""/host/ID: the console of an event's hosts, and what it is made of.

None of it needs a key: the page has one in the fragment of its address, which no server sees, and
sends it with its calls.
"""

import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ngage import qr
from ngage.admin.failures import METHOD_NOT_FOUND, Failure, bad_request
from ngage.pages import DOCUMENT, HEADERS, Asset, assets, document

# Nobody may lay the console under a page of their own.
_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": f"{HEADERS['Content-Security-Policy']}; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}
_SLUG = re.compile(r"[a-z0-9-]{1,40}")


def host_routes() -> list[Route]:
    """The console of any event, its modules, and /qr.svg?text=."""

    async def console(request: Request) -> Response:
        event = request.path_params["event"]
        if not _SLUG.fullmatch(event):
            raise Failure(404, METHOD_NOT_FOUND, "no such page")
        return Response(document("host/index.html", event=event), 200, _HEADERS, DOCUMENT)

    async def code(request: Request) -> Response:
        try:
            body = qr.encode_qr(request.query_params.get("text", ""))
        except ValueError as error:
            raise bad_request(str(error)) from None
        return Response(body, 200, _HEADERS, qr.TYPE)

    return [
        *(Route(asset.path, _answer(asset)) for asset in assets()),
        Route("/host/{event}", console),
        Route("/qr.svg", code),
    ]


def _answer(asset: Asset) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        return Response(asset.body, 200, _HEADERS, asset.content_type)

    return answer
