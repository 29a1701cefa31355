"""What the oracle does not say: bounds, and the words of a refusal."""

import pytest

from ngage.errors import ProtocolError
from ngage.video.rtmp import amf0
from tests.oracle.amf0 import write


def nested(depth):
    value = ("null",)
    for _ in range(depth - 1):
        value = ("strict array", [value])
    return write(*value)


def test_a_command_as_encoders_send_it():
    data = write("string", "connect") + write("number", 1.0)
    data += write("object", {"app": ("string", "live"), "fpad": ("boolean", False)})
    assert amf0.decode(data) == ["connect", 1.0, {"app": "live", "fpad": False}]


def test_the_count_of_an_ecma_array_is_not_believed():
    data = b"\x08\xff\xff\xff\xff" + b"\0\1a" + write("null") + b"\0\0\x09"
    assert amf0.decode(data) == [{"a": None}]


def test_depth_has_a_bound():
    amf0.decode(nested(amf0.DEPTH_MAX))
    with pytest.raises(ProtocolError, match="7 deep at most"):
        amf0.decode(nested(amf0.DEPTH_MAX + 1))


def test_the_number_of_values_has_a_bound():
    amf0.decode(write("null") * amf0.VALUES_MAX)
    with pytest.raises(ProtocolError, match="1024 values at most"):
        amf0.decode(write("null") * (amf0.VALUES_MAX + 1))


def test_an_array_that_promises_much_costs_nothing():
    with pytest.raises(ProtocolError, match="too early"):
        amf0.decode(b"\x0a\xff\xff\xff\xff" + write("null"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x07\0\0", "type 0x07"),
        (b"\x11\x0a", "type 0x11"),
        (b"\x02\0\1\xff", "UTF-8"),
        (b"\x00\0\0", "too early"),
        (b"\x03\0\1a\x05", "too early"),
    ],
    ids=["reference", "AMF3", "not UTF-8", "cut number", "object without end"],
)
def test_refusals(data, reason):
    with pytest.raises(ProtocolError, match=reason):
        amf0.decode(data)


def test_long_strings_are_written_as_such():
    assert amf0.encode("a" * 65535)[0] == 0x02
    assert amf0.encode("a" * 65536)[:5] == b"\x0c\0\1\0\0"
    assert amf0.encode({"a": 1}, [True]) == write("object", {"a": ("number", 1)}) + write(
        "strict array", [("boolean", True)]
    )
