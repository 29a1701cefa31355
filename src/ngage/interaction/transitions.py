"""The life of a poll: created -> open -> (locked) -> closed, or cancelled before it is closed.

Each step gives the poll as it is then, or raises PollStateError and says what it is. Voting ends at
`closes_ms`: that of the duration, or the moment when a host locks, closes or cancels it.
"""

from msgspec.structs import replace

from ngage.errors import PollError, PollStateError
from ngage.interaction.model import Kind, Poll, State, check_answer


def opened(poll: Poll, run: int, now_ms: int, at_us: int | None) -> Poll:
    """Voting begins, in this run of the event."""
    _expect(poll, "opened", State.CREATED)
    closes_ms = now_ms + poll.lasts_ms if poll.lasts_ms else None
    return replace(
        poll, state=State.OPEN, run=run, at_us=at_us, opened_ms=now_ms, closes_ms=closes_ms
    )


def locked(poll: Poll, now_ms: int) -> Poll:
    """Voting ends, nothing is decided yet."""
    _expect(poll, "locked", State.OPEN)
    return replace(poll, state=State.LOCKED, closes_ms=_end(poll, now_ms))


def closed(poll: Poll, now_ms: int, answer: int | None = None) -> Poll:
    """Voting has ended, and what is right is said where something is: the answer, if given anew.

    Raises PollError for an answer that there cannot be.
    """
    _expect(poll, "closed", State.OPEN, State.LOCKED)
    if answer is not None:
        if poll.kind is Kind.POLL:
            raise PollError("answer: a poll has none; a quiz or a prediction has")
        poll = replace(poll, answer=check_answer(poll, answer))
    if poll.needs_answer:
        raise PollError(f"answer: a {poll.kind} cannot close without one; lock or cancel it")
    return replace(poll, state=State.CLOSED, closes_ms=_end(poll, now_ms))


def cancelled(poll: Poll, now_ms: int) -> Poll:
    """It does not count."""
    _expect(poll, "cancelled", State.CREATED, State.OPEN, State.LOCKED)
    return replace(poll, state=State.CANCELLED, closes_ms=_end(poll, now_ms))


def ended(poll: Poll, now_ms: int) -> Poll:
    """Its time is over: closed, or locked if somebody still has to say what is right."""
    return locked(poll, now_ms) if poll.needs_answer else closed(poll, now_ms)


def _expect(poll: Poll, step: str, *states: State) -> None:
    if poll.state not in states:
        raise PollStateError(f"poll {poll.id} is {poll.state}: it cannot be {step}")


def _end(poll: Poll, now_ms: int) -> int | None:
    if poll.state is State.CREATED:
        return None
    return now_ms if poll.closes_ms is None else min(poll.closes_ms, now_ms)
