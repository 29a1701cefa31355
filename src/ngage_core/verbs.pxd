"""What a viewer does that is counted at once, without the control plane: votes and reactions.

A verb is a binary message of a client that brought a ticket, little-endian, its kind in the first
byte (docs/reference/verbs-v1.md). A vote goes to the thread that counts votes, and its answer comes
back when it is durable. A reaction adds to the shard's counter for its event and kind, which the
control plane sums; nobody is sent a single one.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memset

from ngage_core.atomic cimport ng_peek, ng_store
from ngage_core.codes cimport OP_BINARY
from ngage_core.conn cimport conn_handle
from ngage_core.frame cimport FIN
from ngage_core.identity cimport Identity
from ngage_core.limits cimport (
    REACTION_EVENTS_MAX, REACTION_KINDS_MAX, REACTIONS_PER_MESSAGE_MAX, VOTE_ANSWERS_PER_TURN,
)
from ngage_core.lifecycle cimport find_open, identity_of
from ngage_core.own cimport is_too_slow, own_room
from ngage_core.shard cimport Shard
from ngage_core.sysio cimport sys_round_trip_ms
from ngage_core.vote cimport (
    VOTE_BUSY, Vote, VoteAck, ack_pop, ack_waiting, vote_push, vote_room, votes_received_ms,
)

cdef enum VerbKind:
    VERB_VOTE = 16
    VERB_REACT = 17
    VERB_VOTE_ANSWER = 144

cdef enum:
    VOTE_BYTES = 20
    VOTE_ANSWER_BYTES = 12
    REACT_BYTES = 8


cdef inline uint32_t word_at(const uint8_t *data) noexcept nogil:
    return (<uint32_t> data[0] | <uint32_t> data[1] << 8 | <uint32_t> data[2] << 16
            | <uint32_t> data[3] << 24)


cdef inline void word_to(uint8_t *data, uint32_t word) noexcept nogil:
    cdef uint32_t i
    for i in range(4):
        data[i] = <uint8_t> (word >> 8 * i)


cdef inline void note_second(const Shard *shard, Identity *identity) noexcept nogil:
    """What a viewer may do is counted by the second."""
    cdef uint8_t second = <uint8_t> (shard.now_ms // 1000)
    if identity.second != second:
        identity.second = second
        identity.votes = 0
        identity.reactions = 0


# Votes.

cdef inline void answer_vote(
    Shard *shard, uint32_t index, uint8_t status, uint32_t poll, uint32_t seq
) noexcept nogil:
    cdef uint8_t *room
    if is_too_slow(shard, index, 2 + VOTE_ANSWER_BYTES):
        return
    room = own_room(shard, index, 2 + VOTE_ANSWER_BYTES)
    if room == NULL:
        return
    room[0] = FIN | OP_BINARY
    room[1] = VOTE_ANSWER_BYTES
    room[2] = VERB_VOTE_ANSWER
    room[3] = status
    room[4] = 0
    room[5] = 0
    word_to(room + 6, poll)
    word_to(room + 10, seq)


cdef inline bint over_votes(const Shard *shard, Identity *identity) noexcept nogil:
    """Count one; whether that is more than one may."""
    note_second(shard, identity)
    if identity.votes >= shard.hub.options.votes_per_second:
        return True
    identity.votes += 1
    return False


cdef inline void vote(
    Shard *shard, uint32_t index, Identity *identity, const uint8_t *data
) noexcept nogil:
    cdef Vote given
    memset(&given, 0, sizeof(Vote))
    given.poll = word_at(data + 4)
    given.seq = word_at(data + 8)
    if over_votes(shard, identity) or vote_room(shard.votes_port) == 0:
        answer_vote(shard, index, VOTE_BUSY, given.poll, given.seq)
        return
    given.client = conn_handle(shard.number, shard.slab.conns[index].generation, index)
    given.voter = identity.voter
    given.received_ms = votes_received_ms(shard.hub.votes, shard.now_ms)
    given.mask = word_at(data + 12)
    given.elapsed_ms = word_at(data + 16)
    given.guarded = ng_peek(&shard.hub.votes.guarded)
    if given.elapsed_ms:  # only who tells when it was shown: it is a system call
        given.rtt_ms = sys_round_trip_ms(shard.slab.conns[index].fd)
    vote_push(shard.hub.votes, shard.votes_port, &given)


cdef inline void answer_votes(Shard *shard) noexcept nogil:
    """To who is still there."""
    cdef VoteAck ack
    cdef uint32_t index, done = 0
    if shard.votes_port == NULL:
        return
    while ack_waiting(shard.votes_port) and done < VOTE_ANSWERS_PER_TURN:
        ack_pop(shard.votes_port, &ack)
        done += 1
        if find_open(shard, ack.client, &index):
            answer_vote(shard, index, ack.status, ack.poll, ack.seq)


# Reactions.

cdef inline bint over_reactions(
    const Shard *shard, Identity *identity, uint32_t count
) noexcept nogil:
    """Count them; whether that is more than one may."""
    note_second(shard, identity)
    if identity.reactions + count > shard.hub.options.reactions_per_second:
        return True
    identity.reactions += <uint16_t> count
    return False


cdef inline void react(Shard *shard, Identity *identity, const uint8_t *data) noexcept nogil:
    cdef uint32_t kind = data[1], event = word_at(data + 4)
    cdef uint32_t count = data[2] | <uint32_t> data[3] << 8
    cdef uint64_t *counter
    if (count == 0 or count > REACTIONS_PER_MESSAGE_MAX or kind >= REACTION_KINDS_MAX
            or over_reactions(shard, identity, count)):
        shard.counters.reactions_dropped += count
        return
    counter = &shard.reactions[event % REACTION_EVENTS_MAX * REACTION_KINDS_MAX + kind]
    ng_store(counter, ng_peek(counter) + count)
    shard.counters.reactions += count


cdef inline bint take_verb(
    Shard *shard, uint32_t index, const uint8_t *data, uint64_t size
) noexcept nogil:
    """Whether it was one."""
    cdef Identity *identity = identity_of(shard, index)
    if identity == NULL or identity.voter == 0:
        return False
    if size == VOTE_BYTES and data[0] == VERB_VOTE and shard.votes_port != NULL:
        vote(shard, index, identity, data)
        return True
    if size == REACT_BYTES and data[0] == VERB_REACT:
        react(shard, identity, data)
        return True
    return False
