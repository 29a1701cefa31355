"""The console of an event's hosts."""

import pytest

from tests.helpers.axe import findings
from tests.helpers.events import SCREENS, Event, sized
from tests.helpers.page import until

pytestmark = pytest.mark.browser


@pytest.fixture
def event(backend):
    return Event(backend)


def console(page):
    page.locator("#phase:visible").wait_for()
    return page


def test_the_key_leaves_the_address_and_outlives_a_reload(event, open_page):
    page = console(open_page(event.host_url))
    assert "#" not in page.url
    page.reload()
    console(page)
    assert "key" not in page.content()


def test_without_a_key_it_says_so(event, open_page):
    page = open_page(event.host_url.partition("#")[0])
    assert "no key" in page.get_by_role("alert").inner_text()


def test_a_poll_is_made_opened_watched_and_closed_after_a_question(event, open_page):
    page = console(open_page(event.host_url))
    page.get_by_role("button", name="New poll").click()
    page.get_by_label("Question", exact=True).fill("Encore?")
    page.get_by_label("Choice 1").fill("Yes")
    page.get_by_label("Choice 2").fill("Louder")
    page.get_by_label("Results show").select_option("never")
    page.get_by_role("button", name="Open now").click()
    audience = open_page(event.url)
    audience.locator(".choice").nth(1).click()
    audience.get_by_text("Your vote is in.").wait_for()
    until(page, "document.querySelectorAll('.bars .figure')[1]?.textContent === '1 · 100 %'")
    assert audience.locator(".share").all_inner_texts() == ["", ""]
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_role("button", name="Keep it open").click()
    assert audience.locator(".poll").get_attribute("data-state") == "open"
    page.get_by_role("button", name="Close", exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_role("button", name="Close the poll").click()
    until(audience, "document.querySelector('.poll').dataset.state === 'closed'")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename.endswith(".csv")


def test_a_prediction_is_resolved_by_naming_what_is_right(event, open_page):
    poll = event.poll("Rain?", ["Yes", "No"], kind="prediction")
    audience = open_page(event.url)
    audience.locator(".choice").first.click()
    audience.get_by_text("Your vote is in.").wait_for()
    event.api("poll_lock", poll=poll)
    page = console(open_page(event.host_url))
    page.get_by_role("button", name="Close and reveal").click()
    reveal = page.get_by_role("dialog").get_by_role("button", name="Close and reveal")
    assert reveal.is_disabled()
    page.get_by_role("dialog").get_by_label("Yes").check()
    reveal.click()
    audience.get_by_text("Right!").wait_for()


def test_the_chat_is_moderated(event, open_page):
    audience = open_page(event.url)
    audience.get_by_role("tab", name="Chat").click()

    def say(text):
        audience.get_by_label("Message").fill(text)
        audience.get_by_label("Message").press("Enter")

    say("Hello")
    page = console(open_page(event.host_url))
    page.locator("#lines").get_by_role("button", name="Pin").click()
    audience.locator("#pinned", has_text="Hello").wait_for()
    page.get_by_label("Review first").check()
    audience.get_by_text("Messages show once a host has read them").wait_for()
    say("Held")
    page.get_by_role("button", name="Release").click()
    audience.locator("#lines", has_text="Held").wait_for()
    page.locator("#lines li", has_text="Hello").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    until(audience, "!document.getElementById('lines').textContent.includes('Hello')")
    page.locator("#lines li", has_text="Held").get_by_role("button", name="Ban").click()
    page.get_by_role("dialog").get_by_role("button", name="Ban", exact=True).click()
    until(audience, "!document.querySelector('#lines li')")
    say("Again")
    audience.get_by_text("You cannot write in this event.").wait_for()


def test_questions_are_reviewed(event, open_page):
    event.api("chat_settings", review=True)
    page, audience = console(open_page(event.host_url)), open_page(event.url)
    audience.get_by_role("tab", name="Questions").click()
    audience.get_by_label("Your question").fill("Encore?")
    audience.keyboard.press("Enter")
    audience.get_by_text("it shows once a host has read it").wait_for()
    asked = page.locator("#asked li", has_text="Encore?")
    asked.get_by_role("button", name="Release").click()
    audience.get_by_text("Encore?").wait_for()
    asked.get_by_role("button", name="Answered").click()
    audience.get_by_text("Answered").wait_for()


def test_features_are_switched_and_the_end_is_asked_for(event, open_page):
    page, audience = console(open_page(event.host_url)), open_page(event.url)
    audience.locator("#reactions:visible").wait_for()
    page.get_by_label("Reactions").uncheck()
    audience.locator("#reactions").wait_for(state="hidden")
    page.get_by_role("button", name="End", exact=True).click()
    page.get_by_role("button", name="End the event").click()
    audience.get_by_text("That was it").wait_for()


@pytest.mark.parametrize("screen", SCREENS)
def test_it_fits_and_is_accessible(event, open_page, screen):
    event.poll()
    event.poll("Which year?", ["2011", "2014"], kind="quiz", answer=2)
    page = console(open_page(event.host_url, sized(screen)))
    page.locator(".poll").first.wait_for()
    assert findings(page) == []
    if screen == "phone":
        for name in ("Chat", "Questions", "Show"):
            page.get_by_role("tab", name=name).click()
            assert findings(page) == []
        page.get_by_role("tab", name="Polls").click()
    page.get_by_role("button", name="Close and reveal").click()
    assert findings(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="New poll").click()
    page.get_by_label("Quiz").check(force=True)
    assert findings(page) == []
    width, height = SCREENS[screen]
    scrolls = page.evaluate("[document.body.scrollWidth, document.body.scrollHeight]")
    assert scrolls == [width, height]
