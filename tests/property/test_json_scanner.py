"""The crowd's JSON scanner against json, its input cut anywhere."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ngage_core.protocol import scan_json

KEYS = [b"a", b"push", b"twelve bytes"]
ITEM = 255
DEEP = 7  # keys in a path
WORDS = {False: 0, True: 1, None: 2}

names = st.one_of(st.sampled_from([key.decode() for key in KEYS]), st.text(max_size=14))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**63 - 1),
    st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)
# Without surrogates, of which the scanner does not check that they come in pairs.
plain_text = st.text('ab \u00e9\u20ac"\\\n', max_size=6)
plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 99), st.floats(-9, 99), plain_text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain_text, inner, max_size=3),
    max_leaves=8,
)
documents = st.lists(values, max_size=4) | st.dictionaries(names, values, max_size=4)


def lines_of(value: Any, path: tuple[int, ...] = ()) -> list[str]:
    """What the scanner should say."""
    where = int.from_bytes(bytes(path[:DEEP]), "big")
    if isinstance(value, dict | list):
        inside = value.items() if isinstance(value, dict) else [(None, item) for item in value]
        found = [f"{{ {where:x} "]
        for name, item in inside:
            found += lines_of(item, (*path, key_of(name)))
        return [*found, f"}} {where:x} "]
    if isinstance(value, str):
        return [f'" {where:x} {value}']
    if value is None or isinstance(value, bool):
        return [f"w {where:x} {WORDS[value]}"]
    return [f"0 {where:x} {abs(value)}"]


def key_of(name: str | None) -> int:
    if name is None:
        return ITEM
    encoded = name.encode()
    return KEYS.index(encoded) + 1 if encoded in KEYS else 0


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted(place % (len(data) + 1) for place in places)
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True)]


@given(documents, st.booleans(), st.sampled_from([None, 1]), st.lists(st.integers(0), max_size=6))
def test_it_finds_what_json_finds(
    value: Any, ascii_only: bool, indent: int | None, places: list[int]
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    expected = "".join(f"{line}\n" for line in lines_of(value)).encode()
    assert scan_json(cut(text, places), KEYS) == expected
    assert scan_json([bytes([byte]) for byte in text], KEYS) == expected


@settings(max_examples=400)
@given(st.lists(plain, max_size=3) | st.dictionaries(plain_text, plain, max_size=3), st.data())
def test_what_is_not_json_is_refused(value: Any, data: st.DataObject) -> None:
    """As json refuses it: bytes replaced, put in or left out."""
    text = json.dumps(value).encode()
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(text) - 1))
        new = data.draw(
            st.sampled_from(list(b'{}[]",:0-1.e+tn\\ \n\x00u')).map(lambda b: bytes([b]))
        )
        text = text[:at] + new + text[at + data.draw(st.integers(0, 2)) :]
    good = text.strip()[:1] in (b"{", b"[")
    try:
        json.loads(text)
    except ValueError:
        good = False
    assert (scan_json([text.strip()], KEYS) is not None) == good


@pytest.mark.parametrize(("depth", "good"), [(32, True), (33, False)])
def test_it_has_a_depth(depth: int, good: bool) -> None:
    assert (scan_json([b"[" * depth + b"]" * depth], KEYS) is not None) == good
