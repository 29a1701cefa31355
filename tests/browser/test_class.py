"""The class of a viewer, which the page asks for in the name of the channel."""

import pytest

from tests.helpers.page import address, until

pytestmark = pytest.mark.browser

ANY = "**/ws/live*"


@pytest.fixture
def ask(show, open_page):
    """ask(query, prepare): the page, what it asks for below /ws/, and its warnings. The channels
    are there without a class."""

    def ask_one(query, prepare=lambda page: None):
        asked, warnings = [], []

        def relay(line):
            asked.append(line.url.partition("/ws/")[2])
            if "~" not in line.url:
                line.connect_to_server()

        def watch(page):
            page.route_web_socket(ANY, relay)
            page.on("console", lambda message: warnings.append((message.type, message.text)))
            prepare(page)

        page = open_page(address(show) + query, watch)
        until(page, "ngage.viewers !== null")
        return page, sorted(asked), warnings

    return ask_one


@pytest.mark.parametrize("name", ["rt", "live", "eco"])
def test_the_class_stands_behind_the_name_of_the_channel(ask, name):
    _, asked, warnings = ask(f"?class={name}")
    assert asked == ["live:info", f"live~{name}"]
    assert warnings == []


def test_the_page_has_one_of_its_own_which_the_address_overrides(ask):
    def own(page):
        script = "document.addEventListener('readystatechange', "
        script += "() => document.body.dataset.class = 'eco')"
        page.add_init_script(script)

    assert ask("", own)[1] == ["live:info", "live~eco"]
    assert ask("?class=rt", own)[1] == ["live:info", "live~rt"]


@pytest.mark.parametrize("name", ["fast", "rt~eco", "%0Art"])
def test_another_class_is_left_out_with_a_warning(ask, name):
    page, asked, warnings = ask(f"?class={name}")
    assert asked == ["live", "live:info"]
    ((kind, text),) = warnings
    assert kind == "warning"
    assert text.endswith("there is rt, live, eco")
    until(page, "ngage.state === 'live'")
