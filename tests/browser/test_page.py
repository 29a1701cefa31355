"""The player's page on a phone and on a desk, by day and by night."""

import pytest

pytest.importorskip("av")
from tests.helpers.live_ladder import SOUND_ONLY, SOUND_ONLY_RUNG, LiveLadder
from tests.helpers.page import address, until

pytestmark = pytest.mark.browser

SCREENS = {"phone": (390, 844), "desk": (1280, 900)}
# WCAG 2.2: 1.4.3, a contrast of 4.5 to 1 of text; 2.5.8, targets of 24 by 24 pixels.
FAINT = """() => {
  const rgb = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = rgb(colour).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return rgb(colour)[3] === 0 ? ground(element.parentElement) : colour;
  };
  const texts = "h1, h1 span, #state, button, select, label, dt, dd, summary, .note, #message";
  return [...document.querySelectorAll(texts)].filter((element) => {
    const [own, under] = [light(getComputedStyle(element).color), light(ground(element))];
    return (Math.max(own, under) + 0.05) / (Math.min(own, under) + 0.05) < 4.5;
  }).map((element) => element.outerHTML);
}"""


@pytest.fixture(scope="module")
def show():
    with LiveLadder() as ladder:
        ladder.rung = SOUND_ONLY_RUNG
        yield ladder


@pytest.fixture(params=SCREENS)
def screen(request):
    return SCREENS[request.param]


@pytest.fixture
def page(show, screen, scheme, open_page):
    def prepare(page):
        page.set_viewport_size({"width": screen[0], "height": screen[1]})
        page.emulate_media(color_scheme=scheme)

    page = open_page(address(show), prepare)
    until(page, f"ngage.rendition === {SOUND_ONLY} && ngage.state === 'live'")
    until(page, "document.getElementById('message').textContent !== ''")
    until(page, "document.getElementById('state').textContent === 'Live'")
    page.get_by_text("Delay by stage").click()
    return page


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


def test_it_fits_and_can_be_read_and_hit(page, screen):
    assert page.evaluate("document.documentElement.scrollWidth") == screen[0]
    assert page.evaluate(FAINT) == []
    for target in page.locator("button:visible, select:visible, summary:visible").all():
        box = target.bounding_box()
        assert min(box["width"], box["height"]) >= 24
        assert 0 <= box["x"] <= box["x"] + box["width"] <= screen[0]


def test_a_screen_reader_gets_names_and_what_changes(page):
    assert page.get_by_role("combobox", name="Quality").is_visible()
    assert page.get_by_role("alert").inner_text() == "Sound only: the connection is slow"
    assert page.get_by_role("status").first.inner_text() == "Live"
