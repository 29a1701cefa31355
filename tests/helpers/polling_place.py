"""An engine that counts votes, without a control plane, and a URL that tells the tally."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ngage_core import engine as core
from ngage_core.votes import Votes
from tests.helpers.tickets import SECRET

POLL = 7
SHARDS = 2


class PollingPlace:
    """One poll that is open, at /ws/stage. wrong: is added to what is told of the tally."""

    def __init__(self, journal: Path, choices: int) -> None:
        self.wrong = [0] * choices
        self.votes = Votes(SHARDS + 1)
        self.engine = core.Engine(
            host="127.0.0.1", port=0, shards=SHARDS, connections_per_shard=2048
        )
        self.engine.set_ticket_key(SECRET)
        self.engine.channel("stage", lag=core.LAG_RING, ring_frames=256, ring_bytes=1 << 20)
        self.engine.count_votes(self.votes)
        self.votes.start()
        self.votes.open(POLL, journal, choices=choices)
        host, port = self.engine.start()
        self.target = f"ws://{host}:{port}/ws/stage"

    def tally(self) -> dict[str, object]:
        counts, voters = self.votes.tally(POLL)
        told = [count + more for count, more in zip(counts, self.wrong, strict=True)]
        return {"counts": told, "voters": voters + sum(self.wrong)}

    def stop(self) -> None:
        self.engine.stop()
        self.votes.stop()


@contextmanager
def polling_place(journal: Path, choices: int = 4) -> Iterator[tuple[PollingPlace, str]]:
    """With the URL of its tally."""
    place = PollingPlace(journal, choices)

    class Teller(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(place.tally()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Teller) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield place, f"http://127.0.0.1:{server.server_port}/tally"
        finally:
            server.shutdown()
            place.stop()
