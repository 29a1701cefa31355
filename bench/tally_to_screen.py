"""From a vote to its place in the bars on a screen, with a crowd that gets the same tally.

`python -m bench.tally_to_screen [--votes 50] [--fans 10000]`. Each vote is one voter's, at any
moment of the tick; Chromium shows the event page and looks at every frame whether the number of
votes is the new one. The edge, the crowd (mobsim), Chromium and the voters share cores and clock;
what is missing is a screen and a network. The goal is a tick (250 ms) and 100 ms at the median.
"""

import argparse
import os
import platform
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
from playwright.sync_api import Page

from bench.glass import browser
from tests.helpers.daemon import Daemon
from tests.helpers.mobsim import COMMAND
from tests.helpers.raw import Raw
from tests.oracle.frames import BINARY, client_frame

EVENT = {"event": "gala"}
# Resolves to the Unix time of the frame that shows so many votes.
LOOK = """votes => {
  const wanted = votes === 1 ? "1 vote" : `${votes} votes`;
  window.shown = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`no ${wanted} within 30 s`)), 30_000);
    const look = () => document.body.innerText.includes(wanted)
      ? resolve(performance.timeOrigin + performance.now()) : requestAnimationFrame(look);
    look();
  });
}"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tally_to_screen", description=__doc__)
    parser.add_argument("--votes", type=int, default=50, help="how many, below 1000 (default 50)")
    parser.add_argument("--fans", type=int, default=10_000, help="beside them (default 10000)")
    options = parser.parse_args()
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores, Linux {platform.release()}, load {load}")
    with ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory())
        room = str(options.fans + options.votes + 100)
        edge = stack.enter_context(Daemon("--data", data, "--max-connections", room))
        url = edge.do("event_create", {"id": "gala", "title": "Gala"})["audience_url"]
        edge.do("event_phase", {"id": "gala", "phase": "live"})
        made = edge.do("poll_create", {**EVENT, "title": "Which?", "choices": ["A", "B"]})
        poll = made["poll"]["id"]
        edge.do("poll_open", {**EVENT, "poll": poll})
        tickets = edge.do("ticket", {"count": options.votes})["tickets"]
        page = stack.enter_context(browser()).new_page()
        page.goto(url)
        page.locator(".choice").first.wait_for()
        check_crowd = stack.enter_context(_crowd(edge, options.fans))
        taken = []
        for number, one in enumerate(tickets, 1):
            with Raw(edge.public) as voter:
                voter.upgrade(f"/ws/event:gala?ticket={one['ticket']}")
                taken.append(_shown(page, voter, poll, number))
            check_crowd()
        half, most, last = np.percentile(taken, [50, 95, 100])
        print(f"{len(taken)} votes, ms until shown: p50 {half:.0f}, p95 {most:.0f}, max {last:.0f}")


def _shown(page: Page, voter: Raw, poll: int, number: int) -> float:
    """Milliseconds from sending to the frame that shows it."""
    time.sleep(0.5 + random.random() / 2)
    page.evaluate(LOOK, number)
    vote = client_frame(struct.pack("<BBHIIII", 16, 0, 0, poll, 1, 1 << number % 2, 0), BINARY)
    sent = time.time()
    voter.send(vote)
    shown: float = page.evaluate("window.shown")
    return shown - 1000 * sent


@contextmanager
def _crowd(edge: Daemon, fans: int) -> Iterator[Callable[[], None]]:
    """Fans of the tally, all of them there; what is given ends the program if they are not."""
    if not fans:
        yield lambda: None
        return
    target = f"{edge.url}/ws/tally:gala"
    arguments = ["--target", target, "--fans", str(fans), "--duration", "1h", "--plain"]
    there = edge.metrics()["ngage_client_connections"] + fans
    with subprocess.Popen([COMMAND, "quick", *arguments], stdout=subprocess.DEVNULL) as mob:

        def check() -> None:
            if mob.poll() is not None:
                sys.exit(f"mobsim ended with {mob.returncode}")

        try:
            while edge.metrics()["ngage_client_connections"] < there:
                check()
                time.sleep(0.2)
            yield check
        finally:
            mob.terminate()


if __name__ == "__main__":
    main()
