"""The report of a run as its readers open it: on a phone and on a desk, by day and by night."""

import pytest

from ngage.mob.show.report import write_report
from tests.helpers import mob

pytestmark = pytest.mark.browser

SCREENS = {"phone": (360, 800), "desk": (1280, 900)}
RESULTS = {
    "empty": mob.empty_result,
    "good": mob.good_result,
    "bad": mob.bad_result,
    "long": mob.long_result,
    "hostile": mob.hostile_result,
}


@pytest.fixture(params=SCREENS)
def screen(request):
    return SCREENS[request.param]


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture
def show(open_page, tmp_path, screen, scheme):
    """show(result): the page, and what it asked for and complained of while it was opened."""

    def show_one(result):
        requests, complaints = [], []
        path = tmp_path / "report.html"
        write_report(result, path)

        def prepare(page):
            page.set_viewport_size({"width": screen[0], "height": screen[1]})
            page.emulate_media(color_scheme=scheme)
            page.on("request", lambda request: requests.append(request.url))
            page.on("console", lambda message: complaints.append(message.text))

        page = open_page(path.as_uri(), prepare)
        return page, [url for url in requests if url != path.as_uri()], complaints

    return show_one


@pytest.mark.parametrize("name", RESULTS)
def test_it_fits_asks_for_nothing_and_does_not_complain(show, screen, name):
    page, requests, complaints = show(RESULTS[name]())
    assert page.evaluate("document.documentElement.scrollWidth") == screen[0]
    assert [url for url in requests if not url.startswith("data:")] == []
    assert complaints == []


def test_nothing_sticks_out_of_its_section(show):
    """Of what is drawn: the labels of the charts hang over, but within the section."""
    page, _, _ = show(mob.bad_result())
    page.locator("summary").click()
    outside = page.evaluate(
        """() => [...document.querySelectorAll("section")].flatMap((section) => {
            const frame = section.getBoundingClientRect();
            return [...section.querySelectorAll("td, dd, dt, text, path, code")]
              .map((element) => [element, element.getBoundingClientRect()])
              .filter(([, box]) => box.width &&
                (box.left < frame.left || box.right > frame.right ||
                 box.top < frame.top || box.bottom > frame.bottom))
              .map(([element]) => section.id + ": " + element.textContent);
        })"""
    )
    assert outside == []


@pytest.mark.parametrize("name", RESULTS)
def test_labels_of_an_axis_leave_each_other_room(show, name):
    page, _, _ = show(RESULTS[name]())
    crossed = page.evaluate(
        """() => [...document.querySelectorAll(".chart")].flatMap((chart) =>
            [".x", ".y", ".mark text"].flatMap((labels) => {
              const found = [...chart.querySelectorAll(labels)];
              const boxes = found.map((element) => element.getBoundingClientRect());
              return found.slice(1).filter((_, before) => {
                const [one, other] = [boxes[before], boxes[before + 1]];
                return one.left < other.right && other.left < one.right &&
                  one.top < other.bottom && other.top < one.bottom;
              }).map((element) => element.textContent);
            }))"""
    )
    assert crossed == []


def test_text_can_be_read_on_its_ground(show):
    """WCAG 2.2, 1.4.3: a contrast of 4.5 to 1 at least."""
    page, _, _ = show(mob.bad_result())
    faint = page.evaluate(
        """() => {
            const light = (colour) => {
              const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => {
                const share = part / 255;
                return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
              });
              return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const section = document.querySelector("section");
            const ground = light(getComputedStyle(section).backgroundColor);
            return [...document.querySelectorAll("h1, h2, p, th, td, dt, dd, li, summary, text")]
              .filter((element) => {
                const style = getComputedStyle(element);
                const own = light(element instanceof SVGElement ? style.fill : style.color);
                return (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05) < 4.5;
              })
              .map((element) => element.textContent);
        }"""
    )
    assert faint == []


def test_folded_violations_open_without_a_script(show, screen):
    page, _, _ = show(mob.bad_result())
    assert page.locator(".cards .bad:visible").count() == 10
    page.locator("summary").click()
    assert page.locator(".cards .bad:visible").count() == 50
    assert page.evaluate("document.documentElement.scrollWidth") == screen[0]
