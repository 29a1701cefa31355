"""Reactions of one event: those the core has counted and those that came as JSON, in one sum.

The core's counts only grow, so a tick is the difference to what the last one saw.
"""

from collections import Counter
from collections.abc import Mapping

from ngage.errors import RefusalCode, RefusedError
from ngage.interaction.buckets import Limits
from ngage.limits import REACTION_KINDS_MAX, REACTIONS_PER_MESSAGE_MAX


class Reactions:
    """One event's reactions; event is its number, kinds how many there are (1 to 16).

    native is Edge.reactions() of this moment: what was counted until now belongs to nobody.
    counts: by where they came from, which several may share.
    """

    def __init__(
        self,
        event: int,
        kinds: int,
        limits: Limits,
        native: Mapping[int, int] | None = None,
        counts: Counter[str] | None = None,
    ) -> None:
        if not 1 <= kinds <= REACTION_KINDS_MAX:
            raise ValueError(f"kinds: 1 to {REACTION_KINDS_MAX}")
        self.counts: Counter[str] = Counter() if counts is None else counts
        self._limits = limits
        self._keys = [event << 8 | kind for kind in range(kinds)]
        self._seen = self._of_event(native or {})
        self._pending = [0] * kinds

    def react(self, voter: int, kind: int, count: int) -> None:
        """Count reactions that came as JSON. Raises RefusedError."""
        if not 0 <= kind < len(self._keys):
            raise RefusedError(RefusalCode.NO_CHOICE, "no such reaction")
        if not 1 <= count <= REACTIONS_PER_MESSAGE_MAX:
            raise RefusedError(RefusalCode.REJECTED, f"count: 1 to {REACTIONS_PER_MESSAGE_MAX}")
        most = self._limits.most("reactions")
        count = min(count, most) if most else count
        self._limits.demand("reactions", voter, count)
        self._pending[kind] += count
        self.counts["json"] += count

    def tick(self, native: Mapping[int, int]) -> list[int] | None:
        """Reactions by kind since the last tick, None if there were none; native as above."""
        seen = self._of_event(native)
        # Less than before: the core is another one, and counts from nothing.
        new = [
            now - before if now >= before else now
            for now, before in zip(seen, self._seen, strict=True)
        ]
        self.counts["native"] += sum(new)
        self._seen = seen
        counts = [one + other for one, other in zip(new, self._pending, strict=True)]
        self._pending = [0] * len(counts)
        return counts if any(counts) else None

    def _of_event(self, native: Mapping[int, int]) -> list[int]:
        return [native.get(key, 0) for key in self._keys]
