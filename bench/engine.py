"""An ngage engine in its own process, driven by lines as the floor is.

python bench/engine.py '{"shards": 1, "ping_interval_ms": 0, "congestion": "cubic",
                         "backend": "epoll", "channel": {"tick_ms": 0}}'

    send FRAMES BYTES SEQUENCE     publish so many to "stage", one after the other
    counters                       what it has counted
"""

import json
import resource
import sys
import time
from typing import Any

from ngage_core.engine import LAG_RING, OPCODE_BINARY, Engine, limits
from ngage_core.swarm import publication

RING: dict[str, Any] = {
    "lag": LAG_RING,
    "ring_frames": 1024,
    "ring_bytes": 1 << 20,
    "tick_ms": 0,
    "deflate": False,
}


def say(answer: dict[str, int]) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    options = json.loads(sys.argv[1])
    bounds = limits()
    beside = bounds["reserved_descriptors"] + bounds["refusals_per_shard"]
    engine = Engine(
        host="127.0.0.1",
        port=0,
        shards=options["shards"],
        connections_per_shard=resource.getrlimit(resource.RLIMIT_NOFILE)[0] - beside,
        ping_interval_ms=options["ping_interval_ms"],
        congestion_control=options["congestion"],
        backend=options["backend"],
    )
    stage = engine.channel("stage", **{**RING, **options["channel"]})
    engine.channel("foyer", **RING)  # where nothing happens
    say({"port": engine.start()[1]})
    for line in sys.stdin:
        command, *numbers = line.split()
        if command == "send":
            frames, size, sequence = map(int, numbers)
            for number in range(sequence, sequence + frames):
                engine.publish(stage, publication(time.monotonic_ns(), number, size), OPCODE_BINARY)
            say({"published": frames})
        elif command == "counters":
            say(engine.counters())
        else:
            raise SystemExit(f"not a command: {line}")
    engine.stop()


if __name__ == "__main__":
    main()
