"""What a terminal and a log show of a run."""

import io

import pytest
from rich.console import Console

from ngage.mob.measure.results import Moment
from ngage.mob.show.live import BLOCKS, LiveDisplay, PlainDisplay, open_display, sparkline
from tests.helpers import mob

SHOW_CURSOR, HIDE_CURSOR, ERASE_LINE = "\x1b[?25h", "\x1b[?25l", "\x1b[2K"


def terminal(width=80):
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        height=24,
        color_system=None,
        _environ={"TERM": "xterm"},
    )


def log():
    return Console(file=io.StringIO(), force_terminal=False, width=80, _environ={})


def written(console):
    return console.file.getvalue()


def play(display, result):
    with display:
        display.begin(result.scenario, result.target, result.fans.wanted, result.seconds)
        for moment in result.moments:
            display.moment(moment)
        for second in result.series:
            display.update(second, mob.totals(second))
        display.end(result)


def frame(result, width=80):
    """The lines of the last frame, as drawn on a terminal of this width."""
    console = terminal(width)
    display = LiveDisplay(console)
    with display:
        display.begin(result.scenario, result.target, result.fans.wanted, result.seconds)
        for moment in result.moments:
            display.moment(moment)
        for second in result.series:
            console.file.seek(0)
            console.file.truncate()
            display.update(second, mob.totals(second))
        text = written(console)
    drawn = text[text.index("mobsim ") :].split("\r")[0] if "mobsim " in text else text
    return [line.rstrip() for line in drawn.split("\n")]


def test_a_terminal_gets_a_screen_and_everything_else_lines():
    assert isinstance(open_display(terminal()), LiveDisplay)
    assert isinstance(open_display(terminal(), plain=True), PlainDisplay)
    assert isinstance(open_display(log()), PlainDisplay)
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert isinstance(open_display(dumb), PlainDisplay)


def test_a_frame_shows_every_figure():
    lines = "\n".join(frame(mob.bad_result()))
    for words in (
        "tunnel  ws://127.0.0.1:8080/ws/stage:main",
        "1:30 of 1:30  show",
        "19,000 open, 19,000 of 19,000 arrived",
        "latency           p50       p99       max",
        "all so far     1.8 ms    6.4 ms     31 ms  90 k received, 11.5 MB",
        "gaps 17   violations 17   generator late by ",
        "closed  1001 x 12   503 x 3",
        "0:50  fault     kill edge",
    ):
        assert words in lines


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("make", [mob.good_result, mob.bad_result, mob.hostile_result])
def test_a_frame_fits_its_terminal(make, width):
    lines = frame(make(), width)
    assert max(map(len, lines)) <= width
    assert len(lines) <= 22


def test_a_frame_keeps_its_height():
    """Whatever has happened so far: otherwise the screen would jump."""
    bad = mob.bad_result()
    quiet = mob.bad_result()
    quiet.moments, quiet.series = [], quiet.series[:1]
    assert len(frame(bad)) == len(frame(quiet))


def test_the_cursor_comes_back_when_a_run_is_interrupted():
    console = terminal()
    result = mob.good_result()
    with pytest.raises(KeyboardInterrupt), LiveDisplay(console) as display:
        display.begin(result.scenario, result.target, 1, 1.0)
        display.update(result.series[0], mob.totals(result.series[0]))
        raise KeyboardInterrupt
    text = written(console)
    assert text.count(HIDE_CURSOR) == text.count(SHOW_CURSOR) == 1
    assert text.index(HIDE_CURSOR) < text.index(SHOW_CURSOR)
    assert ERASE_LINE not in text[text.rindex("closed  ") :]


def test_the_summary_takes_the_place_of_the_frame():
    console = terminal()
    play(LiveDisplay(console), mob.good_result())
    text = written(console)
    last_frame, summary = text.rindex("closed  "), text.rindex("fans        ")
    assert ERASE_LINE in text[last_frame:summary]


def test_a_log_has_a_line_for_each_second_and_moment():
    console = log()
    result = mob.bad_result()
    play(PlainDisplay(console), result)
    lines = written(console).splitlines()
    moments, seconds = len(result.moments), len(result.series)
    assert lines[0] == "mobsim: tunnel, 19,000 fans, 1:30, ws://127.0.0.1:8080/ws/stage:main"
    assert lines[1] == " 0:00  phase: doors"
    last = lines[moments + seconds]
    assert last.startswith(" 1:30  open 19,000/19,000  arrived 19,000  received 190 k/s  p50 ")
    assert last.endswith("  closed 0  gaps 17  violations 17")
    assert lines[moments + seconds + 1] == ""
    assert "\x1b" not in written(console)


@pytest.mark.parametrize("console", [terminal(), log()], ids=["terminal", "log"])
def test_the_end_is_the_figures_and_the_verdict_with_its_reasons(console):
    result = mob.bad_result()
    play(open_display(console), result)
    lines = [line.rstrip() for line in written(console).splitlines()]
    verdict = lines.index("Failed: invariant violated")
    assert lines[verdict + 2 :] == [f"- {reason}" for reason in result.reasons]
    assert "missed  gaps count==0: 3,204" in lines
    assert "met     deliver_ms p(50)<50: 1.81" in lines
    assert "fans        19,000 of 19,000 connected, 0 never" in lines


def test_names_are_neither_markup_nor_commands_to_the_terminal():
    console = log()
    result = mob.hostile_result()
    result.scenario = "[bold]x[/bold]\x1b[2J\nfake line"
    play(PlainDisplay(console), result)
    text = written(console)
    assert text.startswith("mobsim: [bold]x[/bold]\ufffd[2J fake line, 19,000 fans")
    assert "\x1b" not in text and "\x00" not in text


def test_a_sparkline_goes_from_zero_to_its_largest():
    assert sparkline([0, 50, 100]) == BLOCKS[0] + BLOCKS[4] + BLOCKS[7]
    assert sparkline([0, 0]) == BLOCKS[0] * 2
    assert sparkline([]) == ""


def test_only_the_last_moments_are_kept_on_the_screen():
    result = mob.good_result()
    result.moments = [Moment(at=float(n), kind="fault", text=f"number {n}") for n in range(9)]
    assert [line for line in frame(result) if "number" in line] == [
        f"   0:0{n}  fault     number {n}" for n in range(5, 9)
    ]
