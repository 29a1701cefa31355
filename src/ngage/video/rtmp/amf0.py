"""Action Message Format 0 (Adobe, 2007): numbers, strings and objects of commands and metadata.

    AMF0                                    Python
    number, date                            float (a date is milliseconds of Unix time)
    boolean                                 bool
    string, long string, XML document       str
    object, ECMA array, typed object        dict
    strict array                            list
    null, undefined, unsupported            None

Strict: what is cut off, nests deeper or holds more than the bounds, refers back (2.9) or switches
to AMF3 (3.1) is refused.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from ngage.errors import ProtocolError

# OBS and FFmpeg nest three deep and name about twenty properties.
DEPTH_MAX = 8
VALUES_MAX = 1024

Value: TypeAlias = "float | bool | str | list[Value] | dict[str, Value] | None"
Encodable: TypeAlias = "float | bool | str | Sequence[Encodable] | Mapping[str, Encodable] | None"

_NUMBER, _BOOLEAN, _STRING, _OBJECT = 0x00, 0x01, 0x02, 0x03
_NULL, _UNDEFINED, _ECMA_ARRAY, _OBJECT_END, _STRICT_ARRAY = 0x05, 0x06, 0x08, 0x09, 0x0A
_DATE, _LONG_STRING, _UNSUPPORTED, _XML, _TYPED_OBJECT = 0x0B, 0x0C, 0x0D, 0x0F, 0x10

_DOUBLE = struct.Struct(">d")
_U16_MAX = 0xFFFF


def decode(data: bytes) -> list[Value]:
    """All values that follow each other in `data`. Raises ProtocolError."""
    reader = _Reader(data)
    values: list[Value] = []
    while not reader.at_end():
        values.append(reader.value(DEPTH_MAX))
    return values


def encode(*values: Encodable) -> bytes:
    """The values one after the other; dicts as objects."""
    return b"".join(map(_encode, values))


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._count = data, 0, 0

    def at_end(self) -> bool:
        return self._at == len(self._data)

    def value(self, depth: int) -> Value:
        self._count += 1
        if self._count > VALUES_MAX:
            raise ProtocolError(f"AMF0: a message has {VALUES_MAX} values at most")
        if depth == 0:
            raise ProtocolError(f"AMF0: objects nest {DEPTH_MAX - 1} deep at most")
        marker = self._integer(1)
        read = _READERS.get(marker)
        if read is None:
            raise ProtocolError(f"AMF0: a value of type {marker:#04x}")
        return read(self, depth - 1)

    def number(self, _depth: int) -> float:
        (number,) = _DOUBLE.unpack(self._take(8))
        return float(number)

    def boolean(self, _depth: int) -> bool:
        return self._integer(1) != 0

    def string(self, _depth: int) -> str:
        return self._text(2)

    def long_string(self, _depth: int) -> str:
        return self._text(4)

    def nothing(self, _depth: int) -> None:
        return None

    def date(self, depth: int) -> float:
        number = self.number(depth)
        self._take(2)  # a time zone that must be 0 (2.13)
        return number

    def object(self, depth: int) -> dict[str, Value]:
        """Until the empty name with the end marker (2.5, 2.11)."""
        found: dict[str, Value] = {}
        while True:
            name = self._text(2)
            if not name and self._data[self._at : self._at + 1] == bytes((_OBJECT_END,)):
                self._at += 1
                return found
            found[name] = self.value(depth)

    def ecma_array(self, depth: int) -> dict[str, Value]:
        self._take(4)  # a count, which encoders set to anything (2.10)
        return self.object(depth)

    def typed_object(self, depth: int) -> dict[str, Value]:
        self._text(2)
        return self.object(depth)

    def strict_array(self, depth: int) -> list[Value]:
        return [self.value(depth) for _ in range(self._integer(4))]

    def _text(self, length_bytes: int) -> str:
        data = self._take(self._integer(length_bytes))
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise ProtocolError("AMF0: a string is not UTF-8") from error

    def _integer(self, count: int) -> int:
        return int.from_bytes(self._take(count), "big")

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise ProtocolError("AMF0: a value ends too early")
        self._at += count
        return taken


_READERS: dict[int, Callable[[_Reader, int], Value]] = {
    _NUMBER: _Reader.number,
    _BOOLEAN: _Reader.boolean,
    _STRING: _Reader.string,
    _OBJECT: _Reader.object,
    _NULL: _Reader.nothing,
    _UNDEFINED: _Reader.nothing,
    _ECMA_ARRAY: _Reader.ecma_array,
    _STRICT_ARRAY: _Reader.strict_array,
    _DATE: _Reader.date,
    _LONG_STRING: _Reader.long_string,
    _UNSUPPORTED: _Reader.nothing,
    _XML: _Reader.long_string,
    _TYPED_OBJECT: _Reader.typed_object,
}


def _encode(value: Encodable) -> bytes:
    match value:
        case None:
            return bytes((_NULL,))
        case bool():
            return bytes((_BOOLEAN, value))
        case int() | float():
            return bytes((_NUMBER,)) + _DOUBLE.pack(value)
        case str():
            text = value.encode()
            long = len(text) > _U16_MAX
            return bytes((_LONG_STRING if long else _STRING,)) + _sized(text, 4 if long else 2)
        case Mapping():
            pairs = (_sized(name.encode(), 2) + _encode(item) for name, item in value.items())
            return bytes((_OBJECT,)) + b"".join(pairs) + bytes((0, 0, _OBJECT_END))
        case _:
            items = b"".join(map(_encode, value))
            return bytes((_STRICT_ARRAY,)) + len(value).to_bytes(4, "big") + items


def _sized(data: bytes, length_bytes: int) -> bytes:
    return len(data).to_bytes(length_bytes, "big") + data
