"""ngage.v1 as a codec: the raw protocol with a ticket, and verbs (docs/reference/verbs-v1.md)."""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from ngage_core.codes cimport OP_BINARY
from ngage_core.swarm_fan cimport (
    GUISE_HONEST, GUISE_NOBODY, VIOLATION_FORBIDDEN, Fan, FanVotes,
)
from ngage_core.swarm_head cimport STATUS_SWITCHING
from ngage_core.swarm_oracle cimport violate
from ngage_core.swarm_plan cimport Codec, Plan, Reading
from ngage_core.swarm_raw cimport (
    raw_begin, raw_codec, raw_end, raw_more, raw_opened, raw_query,
)
from ngage_core.swarm_stream cimport reply_frame
from ngage_core.swarm_tickets cimport write_ticket
from ngage_core.swarm_votes cimport assert_again, note_answer, vote_as_nobody

cdef enum:
    VERB_VOTE = 16
    VERB_REACT = 17
    VERB_VOTE_ANSWER = 144
    VOTE_BYTES = 20
    VOTE_ANSWER_BYTES = 12
    REACT_BYTES = 8
    TICKET_NAME_BYTES = 7
    STATUS_FORBIDDEN = 403
    NO_PUBLICATION = 2  # a value of Fan.timed


cdef inline uint32_t word_in(const uint8_t *data) noexcept nogil:
    return (<uint32_t> data[0] | <uint32_t> data[1] << 8 | <uint32_t> data[2] << 16
            | <uint32_t> data[3] << 24)


cdef inline void word_out(uint8_t *data, uint32_t word) noexcept nogil:
    cdef uint32_t i
    for i in range(4):
        data[i] = <uint8_t> (word >> 8 * i)


cdef inline size_t v1_query(
    const Plan *plan, Fan *fan, const FanVotes *votes, uint64_t number, uint8_t *out
) noexcept nogil:
    cdef size_t size = write_ticket(&plan.tickets, number, votes.guise, out + TICKET_NAME_BYTES)
    cdef size_t position
    if size == 0:
        return raw_query(plan, fan, votes, number, out)
    memcpy(out, b"ticket=", TICKET_NAME_BYTES)
    size += TICKET_NAME_BYTES
    position = raw_query(plan, fan, votes, number, out + size + 1)
    if position:
        out[size] = 38  # "&"
        size += 1 + position
    return size


cdef inline bint v1_opened(
    Reading *reading, Fan *fan, const uint8_t *head, size_t size
) noexcept nogil:
    cdef uint8_t guise = reading.votes.guise
    if guise == GUISE_NOBODY:
        vote_as_nobody(reading, fan)
    elif guise != GUISE_HONEST:
        violate(reading, fan, VIOLATION_FORBIDDEN, STATUS_FORBIDDEN, STATUS_SWITCHING)
    else:
        assert_again(reading, fan)
    return raw_opened(reading, fan, head, size)


# What comes

cdef inline size_t v1_begin(
    Reading *reading, Fan *fan, const uint8_t *data, size_t size
) noexcept nogil:
    """A message that is as long as an answer is whole here: prefixes are longer."""
    if size != VOTE_ANSWER_BYTES or data[0] != VERB_VOTE_ANSWER:
        return raw_begin(reading, fan, data, size)
    note_answer(reading, fan, word_in(data + 4), word_in(data + 8), data[1])
    fan.timed = NO_PUBLICATION
    return size


cdef inline void v1_more(
    Reading *reading, Fan *fan, const uint8_t *data, size_t size
) noexcept nogil:
    if fan.timed != NO_PUBLICATION:
        raw_more(reading, fan, data, size)


cdef inline void v1_end(Reading *reading, Fan *fan) noexcept nogil:
    if fan.timed != NO_PUBLICATION:
        raw_end(reading, fan)


# What is said

cdef inline void v1_vote(
    Reading *reading, uint32_t poll, uint32_t seq, uint32_t mask
) noexcept nogil:
    cdef uint8_t verb[VOTE_BYTES]
    word_out(verb, VERB_VOTE)
    word_out(verb + 4, poll)
    word_out(verb + 8, seq)
    word_out(verb + 12, mask)
    word_out(verb + 16, 0)
    reply_frame(reading, OP_BINARY, verb, VOTE_BYTES)


cdef inline void v1_react(Reading *reading, uint32_t kind, uint32_t count) noexcept nogil:
    cdef uint8_t verb[REACT_BYTES]
    word_out(verb, VERB_REACT | kind << 8 | count << 16)
    word_out(verb + 4, <uint32_t> reading.plan.poll.event)
    reply_frame(reading, OP_BINARY, verb, REACT_BYTES)


cdef inline void v1_codec(Codec *codec) noexcept nogil:
    raw_codec(codec)
    codec.query = v1_query
    codec.opened = v1_opened
    codec.begin = v1_begin
    codec.more = v1_more
    codec.end = v1_end
    codec.vote = v1_vote
    codec.react = v1_react
