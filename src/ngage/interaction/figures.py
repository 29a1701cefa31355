"""What is counted of chat, questions, reactions, limits, hooks and webhooks, for metrics.

The counters belong to the process: an event that is deleted takes none of them away.
"""

from collections import Counter
from collections.abc import Mapping

from ngage.interaction.buckets import Limits
from ngage.interaction.hooks import Hooks
from ngage.interaction.keeping import Scribe
from ngage.interaction.webhooks import Webhooks


class Figures:
    """Give its counters to each Chat, Questions and Reactions; call it for all figures."""

    def __init__(
        self,
        limits: Limits,
        hooks: Hooks,
        *,
        webhooks: Webhooks | None = None,
        scribe: Scribe | None = None,
    ) -> None:
        self.chat: Counter[str] = Counter()
        self.questions: Counter[str] = Counter()
        self.reactions: Counter[str] = Counter()
        self._limits, self._hooks = limits, hooks
        self.scribe = scribe  # another with each opening of the database
        self._webhooks = webhooks

    def __call__(self) -> Mapping[str, Mapping[tuple[str, ...], int]]:
        """Figures by the name of their metric and the values of its labels."""
        figures: dict[str, Mapping[tuple[str, ...], int]] = {
            "chat_lines": _by_one(self.chat),
            "questions": _by_one(self.questions),
            "reactions": _by_one(self.reactions),
            "rpc_granted": _by_one(self._limits.granted),
            "rpc_refused": _by_one(self._limits.refused),
            "hook_calls": self._hooks.counts,
        }
        if self._webhooks:
            figures["webhook_deliveries"] = _by_one(self._webhooks.counts)
            figures["webhook_waiting"] = {(): self._webhooks.waiting}
        if self.scribe:
            figures["kept_rows_lost"] = {(): self.scribe.lost}
        return figures


def _by_one(counts: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    return {(value,): count for value, count in counts.items()}
