"""The tickets that fans show.

A ticket is written when it is shown, from the edge's secret and the fan's number, so a fan keeps
none; where mobsim does not know the secret, tickets that it was given stand in an array.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

from ngage_core.swarm_fan cimport GUISE_CUT, GUISE_EXPIRED, GUISE_FORGED, GUISE_NOBODY
from ngage_core.swarm_plan cimport TicketPlan
from ngage_core.ticket cimport TICKET_BYTES, TICKET_TEXT_BYTES, ticket_encode, ticket_sign

cdef enum:
    EXPIRED_S = 1  # a second of 1970


cdef inline size_t write_ticket(
    const TicketPlan *tickets, uint64_t number, uint8_t guise, uint8_t *out
) noexcept nogil:
    """The text of the fan's ticket, or of one that does not hold: bytes; 0: it has none."""
    cdef uint8_t raw[TICKET_BYTES]
    if guise == GUISE_NOBODY:
        return 0
    if tickets.given != NULL:
        memcpy(raw, tickets.given + number * TICKET_BYTES, TICKET_BYTES)
        raw[0] ^= guise == GUISE_EXPIRED  # for want of one that is genuine
    elif tickets.signed_here:
        ticket_sign(&tickets.key, tickets.first_voter + number,
                    EXPIRED_S if guise == GUISE_EXPIRED else tickets.expires, 0, raw)
    else:
        return 0
    raw[TICKET_BYTES - 1] ^= guise == GUISE_FORGED
    ticket_encode(raw, out)
    return TICKET_TEXT_BYTES - (guise == GUISE_CUT)
