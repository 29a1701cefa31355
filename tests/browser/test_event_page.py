"""The page of an event, as its audience uses it."""

from itertools import pairwise

import pytest

from tests.helpers.axe import findings
from tests.helpers.events import SCREENS, Event, Line, sized
from tests.helpers.page import until

pytestmark = pytest.mark.browser

CHOICE = ".choice"
SHARES = ".share"
SMALL = {"width": 320, "height": 568}


@pytest.fixture
def event(backend):
    return Event(backend)


@pytest.fixture
def line():
    return Line()


def settled(page):
    """The page knows the event."""
    page.locator("#phase:visible").wait_for()
    return page


def texts(page, selector):
    return page.locator(selector).all_inner_texts()


def says(page, text):
    page.get_by_text(text, exact=True).first.wait_for()


def test_a_vote_moves_the_bars_of_everybody(event, open_page):
    event.poll(duration_ms=60_000)
    page, other = open_page(event.url), open_page(event.url)
    page.locator(CHOICE).nth(1).click()
    says(page, "Your vote is in.")
    for one in (page, other):
        until(one, f"document.querySelectorAll('{SHARES}')[1].textContent === '100 %'")
        assert texts(one, SHARES) == ["0 %", "100 %"]
    assert page.locator(".choice.own").inner_text().startswith("Paper Planes")
    assert other.locator(".choice.own").count() == 0
    other.locator(CHOICE).nth(0).click()
    until(page, f"document.querySelectorAll('{SHARES}')[1].textContent === '50 %'")


def test_a_vote_that_is_not_acknowledged_is_sent_again_with_its_number(event, line, open_page):
    event.poll()
    page = settled(open_page(event.url, line.prepare))
    line.holds = lambda method: method == "poll.vote"
    page.clock.install()
    page.locator(CHOICE).nth(0).click()
    says(page, "Sending your vote …")
    page.clock.fast_forward(11_000)  # no answer
    line.holds = lambda method: False
    page.clock.fast_forward(11_000)  # the longest wait before another try
    says(page, "Your vote is in.")
    first, *again = line.votes()
    assert again
    assert all(vote == first for vote in again)
    assert first["seq"] == 1


def test_after_a_lost_connection_a_vote_is_asserted_and_counted_once(event, line, open_page):
    event.poll()
    page = settled(open_page(event.url, line.prepare))
    page.locator(CHOICE).nth(0).click()
    says(page, "Your vote is in.")
    page.locator(CHOICE).nth(1).click()
    until(page, "document.querySelector('.choice.own').textContent.includes('Paper')")
    says(page, "Your vote is in.")
    before = line.votes()
    line.cut()
    while len(line.votes()) == len(before):
        page.wait_for_timeout(20)  # lets what is routed through this process go on
    assert line.votes()[-1] == before[-1]
    assert before[-1]["seq"] == 2
    says(page, "1 vote")


def test_a_reload_knows_the_vote(event, open_page):
    event.poll()
    page = open_page(event.url)
    page.locator(CHOICE).nth(1).click()
    says(page, "Your vote is in.")
    page.reload()
    until(page, "document.querySelector('.choice.own')?.textContent.includes('Paper Planes')")
    assert page.locator("input:checked").get_attribute("value") == "1"
    page.evaluate("localStorage.removeItem(Object.keys(localStorage).find(k => /vote/.test(k)))")
    page.reload()
    until(page, "document.querySelector('.choice.own')?.textContent.includes('Paper Planes')")


@pytest.mark.parametrize("visible", ["after_vote", "after_close", "never"])
def test_hidden_results_stay_hidden(event, open_page, visible):
    poll = event.poll(visible=visible)
    page, other = open_page(event.url), open_page(event.url)
    page.locator(CHOICE).first.click()
    says(page, "Your vote is in.")
    if visible == "after_vote":
        until(page, f"document.querySelector('{SHARES}').textContent === '100 %'")
    else:
        assert texts(page, SHARES) == ["", ""]
    assert texts(settled(other), SHARES) == ["", ""]
    event.api("poll_close", poll=poll)
    says(other, "Closed")
    expected = ["", ""] if visible == "never" else ["100 %", "0 %"]
    until(other, f"document.querySelector('{SHARES}').textContent === '{expected[0]}'")
    assert texts(other, SHARES) == expected


def test_a_vote_with_nothing_but_keys(event, open_page):
    event.poll(final=True)
    page = settled(open_page(event.url))
    page.locator(CHOICE).first.wait_for()
    while not page.evaluate("document.activeElement.matches('.choice input')"):
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert page.locator(".choice.own").count() == 0
    page.keyboard.press("Enter")
    says(page, "Your vote is in.")
    assert texts(page, ".choice.own .words") == ["Paper Planes"]
    assert page.locator(".choice input").first.is_disabled()


def test_several_choices_and_no_more(event, open_page):
    event.poll(choices=["A", "B", "C"], most=2)
    page = open_page(event.url)
    page.locator(CHOICE).nth(0).click()
    page.locator(CHOICE).nth(2).click()
    assert page.locator("input").nth(1).is_disabled()
    page.get_by_role("button", name="Vote", exact=True).click()
    says(page, "Your vote is in.")
    until(page, f"document.querySelectorAll('{SHARES}')[2].textContent === '100 %'")
    assert texts(page, SHARES) == ["100 %", "0 %", "100 %"]


def test_a_question_is_answered_in_its_window_and_resolved(event, line, open_page):
    event.api("chat_settings", slow_seconds=0)
    quiz = {"kind": "quiz", "scoring": "speed", "window_ms": 30_000, "visible": "after_close"}
    poll = event.poll("Which year?", ["2011", "2014"], answer=2, **quiz)
    page = settled(open_page(event.url, line.prepare))
    page.locator(CHOICE).nth(1).click()
    says(page, "Your answer is in.")
    elapsed = line.votes()[0]["elapsed_ms"]
    assert 0 < elapsed < 30_000
    event.api("poll_close", poll=poll, answer=2)
    until(
        page,
        "/^Right! [\\d,]+ points, rank 1/.test(document.querySelector('.verdict').textContent)",
    )
    assert page.locator('.choice[data-tone="right"]').inner_text().startswith("2014")


def test_when_the_window_is_over_nothing_can_be_picked(event, line, open_page):
    quiz = {"kind": "quiz", "scoring": "speed", "window_ms": 5_000}
    event.poll("Which year?", ["2011", "2014"], answer=2, **quiz)

    def prepare(page):
        line.prepare(page)
        page.clock.install()

    page = settled(open_page(event.url, prepare))
    page.locator(CHOICE).first.wait_for()
    page.clock.fast_forward(6_000)
    says(page, "Time is up")
    assert page.locator(".choice input").first.is_disabled()
    assert line.votes() == []


def test_markup_in_the_chat_stays_text(event, open_page):
    page, other = settled(open_page(event.url)), settled(open_page(event.url))
    text = "<img src=x onerror=\"document.title='broken'\"> <b>hello</b>"
    for one in (page, other):
        one.get_by_role("tab", name="Chat").click()
    page.get_by_label("Your name").fill("<i>Eve</i>")
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Send").click()
    until(other, "document.querySelector('#lines li')")
    assert other.locator("#lines li").inner_text() == f"<i>Eve</i> {text}"
    assert other.locator("#lines img, #lines i").count() == 0
    assert other.title() == "Night of the Stars"


def test_slow_mode_is_told_and_counted_down(event, open_page):
    event.api("chat_settings", slow_seconds=30)
    page = settled(open_page(event.url))
    page.get_by_role("tab", name="Chat").click()
    says(page, "Slow mode: one message every 30 s")
    page.get_by_label("Message").fill("one")
    page.get_by_label("Message").press("Enter")
    page.get_by_text("s until your next message").wait_for()
    page.reload()
    page.get_by_label("Message").fill("two")
    page.get_by_label("Message").press("Enter")
    page.get_by_text("s until your next message").wait_for()  # the server's word
    assert texts(page, "#lines .author") == ["Somebody"]


def test_questions_rise_by_their_votes(event, open_page):
    page = settled(open_page(event.url))
    page.get_by_role("tab", name="Questions").click()
    for text in ("First?", "Second?"):
        page.get_by_label("Your question").fill(text)
        page.get_by_role("button", name="Ask").click()
        page.locator(".question", has_text=text).wait_for()
    page.locator(".question", has_text="Second?").get_by_role("button").click()
    until(page, "document.querySelector('.question').textContent.includes('Second')")
    pressed = page.locator(".question").first.get_by_role("button")
    assert pressed.get_attribute("aria-pressed") == "true"
    assert pressed.inner_text() == "1"


def test_taps_of_a_moment_are_one_call(event, line, open_page):
    page = settled(open_page(event.url, line.prepare))
    page.evaluate(
        "() => { const [love] = document.querySelectorAll('#reactions button');"
        " for (let i = 0; i < 7; i++) love.click(); }"
    )
    until(page, "document.querySelector('#sky .floating')")
    reacted = [data for method, data in line.sent if method == "react"]
    assert [(one["kind"], one["count"]) for one in reacted] == [(0, 7)]


def test_a_switched_off_feature_is_gone(event, open_page):
    page = settled(open_page(event.url))
    page.get_by_role("tab", name="Chat").click()
    for feature in ("chat", "reactions"):
        event.api("event_feature", feature=feature, on=False)
    page.locator("#chat").wait_for(state="hidden")
    page.locator("#reactions").wait_for(state="hidden")
    assert page.locator("#questions").is_visible()


@pytest.mark.parametrize("screen", SCREENS)
def test_it_fits_and_is_accessible(event, open_page, screen):
    poll = event.poll(duration_ms=60_000)
    page = settled(open_page(event.url, sized(screen)))
    page.locator(CHOICE).first.click()
    says(page, "Your vote is in.")
    width, height = SCREENS[screen]
    assert findings(page) == []
    page.get_by_role("tab", name="Questions").click()
    assert findings(page) == []
    event.api("poll_close", poll=poll)
    event.api("event_phase", phase="paused")
    page.get_by_text("Back in a moment").wait_for()
    if screen == "phone":
        page.get_by_role("tab", name="Vote").click()
    assert findings(page) == []
    scrolls = page.evaluate("[document.body.scrollWidth, document.body.scrollHeight]")
    assert scrolls == [width, height]
    for target in page.locator("button:visible, input:visible:not([type=radio])").all():
        box = target.bounding_box()
        assert min(box["width"], box["height"]) >= 44


def test_on_the_smallest_phone_one_thing_is_below_the_other(event, open_page):
    event.poll("A question that is long enough to take three lines", ["Donaudampfschiff" * 3, "B"])
    page = settled(open_page(event.url, lambda page: page.set_viewport_size(SMALL)))
    page.get_by_role("tab", name="Chat").click()
    parts = [".bar", "#stage", "#tabs", "#lines", "#composer", "#reactions"]
    boxes = [page.locator(part).bounding_box() for part in parts]
    for above, below in pairwise(boxes):
        assert above["y"] + above["height"] <= below["y"] + 1
    assert boxes[-1]["y"] + boxes[-1]["height"] <= SMALL["height"]
    assert page.evaluate("document.documentElement.scrollWidth") == SMALL["width"]


def test_a_question_appears_with_its_picture(demo, open_page):
    event = Event(demo, video="demo:video")
    page = settled(open_page(event.url))
    until(page, "window.ngage?.state === 'live' && ngage.rendition !== null")
    page.evaluate(
        """() => new MutationObserver((_, observer) => {
            window.appeared = document.querySelector("video").currentTime * 1e6;
            observer.disconnect();
        }).observe(document.getElementById("cards"), { childList: true })"""
    )
    at_us = demo.do("cue", {"channel": "demo:video", "data": None})["pts_us"] + 2_000_000
    event.poll("Which?", ["A", "B"], kind="quiz", at_us=at_us)
    page.locator(CHOICE).first.wait_for()
    assert page.evaluate("appeared") >= at_us - 50_000  # a picture lasts 33 ms
