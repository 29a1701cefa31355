"""What a fan says when it enters a step: votes, reactions, and what cheaters try."""

from libc.stdint cimport uint32_t, uint64_t, uint8_t
from libc.string cimport memset

from ngage_core.swarm_connection cimport fan_drop, launch, read_for, send_reply
from ngage_core.swarm_fan cimport FAN_AWAY, FAN_OPEN, GUISE_FORGED, Fan, count
from ngage_core.swarm_plan cimport (
    CHAT, CHEAT, REACT, RETRY, VOTE, StepPlan, fan_number, persona_of,
)
from ngage_core.swarm_squad cimport Squad, index_of, schedule
from ngage_core.swarm_votes cimport (
    VoteBounds, add_bounds, audit, chat, cheat, react, vote_again, vote_anew,
)


cdef inline void disguise(Squad *squad, Fan *fan, uint8_t guise) noexcept nogil:
    """Come again with a ticket that does not hold, or without one."""
    fan_drop(squad, fan)
    squad.votes[index_of(squad, fan)].guise = guise
    count(&squad.tally.cheats, 1)
    fan.resuming = 0
    fan.epoch = 0
    launch(squad, fan, squad.now_ns)


cdef inline void speak(Squad *squad, Fan *fan, const StepPlan *step) noexcept nogil:
    """All of it in one send. Who has lost the connection, and was called away from coming back,
    comes back first."""
    cdef uint32_t index = index_of(squad, fan)
    cdef int lost = persona_of(squad.plan, fan).lost
    if fan.state == FAN_AWAY and lost >= 0:
        schedule(squad, fan, <uint8_t> lost, squad.now_ns)
    if fan.state != FAN_OPEN:
        return
    if step.action == CHEAT and step.amount >= GUISE_FORGED:
        disguise(squad, fan, <uint8_t> step.amount)
        return
    squad.reading.now_ns = squad.now_ns
    squad.reading.reply.bytes = 0
    read_for(squad, index)
    if step.action == VOTE:
        vote_anew(&squad.reading, fan, step.amount)
    elif step.action == RETRY:
        vote_again(&squad.reading, fan)
    elif step.action == REACT:
        react(&squad.reading, fan, step.kind, step.amount)
    elif step.action == CHAT:
        chat(&squad.reading, fan)
    elif step.action == CHEAT:
        cheat(&squad.reading, fan, step.amount)
    send_reply(squad, fan)


# What the tally may be, and the registers

cdef inline void audit_votes(Squad *squad) noexcept nogil:
    cdef uint64_t number
    cdef uint32_t i
    squad.reading.now_ns = squad.now_ns
    for i in range(squad.fan_count):
        read_for(squad, i)
        number = squad.reading.fan_number
        audit(&squad.reading, &squad.fans[i], squad.plan.audit.seqs[number],
              squad.plan.audit.masks[number])

cdef inline void bound_votes(Squad *squad) noexcept nogil:
    cdef VoteBounds *bounds = &squad.bounds
    cdef uint32_t i
    memset(bounds, 0, sizeof(VoteBounds))
    for i in range(<uint32_t> squad.started):
        add_bounds(squad.plan, &squad.fans[i], &squad.votes[i],
                   fan_number(squad.plan, squad.number, i), bounds)
