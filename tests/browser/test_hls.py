"""LL-HLS as a player of other people shows it: hls.js in a headless Chromium."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("av")
import ngage
from ngage import demo

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[1]
HLS_JS = ROOT / "node/node_modules/hls.js/dist/hls.min.js"
PAGE = ROOT / "browser/hls.html"


@contextmanager
def running_edge() -> Iterator[tuple[str, int]]:
    """The demo and a page with hls.js beside it, on a loop of its own: playwright has this one."""
    ready = threading.Event()
    found: dict[str, object] = {}

    async def serve() -> None:
        found["loop"] = asyncio.get_running_loop()
        found["stop"] = stop = asyncio.Event()
        async with ngage.Edge(listen="127.0.0.1:0", shards=1) as edge:
            edge.serve("/hls.html", PAGE.read_bytes(), "text/html")
            edge.serve("/hls.js", HLS_JS.read_bytes(), "text/javascript")
            found["address"] = edge.address
            show = asyncio.ensure_future(demo.run(edge, None, logging.getLogger("test.hls")))
            ready.set()
            await stop.wait()
            show.cancel()
            await asyncio.gather(show, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        yield found["address"]
    finally:
        found["loop"].call_soon_threadsafe(found["stop"].set)
        thread.join()


def test_the_picture_advances_without_a_stall_or_an_error(open_page):
    if not HLS_JS.exists():
        pytest.skip("hls.js is not installed: npm install --prefix tests/node")
    with running_edge() as (host, port):
        page = open_page(f"http://{host}:{port}/hls.html")
        page.evaluate("() => until(() => shown.playing && video.currentTime > 0)")
        page.evaluate("() => until(() => hls.latency > 0 && hls.latency < 2.5)")
        before = page.evaluate("() => shown.stalls")
        frames = page.evaluate("() => look(150)")
        shown = page.evaluate(
            """() => ({...shown, latency: hls.latency, details: {
                low: hls.latestLevelDetails.partList.length,
                skip: hls.latestLevelDetails.canSkipUntil,
                block: hls.latestLevelDetails.canBlockReload,
            }})"""
        )
        delays = page.evaluate(
            """async () => {
                const delays = [];
                while (delays.length < 30) {
                    const [frame] = await look(1);
                    if (frame.clock !== null) {
                        delays.push((Date.now() % 2 ** 32) - frame.clock);
                    }
                }
                return delays.sort((a, b) => a - b);
            }"""
        )
        page.evaluate("() => hls.destroy()")
    times = [frame["time"] for frame in frames]
    assert times == sorted(times)
    assert times[-1] - times[0] > 2
    clocks = [frame["clock"] for frame in frames if frame["clock"] is not None]
    assert len(clocks) > 140
    assert clocks == sorted(clocks)
    assert shown["stalls"] == before
    assert shown["errors"] == []
    assert shown["details"]["low"] > 0
    assert shown["details"]["block"]
    assert shown["details"]["skip"] == 12
    print(f"picture to screen: median {delays[15]} ms; hls.js latency {shown['latency']:.2f} s")
