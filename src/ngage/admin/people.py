"""Who is meant by a call of the server API, and tickets for them."""

import re
import secrets
import time

from ngage import tickets
from ngage.admin import event_calls
from ngage.admin.failures import bad_request
from ngage.identity import ANONYMOUS, voter_of

VOTER = re.compile(r"[0-9a-f]{16}")


def named(user: str, voter: str, secret: bytes) -> tuple[str, int]:
    """User and voter, of whom one is given. Raises Failure."""
    if bool(user) == bool(voter):
        raise bad_request("exactly one of user and voter is needed")
    if user and not user.startswith(ANONYMOUS):
        return user, voter_of(user, secret)
    digits = voter or user.removeprefix(ANONYMOUS)
    if not VOTER.fullmatch(digits) or not int(digits, 16):
        needed = "16 hexadecimal digits that are not all 0"
        raise bad_request(f"voter: {needed} are needed; user: {ANONYMOUS} and those")
    return f"{ANONYMOUS}{digits}", int(digits, 16)


def new_tickets(call: event_calls.Ticket, secret: bytes) -> list[dict[str, str]]:
    """Tickets for new voters, or one for a user. Raises Failure."""
    if call.user and call.count != 1:
        raise bad_request("count: of one user there is one ticket")
    expires = int(time.time()) + call.ttl_seconds
    known = named(call.user, "", secret)[1] if call.user else 0
    voters = [known or secrets.randbits(64) or 1 for _ in range(call.count)]
    return [
        {
            "voter": f"{voter:016x}",
            "user": call.user or f"{ANONYMOUS}{voter:016x}",
            "ticket": tickets.mint(secret, voter, expires, call.monitor),
        }
        for voter in voters
    ]
