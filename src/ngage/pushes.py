"""A publication as the client protocol shows it: the members of a JSON object.

The protocol's messages are JSON, one a line. So data that is JSON text goes in as it is, without
line breaks; other text becomes a JSON string, and bytes one in base64 (RFC 4648 section 4).
"""

import base64
from collections.abc import Mapping

import msgspec


def push_fields(
    data: bytes | str, info: bytes | None = None, tags: Mapping[str, str] | None = None
) -> bytes:
    """What Engine.publish() calls fields. `info` is JSON about who published."""
    fields = b'"data":' + as_json(data)
    if info:
        fields += b',"info":' + as_json(info.decode())
    if tags:
        fields += b',"tags":' + msgspec.json.encode(tags)
    return fields


def as_json(data: bytes | str) -> bytes:
    """JSON on one line."""
    if isinstance(data, bytes):
        return b'"%s"' % base64.b64encode(data)
    encoded = data.encode()
    try:
        msgspec.json.decode(encoded, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.json.encode(data)
    if "\n" in data or "\r" in data:
        return msgspec.json.format(encoded, indent=-1)
    return encoded
