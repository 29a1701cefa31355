import pytest

from ngage.responses import encode_response


def test_head_describes_the_body() -> None:
    response, head_bytes = encode_response(b"<p>", "text/html", {"Cache-Control": "max-age=5"})
    head, body = response[:head_bytes], response[head_bytes:]
    assert body == b"<p>"
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert head.endswith(b"\r\n\r\n")
    assert head.decode().splitlines()[1:-1] == [
        "Content-Type: text/html",
        "Content-Length: 3",
        "Cache-Control: max-age=5",
        "X-Content-Type-Options: nosniff",
    ]


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "\N{SNOWMAN}"])
def test_a_header_cannot_break_the_head(value: str) -> None:
    with pytest.raises(ValueError, match="X-Test"):
        encode_response(b"", "text/plain", {"X-Test": value})


@pytest.mark.parametrize("name", ["Connection", "transfer-encoding"])
def test_a_header_of_the_core_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        encode_response(b"", "text/plain", {name: "close"})
