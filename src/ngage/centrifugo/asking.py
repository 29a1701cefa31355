"""Asking the application: hooks and rpc methods, which answer at once or are coroutines.

Whatever they refuse with has a `code` other than 0, and a `message` or a text; it is raised or
returned. A failure of theirs is an internal error of that command, and logged.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any

from ngage.centrifugo.codes import CommandError, ErrorCode, refuse
from ngage.centrifugo.turn import Turn

log = logging.getLogger(__name__)

GoOn = Callable[[Turn], bytes]


class Suspended(Exception):
    """A command cannot be answered before `until` is done; go_on then gives its result."""

    def __init__(self, until: "asyncio.Future[Any]", go_on: GoOn) -> None:
        super().__init__()
        self.until = until
        self.go_on = go_on


def ask(turn: Turn, call: Callable[[], object], go_on: Callable[[Turn, object], bytes]) -> bytes:
    """What `go_on` makes of the answer. Raises CommandError for a refusal, Suspended."""
    answer = attempt(call)
    if not isawaitable(answer):
        return go_on(turn, answer)
    task = asyncio.ensure_future(answer)
    raise Suspended(task, lambda later: go_on(later, attempt(task.result)))


def attempt(call: Callable[[], object]) -> object:
    """What `call` returns. Raises CommandError for a refusal or a failure."""
    try:
        answer = call()
    except (Exception, asyncio.CancelledError) as error:
        if _code(error):
            raise _refusal(error) from None
        log.exception("a hook or an rpc method failed")
        raise refuse(ErrorCode.INTERNAL) from None
    if _code(answer):
        raise _refusal(answer)
    return answer


def drop(answer: Awaitable[object]) -> None:
    """Let go of a coroutine that nobody will wait for."""
    if asyncio.iscoroutine(answer):
        answer.close()


def _code(given: object) -> int:
    code = getattr(given, "code", 0)
    return code if isinstance(code, int) else 0


def _refusal(given: object) -> CommandError:
    message = getattr(given, "message", "") or str(given)
    temporary = bool(getattr(given, "temporary", False))
    return CommandError(_code(given), message, temporary=temporary)
