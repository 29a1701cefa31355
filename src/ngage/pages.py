"""The pages an edge serves: its player, at /, which plays the channel that the address names."""

import html
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ngage.api import Edge

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; media-src 'self' blob:; connect-src 'self' ws: wss:; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


def serve_pages(edge: "Edge", channel: str) -> None:
    """Put them in place. `/?channel=NAME` plays NAME, `/` plays `channel`."""
    for file in (files("ngage") / "web").iterdir():
        body = file.read_bytes()
        path = f"/{file.name}"
        if file.name == "index.html":
            path, body = "/", body.replace(b"{channel}", html.escape(channel).encode())
        edge.serve(path, body, _TYPES[Path(file.name).suffix], _HEADERS)
