"""The client protocol as a server of a test speaks it, in any spelling that is JSON."""

import json
from dataclasses import dataclass
from typing import Any

from ngage_core.swarm import publication
from tests.helpers.stage import EPOCH, Visit
from tests.oracle.frames import TEXT, server_frame

NOISE: dict[str, Any] = {
    "info": {"user": 'a "b" \\ \u20ac \n', "conn_info": [1, -2.5e3, None, True, [], {}, [[""]]]},
    "tags": {"offset": "7", "data": "x", "a key that is longer than any other": {"data": 1}},
}


@dataclass
class Spelling:
    """How objects are written. noise: members nobody asked for, before the others and after."""

    loose: bool = False  # with blanks
    escaped: bool = False  # every character of a string as \\uXXXX
    noise: bool = False

    def write(self, value: Any) -> str:
        if isinstance(value, dict):
            members = [f"{self.write(key)}:{self.write(item)}" for key, item in value.items()]
            return self._between("{", members, "}")
        if isinstance(value, list):
            return self._between("[", [self.write(item) for item in value], "]")
        if isinstance(value, str) and self.escaped:
            return '"' + "".join(f"\\u{ord(letter):04X}" for letter in value) + '"'
        return json.dumps(value, ensure_ascii=False)

    def _between(self, first: str, parts: list[str], last: str) -> str:
        if not self.loose:
            return first + ",".join(parts) + last
        return f"{first} " + " ,\t".join(part.replace(":", " : ", 1) for part in parts) + f" {last}"

    def with_noise(self, members: dict[str, Any]) -> dict[str, Any]:
        if not self.noise:
            return members
        return {"info": NOISE["info"], **members, "tags": NOISE["tags"]}

    def published(self, data: Any, offset: int) -> dict[str, Any]:
        return self.with_noise({"data": data, "offset": offset})

    def push(self, data: Any, offset: int) -> str:
        pub = self.published(data, offset)
        return self.write({"push": {"channel": "stage", "pub": pub}})


def timed(number: int, size: int = 0, stamp: int = 1) -> str:
    return publication(stamp, number, size).decode()


def frame_of(*lines: str) -> bytes:
    return server_frame("\n".join(lines).encode(), TEXT)


async def command(visit: Visit) -> dict[str, Any]:
    """The next one of the fan, whatever pongs come before."""
    while True:
        opcode, data = await visit.frame()
        assert opcode == TEXT
        if data != b"{}":
            return dict(json.loads(data))


async def joined(visit: Visit, spelling: Spelling | None = None) -> dict[str, Any]:
    """After connect, what is asked in subscribe; nothing is answered to that yet."""
    spelling = spelling or Spelling()
    assert visit.path == "/connection/websocket"
    visit.send(visit.head())
    connect = await command(visit)
    reply = {"client": "c", "version": "1", "ping": 25, "pong": True}
    visit.send(frame_of(spelling.write({"id": connect["id"], "connect": reply})))
    return await command(visit)


def subscribed(
    asked: dict[str, Any],
    offset: int,
    *,
    recovered: bool = False,
    missed: list[dict[str, Any]] | None = None,
    epoch: str = EPOCH,
) -> dict[str, Any]:
    result: dict[str, Any] = {"recoverable": True, "epoch": epoch}
    if recovered:
        result["recovered"] = True
    if offset:
        result["offset"] = offset
    result |= {"positioned": True, "was_recovering": True}
    if missed:
        result["publications"] = missed
    return {"id": asked["id"], "subscribe": result}
