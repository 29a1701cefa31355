"""What a path answers now, and what a request must wait for.

An offer is immutable and replaced as a whole, so that a reader sees answers and position of one
moment. That of an awaited path has no answer yet. That of a media playlist knows the delivery
directives of LL-HLS (RFC 8216bis section 6.2.5), so that one entry of the path table takes the
place of one for each query, and whatever else stands in a query (a token, another order) is
passed over.
"""

from libc.stdint cimport uint32_t, uint64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

from ngage_core.payload cimport Payload, payload_release
from ngage_core.span cimport Span, cut

cdef enum:
    WHOLE_SEGMENT = 0xFFFFFFFF  # no _HLS_part: the segment must be complete
    ANSWERS_PER_OFFER = 4

cdef enum AskedFlag:  # the first two choose the answer
    ASKED_BLOCKING = 1  # _HLS_msn
    ASKED_DELTA = 2  # _HLS_skip: a playlist without its older part
    ASKED_WRONG = 4  # directives that are none
    ASKED_HEAD = 8  # only the head of the answer
    ASKED_LAST = 16  # the connection ends with this answer

cdef enum Standing:
    STANDING_READY = 0
    STANDING_EARLY = 1
    STANDING_WRONG = 2


cdef struct Asked:
    uint32_t segment
    uint32_t part
    uint32_t flags


cdef struct Offer:
    Payload *answers[ANSWERS_PER_OFFER]  # of a playlist all of them, else the first at most
    uint64_t wait_ms  # who comes too early may wait so long
    bint playlist
    bint ended  # EXT-X-ENDLIST: there is nothing to wait for
    uint32_t segment  # the segments before this one are complete
    uint32_t parts  # that it has so far
    uint32_t parts_before  # that the one before it has
    uint32_t parts_ahead  # who asks for a part further on than so many is refused


cdef inline Offer *offer_create(Payload *answer) noexcept nogil:
    """Takes the payload's reference over; NULL: no memory, and it is still the caller's."""
    cdef Offer *offer = <Offer *> calloc(1, sizeof(Offer))
    if offer != NULL:
        offer.answers[0] = answer
    return offer


cdef inline void offer_release(Offer *offer) noexcept nogil:
    cdef int i
    for i in range(ANSWERS_PER_OFFER):
        if offer.answers[i] != NULL:
            payload_release(offer.answers[i])
    free(offer)


cdef inline bint parse_number(Span text, uint32_t *number) noexcept nogil:
    """A decimal number below 2**32 - 1."""
    cdef uint64_t value = 0
    cdef size_t i
    if text.bytes == 0 or text.bytes > 10:
        return False
    for i in range(text.bytes):
        if not 48 <= text.data[i] <= 57:
            return False
        value = 10 * value + (text.data[i] - 48)
    number[0] = <uint32_t> value
    return value < WHOLE_SEGMENT


cdef inline void parse_directives(Span query, Asked *asked) noexcept nogil:
    """What the query asks for. A part without its segment, or anything twice, is wrong."""
    cdef Span value, name
    cdef uint32_t *number
    cdef uint32_t seen = 0, bit
    asked.segment = 0
    asked.part = <uint32_t> WHOLE_SEGMENT
    while query.bytes:
        value = cut(&query, 38)
        name = cut(&value, 61)
        if name.bytes == 8 and memcmp(name.data, b"_HLS_msn", 8) == 0:
            bit = 1
            number = &asked.segment
            asked.flags |= ASKED_BLOCKING
        elif name.bytes == 9 and memcmp(name.data, b"_HLS_part", 9) == 0:
            bit = 2
            number = &asked.part
        else:
            if name.bytes == 9 and memcmp(name.data, b"_HLS_skip", 9) == 0:
                asked.flags |= ASKED_DELTA
            continue
        if seen & bit or not parse_number(value, number):
            asked.flags |= ASKED_WRONG
        seen |= bit
    if seen == 2:
        asked.flags |= ASKED_WRONG


cdef inline int playlist_standing(const Offer *offer, const Asked *asked) noexcept nogil:
    """A part past the last of its segment is the first of the next one; who asks for more than two
    segments, or `parts_ahead` parts, past the end of the playlist is refused."""
    cdef uint64_t segment = asked.segment
    cdef uint32_t part = asked.part
    cdef uint64_t known = 0
    if asked.flags & ASKED_WRONG:
        return STANDING_WRONG
    if offer.ended or not asked.flags & ASKED_BLOCKING:
        return STANDING_READY
    if segment > <uint64_t> offer.segment + 1:
        return STANDING_WRONG
    if part != WHOLE_SEGMENT and segment + 1 == offer.segment and part >= offer.parts_before:
        segment += 1
        part = 0
    if segment < offer.segment:
        return STANDING_READY
    if segment == offer.segment:
        known = offer.parts
    if part == WHOLE_SEGMENT:
        return STANDING_EARLY
    if part < known:
        return STANDING_READY
    return STANDING_WRONG if part >= known + offer.parts_ahead else STANDING_EARLY


cdef inline int offer_standing(const Offer *offer, const Asked *asked) noexcept nogil:
    if offer.playlist:
        return playlist_standing(offer, asked)
    return STANDING_READY if offer.answers[0] != NULL else STANDING_EARLY


cdef inline Payload *offer_answer(const Offer *offer, const Asked *asked) noexcept nogil:
    """The answer for who stands READY."""
    if not offer.playlist:
        return offer.answers[0]
    return offer.answers[asked.flags & (ASKED_BLOCKING | ASKED_DELTA)]
