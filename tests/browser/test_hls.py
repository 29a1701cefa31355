"""LL-HLS as a player of other people shows it: hls.js in a headless Chromium."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("av")
import ngage
from ngage import demo
from ngage.video import message
from ngage.video.hls import Hls
from tests.helpers.ladder import Ladder

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[1]
HLS_JS = ROOT / "node/node_modules/hls.js/dist/hls.min.js"
PAGE = ROOT / "browser/hls.html"
# A machine without a moment to spare stalls any player: one stretch of so many has to be without.
STRETCHES = 5


async def play_demo(edge: ngage.Edge) -> None:
    await demo.run(edge, None, logging.getLogger("test.hls"))


@contextmanager
def running_edge(
    play: Callable[[ngage.Edge], Awaitable[None]],
) -> Iterator[tuple[str, int]]:
    """What plays, and a page with hls.js, on a loop of its own: playwright has this one."""
    if not HLS_JS.exists():
        pytest.skip("hls.js is not installed: npm install --prefix tests/node")
    ready = threading.Event()
    found: dict[str, object] = {}

    async def serve() -> None:
        found["loop"] = asyncio.get_running_loop()
        found["stop"] = stop = asyncio.Event()
        async with ngage.Edge(listen="127.0.0.1:0", shards=1) as edge:
            edge.serve("/hls.html", PAGE.read_bytes(), "text/html")
            edge.serve("/hls.js", HLS_JS.read_bytes(), "text/javascript")
            found["address"] = edge.address
            show = asyncio.ensure_future(play(edge))
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
    with running_edge(play_demo) as (host, port):
        page = open_page(f"http://{host}:{port}/hls.html?channel=demo:video")
        page.evaluate("() => until(() => shown.playing && video.currentTime > 0)")
        page.evaluate("() => until(() => hls.latency > 0 && hls.latency < 2.5)")
        # hls.js may begin at a part whose followers it does not take: what counts is what follows.
        page.evaluate("() => until(() => video.currentTime > 4)")
        for _ in range(STRETCHES):
            before = page.evaluate("() => [shown.stalls, ...shown.errors]")
            # Every fifth: reading all costs so much that the encoder beside it leaves some out.
            frames = page.evaluate(
                """async () => {
                    const frames = [];
                    while (frames.length < 30) {
                        frames.push(...await look(1));
                        for (let n = 0; n < 4; n++)
                            await new Promise((shown) => video.requestVideoFrameCallback(shown));
                    }
                    return frames;
                }"""
            )
            shown = page.evaluate(
                """() => ({...shown, latency: hls.latency, details: {
                    low: hls.latestLevelDetails.partList.length,
                    skip: hls.latestLevelDetails.canSkipUntil,
                    block: hls.latestLevelDetails.canBlockReload,
                }})"""
            )
            if [shown["stalls"], *shown["errors"]] == before:
                break
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
    assert len(clocks) > 25
    assert clocks == sorted(clocks)
    assert [shown["stalls"], *shown["errors"]] == before
    assert not [error for error in shown["errors"] if error.endswith("true")], "a fatal one"
    assert shown["details"]["low"] > 0
    assert shown["details"]["block"]
    assert shown["details"]["skip"] == 12
    print(f"picture to screen: median {delays[15]} ms; hls.js latency {shown['latency']:.2f} s")


def test_a_player_changes_its_rung_and_goes_on_when_that_is_gone(open_page):
    ladder = Ladder()

    async def play(edge: ngage.Edge) -> None:
        hls = Hls(edge, "/hls/ladder")
        await ladder.play(lambda data: hls.take(message.parse(data)))

    with running_edge(play) as (host, port):
        page = open_page(f"http://{host}:{port}/hls.html?channel=ladder")
        page.evaluate("() => until(() => hls.latency > 0 && hls.latency < 2.5)")
        heights = page.evaluate("() => hls.levels.map((level) => level.height)")
        assert heights == [180, 360]  # hls.js plays no sound alone where there is a picture
        for level in (0, 1, 0, 1):
            page.evaluate("(level) => { hls.nextLevel = level; }", level)
            page.evaluate("(height) => until(() => video.videoHeight === height)", heights[level])
        before = page.evaluate("() => video.currentTime")
        ladder.rungs = (1,)
        page.evaluate("() => until(() => video.videoHeight === 180)")
        frames = page.evaluate("() => look(60)")
        ladder.rungs = (0, 1)
        page.evaluate(
            """async () => {
                while (!(await fetch("/hls/ladder/0.m3u8")).ok)
                    await new Promise((again) => setTimeout(again, 100));
                hls.nextLevel = 1;
                await until(() => video.videoHeight === 360);
            }"""
        )
        errors = page.evaluate("() => shown.errors")
        page.evaluate("() => hls.destroy()")
    assert not any(error.endswith("true") for error in errors)  # fatal ones
    times = [frame["time"] for frame in frames]
    assert times == sorted(times)
    assert times[0] > before
