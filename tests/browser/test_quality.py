"""The choice of quality: what the page says to the server, and what it shows."""

import pytest

from tests.helpers.page import address, until

pytestmark = pytest.mark.browser

VIDEO = "**/ws/live"


class Line:
    """Between page and server: what the page has said on each connection."""

    def __init__(self):
        self.said = []
        self.pages = []

    def relay(self, page):
        server = page.connect_to_server()
        said = []
        self.said.append(said)
        self.pages.append(page)

        def forward(message):
            said.append(message)
            server.send(message)

        page.on_message(forward)


@pytest.fixture
def line():
    return Line()


@pytest.fixture
def page(show, line, open_page):
    page = open_page(address(show), lambda page: page.route_web_socket(VIDEO, line.relay))
    until(page, "ngage.rendition === 0")
    return page


def choice(page):
    return page.get_by_role("combobox", name="Quality")


def until_chosen(page, text):
    until(page, f"document.querySelector('select').selectedOptions[0].text === '{text}'")


def test_it_offers_each_rung_and_shows_the_one_that_is_on(show, line, page):
    until_chosen(page, "Auto, 180p")
    options = choice(page).locator("option").all_inner_texts()
    assert options == ["Auto, 180p", "180p", "90p", "Sound only"]
    show.rung = 1
    until_chosen(page, "Auto, 90p")
    choice(page).select_option("180p")
    until_chosen(page, "180p, now 90p")
    assert line.said == [['{"t":"r","id":0}']]


def test_a_choice_is_told_to_the_server(line, page):
    for label in ("90p", "Sound only", "180p"):
        choice(page).select_option(label)
    assert line.said == [['{"t":"r","id":1}', '{"t":"r","id":15}', '{"t":"r","id":0}']]


def test_it_is_told_again_to_the_next_connection(line, page):
    choice(page).select_option("90p")
    line.pages[0].close(code=1012)
    until(page, "ngage.reconnects === 1 && ngage.state === 'live'")
    assert line.said == [['{"t":"r","id":1}'], ['{"t":"r","id":1}']]
    choice(page).select_option(value="auto")
    line.pages[1].close(code=1012)
    until(page, "ngage.reconnects === 2 && ngage.state === 'live'")
    assert line.said[1:] == [['{"t":"r","id":1}', '{"t":"r","id":0}'], []]


def test_the_keyboard_is_enough(line, page):
    choice(page).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    until(page, "document.querySelector('select').value === '1'")
    assert line.said[0][-1] == '{"t":"r","id":1}'


@pytest.mark.parametrize(
    ("tracks", "options"),
    [
        ([(0, 720), (1, 480), (64, 0)], ["Auto", "720p", "480p", "Sound only"]),
        ([(0, 720), (1, 480)], ["Auto", "720p", "480p"]),
        ([(0, 720), (64, 0)], ["Auto", "720p", "Sound only"]),
        ([(0, 720)], None),
        ([(64, 0)], None),
    ],
)
def test_there_is_a_choice_where_there_is_something_to_choose(show, open_page, tracks, options):
    page = open_page(address(show))
    about = [
        {"id": id, "kind": "video" if height else "audio", "height": height}
        for id, height in tracks
    ]
    shown = page.evaluate(
        """async (tracks) => {
            const { Quality } = await import("/quality.js");
            const field = document.createElement("label");
            field.append(document.createElement("select"));
            new Quality(field, () => {}).offer(tracks);
            return field.hidden ? null : [...field.firstChild.options].map(({ text }) => text);
        }""",
        about,
    )
    assert shown == options


def test_a_choice_outlives_its_track(show, open_page):
    page = open_page(address(show))
    said, shown = page.evaluate(
        """async () => {
            const { Quality } = await import("/quality.js");
            const field = document.createElement("label"), said = [];
            field.append(document.createElement("select"));
            const quality = new Quality(field, (text) => said.push(text));
            const video = (id) => ({ id, kind: "video", height: 1080 >> id });
            quality.offer([video(0), video(1), video(2), { id: 64, kind: "audio" }]);
            const shown = [];
            for (const [choice, ...offers] of [["1", [0, 2], [0], [0, 1]], ["sound", [0], []]]) {
                field.firstChild.value = choice;
                field.firstChild.dispatchEvent(new Event("change"));
                for (const pictures of offers) {
                    quality.offer([...pictures.map(video), { id: 64, kind: "audio" }]);
                    shown.push(field.firstChild.value);
                }
            }
            return [said.map((text) => JSON.parse(text).id), shown];
        }"""
    )
    assert said == [1, 15]  # the server knows what to show meanwhile
    assert shown == ["2", "0", "1", "sound", "sound"]
