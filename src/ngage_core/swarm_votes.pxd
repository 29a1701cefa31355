"""What a fan votes, and what must become of it: the rules that a tally is held to.

A vote is a register: of one voter the highest seq counts, once, however often it is sent. What a
fan picks is a function of (seed, fan, seq), so two numbers, the newest seq sent and the highest one
acknowledged, tell for each fan which choices its register may stand for in the end, and a sum over
the fans gives bounds for each count of the tally. They are exact if all is acknowledged.

A fan has at most one burst of votes that is not acknowledged; it sends that again (the same seqs)
until it is, or until it is refused for good.
"""

from libc.stdint cimport uint32_t, uint64_t, uint8_t

from ngage_core.atomic cimport ng_load, ng_peek
from ngage_core.histogram cimport bucket_of
from ngage_core.swarm_fan cimport (
    FAN_OPEN, GUISE_HONEST, GUISE_NOBODY, VIOLATION_ACK, VIOLATION_FORBIDDEN,
    VIOLATION_VOTE_DOUBLED, VIOLATION_VOTE_LOST, Fan, FanVotes, Tally, count,
)
from ngage_core.swarm_oracle cimport violate
from ngage_core.swarm_plan cimport (
    CHOICES_MAX, REACTION_KINDS, WAY_DOUBLE, WAY_NO_CHOICE, WAY_NO_POLL, WAY_REPLAY, Codec, Plan,
    PollPlan, Reading, persona_of,
)
from ngage_core.swarm_random cimport draw, fan_unit

cdef enum:
    VOTE_ACCEPTED = 0
    VOTE_DUPLICATE = 1
    VOTE_CLOSED = 2
    VOTE_NO_POLL = 3
    VOTE_NO_CHOICE = 4
    VOTE_UNAVAILABLE = 8
    VOTE_BUSY = 9
    CHEAT_SEQ = 1 << 24  # added to seq by who picks what is not there; nobody votes as often
    CHEAT_POLL = 1 << 30  # flipped in the number of a poll that is not there
    REPLAYED_MAX = 8


cdef struct VoteBounds:  # what the final tally may be
    uint64_t least[CHOICES_MAX]
    uint64_t most[CHOICES_MAX]
    uint64_t voters_least
    uint64_t voters_most
    uint64_t pending  # fans that are connected and wait for an answer


cdef inline uint32_t choice_of(
    const Plan *plan, uint64_t number, uint32_t seq
) noexcept nogil:
    # Beyond all draws of a fan's own (32 bits) and those of stimuli.
    return <uint32_t> (draw(plan.seed, number, (<uint64_t> 1 << 33) + seq)
                       % ng_peek(&plan.poll.choices))


cdef inline uint32_t other_choice(const Plan *plan, uint32_t choice) noexcept nogil:
    return <uint32_t> ((choice + 1) % ng_peek(&plan.poll.choices))


cdef inline bint unanswered(const FanVotes *votes) noexcept nogil:
    return votes.sent > votes.acked and not votes.settled


cdef inline uint32_t microseconds(uint64_t now_ns) noexcept nogil:
    return <uint32_t> (now_ns // 1000)


# What is said. All of it goes into reading.reply, which leaves in one send.

cdef inline const Codec *can_vote(Reading *reading, const Fan *fan) noexcept nogil:
    """Its codec, if there is a poll and a word for it."""
    cdef const Codec *codec = persona_of(reading.plan, fan).codec
    if codec.vote == NULL or ng_load(&reading.plan.poll.number) == 0:
        return NULL
    return codec


cdef inline void say_votes(
    Reading *reading, const Codec *codec, uint32_t first, uint32_t last
) noexcept nogil:
    cdef uint32_t poll = <uint32_t> ng_peek(&reading.plan.poll.number)
    cdef uint32_t seq
    for seq in range(first, last + 1):
        codec.vote(reading, poll, seq,
                   <uint32_t> 1 << choice_of(reading.plan, reading.fan_number, seq))


cdef inline void vote_again(Reading *reading, const Fan *fan) noexcept nogil:
    cdef FanVotes *votes = reading.votes
    cdef const Codec *codec = can_vote(reading, fan)
    if codec == NULL or not unanswered(votes) or votes.guise != GUISE_HONEST:
        return
    votes.repeated = votes.sent
    count(&reading.tally.votes_repeated, votes.sent - votes.acked)
    say_votes(reading, codec, votes.acked + 1, votes.sent)


cdef inline void vote_anew(Reading *reading, const Fan *fan, uint32_t amount) noexcept nogil:
    """Change its mind so many times; if it waits for an answer, say again what it has said."""
    cdef FanVotes *votes = reading.votes
    cdef const Codec *codec = can_vote(reading, fan)
    if codec == NULL or votes.guise != GUISE_HONEST:
        return
    if unanswered(votes):
        vote_again(reading, fan)
        return
    if ng_load(&reading.plan.poll.closed):
        return
    count(&reading.tally.voters, votes.sent == 0)
    count(&reading.tally.votes_sent, amount)
    votes.asked_us = microseconds(reading.now_ns)
    votes.settled = 0
    votes.sent += amount
    say_votes(reading, codec, votes.sent - amount + 1, votes.sent)


cdef inline void assert_again(Reading *reading, const Fan *fan) noexcept nogil:
    """On a new connection: what is not acknowledged, else the newest, which is then a duplicate."""
    cdef FanVotes *votes = reading.votes
    cdef const Codec *codec = can_vote(reading, fan)
    if codec == NULL or votes.sent == 0 or votes.settled:
        return
    if unanswered(votes):
        vote_again(reading, fan)
        return
    count(&reading.tally.votes_repeated, 1)
    say_votes(reading, codec, votes.sent, votes.sent)


cdef inline void react(Reading *reading, Fan *fan, uint32_t kind, uint32_t amount) noexcept nogil:
    cdef const Codec *codec = persona_of(reading.plan, fan).codec
    cdef uint64_t kinds = ng_load(&reading.plan.poll.reactions)
    if codec.react == NULL or kinds == 0:
        return
    if kind >= REACTION_KINDS:
        kind = <uint32_t> (
            fan_unit(fan, reading.plan.seed, reading.fan_number) * <double> kinds)
    count(&reading.tally.reactions, amount)
    codec.react(reading, kind, amount)


cdef inline void chat(Reading *reading, Fan *fan) noexcept nogil:
    """A line that nobody else says."""
    cdef const Codec *codec = can_vote(reading, fan)
    if codec == NULL or codec.chat == NULL or reading.votes.guise != GUISE_HONEST:
        return
    fan.draws += 1
    count(&reading.tally.lines, 1)
    codec.chat(reading, fan.draws)


# What must not be, said all the same. None of it may change a tally.

cdef inline void cheat(Reading *reading, const Fan *fan, uint32_t way) noexcept nogil:
    """Those Ways that need no connection of their own."""
    cdef const Plan *plan = reading.plan
    cdef FanVotes *votes = reading.votes
    cdef const Codec *codec = can_vote(reading, fan)
    cdef uint32_t poll = <uint32_t> ng_peek(&plan.poll.number)
    cdef uint32_t choices = <uint32_t> ng_peek(&plan.poll.choices)
    if codec == NULL:
        return
    if way == WAY_NO_POLL:
        codec.vote(reading, poll ^ CHEAT_POLL, 1, 1)
    elif way == WAY_NO_CHOICE and choices < CHOICES_MAX:
        codec.vote(reading, poll, votes.sent + CHEAT_SEQ, <uint32_t> 1 << choices)
    elif way == WAY_DOUBLE and votes.sent and votes.acked == votes.sent:
        votes.doubled = 1
        codec.vote(reading, poll, votes.sent, <uint32_t> 1 << other_choice(
            plan, choice_of(plan, reading.fan_number, votes.sent)))
    elif way == WAY_REPLAY and votes.sent:
        votes.repeated = votes.sent
        say_votes(reading, codec, votes.sent - min(votes.sent, <uint32_t> REPLAYED_MAX) + 1,
                  votes.sent)
    else:
        return
    count(&reading.tally.cheats, 1)


cdef inline void vote_as_nobody(Reading *reading, const Fan *fan) noexcept nogil:
    """Verbs without a ticket."""
    cdef const Codec *codec = can_vote(reading, fan)
    if codec == NULL:
        return
    say_votes(reading, codec, 1, 1)
    if codec.react != NULL:
        codec.react(reading, 0, 1)


# What is answered.

cdef inline void note_forbidden(
    Reading *reading, const Fan *fan, uint8_t status, uint8_t wanted
) noexcept nogil:
    """Any refusal will do, but an acceptance."""
    if status == VOTE_ACCEPTED or status == VOTE_DUPLICATE:
        violate(reading, fan, VIOLATION_FORBIDDEN, wanted, status)


cdef inline void note_answer(
    Reading *reading, const Fan *fan, uint32_t poll, uint32_t seq, uint8_t status
) noexcept nogil:
    """The server's word about a vote: an acknowledgement is a promise for the tally to keep."""
    cdef FanVotes *votes = reading.votes
    cdef Tally *tally = reading.tally
    cdef uint64_t mine = ng_load(&reading.plan.poll.number)
    if votes.guise == GUISE_NOBODY:
        violate(reading, fan, VIOLATION_FORBIDDEN, 0, status)
    elif mine != 0 and poll == <uint32_t> (mine ^ CHEAT_POLL):
        note_forbidden(reading, fan, status, VOTE_NO_POLL)
    elif seq >= CHEAT_SEQ:
        note_forbidden(reading, fan, status, VOTE_NO_CHOICE)
    elif poll != mine or seq == 0 or seq > votes.sent:
        violate(reading, fan, VIOLATION_ACK, votes.sent, seq)
    elif status == VOTE_UNAVAILABLE or status == VOTE_BUSY:
        count(&tally.votes_put_off, 1)
    elif status != VOTE_ACCEPTED and status != VOTE_DUPLICATE:
        note_refusal(reading, seq)
    elif seq > votes.acked:
        count(&tally.voters_acknowledged, votes.acked == 0)
        count(&tally.votes_acknowledged, 1)
        count(&reading.voting[bucket_of(
            1000 * <uint64_t> (microseconds(reading.now_ns) - votes.asked_us))], 1)
        votes.acked = seq
        votes.refused = votes.doubled = 0


cdef inline void note_refusal(Reading *reading, uint32_t seq) noexcept nogil:
    cdef FanVotes *votes = reading.votes
    if seq <= votes.acked:
        return  # a repetition of what counts already
    count(&reading.tally.votes_refused, 1)
    votes.refused += 1
    if seq == votes.sent:
        votes.settled = 1


# What the tally may be.

cdef inline uint32_t newest_that_may_count(const FanVotes *votes) noexcept nogil:
    if votes.repeated <= votes.acked and votes.refused == votes.sent - votes.acked:
        return votes.acked  # the rest was sent once, and refused
    return votes.sent


cdef inline uint32_t may_stand_for(
    const Plan *plan, const FanVotes *votes, uint64_t number
) noexcept nogil:
    """The choices that its register may hold in the end, as bits."""
    cdef uint32_t seq, choice, found = 0
    for seq in range(max(votes.acked, <uint32_t> 1), newest_that_may_count(votes) + 1):
        choice = choice_of(plan, number, seq)
        found |= <uint32_t> 1 << choice
        if votes.doubled:
            found |= <uint32_t> 1 << other_choice(plan, choice)
    return found


cdef inline void audit(
    Reading *reading, const Fan *fan, uint32_t seq, uint32_t mask
) noexcept nogil:
    """Its register holds what it may: an acknowledged vote or a later one, as it was sent."""
    cdef const Plan *plan = reading.plan
    cdef const FanVotes *votes = reading.votes
    cdef uint32_t choice
    if seq < votes.acked:
        violate(reading, fan, VIOLATION_VOTE_LOST, votes.acked, seq)
    elif seq > newest_that_may_count(votes):
        violate(reading, fan, VIOLATION_VOTE_DOUBLED, newest_that_may_count(votes), seq)
    elif seq:
        choice = choice_of(plan, reading.fan_number, seq)
        if mask != <uint32_t> 1 << choice and not (
                votes.doubled and mask == <uint32_t> 1 << other_choice(plan, choice)):
            violate(reading, fan, VIOLATION_VOTE_DOUBLED, seq, seq)


cdef inline void add_bounds(
    const Plan *plan, const Fan *fan, const FanVotes *votes, uint64_t number, VoteBounds *bounds
) noexcept nogil:
    cdef uint32_t found, choice
    if votes.sent == 0:
        return
    if unanswered(votes) and fan.state == FAN_OPEN:
        bounds.pending += 1
    found = may_stand_for(plan, votes, number)
    if found == 0:
        return
    bounds.voters_most += 1
    bounds.voters_least += votes.acked != 0
    for choice in range(<uint32_t> ng_peek(&plan.poll.choices)):
        if found >> choice & 1:
            bounds.most[choice] += 1
            bounds.least[choice] += votes.acked != 0 and found == <uint32_t> 1 << choice
