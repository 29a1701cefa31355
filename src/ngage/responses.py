"""Complete HTTP responses, encoded once, that the core sends as they are."""

from collections.abc import Mapping
from typing import NamedTuple

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
STANDARD_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}
# Whether a connection is kept is for the core to say, for each request.
_OF_THE_CORE = frozenset(("connection", "transfer-encoding"))


class Playlist(NamedTuple):
    """A media playlist of LL-HLS at one moment, and what may be asked of it.

    The segments before number `segment` are complete; it has `parts` parts so far, and the one
    before it has `parts_before`. A request for what is to come waits `wait_seconds` at most; one
    for more than two segments or `parts_ahead` parts further on is refused. `delta` is what a
    client gets that asks to skip what it knows. `headers` go with a playlist as it is now,
    `blocking_headers` with the answer to a request that named a segment.
    """

    whole: bytes
    delta: bytes
    segment: int
    parts: int
    parts_before: int
    parts_ahead: int
    wait_seconds: float
    ended: bool
    headers: Mapping[str, str]
    blocking_headers: Mapping[str, str]


def encode_response(
    body: bytes, content_type: str, headers: Mapping[str, str] | None = None
) -> tuple[bytes, int]:
    """A 200 response and the length in bytes of its head; `headers` add to or replace the standard.

    Raises ValueError for a header that would break the head, or is not the caller's to set.
    """
    fields = {
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
        **STANDARD_HEADERS,
        **(headers or {}),
    }
    lines = ["HTTP/1.1 200 OK"]
    for name, value in fields.items():
        if not f"{name}{value}".isascii() or not f"{name}{value}".isprintable():
            raise ValueError(f"header {name!r}: printable ASCII only")
        if name.lower() in _OF_THE_CORE:
            raise ValueError(f"header {name!r}: the edge sets it where it is due")
        lines.append(f"{name}: {value}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
    return head + body, len(head)


def encode_playlist(playlist: Playlist) -> tuple[tuple[bytes, int], ...]:
    """The responses in the core's order: as it is, blocking, delta, both."""
    return tuple(
        encode_response(body, PLAYLIST_TYPE, headers)
        for body in (playlist.whole, playlist.delta)
        for headers in (playlist.headers, playlist.blocking_headers)
    )
