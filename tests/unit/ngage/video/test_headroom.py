"""Who goes when there is too much work, and who comes back. Time is that of the pictures."""

import pytest

from ngage.video.headroom import PATIENCE_SECONDS_MAX, PATIENCE_SECONDS_MIN, Headroom

COSTS = {1: 0.3, 2: 0.2, 3: 0.1}  # of a picture's time


class Work:
    """Pictures of a tenth of a second; the costs of what is present are multiplied by `strain`."""

    def __init__(self, costs=COSTS):
        self.costs = costs
        self.headroom = Headroom({number: f"rung {number}" for number in costs if number})

    def do(self, seconds, strain=1.0, shared=0.05):
        for _ in range(round(seconds * 10)):
            made = self.headroom.present | (self.costs.keys() & {0})
            spent = {number: self.costs[number] * strain / 10 for number in made}
            self.headroom.picture(0.1, shared / 10, spent)

    @property
    def present(self):
        return sorted(self.headroom.present)


def test_the_load_is_the_share_of_the_time_that_is_spent():
    work = Work()
    assert work.headroom.load is None
    work.do(2)
    assert work.headroom.load == pytest.approx(0.65)
    assert work.present == [1, 2, 3]


def test_the_costliest_goes_first_and_the_lowest_last_one_at_a_time():
    work = Work({1: 0.2, 2: 0.3, 3: 0.4})
    seen = []
    for _ in range(5):
        work.do(2, strain=3)
        seen.append(work.present)
    assert seen == [[1, 3], [3], [], [], []]


def test_what_stays_may_be_too_much_and_is_not_dropped():
    work = Work({0: 1.0, 1: 0.1})
    work.do(60)
    assert work.present == []
    assert work.headroom.load == pytest.approx(1.05)


def test_the_last_to_go_is_the_first_to_be_tried_again_after_a_calm_while():
    work = Work()
    work.do(4, strain=3)
    assert work.present == [3]
    work.do(PATIENCE_SECONDS_MIN - 2)
    assert work.present == [3]
    work.do(4)
    assert work.present == [2, 3]
    work.do(PATIENCE_SECONDS_MIN)
    assert work.present == [1, 2, 3]


def test_patience_doubles_with_each_trial_that_fails_and_has_an_end():
    work = Work()
    waited = []
    for _ in range(8):
        work.do(2, strain=2)
        assert work.present == [2, 3]
        seconds = 0
        while 1 not in work.present:
            work.do(2)
            seconds += 2
        waited.append(seconds)
    longest = PATIENCE_SECONDS_MAX
    assert waited == [30, 60, 120, 240, 480, longest, longest, longest]


def test_a_trial_that_lasts_makes_patience_short_again():
    work = Work()
    for _ in range(2):  # the second one fails its trial
        work.do(2, strain=2)
        work.do(60)
    assert work.present == [1, 2, 3]
    work.do(60)
    work.do(2, strain=2)
    work.do(PATIENCE_SECONDS_MIN)
    assert work.present == [1, 2, 3]


def test_calm_begins_anew_after_too_much_work():
    work = Work({1: 0.3, 2: 0.2})
    work.do(2, strain=3)
    assert work.present == [2]
    work.do(PATIENCE_SECONDS_MIN - 2)
    work.do(2, shared=0.9)
    assert work.present == []
    work.do(PATIENCE_SECONDS_MIN - 2)
    assert work.present == []
    work.do(2)
    assert work.present == [2]


def test_pictures_that_all_come_too_late_are_too_much_work():
    headroom = Headroom({1: "one"})
    for _ in range(20):
        headroom.picture(0.1, 0.01, {})
    assert headroom.load == 1.0
    assert headroom.present == frozenset()


def test_pictures_that_are_dropped_do_not_make_the_work_look_small():
    headroom = Headroom({1: "one", 2: "two"})
    for n in range(20):
        headroom.picture(0.1, 0.0, {} if n % 2 else {1: 0.1, 2: 0.05})
    assert headroom.load == pytest.approx(1.5)
    assert headroom.present == {2}
