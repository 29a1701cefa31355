"""Cues at their moments in a real browser, and the demo page's captions."""

import pytest

from tests.helpers.page import POSITION, address, until

pytestmark = pytest.mark.browser

# What the page shows when it is told of a cue; a frame may be on its way to the screen.
FRAME_US = 100_000


@pytest.fixture
def page(show, engine, open_page):
    page = open_page(f"{address(show)}?player={engine}")
    until(page, f"ngage.engine === '{engine}' && ngage.rendition === 0")
    page.evaluate(
        f"""() => {{
            window.cues = [];
            document.addEventListener("cue", ({{ detail: {{ pts, data }} }}) => {{
                cues.push({{ pts, data, shown: {POSITION[engine]} * 1e6 }});
            }});
        }}"""
    )
    return page


def cues(page, count):
    until(page, f"cues.length >= {count}")
    return page.evaluate("() => cues")


def test_each_cue_comes_when_its_picture_is_shown(show, page):
    sent = [(show.cue(name, delay), name) for name, delay in (("a", 1_000_000), ("b", 1_500_000))]
    got = cues(page, 2)
    assert [(cue["pts"], cue["data"]) for cue in got] == sent
    assert all(cue["shown"] >= cue["pts"] - FRAME_US for cue in got)


def test_cues_come_in_the_order_of_their_moments(show, page):
    sent = []
    for name, delay in (("c", 900_000), ("a", 300_000), ("b", 600_000)):
        sent.append((show.cue(name, delay), name))
    same = show.now_us + 1_200_000
    show.timed(same, b'"d"')
    show.timed(same, b'"e"')
    got = [(cue["pts"], cue["data"]) for cue in cues(page, 5)]
    assert got == [*sorted(sent), (same, "d"), (same, "e")]


def test_a_late_cue_comes_at_once(show, page):
    show.timed(0, b'{"n": [1, null]}')
    (got,) = cues(page, 1)
    assert (got["pts"], got["data"]) == (0, {"n": [1, None]})


def test_cues_of_a_timeline_that_has_ended_do_not_come(show, engine, page):
    pts = show.cue("old", 3_000_000)
    # An INIT overtakes what the server still has for this viewer: so the cue must have arrived.
    show.timed(0, b'"arrived"')
    cues(page, 1)
    show.renew()
    until(page, f"{POSITION[engine]} * 1e6 > {pts + 200_000}")
    show.cue("new")
    assert [cue["data"] for cue in cues(page, 2)] == ["arrived", "new"]


def test_a_cue_that_comes_twice_is_told_once(show, page):
    """As on another connection, which brings again what followed the newest key frame."""
    told = page.evaluate(
        """async () => {
            const { Cues } = await import("/cues.js");
            const target = new EventTarget(), told = [];
            target.addEventListener("cue", ({ detail }) => told.push(detail.data));
            const list = new Cues(target);
            const cue = (seq, pts) => (
              { seq, pts, payload: new TextEncoder().encode(JSON.stringify([seq, pts])) });
            list.begin("one");
            list.reached(10);
            for (const [seq, pts] of [[1, 5], [2, 20], [1, 5], [2, 20], [3, 20]]) {
                list.take(cue(seq, pts));
            }
            list.begin("one");
            list.reached(30);
            list.take(cue(2, 20));
            list.begin("two");
            list.take(cue(1, 5));
            list.reached(5);
            return told;
        }"""
    )
    assert told == [[1, 5], [2, 20], [3, 20], [1, 5]]


def test_cues_that_wait_are_bounded_and_what_is_no_json_is_left_out(show, page):
    warnings = []
    page.on("console", lambda message: warnings.append((message.type, message.text)))
    told = page.evaluate(
        """async () => {
            const { Cues } = await import("/cues.js");
            const target = new EventTarget(), told = [];
            target.addEventListener("cue", ({ detail }) => told.push(detail.data));
            const list = new Cues(target);
            const take = (seq, text) => list.take(
              { seq, pts: seq, payload: new TextEncoder().encode(text) });
            take(0, "{");
            for (let n = 1; n <= 257; n++) take(n, String(n));
            list.reached(1000);
            return told;
        }"""
    )
    assert told == [*range(1, 257)]
    assert warnings == [
        ("warning", "ngage: cue 0 is no JSON and is left out"),
        ("warning", "ngage: more than 256 cues wait: the last is left out"),
    ]


def test_the_text_of_a_cue_is_shown_as_a_caption_for_a_while(show, page):
    caption = page.locator("#caption")
    assert caption.get_attribute("role") == "status"
    show.cue({"text": "<b>Goal!</b>"})
    until(page, "document.getElementById('caption').textContent === '<b>Goal!</b>'")
    assert caption.is_visible()
    show.cue({"other": 1})
    cues(page, 2)
    assert caption.text_content() == "<b>Goal!</b>"
    until(page, "document.getElementById('caption').textContent === ''")
