"""Glass to glass: how old a picture is when Chromium shows it, and how soon the first one comes.

`python -m bench.glass [--seconds 60]`. The test picture carries the time of its drawing in its own
pixels (ngage.video.pattern), which a page reads back from each frame it shows: encoder, edge,
loopback, player and decoder are all in between, on the same cores and the same clock. What is not
is a camera, a screen and a network.
"""

import argparse
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from tests.helpers.daemon import Daemon

READER = Path(__file__).parents[1] / "tests" / "browser" / "reader.js"
CHROMIUM = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--autoplay-policy=no-user-gesture-required"),
]
SETTLE_FRAMES = 90
FRAMES_PER_SECOND = 30
JOINS = 10


class Way(NamedTuple):
    """How it is delivered and played."""

    name: str
    query: str
    look: str
    tick_ms: int


WAYS = (
    Way("WebCodecs, every frame at once", "?player=webcodecs", "lookAtCanvas", 0),
    Way("Media Source, every frame at once", "", "look", 0),
    Way("Media Source, every 100 ms", "", "look", 100),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.glass", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="to look at each way (default 60)")
    options = parser.parse_args()
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores, Linux {platform.release()}, load {load}\n")
    print("| way | ms old when shown: p50 / p95 / max | stalls | first picture: p50 / max ms |")
    print("|---|---|---|---|")
    with browser() as chromium:
        for way in WAYS:
            with Daemon("--demo", "--set", f"channel_tick_ms={way.tick_ms}") as daemon:
                url = "http://{}:{}/{}".format(*daemon.public, way.query)
                ages, figures = watch(chromium, url, way, options.seconds)
                firsts = [join(chromium, url, way) for _ in range(JOINS)]
            p50, p95 = np.percentile(ages, (50, 95))
            print(
                f"| {way.name} | {p50:.0f} / {p95:.0f} / {max(ages):.0f} | {figures['stalls']} "
                f"| {np.median(firsts):.0f} / {max(firsts):.0f} |",
                flush=True,
            )


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)


def open_page(chromium: Browser, url: str) -> Page:
    page = chromium.new_context().new_page()
    page.set_default_timeout(0)
    page.add_init_script(READER.read_text())
    page.goto(url)
    return page


def watch(
    chromium: Browser, url: str, way: Way, seconds: int
) -> tuple[list[float], Mapping[str, Any]]:
    """Ages of the frames shown in ms, once the player has settled; the player's own figures."""
    page = open_page(chromium, url)
    page.evaluate(f"() => {way.look}({SETTLE_FRAMES})")
    stalls = page.evaluate("() => ngage.stalls")
    ages = page.evaluate(
        f"""async (count) => {{
            const ages = [];
            while (ages.length < count) {{
                const [frame] = await {way.look}(1);
                if (frame.clock !== null) ages.push(Date.now() % 2 ** 32 - frame.clock);
            }}
            return ages;
        }}""",
        seconds * FRAMES_PER_SECOND,
    )
    figures = page.evaluate("() => ngage")
    page.context.close()
    return ages, {**figures, "stalls": figures["stalls"] - stalls}


def join(chromium: Browser, url: str, way: Way) -> float:
    """ms from asking for the channel to the first picture on the screen."""
    page = open_page(chromium, url)
    first = page.evaluate(
        f"""async () => {{
            await {way.look}(1);
            return performance.now() - ngage.askedAt;
        }}"""
    )
    page.context.close()
    return float(first)


if __name__ == "__main__":
    main()
