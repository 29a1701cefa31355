"""Values of settings, held against their kinds; who gave a wrong one is told where it came from."""

import difflib
from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any, NamedTuple, cast

from ngage.errors import SettingsError
from ngage.options import Kind


class Given(NamedTuple):
    """A value somebody gave for a key; a typed one comes from a source that has types (TOML)."""

    key: str
    value: object
    source: str
    typed: bool = False


def options_of(of: type) -> dict[str, Field[Any]]:
    """The fields of a dataclass that are settings, by name."""
    return {known.name: known for known in fields(of) if "kind" in known.metadata}


def check_given(known: Mapping[str, Field[Any]], entry: Given) -> object:
    """The value of an entry. Raises SettingsError if there is no such setting, or it is wrong."""
    if entry.key not in known:
        near = difflib.get_close_matches(entry.key, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SettingsError(f"{entry.key} ({entry.source}): no such setting{hint}")
    kind = cast(Kind, known[entry.key].metadata["kind"])
    try:
        return kind.check(entry.value if entry.typed else kind.from_text(str(entry.value)))
    except ValueError:
        raise _refusal(entry, kind) from None


def check_fields(options: Any) -> None:
    """Put every field of a dataclass into its canonical form. Raises SettingsError."""
    for key, known in options_of(type(options)).items():
        kind = cast(Kind, known.metadata["kind"])
        value = getattr(options, key)
        try:
            object.__setattr__(options, key, kind.check(value))
        except ValueError:
            raise _refusal(Given(key, value, "argument"), kind) from None


def _refusal(entry: Given, kind: Kind) -> SettingsError:
    value = "..." if getattr(kind, "secret", False) else repr(entry.value)
    return SettingsError(f"{entry.key} = {value} ({entry.source}): it must be {kind}")
