"""The pages an edge serves: its player at /, an event at /e/ID and on the stage at /stage/ID.

What is in ngage/web is served under the path it has there, but for the documents: these are written
for a channel or an event. What names an event by ID never meets a file, whose names have a dot.
"""

import html
import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ngage import qr

if TYPE_CHECKING:
    from ngage.api import Edge

EXPECT_SECONDS = 10
DOCUMENT = "text/html; charset=utf-8"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; media-src 'self' blob:; connect-src 'self' ws: wss:; base-uri 'none'; "
        "form-action 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
# Of the console alone, which the public listener does not serve.
_CONSOLE = "/host/"


class Asset(NamedTuple):
    """A file of the pages: its path below the root of a listener, and its content."""

    path: str
    body: bytes
    content_type: str


def assets() -> Iterator[Asset]:
    """All but the documents."""
    for path, file in _walk(files("ngage") / "web", "/"):
        kind = _TYPES.get(Path(file.name).suffix)
        if kind:
            yield Asset(path, file.read_bytes(), kind)


def document(name: str, **values: str) -> bytes:
    """The page web/`name`, with `{key}` for each of the values, which are text and not HTML."""
    text = (files("ngage") / "web" / name).read_text("utf-8")
    keys = re.compile(rf"\{{({'|'.join(values)})\}}")
    return keys.sub(lambda match: html.escape(values[match[1]]), text).encode()


def serve_pages(edge: "Edge", channel: str) -> None:
    """Put the player in place. `/?channel=NAME` plays NAME, `/` plays `channel`."""
    serve_assets(edge)
    edge.serve("/", document("index.html", channel=channel), DOCUMENT, HEADERS)


def expect_event_pages(edge: "Edge", id: str) -> None:
    """Let who asks for the pages of an event wait for serve_event_pages()."""
    for path in _event_paths(id):
        edge.expect(path, EXPECT_SECONDS)


def serve_event_pages(edge: "Edge", id: str, title: str) -> None:
    """Put the pages of one event in place, or anew with another title; after serve_assets().

    The stage screen shows where the audience finds /e/ID, and has a QR code of it.
    """
    url = f"{edge.public_url}/e/{id}"
    values = {"event": id, "title": title, "url": url}
    edge.serve(f"/e/{id}", document("event/index.html", **values), DOCUMENT, HEADERS)
    edge.serve(f"/stage/{id}", document("stage/index.html", **values), DOCUMENT, HEADERS)
    edge.serve(f"/stage/{id}/qr.svg", qr.encode_qr(url), qr.TYPE, HEADERS)


def unserve_event_pages(edge: "Edge", id: str) -> None:
    """The event is gone."""
    for path in _event_paths(id):
        edge.unserve(path)


def _event_paths(id: str) -> tuple[str, ...]:
    return f"/e/{id}", f"/stage/{id}", f"/stage/{id}/qr.svg"


def serve_assets(edge: "Edge") -> None:
    """Put everything in place but documents."""
    for asset in assets():
        if not asset.path.startswith(_CONSOLE):
            edge.serve(*asset, HEADERS)


def _walk(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{path}{entry.name}/")
        else:
            yield f"{path}{entry.name}", entry
