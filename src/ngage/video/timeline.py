"""The times of somebody else's stream on our timeline, which goes on when the stream does not.

A publisher stamps with its own clock, rounded to milliseconds, from wherever it likes. Its first
unit is put where our timeline stands; from there its own steps count, laid back on the grid of its
frames. When it comes back after a loss, or its stamps jump, it is put anew. Our timeline never goes
back, and runs ahead of our clock only by what a publisher may send early. Times in 1/90000 s.
"""

from ngage.video.units import TICKS_PER_SECOND

# Stamps farther ahead of our clock are an error of the publisher and not an early start.
AHEAD_TICKS_MAX = 5 * TICKS_PER_SECOND
# Stamps farther behind are old: the time between was lost, and nobody waits for what filled it.
BEHIND_TICKS_MAX = 30 * TICKS_PER_SECOND
# The share of a new step in the average: the rounding of 8 steps is less than a tick of each.
_STEP_SHARE = 1 / 8
# A step that differs by more is not rounding.
_STEP_SPREAD = 0.15


class Timeline:
    """What the tracks of a publisher have in common: how far its clock is from ours."""

    def __init__(self) -> None:
        self._offset: int | None = None
        self._end: int | None = None

    def interrupt(self) -> None:
        """The next unit is the first of another start."""
        self._offset = None

    def reached(self, end: int) -> None:
        """Something up to `end` has been published."""
        self._end = max(end, self._end or 0)

    def place(self, stamp: int, now: int) -> tuple[int, bool]:
        """When the unit of this stamp is due, `now` being our clock; whether time was lost."""
        if self._offset is not None:
            ahead = stamp + self._offset - now
            if -BEHIND_TICKS_MAX <= ahead <= AHEAD_TICKS_MAX:
                return stamp + self._offset, False
        start = now if self._end is None else max(now, self._end)
        self._offset = start - stamp
        return start, self._end is not None


class Grid:
    """One track's units one after the other; `step` is the usual distance, of its first unit too.

    Times within `rounding` of where the last unit ended are taken to be there. With `adapts`, the
    step follows what is seen.
    """

    def __init__(self, step: float, rounding: int, *, adapts: bool = False) -> None:
        self.step = step
        self._rounding = rounding
        self._adapts = adapts
        self._due: int | None = None
        self._placed = 0

    def place(self, due: int) -> int | None:
        """Where a unit that is due then stands; None if it comes after what follows it."""
        placed = due
        if self._due is not None:
            following = self._placed + round(self.step)
            if abs(due - following) <= self._rounding:
                placed = following
            elif due <= self._placed:
                return None
            self._adapt(due - self._due)
        self._due, self._placed = due, placed
        return placed

    def _adapt(self, step: int) -> None:
        if not self._adapts or not 0 < step <= TICKS_PER_SECOND:
            return
        if abs(step - self.step) <= _STEP_SPREAD * self.step:
            self.step += (step - self.step) * _STEP_SHARE
        else:
            self.step = step
