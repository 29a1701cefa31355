"""What a fan of Centrifugo's client protocol says: commands in JSON, each a text message.

The id of a command says what its reply is about: a kind in the lowest bits, and a number of that
kind, so that nothing has to be remembered of a command that was sent.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf

from ngage_core.codes cimport OP_TEXT
from ngage_core.swarm_fan cimport Fan
from ngage_core.swarm_plan cimport Reading
from ngage_core.swarm_stream cimport reply_frame
from ngage_core.swarm_tickets cimport write_ticket
from ngage_core.swarm_votes cimport CHEAT_POLL
from ngage_core.ticket cimport TICKET_TEXT_BYTES

cdef extern from * nogil:
    int ctz "__builtin_ctz"(unsigned int value)

cdef enum Kind:
    KIND_VOTE = 0  # by seq
    KIND_CHAT = 1
    KIND_REACT = 2
    KIND_CONTROL = 3
    KIND_ELSEWHERE = 4  # a vote in a poll that is not there
    KIND_BITS = 3
    ID_CONNECT = 1 << KIND_BITS | KIND_CONTROL
    ID_SUBSCRIBE = 2 << KIND_BITS | KIND_CONTROL

cdef enum:
    COMMAND_BYTES_MAX = 1024


cdef inline uint32_t kind_of(uint32_t id) noexcept nogil:
    return id & ((1 << KIND_BITS) - 1)


cdef inline uint32_t number_of(uint32_t id) noexcept nogil:
    return id >> KIND_BITS


cdef inline void say(Reading *reading, const char *text, int size) noexcept nogil:
    reply_frame(reading, OP_TEXT, <const uint8_t *> text,
                min(<size_t> size, <size_t> COMMAND_BYTES_MAX - 1))


cdef inline void command_pong(Reading *reading) noexcept nogil:
    say(reading, b"{}", 2)


cdef inline void command_connect(Reading *reading, const Fan *fan) noexcept nogil:
    cdef char text[COMMAND_BYTES_MAX]
    cdef uint8_t ticket[TICKET_TEXT_BYTES + 1]
    cdef size_t size = write_ticket(&reading.plan.tickets, reading.fan_number, reading.votes.guise,
                                    ticket)
    ticket[size] = 0
    if size == 0:
        say(reading, text, snprintf(text, sizeof(text), b'{"id":%u,"connect":{}}',
                                    <unsigned int> ID_CONNECT))
        return
    say(reading, text, snprintf(
        text, sizeof(text), b'{"id":%u,"connect":{"data":{"ticket":"%s"}}}',
        <unsigned int> ID_CONNECT, <const char *> ticket))


cdef inline void command_subscribe(Reading *reading, const Fan *fan) noexcept nogil:
    cdef char text[COMMAND_BYTES_MAX]
    cdef const char *channel = <const char *> reading.plan.targets[fan.target].name
    if fan.resuming:
        say(reading, text, snprintf(
            text, sizeof(text),
            b'{"id":%u,"subscribe":{"channel":%s,"recoverable":true,"recover":true,'
            b'"epoch":"%08x","offset":%llu}}',
            <unsigned int> ID_SUBSCRIBE, channel, fan.epoch, <unsigned long long> fan.offset))
        return
    say(reading, text, snprintf(
        text, sizeof(text), b'{"id":%u,"subscribe":{"channel":%s,"recoverable":true}}',
        <unsigned int> ID_SUBSCRIBE, channel))


cdef inline void command_vote(
    Reading *reading, uint32_t poll, uint32_t seq, uint32_t mask
) noexcept nogil:
    cdef char text[COMMAND_BYTES_MAX]
    cdef bint elsewhere = poll == <uint32_t> (reading.plan.poll.number ^ CHEAT_POLL)
    say(reading, text, snprintf(
        text, sizeof(text),
        b'{"id":%u,"rpc":{"method":"poll.vote","data":'
        b'{"event":"%s","poll":%u,"seq":%u,"choices":[%d]}}}',
        seq << KIND_BITS | <uint32_t> (KIND_ELSEWHERE if elsewhere else KIND_VOTE),
        reading.plan.poll.name, poll, seq, ctz(mask)))


cdef inline void command_react(Reading *reading, uint32_t kind, uint32_t count) noexcept nogil:
    cdef char text[COMMAND_BYTES_MAX]
    say(reading, text, snprintf(
        text, sizeof(text),
        b'{"id":%u,"rpc":{"method":"react","data":{"event":"%s","kind":%u,"count":%u}}}',
        <unsigned int> (1 << KIND_BITS | KIND_REACT), reading.plan.poll.name, kind, count))


cdef inline void command_chat(Reading *reading, uint32_t number) noexcept nogil:
    cdef char text[COMMAND_BYTES_MAX]
    say(reading, text, snprintf(
        text, sizeof(text),
        b'{"id":%u,"rpc":{"method":"chat.send","data":'
        b'{"event":"%s","text":"fan %llu says %u","name":"fan %llu"}}}',
        number << KIND_BITS | <uint32_t> KIND_CHAT, reading.plan.poll.name,
        <unsigned long long> reading.fan_number, number,
        <unsigned long long> reading.fan_number))
