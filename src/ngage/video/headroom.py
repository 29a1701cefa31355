"""Which renditions there is time to encode, so that none is ever behind real time.

The work on a picture is compared with the time until the next, over two seconds of pictures. Too
much of it, and the costliest rendition goes, the lowest last. It is tried again when all has been
calm for a while, which doubles each time that the trial fails. Time is that of the pictures.
"""

import logging
from collections import Counter
from collections.abc import Mapping

WINDOW_SECONDS = 2.0
LOAD_MAX = 0.8
# A picture that is later, in pictures, is not worth encoding.
LATE_PICTURES_MAX = 2
PATIENCE_SECONDS_MIN, PATIENCE_SECONDS_MAX = 30.0, 960.0

log = logging.getLogger(__name__)


class Headroom:
    """`names`: the renditions that may go, by number, the lowest with the highest number.

    `present` are those to be made now; `load` is the share of the time that was spent, once known.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names = dict(names)
        self._dropped: list[int] = []
        self._patience = PATIENCE_SECONDS_MIN
        self._calm = 0.0
        self._on_trial = False
        self.load: float | None = None
        self._begin()

    @property
    def present(self) -> frozenset[int]:
        return frozenset(self._names.keys() - set(self._dropped))

    def picture(self, interval: float, shared: float, spent: Mapping[int, float]) -> None:
        """Seconds: until the next picture; what it took before encoding; encoding, by rendition.

        A picture that was not encoded has nothing spent.
        """
        self._seconds += interval
        self._shared += shared
        if spent:
            self._encoded_seconds += interval
            self._spent.update(spent)
        if self._seconds >= WINDOW_SECONDS:
            self._judge()
            self._begin()

    def _begin(self) -> None:
        self._seconds = self._shared = self._encoded_seconds = 0.0
        self._spent: Counter[int] = Counter()

    def _judge(self) -> None:
        self.load = self._shared / self._seconds
        if self._encoded_seconds:
            self.load += sum(self._spent.values()) / self._encoded_seconds
        elif self.present:
            self.load = max(self.load, 1.0)  # every picture came too late
        if self.load > LOAD_MAX:
            self._calm = 0.0
            if self.present:
                self._drop()
            return
        self._calm += self._seconds
        if self._calm >= self._patience:
            self._calm = 0.0
            if self._dropped:
                self._try_again()
            else:
                self._on_trial = False

    def _drop(self) -> None:
        lowest = max(self.present)
        costs = {number: self._spent[number] for number in self.present - {lowest}}
        costliest = max(costs, key=costs.__getitem__, default=lowest)
        self._dropped.append(costliest)
        if self._on_trial:
            self._patience = min(2 * self._patience, PATIENCE_SECONDS_MAX)
        else:
            self._patience = PATIENCE_SECONDS_MIN
        self._on_trial = False
        log.warning(
            "the work on a picture takes %.0f %% of its time: without %s for %.0f s",
            *(100 * (self.load or 0), self._names[costliest], self._patience),
        )

    def _try_again(self) -> None:
        number = self._dropped.pop()
        self._on_trial = True
        log.info("%s is tried again", self._names[number])
