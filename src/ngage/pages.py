"""The pages an edge serves: its player, at /, which plays the channel that the address names."""

import html
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ngage.api import Edge

_PAGES = (
    ("/", "index.html", "text/html; charset=utf-8"),
    ("/player.js", "player.js", "text/javascript; charset=utf-8"),
    ("/style.css", "style.css", "text/css; charset=utf-8"),
    ("/favicon.svg", "favicon.svg", "image/svg+xml"),
)
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; media-src 'self' blob:; connect-src 'self' ws: wss:; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


def serve_pages(edge: "Edge", channel: str) -> None:
    """Put them in place. `/?channel=NAME` plays NAME, `/` plays `channel`."""
    for path, name, content_type in _PAGES:
        body = (files("ngage") / "web" / name).read_bytes()
        if path == "/":
            body = body.replace(b"{channel}", html.escape(channel).encode())
        edge.serve(path, body, content_type, _HEADERS)
