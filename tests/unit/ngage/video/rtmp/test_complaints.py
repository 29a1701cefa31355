"""Log lines that strangers cause are bounded, and their number is told."""

import logging

from ngage.video.rtmp.complaints import LINES_MAX, PERIOD_SECONDS, Complaints


def test_a_flood_is_a_few_lines_and_a_number(caplog):
    now = [0.0]
    complaints = Complaints(logging.getLogger("ngage.test"), clock=lambda: now[0])
    for number in range(100):
        complaints.say(f"refused {number}")
    assert caplog.messages == [f"refused {number}" for number in range(LINES_MAX)]
    caplog.clear()
    now[0] = PERIOD_SECONDS
    complaints.say("refused again")
    assert caplog.messages == [f"and {100 - LINES_MAX} more peers were refused", "refused again"]
    caplog.clear()
    now[0] = 2 * PERIOD_SECONDS
    complaints.say("and again")
    assert caplog.messages == ["and again"]
