"""Who may ask: the Host and Origin rules of the admin listener, the API key, and host keys."""

import ipaddress
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ngage import hostkeys
from ngage.admin.failures import PERMISSION_DENIED, UNAUTHORIZED, Failure
from ngage.errors import InvalidTokenError, TokenExpiredError
from ngage.keys import key_matches
from ngage.options import is_loopback, split_address
from ngage.settings import Settings

PROTECTED = "/api/"
BEARER = "Bearer "


class Guard:
    """ASGI middleware that refuses before anything is read.

    A page in the operator's browser reaches loopback too, so a Host that is a foreign name (DNS
    rebinding) and an Origin that is not this listener (a form sent across sites) are refused. With
    an API key set, /api/ asks for it. settings gives the current ones: the key may change.

    A host key that `secret` has signed opens `host_paths` instead, for the event that it is for:
    scope["state"]["host"] is what it says, and whoever serves such a path has to look.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Callable[[], Settings],
        *,
        secret: bytes = b"",
        host_paths: Collection[str] = (),
    ) -> None:
        self._app = app
        self._settings = settings
        self._secret = secret
        self._host_paths = host_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] == "http":
            refusal = self._refusal(Request(scope))
            if refusal:
                await refusal.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, request: Request) -> Failure | None:
        settings = self._settings()
        host = request.headers.get("host", "")
        if is_loopback(settings.admin) and not host_allowed(host, settings.admin):
            return Failure(403, PERMISSION_DENIED, "Host is not an address of this listener")
        # What is routed, not request.url: a Host header with a slash in it shifts that one's path.
        if not request.scope["path"].startswith(PROTECTED):
            return None
        origin = request.headers.get("origin")
        if origin not in (None, f"http://{host}", f"https://{host}"):
            return Failure(403, PERMISSION_DENIED, "Origin is another site")
        authorization = request.headers.get("authorization", "")
        if authorization.startswith(BEARER) and self._secret:
            return self._admit_host(request, authorization.removeprefix(BEARER))
        if not key_matches(request.headers.get("x-api-key", ""), settings.api_key):
            return Failure(401, UNAUTHORIZED, "X-API-Key is missing or wrong")
        return None

    def _admit_host(self, request: Request, key: str) -> Failure | None:
        try:
            host = hostkeys.verify(self._secret, key)
        except (InvalidTokenError, TokenExpiredError) as error:
            return Failure(401, UNAUTHORIZED, str(error))
        if request.scope["path"] not in self._host_paths:
            return Failure(403, PERMISSION_DENIED, "a host key opens calls about its event only")
        request.scope.setdefault("state", {})["host"] = host
        return None


def host_allowed(host: str, admin: str) -> bool:
    """Whether a Host header names this machine: an IP literal, localhost, or the address bound."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name in ("localhost", split_address(admin)[0]):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
