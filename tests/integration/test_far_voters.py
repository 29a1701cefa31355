"""Answers to a quiz from far away: the round trip, as TCP knows it, is in the journal."""

import csv
import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets

from tests.helpers.daemon import Daemon
from tests.helpers.far import FAR, HERE, far_away, refusal
from tests.helpers.raw import Raw
from tests.oracle.frames import BINARY, client_frame

DELAY_MS = 40
QUESTION = {"event": "gala", "kind": "quiz", "title": "Which?", "choices": ["A", "B"]}


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Daemon]:
    if why := refusal():
        pytest.skip(why)
    with far_away(DELAY_MS), Daemon("--listen", f"{HERE}:0", "--data", str(tmp_path)) as daemon:
        yield daemon


async def test_the_round_trip_of_an_answer_is_in_the_journal(edge: Daemon) -> None:
    address = FAR, edge.public[1]
    edge.do("event_create", {"id": "gala", "title": "Gala"})
    edge.do("event_phase", {"id": "gala", "phase": "live"})
    made = edge.do("poll_create", {**QUESTION, "answer": [1], "window_ms": 10_000})
    poll = made["poll"]["id"]
    edge.do("poll_open", {"event": "gala", "poll": poll})
    async with websockets.connect(f"ws://{FAR}:{address[1]}/connection/websocket") as socket:
        await socket.send('{"id":1,"connect":{}}')
        ticket = json.loads(await socket.recv())["connect"]["data"]["ticket"]
        call = {"event": "gala", "poll": poll, "seq": 1, "choices": [0], "elapsed_ms": 5}
        await socket.send(json.dumps({"id": 2, "rpc": {"method": "poll.vote", "data": call}}))
        reply = json.loads(await socket.recv())
        assert reply == {"id": 2, "rpc": {"data": {"status": "accepted"}}}
    with Raw(address) as raw:
        raw.upgrade(f"/ws/event:gala?ticket={ticket}")
        raw.send(client_frame(struct.pack("<BBHIIII", 16, 0, 0, poll, 2, 0b10, 6), BINARY))
        while raw.read_message()[0] != 144:
            pass
    text = edge.get("/api/poll_audit.csv", params={"event": "gala", "poll": poll}).text
    rows = [(row["seq"], int(row["rtt_ms"])) for row in csv.DictReader(io.StringIO(text))]
    assert [seq for seq, _ in rows] == ["1", "2"]
    assert all(rtt_ms >= 2 * DELAY_MS for _, rtt_ms in rows)
    voter = text.splitlines()[1].split(",")[0]
    proof = edge.do("poll_audit", {"event": "gala", "poll": poll, "voter": voter})
    assert [one["rtt_ms"] for one in proof["decisions"]] == [rtt_ms for _, rtt_ms in rows]
