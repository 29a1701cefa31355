"""Token buckets: who may do how much, decided exactly.

A bucket is one whole number, the moment at which it will be full again (the theoretical arrival
time of GCRA, ITU-T I.371), in milliseconds times the rate's tokens: then a token is a whole number
of units, nothing is ever rounded, and a bucket that is full again need not be kept.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import NamedTuple, Self

from ngage.errors import RefusalCode, RefusedError
from ngage.interaction.clock import Clock
from ngage.limits import BUCKET_KEYS_MAX
from ngage.options import split_rate
from ngage.settings import Settings

MS_PER_SECOND = 1000
# Buckets that are full again are dropped a few at each take, so that no take is slow.
DROPS_PER_TAKE = 2


class Rate(NamedTuple):
    """So many tokens at once, and all of them again within so many seconds; 0: no limit."""

    tokens: int
    seconds: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """The rate that a setting says as COUNT/SECONDS."""
        return cls(*split_rate(text))


class Buckets:
    """A bucket of the same rate for each key; new ones are full.

    Of more than keys_max the one used longest ago is forgotten, and counted in `forgotten` if it
    was not full: its key starts anew.
    """

    def __init__(self, rate: Rate, keys_max: int = BUCKET_KEYS_MAX) -> None:
        self.granted = self.refused = self.forgotten = 0
        self._keys_max = keys_max
        self._full_at: OrderedDict[Hashable, int] = OrderedDict()
        self.rate = rate

    def __len__(self) -> int:
        return len(self._full_at)

    @property
    def rate(self) -> Rate:
        """What each bucket holds and regains; to set another one fills them all."""
        return self._rate

    @rate.setter
    def rate(self, rate: Rate) -> None:
        self._rate = rate
        self._token = rate.seconds * MS_PER_SECOND
        self._whole = rate.tokens * self._token
        self._full_at.clear()

    def take(self, key: Hashable, now_ms: int, cost: int = 1) -> int:
        """Take `cost` tokens: 0, or the ms after which they will be there, and nothing is taken.

        now_ms is of a clock that does not go back. Raises ValueError for more than a bucket holds.
        """
        if not self._rate.tokens:
            self.granted += 1
            return 0
        now = now_ms * self._rate.tokens
        full_at = self._after(key, now, cost)
        wait_ms = self._wait_ms(full_at, now)
        if wait_ms:
            self.refused += 1
            if key in self._full_at:
                self._full_at.move_to_end(key)
        else:
            self.granted += 1
            self._full_at[key] = full_at
            self._full_at.move_to_end(key)
            self._drop(now)
        return wait_ms

    def wait(self, key: Hashable, now_ms: int, cost: int = 1) -> int:
        """What take() would return; takes and counts nothing."""
        if not self._rate.tokens:
            return 0
        now = now_ms * self._rate.tokens
        return self._wait_ms(self._after(key, now, cost), now)

    def _after(self, key: Hashable, now: int, cost: int) -> int:
        if cost > self._rate.tokens:
            raise ValueError(f"{cost} tokens of a bucket that holds {self._rate.tokens}")
        return max(self._full_at.get(key, now), now) + cost * self._token

    def _wait_ms(self, full_at: int, now: int) -> int:
        missing = full_at - now - self._whole
        return -(-missing // self._rate.tokens) if missing > 0 else 0

    def _drop(self, now: int) -> None:
        for _ in range(DROPS_PER_TAKE):
            if next(iter(self._full_at.values()), now + 1) > now:
                break
            self._full_at.popitem(last=False)
        if len(self._full_at) > self._keys_max:
            self._full_at.popitem(last=False)
            self.forgotten += 1


class Limits:
    """The limits of everybody by name: chat, questions, reactions, votes, commands.

    The key is a voter.
    """

    def __init__(self, rates: Mapping[str, str], clock: Clock) -> None:
        self._clock = clock
        self._buckets = {name: Buckets(Rate.parse(rate)) for name, rate in rates.items()}

    @classmethod
    def of(cls, settings: Settings, clock: Clock) -> Self:
        """Those of the settings."""
        return cls(rates(settings), clock)

    def configure(self, settings: Settings) -> None:
        """Take over rates that have changed."""
        for name, text in rates(settings).items():
            if (rate := Rate.parse(text)) != self._buckets[name].rate:
                self._buckets[name].rate = rate

    def demand(self, name: str, key: Hashable, cost: int = 1) -> None:
        """Count something against the limit `name`. Raises RefusedError, which tells when again."""
        if wait_ms := self._buckets[name].take(key, self._clock.monotonic_ms(), cost):
            raise too_fast(wait_ms)

    def most(self, name: str) -> int:
        """The largest cost that the limit `name` can ever grant; 0: any."""
        return self._buckets[name].rate.tokens

    @property
    def granted(self) -> dict[str, int]:
        """How often each limit granted something."""
        return {name: buckets.granted for name, buckets in self._buckets.items()}

    @property
    def refused(self) -> dict[str, int]:
        """How often each limit refused something."""
        return {name: buckets.refused for name, buckets in self._buckets.items()}


def rates(settings: Settings) -> dict[str, str]:
    """The rates of the settings by the name of their limit."""
    return {
        "chat": settings.chat_rate,
        "questions": settings.question_rate,
        "reactions": settings.reaction_rate,
        "votes": settings.vote_rate,
        "commands": settings.command_rate,
    }


def too_fast(wait_ms: int) -> RefusedError:
    """The refusal of somebody who may try again after `wait_ms` milliseconds."""
    return RefusedError(RefusalCode.TOO_FAST, f"too fast: try again in {wait_ms} ms")
