"""Hooks: Python functions of the operator that have a say in what people do.

A hook answers None or True to allow, False or Refuse(reason) to refuse, and text to put in the
place of what was said (on_chat, on_message). It may be async, and then has a time limit; one that
is not runs on the event loop and must not wait for anything; what only such hooks are asked is
answered at once. One that raises, is late, or answers
something else is logged and counted, and means what `on_error` says.
"""

import asyncio
import importlib
import inspect
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from typing import Any, NamedTuple, Self, TypeVar

import msgspec

from ngage.errors import RefusalCode, RefusedError, SettingsError
from ngage.limits import HOOKS_PENDING_MAX
from ngage.settings import Settings

logger = logging.getLogger(__name__)

Hook = TypeVar("Hook", bound=Callable[..., object])
Answer = TypeVar("Answer")
# Asking: it yields what is to be awaited, and is sent what that gives.
Steps = Generator[Awaitable[object], object, Answer]
NAMES = ("on_connect", "on_message", "on_vote", "on_chat")
REFUSED = "not allowed"
# A hook that fails fails often: so much time passes until it is logged again.
LOG_SECONDS = 1.0


class Refuse(NamedTuple):
    """Refuse what was asked; the reason is told to the client."""

    reason: str = REFUSED


class Connection(msgspec.Struct, frozen=True):
    """Somebody connects. info: what the token says others may see, as JSON."""

    user: str
    voter: int
    address: str
    info: bytes = b""


class Command(msgspec.Struct, frozen=True):
    """A message of a client: the method of an rpc, or the channel it publishes to, and JSON."""

    user: str
    voter: int
    name: str
    data: str


class Vote(msgspec.Struct, frozen=True):
    """A vote that came as JSON."""

    user: str
    voter: int
    event: str
    poll: int
    choices: tuple[int, ...]


class ChatLine(msgspec.Struct, frozen=True):
    """A line of chat that the chat's own rules let pass."""

    user: str
    voter: int
    event: str
    name: str
    text: str


class _HookError(Exception):
    """A hook did not say what it wants."""


class Hooks:
    """The hooks of an edge; made empty and filled by decorators, or loaded from a module.

    Several functions of one kind are asked in their order until one refuses. on_error: what a
    failure means, `allow` or `refuse`. timeout_seconds: for each async function.
    """

    def __init__(self, *, on_error: str = "allow", timeout_seconds: float = 0.2) -> None:
        self.on_error = on_error
        self.timeout_seconds = timeout_seconds
        self.counts: Counter[tuple[str, ...]] = Counter()
        self._hooks: dict[str, list[Callable[..., object]]] = {name: [] for name in NAMES}
        self._pending = 0
        self._logged = {name: float("-inf") for name in NAMES}

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of the settings. Raises SettingsError."""
        hooks = cls()
        hooks.configure(settings)
        if settings.hooks:
            hooks.load(settings.hooks)
        return hooks

    def configure(self, settings: Settings) -> None:
        """Take over what a reload changes; the module stays."""
        self.on_error = settings.hooks_on_error
        self.timeout_seconds = settings.hook_timeout_seconds

    def load(self, module: str) -> None:
        """Add the functions on_connect, on_message, on_vote and on_chat of a module.

        Raises SettingsError if it cannot be imported, or has none of them.
        """
        try:
            loaded = importlib.import_module(module)
        except Exception as error:
            raise SettingsError(f"hooks = {module!r}: {type(error).__name__}: {error}") from error
        found = {name: getattr(loaded, name) for name in NAMES if hasattr(loaded, name)}
        if not found:
            raise SettingsError(f"hooks = {module!r}: it has none of {', '.join(NAMES)}")
        for name, hook in found.items():
            if not callable(hook):
                raise SettingsError(f"hooks = {module!r}: {name} is no function")
            self._hooks[name].append(hook)

    # Decorators

    def on_connect(self, hook: Hook) -> Hook:
        """Ask `hook` about each Connection."""
        return self._add("on_connect", hook)

    def on_message(self, hook: Hook) -> Hook:
        """Ask `hook` about each Command; text it returns is the data instead."""
        return self._add("on_message", hook)

    def on_vote(self, hook: Hook) -> Hook:
        """Ask `hook` about each Vote."""
        return self._add("on_vote", hook)

    def on_chat(self, hook: Hook) -> Hook:
        """Ask `hook` about each ChatLine; text it returns is said instead."""
        return self._add("on_chat", hook)

    # Asking

    def has(self, name: str) -> bool:
        """Whether anybody wants to be asked; if not, asking can be left out."""
        return bool(self._hooks[name])

    def connect(self, connection: Connection) -> Awaitable[None] | None:
        """Let somebody connect, at once or (awaited) later. Raises RefusedError."""
        return self._begin(self._permit("on_connect", connection))

    def message(self, command: Command) -> Awaitable[str] | str:
        """The data of a message, as the hooks want it, at once or later. Raises RefusedError."""
        return self._begin(self._rewrite(command))

    async def vote(self, vote: Vote) -> None:
        """Let somebody vote. Raises RefusedError."""
        await self._go_on(self._permit("on_vote", vote))

    async def chat(self, line: ChatLine) -> str:
        """The text of a line, as the hooks want it. Raises RefusedError."""
        return await self._go_on(self._reword(line))

    def _permit(self, name: str, about: object) -> Steps[None]:
        for hook in self._hooks[name]:
            yield from self._ask(name, hook, about, replaces=False)

    def _rewrite(self, command: Command) -> Steps[str]:
        for hook in self._hooks["on_message"]:
            data = yield from self._ask("on_message", hook, command, replaces=True)
            if data is not None:
                command = msgspec.structs.replace(command, data=data)
        return command.data

    def _reword(self, line: ChatLine) -> Steps[str]:
        for hook in self._hooks["on_chat"]:
            text = yield from self._ask("on_chat", hook, line, replaces=True)
            if text is not None:
                line = msgspec.structs.replace(line, text=text)
        return line.text

    def _add(self, name: str, hook: Hook) -> Hook:
        self._hooks[name].append(hook)
        return hook

    def _begin(self, steps: Steps[Answer]) -> Awaitable[Answer] | Answer:
        """What comes of asking, or what is to be awaited for that."""
        try:
            awaited = next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
        return self._go_on(steps, awaited)

    async def _go_on(
        self, steps: Steps[Answer], awaited: Awaitable[object] | None = None
    ) -> Answer:
        try:
            awaited = awaited or next(steps)
            while True:
                try:
                    said = await self._wait(awaited)
                except Exception as error:
                    awaited = steps.throw(error)
                else:
                    awaited = steps.send(said)
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    def _ask(
        self, name: str, hook: Callable[..., object], about: object, *, replaces: bool
    ) -> Steps[str | None]:
        """Text to put in the place of what there is, None to leave it."""
        try:
            answer = hook(about)
            if inspect.isawaitable(answer):
                answer = yield answer
            if isinstance(answer, str) and not replaces:
                raise _HookError("text, where nothing can be replaced")
            if not (answer is None or isinstance(answer, bool | str | Refuse)):
                raise _HookError(f"{type(answer).__name__}, not None, bool, text or Refuse")
        except Exception as error:
            self._failed(name, error)
            if self.on_error == "refuse":
                raise RefusedError(RefusalCode.REJECTED, REFUSED) from error
            return None
        if answer is False or isinstance(answer, Refuse):
            self.counts[name, "refused"] += 1
            reason = answer.reason if isinstance(answer, Refuse) else REFUSED
            raise RefusedError(RefusalCode.REJECTED, reason)
        if isinstance(answer, str):
            self.counts[name, "replaced"] += 1
            return answer
        self.counts[name, "allowed"] += 1
        return None

    async def _wait(self, answer: Any) -> object:
        if self._pending >= HOOKS_PENDING_MAX:
            if inspect.iscoroutine(answer):
                answer.close()
            raise _HookError(f"{HOOKS_PENDING_MAX} calls have not ended")
        self._pending += 1
        try:
            return await asyncio.wait_for(answer, self.timeout_seconds)
        finally:
            self._pending -= 1

    def _failed(self, name: str, error: Exception) -> None:
        late = isinstance(error, TimeoutError)
        self.counts[name, "late" if late else "failed"] += 1
        now = time.monotonic()
        if now - self._logged[name] < LOG_SECONDS:
            return
        self._logged[name] = now
        if late:
            logger.warning("%s: no answer after %g s", name, self.timeout_seconds)
        elif isinstance(error, _HookError):
            logger.warning("%s: %s", name, error)
        else:
            logger.error("%s raised", name, exc_info=error)
