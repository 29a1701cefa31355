"""Complete HTTP responses, encoded once, that the core sends as they are."""

from collections.abc import Mapping

STANDARD_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}


def encode_response(
    body: bytes, content_type: str, headers: Mapping[str, str] | None = None
) -> tuple[bytes, int]:
    """A 200 response and the length in bytes of its head; `headers` add to or replace the standard.

    Raises ValueError for a header that would break the head.
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
        lines.append(f"{name}: {value}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
    return head + body, len(head)
