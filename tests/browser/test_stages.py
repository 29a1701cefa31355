"""The delay by stage, as the page measures it and as the server tells it."""

import pytest

from tests.helpers.page import address, until

pytestmark = pytest.mark.browser


@pytest.fixture(params=["mse", "webcodecs"])
def page(request, show, open_page):
    show.report(stages={"made": 6.2, "link": 1.4})
    page = open_page(f"{address(show)}?player={request.param}")
    until(page, "ngage.frames > 5 && ngage.viewers !== null")
    return page


def test_the_stages_are_behind_a_disclosure(page):
    made = page.locator("#made")
    assert not made.is_visible()
    page.get_by_text("Delay by stage").focus()
    page.keyboard.press("Enter")
    assert made.is_visible()
    until(page, "document.getElementById('made').textContent === '6 ms'")
    until(page, "document.getElementById('link').textContent === '1 ms'")
    until(page, "/^(≈ )?\\d+ ms$/.test(document.getElementById('network').textContent)")
    until(page, "/^\\d+ ms$/.test(document.getElementById('held').textContent)")


def test_what_the_page_measures_makes_up_the_delay(page):
    delay, transit, held = page.evaluate("() => [ngage.delayMs, ngage.transitMs, ngage.heldMs]")
    assert delay == pytest.approx(transit + held)
    assert transit >= 0
    assert held > 0


def test_a_server_that_tells_no_stages_leaves_them_empty(show, page):
    until(page, "ngage.madeMs !== null && ngage.linkMs !== null")
    show.report()
    until(page, "ngage.madeMs === null && ngage.linkMs === null")
    until(page, "document.getElementById('made').textContent === '\\u2013'")


@pytest.mark.parametrize(
    ("told", "network"),
    [
        ({"madeMs": 10, "linkMs": 15}, 25),
        ({"madeMs": None, "linkMs": None}, 50),
        ({"madeMs": 40, "linkMs": 15}, 0),
        ({"madeMs": 10, "linkMs": 15, "clocksDiffer": True}, 50),
    ],
)
def test_the_network_is_what_the_other_stages_leave(show, open_page, told, network):
    page = open_page(address(show))
    stats = {"transitMs": 50, "heldMs": 120, "clocksDiffer": False, **told}
    stages = page.evaluate(
        "async (stats) => (await import('/stages.js')).stagesOf(stats)",
        stats,
    )
    made, link = told["madeMs"], told["linkMs"]
    assert stages == {"made": made, "link": link, "network": network, "held": 120}
