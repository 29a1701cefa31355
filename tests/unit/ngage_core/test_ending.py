"""Engines and votes that nobody stops, and that the garbage collector finds."""

import subprocess
import sys

CYCLE = """
import gc
from ngage_core import engine, votes

class Holder: pass

def leave_behind():
    alone, counting = votes.Votes(2), votes.Votes(1025)
    running = engine.Engine(host="127.0.0.1", port=0, shards=1, connections_per_shard=4)
    running.count_votes(counting)
    for part in (alone, counting, running):
        part.start()
    holder = Holder()  # made last, it is cleared last
    holder.all = holder, alone, running

gc.disable()
for _ in range(10):
    leave_behind()
    gc.collect()
"""


def test_what_is_left_in_a_cycle_ends_quietly() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CYCLE], check=False, capture_output=True, timeout=30
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
