"""Gives each event its chat, questions, reactions and viewers, with what was kept of them."""

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from ngage.interaction import keeping
from ngage.interaction.bans import Bans
from ngage.interaction.buckets import Limits
from ngage.interaction.chat import Chat, ChatRules, Line, encode, said
from ngage.interaction.clock import Clock
from ngage.interaction.figures import Figures
from ngage.interaction.keeping import ChatRecords, QuestionRecords, Scribe
from ngage.interaction.model import Event
from ngage.interaction.parts import Outlets, Parts
from ngage.interaction.questions import Questions
from ngage.interaction.reactions import Reactions
from ngage.interaction.store import Store
from ngage.interaction.viewers import Viewers
from ngage.interaction.wording import Filter
from ngage.limits import CHAT_HISTORY_LINES
from ngage.settings import Settings


class Rooms:
    """What Events calls make_parts. reactions: the core's counts; heard: told of lines of chat."""

    def __init__(
        self,
        store: Store,
        scribe: Scribe,
        bans: Bans,
        limits: Limits,
        *,
        settings: Callable[[], Settings],
        clock: Clock,
        figures: Figures,
        reactions: Callable[[], Mapping[int, int]],
        words: Filter | None = None,
        heard: Callable[[str, Line], object] = lambda event, line: None,
    ) -> None:
        self._store, self._scribe, self._bans, self._limits = store, scribe, bans, limits
        self._settings, self._clock, self._figures = settings, clock, figures
        self._reactions, self._words, self._heard = reactions, words, heard

    async def __call__(self, event: Event, outlets: Outlets) -> Parts:
        """The parts of one event. Raises StoreError."""
        settings, number = self._settings(), event.number
        banned = await self._store.read(lambda c: keeping.read_bans(c, number))
        asked = await self._store.read(lambda c: keeping.read_questions(c, number))
        for voter in banned:
            self._bans.set(event.id, voter, True)
        chat = Chat(
            outlets.chat,
            clock=self._clock,
            lines_per_second=settings.chat_lines_per_second,
            rules=msgspec.convert(event.chat, ChatRules),
            words=self._words,
            ban=partial(self._bans.set, event.id),
            keeper=ChatRecords(self._scribe, number, lines=settings.chat_keep),
            heard=partial(self._heard, event.id),
            bans=banned,
            known=await self._known_lines(number, outlets),
            counts=self._figures.chat,
        )
        questions = Questions(
            outlets.questions,
            clock=self._clock,
            banned=lambda voter: voter in chat.bans,
            words=self._words,
            review=lambda: chat.rules.review,
            keeper=QuestionRecords(self._scribe, number),
            known=asked,
            counts=self._figures.questions,
        )
        reactions = Reactions(
            number,
            len(event.reactions),
            self._limits,
            self._reactions(),
            counts=self._figures.reactions,
        )
        smoothing = settings.viewers_smoothing_seconds
        viewers = Viewers(outlets.viewers, smoothing_seconds=smoothing)
        return Parts(chat, questions, reactions, viewers)

    async def _known_lines(self, event: int, outlets: Outlets) -> list[Line]:
        """What is on the screens, or, after a restart, what was kept, which is shown again."""
        if outlets.said or not self._settings().chat_keep:
            return said(outlets.said)
        lines = await self._store.read(lambda c: keeping.read_lines(c, event, CHAT_HISTORY_LINES))
        for line in lines:
            outlets.chat(encode(line))
        return lines
