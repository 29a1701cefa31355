"""AMF0 once more, slow and obvious: Adobe's "Action Message Format -- AMF 0", 2007.

A value is written as (kind, Python value), so that every marker of the specification can be made.
"""

import struct

DEPTH_MAX = 8
VALUES_MAX = 1024


class Refused(Exception):
    """Not AMF0, or more of it than is allowed."""


def write(kind, value=None):
    """The bytes of one value."""
    match kind:
        case "number":
            return b"\x00" + struct.pack(">d", value)
        case "boolean":
            return b"\x01" + (b"\x01" if value else b"\x00")
        case "string":
            return b"\x02" + text(value, ">H")
        case "object":
            return b"\x03" + pairs(value)
        case "null":
            return b"\x05"
        case "undefined":
            return b"\x06"
        case "ecma array":
            return b"\x08" + struct.pack(">I", len(value)) + pairs(value)
        case "strict array":
            return (
                b"\x0a" + struct.pack(">I", len(value)) + b"".join(write(*item) for item in value)
            )
        case "date":
            return b"\x0b" + struct.pack(">dh", value, 0)
        case "long string":
            return b"\x0c" + text(value, ">I")
        case "unsupported":
            return b"\x0d"
        case "xml":
            return b"\x0f" + text(value, ">I")
        case "typed object":
            return b"\x10" + text("Class", ">H") + pairs(value)
    raise AssertionError(kind)


def text(value, length):
    data = value.encode()
    return struct.pack(length, len(data)) + data


def pairs(value):
    return b"".join(text(name, ">H") + write(*item) for name, item in value.items()) + b"\0\0\x09"


def plain(kind, value=None):
    """What a reader makes of the value."""
    match kind:
        case "object" | "ecma array" | "typed object":
            return {name: plain(*item) for name, item in value.items()}
        case "strict array":
            return [plain(*item) for item in value]
        case "null" | "undefined" | "unsupported":
            return None
    return value


def read(data):
    """All values in `data`; Refused where they are not that."""
    values, state = [], [0]
    while data:
        value, data = read_one(data, 1, state)
        values.append(value)
    return values


def read_one(data, depth, count):
    """(the value, what follows it)"""
    count[0] += 1
    if count[0] > VALUES_MAX or depth > DEPTH_MAX:
        raise Refused
    marker, data = take(data, 1)
    match marker[0]:
        case 0x00:
            number, data = take(data, 8)
            return struct.unpack(">d", number)[0], data
        case 0x01:
            flag, data = take(data, 1)
            return flag != b"\0", data
        case 0x02:
            return read_text(data, 2)
        case 0x03:
            return read_pairs(data, depth, count)
        case 0x05 | 0x06 | 0x0D:
            return None, data
        case 0x08:
            _, data = take(data, 4)
            return read_pairs(data, depth, count)
        case 0x0A:
            length, data = take(data, 4)
            items = []
            for _ in range(int.from_bytes(length, "big")):
                item, data = read_one(data, depth + 1, count)
                items.append(item)
            return items, data
        case 0x0B:
            date, data = take(data, 10)
            return struct.unpack(">d", date[:8])[0], data
        case 0x0C | 0x0F:
            return read_text(data, 4)
        case 0x10:
            _, data = read_text(data, 2)
            return read_pairs(data, depth, count)
    raise Refused


def read_pairs(data, depth, count):
    found = {}
    while not data.startswith(b"\0\0\x09"):
        name, data = read_text(data, 2)
        found[name], data = read_one(data, depth + 1, count)
    return found, data[3:]


def read_text(data, width):
    length, data = take(data, width)
    value, data = take(data, int.from_bytes(length, "big"))
    try:
        return value.decode(), data
    except UnicodeDecodeError:
        raise Refused from None


def take(data, count):
    if len(data) < count:
        raise Refused
    return data[:count], data[count:]
