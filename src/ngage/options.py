"""Kinds of setting: each turns text into a value, checks it, and says in words what it accepts.

from_text() and check() raise ValueError; str(kind) completes the sentence "it must be ...".
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

ADDRESS = re.compile(r"(?:\[([^\]]+)\]|([^\[\]:]+)):([0-9]{1,5})")
ORIGIN = re.compile(r"https?://[^/\s]+|\*")
HTTP_URL = re.compile(r"https?://[^/\s]+(?:/\S*)?")
PEM = re.compile(r"-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=\n]+-----END PUBLIC KEY-----\n?")
RATE = re.compile(r"([1-9][0-9]{0,9})/([1-9][0-9]{0,9})|0")
URL = re.compile(r"https?://[^/\s]+(?:/\S*)?")
SWITCH = {"true": True, "1": True, "yes": True, "on": True}
SWITCH |= {"false": False, "0": False, "no": False, "off": False}


class Kind(Protocol):
    """How one setting is read and checked."""

    def from_text(self, text: str) -> object: ...
    def check(self, value: object) -> object: ...


def option(default: Any, kind: Kind, about: str, *, live: bool = False) -> Any:
    """A dataclass field that is a setting; live ones change at a reload, without a restart."""
    return field(default=default, metadata={"kind": kind, "about": about, "live": live})


@dataclass(frozen=True)
class Whole:
    """An int between two bounds, both included."""

    least: int
    most: int

    def from_text(self, text: str) -> int:
        return int(text)

    def check(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError
        if not self.least <= value <= self.most:
            raise ValueError
        return value

    def __str__(self) -> str:
        return f"a whole number from {self.least} to {self.most}"


@dataclass(frozen=True)
class Seconds:
    """A duration in seconds between two bounds, both included; fractions allowed."""

    least: float
    most: float

    def from_text(self, text: str) -> float:
        return float(text)

    def check(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError
        if not self.least <= value <= self.most:
            raise ValueError
        return float(value)

    def __str__(self) -> str:
        return f"seconds from {self.least:g} to {self.most:g}"


@dataclass(frozen=True)
class Switch:
    """A bool."""

    def from_text(self, text: str) -> bool:
        if text.lower() not in SWITCH:
            raise ValueError
        return SWITCH[text.lower()]

    def check(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    def __str__(self) -> str:
        return "true or false"


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def from_text(self, text: str) -> str:
        return text

    def check(self, value: object) -> str:
        if value not in self.words:
            raise ValueError
        return str(value)

    def __str__(self) -> str:
        return f"one of {', '.join(self.words)}"


@dataclass(frozen=True)
class Text:
    """Printable ASCII, or empty. A secret's value appears in no message."""

    bytes_max: int
    secret: bool = False
    bytes_min: int = 0

    def from_text(self, text: str) -> str:
        return text

    def check(self, value: object) -> str:
        if not isinstance(value, str) or len(value) > self.bytes_max:
            raise ValueError
        if not (value.isascii() and value.isprintable()):
            raise ValueError
        if value and len(value) < self.bytes_min:
            raise ValueError
        return value

    def __str__(self) -> str:
        if self.bytes_min:
            return f"printable ASCII of {self.bytes_min} to {self.bytes_max} bytes, or empty"
        return f"printable ASCII of at most {self.bytes_max} bytes"


@dataclass(frozen=True)
class Secret:
    """Secret bytes in hexadecimal, or empty."""

    size: int
    secret: bool = True

    def from_text(self, text: str) -> str:
        return text

    def check(self, value: object) -> str:
        if not isinstance(value, str) or len(bytes.fromhex(value)) not in {0, self.size}:
            raise ValueError
        return value

    def __str__(self) -> str:
        return f"{2 * self.size} hexadecimal digits, or empty"


@dataclass(frozen=True)
class PublicKey:
    """A public key in PEM, or empty; \\n may stand for a newline. Its kind is checked later."""

    def from_text(self, text: str) -> str:
        return text

    def check(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError
        value = value.replace("\\n", "\n").strip()
        if value and not PEM.fullmatch(value):
            raise ValueError
        return value

    def __str__(self) -> str:
        return "a public key in PEM, or empty"


@dataclass(frozen=True)
class Url:
    """The address of something an HTTP server has, or empty."""

    def from_text(self, text: str) -> str:
        return text

    def check(self, value: object) -> str:
        if not isinstance(value, str) or (value and not HTTP_URL.fullmatch(value)):
            raise ValueError
        return value

    def __str__(self) -> str:
        return "an address like https://example.org/keys, or empty"


@dataclass(frozen=True)
class Address:
    """HOST:PORT with a numeric host, kept in its canonical form; localhost means 127.0.0.1."""

    optional: bool = False

    def from_text(self, text: str) -> str:
        return text

    def check(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError
        if self.optional and not value:
            return value
        return join_address(*split_address(value))

    def __str__(self) -> str:
        accepted = "HOST:PORT or [HOST]:PORT with a numeric host and a port from 0 to 65535"
        return f"{accepted}, or empty" if self.optional else accepted


@dataclass(frozen=True)
class Origins:
    """Web origins, or "*" for any."""

    count_max: int

    def from_text(self, text: str) -> Sequence[str]:
        return _split_list(text)

    def check(self, value: object) -> tuple[str, ...]:
        origins = _check_list(value, self.count_max)
        if not all(ORIGIN.fullmatch(origin) for origin in origins):
            raise ValueError
        return origins

    def __str__(self) -> str:
        return f'a list of at most {self.count_max} origins like "https://example.org", or "*"'


@dataclass(frozen=True)
class Networks:
    """IP networks in CIDR form; a single address is a network of one."""

    count_max: int

    def from_text(self, text: str) -> Sequence[str]:
        return _split_list(text)

    def check(self, value: object) -> tuple[str, ...]:
        networks = _check_list(value, self.count_max)
        return tuple(str(ipaddress.ip_network(network)) for network in networks)

    def __str__(self) -> str:
        return f"a list of at most {self.count_max} networks like 10.0.0.0/8"


@dataclass(frozen=True)
class Rate:
    """COUNT/SECONDS, or 0 for no limit: a token bucket that holds COUNT, refilled in SECONDS."""

    count_max: int
    seconds_max: int

    def from_text(self, text: str) -> str:
        return text

    def check(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError
        count, seconds = split_rate(value)
        if count > self.count_max or not seconds <= self.seconds_max:
            raise ValueError
        return value

    def __str__(self) -> str:
        return f"COUNT/SECONDS of at most {self.count_max}/{self.seconds_max}, or 0"


@dataclass(frozen=True)
class Urls:
    """Addresses of HTTP servers."""

    count_max: int

    def from_text(self, text: str) -> Sequence[str]:
        return _split_list(text)

    def check(self, value: object) -> tuple[str, ...]:
        urls = _check_list(value, self.count_max)
        if not all(URL.fullmatch(url) for url in urls):
            raise ValueError
        return urls

    def __str__(self) -> str:
        return f'a list of at most {self.count_max} URLs like "https://example.org/hook"'


@dataclass(frozen=True)
class Words:
    """Some of a few words."""

    words: tuple[str, ...]

    def from_text(self, text: str) -> Sequence[str]:
        return _split_list(text)

    def check(self, value: object) -> tuple[str, ...]:
        words = _check_list(value, len(self.words))
        if not set(words) <= set(self.words):
            raise ValueError
        return words

    def __str__(self) -> str:
        return f"a list of {', '.join(self.words)}"


def split_rate(text: str) -> tuple[int, int]:
    """Count and seconds of COUNT/SECONDS, (0, 1) of "0"; ValueError if it is neither."""
    match = RATE.fullmatch(text)
    if not match:
        raise ValueError(text)
    return (int(match[1]), int(match[2])) if match[1] else (0, 1)


def split_address(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT or [HOST]:PORT; ValueError if it is neither."""
    match = ADDRESS.fullmatch(text)
    if not match or int(match[3]) > 65535:
        raise ValueError(text)
    host = match[1] or match[2]
    if host == "localhost":
        host = "127.0.0.1"
    address = ipaddress.ip_address(host)
    if (address.version == 6) != (match[1] is not None):
        raise ValueError(text)
    return str(address), int(match[3])


def join_address(host: str, port: int) -> str:
    """HOST:PORT, or [HOST]:PORT for IPv6."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(address: str) -> bool:
    """Whether HOST:PORT can be reached from this machine only."""
    host, _ = split_address(address)
    return ipaddress.ip_address(host).is_loopback


def _split_list(text: str) -> Sequence[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _check_list(value: object, count_max: int) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > count_max:
        raise ValueError
    if not all(isinstance(item, str) for item in value):
        raise ValueError
    return tuple(value)
