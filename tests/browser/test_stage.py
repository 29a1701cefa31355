"""The screen in the hall."""

import httpx
import pytest

from tests.helpers.axe import findings
from tests.helpers.events import Event, sized
from tests.helpers.page import until

pytestmark = pytest.mark.browser


@pytest.fixture
def event(backend):
    return Event(backend)


def test_it_shows_the_way_in_the_vote_and_the_result(event, open_page):
    page = open_page(event.stage_url)
    page.get_by_text("Join in").wait_for()
    assert page.locator("#url").inner_text() == event.url.removeprefix("http://")
    code = page.locator("#join img")
    assert code.evaluate("(image) => image.decode().then(() => image.naturalWidth > 0)")
    poll = event.poll()
    audience = open_page(event.url)
    audience.locator(".choice").nth(1).click()
    until(page, "document.querySelectorAll('#bars .share')[1]?.textContent === '100 %'")
    event.api("poll_close", poll=poll)
    until(page, "document.querySelector('#bars .best')?.textContent.includes('Paper Planes')")
    event.api("event_phase", phase="ended")
    page.get_by_text("That was it").wait_for()


def test_nobody_is_led_by_results_that_show_after_voting(event, open_page):
    event.poll(visible="after_vote")
    page, audience = open_page(event.stage_url), open_page(event.url)
    audience.locator(".choice").first.click()
    page.get_by_text("1 vote").wait_for()
    assert page.locator("#bars .share").all_inner_texts() == ["", ""]


def test_it_is_no_viewer_and_leaves_the_ticket_of_one_alone(event, open_page):
    page = open_page(event.stage_url)
    page.get_by_text("Join in").wait_for()
    assert page.evaluate("Object.keys(localStorage)") == []


def test_its_code_is_black_on_white_in_any_colours(event):
    code = httpx.get(f"{event.stage_url}/qr.svg", trust_env=False)
    assert code.headers["content-type"] == "image/svg+xml"
    assert 'stroke="#000"' in code.text
    assert 'fill="#fff"' in code.text


def test_it_fits_and_is_accessible(event, open_page):
    page = open_page(event.stage_url, sized("desk"))
    page.get_by_text("Join in").wait_for()
    assert findings(page) == []
    event.poll("A question as long as they get, " * 4, [f"Choice number {n}" for n in range(8)])
    page.locator("#bars li").first.wait_for()
    assert findings(page) == []
    assert page.evaluate("[document.body.scrollWidth, document.body.scrollHeight]") == [1280, 800]
    until(page, "document.getElementById('total').getBoundingClientRect().bottom < innerHeight")
