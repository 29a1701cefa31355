"""What a poll ended with: from the core's registers, with the journal that proves it."""

import logging
from pathlib import Path

from ngage.interaction import journal
from ngage.interaction.ballots import Ballots
from ngage.interaction.model import Poll, Result
from ngage.interaction.quiz import Scores, score

log = logging.getLogger(__name__)


def count(ballots: Ballots, poll: Poll, path: Path) -> tuple[Result, Scores | None]:
    """The result of a poll that is closed in the core, and the scores of a question that gives any.

    Waits for the disk and reads the journal: to be called in a thread. Raises JournalError.
    """
    tally = ballots.tally(poll.id)
    digest = journal.digest(path)
    result = Result(tally.counts, tally.voters, digest.size, digest.sha256)
    if not poll.scored:
        return result, None
    counted = journal.registers(path)
    proved = journal.recount(counted, len(poll.choices))
    if proved != tally:
        log.error("poll %d: the journal amounts to %s, the tally is %s", poll.id, proved, tally)
    return result, score(poll, counted)
