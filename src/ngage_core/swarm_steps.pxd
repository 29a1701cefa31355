"""What fans do next: arrivals, steps of their Markov tables, stimuli, and who lacks what.

A fan has one deadline; when it comes, the fan goes on to one of the exits of its step, or to where
a stimulus sends it. Lateness is the generator's own, and is counted: see Squad.lag.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from ngage_core.atomic cimport ng_load, ng_store
from ngage_core.histogram cimport bucket_of
from ngage_core.limits cimport WHEEL_SLOTS
from ngage_core.swarm_connection cimport (
    fan_drop, fan_forget, fan_read, fan_say_goodbye, fan_take, launch,
)
from ngage_core.swarm_fan cimport (
    FAN_AWAY, FAN_GONE, FAN_LEAVING, FAN_NEW, FAN_OPEN, GUISE_HONEST, Fan, count,
)
from ngage_core.swarm_oracle cimport lacks_last, note_tail
from ngage_core.swarm_plan cimport (
    CONNECT, DROP, EVERY_PERSONA, LEAVE, PAUSE, READ, RESUME, SIP, STIMULI_PENDING, THEN_GIVE_UP,
    THEN_LEAVE, THEN_NEXT, VOTE, ZAP, Plan, StepPlan, Stimulus, channel_of, fan_number, persona_of,
)
from ngage_core.swarm_random cimport delay_seconds, draw, fan_unit, unit
from ngage_core.swarm_speech cimport speak
from ngage_core.swarm_squad cimport (
    STEP_TICK_NS, Squad, index_of, schedule, set_paused, unschedule,
)
from ngage_core.sysio cimport EPOLLRDHUP, sys_close
from ngage_core.wheel cimport NONE, deadline_of, tick_passed, wheel_remove

cdef enum:
    BEAT_NS = 250000000  # of the heartbeat, whose lateness is the generator's
    GOODBYE_NS = <long> 5000000000  # for the server to answer a close frame
    LAUNCHES_PER_TURN = 32  # about 1 ms of connects, then those who are there are read
    STIMULUS_DRAWS = 0x40000000  # draws from here on: a fan's own never get so far
    NEVER_US = 0xFFFFFFFF


# Arrivals

cdef inline double spread(uint64_t number, double step, uint64_t seed) noexcept nogil:
    """A low-discrepancy sequence in [0, 1): in any stretch of fans the shares hold, nearly.

    With the steps below the pairs are even in two dimensions (M. Roberts' R2 sequence, 2018).
    """
    cdef double at = unit(seed) + step * <double> (number % 0x40000000)
    return at - <double> <uint64_t> at


cdef inline uint8_t persona_for(const Plan *plan, uint64_t number) noexcept nogil:
    cdef double share = spread(number, 0.7548776662466927, draw(plan.seed, 0, 1))
    cdef uint8_t persona = 0
    while plan.until[persona] <= share and persona + 1 < plan.persona_count:
        persona += 1
    return persona


cdef inline void arrive(Squad *squad, uint64_t intended_ns) noexcept nogil:
    cdef Plan *plan = squad.plan
    cdef Fan *fan = &squad.fans[squad.started]
    cdef uint64_t number = fan_number(plan, squad.number, <uint32_t> squad.started)
    fan.persona = persona_for(plan, number)
    fan.target = <uint8_t> (spread(number, 0.5698402909980532, draw(plan.seed, 0, 2))
                            * plan.target_count)
    ng_store(&squad.started, squad.started + 1)
    count(&squad.tally.arrived, 1)
    launch(squad, fan, intended_ns)


cdef inline bint can_launch(const Squad *squad) noexcept nogil:
    """As fast as the window allows, if nobody said when."""
    return (squad.launching and squad.plan.arrivals_us == NULL
            and squad.started < squad.fan_count and squad.in_flight < squad.plan.window)


cdef inline uint64_t next_arrival_ns(const Squad *squad) noexcept nogil:
    cdef const Plan *plan = squad.plan
    cdef uint32_t after_us
    if not squad.launching or plan.arrivals_us == NULL or squad.started >= squad.fan_count:
        return ~<uint64_t> 0
    after_us = plan.arrivals_us[fan_number(plan, squad.number, <uint32_t> squad.started)]
    return ~<uint64_t> 0 if after_us == <uint32_t> NEVER_US else (
        plan.start_ns + <uint64_t> after_us * 1000)


cdef inline bint ascending(const uint32_t *delays_us, int fans) noexcept nogil:
    """Whether each fan arrives with the one in front of it or later: a thread waits for its next
    one only."""
    cdef int i
    for i in range(1, fans):
        if delays_us[i] < delays_us[i - 1]:
            return False
    return True


cdef inline void launch_some(Squad *squad) noexcept nogil:
    cdef uint64_t due_ns
    cdef int _i
    for _i in range(LAUNCHES_PER_TURN):
        if can_launch(squad):
            arrive(squad, squad.now_ns)
            continue
        due_ns = next_arrival_ns(squad)
        if due_ns > squad.now_ns:
            return
        note_lag(squad, due_ns)
        arrive(squad, due_ns)


cdef inline void note_lag(Squad *squad, uint64_t due_ns) noexcept nogil:
    count(&squad.lag[bucket_of(squad.now_ns - due_ns if squad.now_ns > due_ns else 0)], 1)


# Steps

cdef inline void choose_target(Squad *squad, Fan *fan, uint64_t number, bint other) noexcept nogil:
    """Any target of its channel, or of another one if there is another."""
    cdef const Plan *plan = squad.plan
    cdef uint64_t mine = channel_of(plan, fan)
    cdef int found = 0, i
    if other and plan.channel_count < 2:
        other = False
    for i in range(plan.target_count):
        if (plan.targets[i].channel == mine) != other:
            found += 1
            # Reservoir sampling: each of them is as likely.
            if found == 1 or fan_unit(fan, plan.seed, number) * found < 1:
                fan.target = <uint8_t> i


cdef inline bint waits_for_room(Squad *squad, Fan *fan, uint8_t step) noexcept nogil:
    """Whether this step has to wait for room in the window: let_return() takes it then."""
    if not squad.plan.window_returns or squad.in_flight < squad.plan.window:
        return False
    unschedule(squad, fan)
    fan.then = step
    if not fan.queued:
        fan.queued = 1
        squad.returning[(squad.returning_first + squad.returning_count) % squad.fan_count] = (
            index_of(squad, fan))
        squad.returning_count += 1
    return True


cdef inline bint can_return(const Squad *squad) noexcept nogil:
    return squad.returning_count != 0 and squad.in_flight < squad.plan.window


cdef inline void let_return(Squad *squad) noexcept nogil:
    """Who has waited longest first, unless something else has happened to it meanwhile."""
    cdef Fan *fan
    cdef int taken = 0
    while can_return(squad) and taken < LAUNCHES_PER_TURN:
        taken += 1
        fan = &squad.fans[squad.returning[squad.returning_first]]
        squad.returning_first = (squad.returning_first + 1) % squad.fan_count
        squad.returning_count -= 1
        fan.queued = 0
        if fan.state == FAN_AWAY and not fan.waiting:
            enter(squad, fan, fan.then)


cdef inline void come_back(Squad *squad, Fan *fan, uint64_t number, bint resuming) noexcept nogil:
    if fan.state == FAN_LEAVING:
        fan_drop(squad, fan)
    if fan.state == FAN_AWAY:
        fan.resuming = resuming
        squad.votes[index_of(squad, fan)].guise = GUISE_HONEST
        choose_target(squad, fan, number, False)
        launch(squad, fan, squad.now_ns)


cdef inline void zap(Squad *squad, Fan *fan, uint64_t number) noexcept nogil:
    if fan.state == FAN_OPEN:
        fan_say_goodbye(squad, fan)
        sys_close(fan.fd)
        fan_forget(squad, fan)
    else:
        fan_drop(squad, fan)
    fan.resuming = 0
    fan.epoch = 0
    choose_target(squad, fan, number, True)
    launch(squad, fan, squad.now_ns)


cdef inline void sip(Squad *squad, Fan *fan, uint32_t amount) noexcept nogil:
    """A short read leaves `ready`: only a read of nothing, or the end, brings a new event."""
    if fan.state != FAN_OPEN:
        return
    set_paused(squad, fan, True)
    # Of 0 bytes a read gives what the end of the connection gives.
    if fan.ready and amount and fan_take(squad, index_of(squad, fan), amount) == 0:
        fan.ready = 0


cdef inline void read_again(Squad *squad, Fan *fan) noexcept nogil:
    set_paused(squad, fan, False)
    if fan.ready:
        fan.ready = 0
        # Readiness was taken while paused, the peer's end perhaps with it: read to the end.
        fan_read(squad, index_of(squad, fan), EPOLLRDHUP)


cdef inline void leave(Squad *squad, Fan *fan) noexcept nogil:
    """Who has stopped reading reads again: the server's answer is behind what was not read."""
    fan_say_goodbye(squad, fan)
    read_again(squad, fan)


cdef inline void enter(Squad *squad, Fan *fan, uint8_t step) noexcept nogil:
    cdef uint64_t number = fan_number(squad.plan, squad.number, index_of(squad, fan))
    cdef const StepPlan *plan = &persona_of(squad.plan, fan).steps[step]
    cdef double seconds
    if (plan.action == CONNECT or plan.action == RESUME) and waits_for_room(squad, fan, step):
        return
    seconds = delay_seconds(&plan.think, fan, squad.plan.seed, number)
    fan.step = step
    # Before the action, because what the action brings about may set another deadline.
    if seconds < 0:
        unschedule(squad, fan)
    else:
        schedule(squad, fan, THEN_NEXT, squad.now_ns + <uint64_t> (seconds * 1e9))
    if plan.action == CONNECT or plan.action == RESUME:
        come_back(squad, fan, number, plan.action == RESUME)
    elif plan.action == LEAVE and fan.state == FAN_OPEN:
        leave(squad, fan)
    elif plan.action == DROP or plan.action == LEAVE:
        fan_drop(squad, fan)
    elif plan.action == PAUSE:
        set_paused(squad, fan, fan.state <= FAN_LEAVING)
    elif plan.action == READ:
        read_again(squad, fan)
    elif plan.action == SIP:
        sip(squad, fan, plan.amount)
    elif plan.action == ZAP:
        zap(squad, fan, number)
    elif plan.action >= VOTE:
        speak(squad, fan, plan)


cdef inline uint8_t chosen_exit(Squad *squad, Fan *fan) noexcept nogil:
    cdef const StepPlan *plan = &persona_of(squad.plan, fan).steps[fan.step]
    cdef double share = fan_unit(fan, squad.plan.seed,
                                 fan_number(squad.plan, squad.number, index_of(squad, fan)))
    cdef int i
    for i in range(plan.exits - 1):
        if share < plan.until[i]:
            return plan.to[i]
    return plan.to[plan.exits - 1] if plan.exits else fan.step


cdef inline void leave_for_good(Squad *squad, Fan *fan) noexcept nogil:
    if fan.state == FAN_OPEN:
        schedule(squad, fan, THEN_GIVE_UP, squad.now_ns + <uint64_t> GOODBYE_NS)
        leave(squad, fan)
        return
    fan_drop(squad, fan)
    unschedule(squad, fan)
    ng_store(&fan.state, FAN_GONE)


cdef inline void deadline_came(Squad *squad, Fan *fan) noexcept nogil:
    note_lag(squad, <uint64_t> fan.deadline.tick * STEP_TICK_NS)
    if fan.then == THEN_LEAVE:
        leave_for_good(squad, fan)
    elif fan.then == THEN_GIVE_UP:
        fan_drop(squad, fan)
        ng_store(&fan.state, FAN_GONE)
    else:
        enter(squad, fan, chosen_exit(squad, fan) if fan.then == THEN_NEXT else fan.then)


cdef inline void turn_wheel(Squad *squad) noexcept nogil:
    """Every deadline up to now."""
    cdef uint32_t now = <uint32_t> (squad.now_ns // STEP_TICK_NS)
    cdef uint32_t index, following, done = 0
    if squad.waiting == 0:
        squad.wheel.tick = now + 1
        return
    while tick_passed(squad.wheel.tick, now) and done < WHEEL_SLOTS:
        index = squad.wheel.slots[squad.wheel.tick & (WHEEL_SLOTS - 1)]
        squad.wheel.tick += 1
        done += 1
        while index != <uint32_t> NONE:
            following = deadline_of(&squad.wheel, index).next
            if tick_passed(squad.fans[index].deadline.tick, now):
                squad.fans[index].waiting = 0
                squad.waiting -= 1
                wheel_remove(&squad.wheel, index)
                deadline_came(squad, &squad.fans[index])
            index = following
    if tick_passed(squad.wheel.tick, now):
        squad.wheel.tick = now + 1


cdef inline uint64_t next_deadline_ns(const Squad *squad, uint64_t before_ns) noexcept nogil:
    """When the next occupied slot is due, if that is before then."""
    cdef uint64_t due_ns = <uint64_t> squad.wheel.tick * STEP_TICK_NS
    cdef uint32_t slot = squad.wheel.tick
    if squad.waiting == 0:
        return before_ns
    while due_ns < before_ns and squad.wheel.slots[slot & (WHEEL_SLOTS - 1)] == <uint32_t> NONE:
        slot += 1
        due_ns += STEP_TICK_NS
    return min(due_ns, before_ns)


cdef inline void beat(Squad *squad) noexcept nogil:
    if squad.now_ns >= squad.beat_ns:
        note_lag(squad, squad.beat_ns)
        squad.beat_ns = squad.now_ns + BEAT_NS


cdef inline int patience_ms(const Squad *squad) noexcept nogil:
    """How long the poller may sleep."""
    cdef uint64_t until_ns = min(next_arrival_ns(squad), squad.beat_ns)
    if can_launch(squad) or can_return(squad):
        return 0
    until_ns = next_deadline_ns(squad, until_ns)
    if until_ns <= squad.now_ns:
        return 0
    return <int> ((until_ns - squad.now_ns + 999999) // 1000000)


# Stimuli

cdef inline void be_stimulated(Squad *squad, const Stimulus *stimulus) noexcept nogil:
    cdef uint64_t seed = squad.plan.seed, number
    cdef double seconds
    cdef Fan *fan
    cdef uint32_t i
    for i in range(<uint32_t> squad.started):
        fan = &squad.fans[i]
        number = fan_number(squad.plan, squad.number, i)
        if stimulus.persona != EVERY_PERSONA and stimulus.persona != fan.persona:
            continue
        if fan.state == FAN_GONE or fan.state == FAN_NEW:
            continue
        if fan.waiting and (fan.then == THEN_GIVE_UP or (
                fan.then == THEN_LEAVE and stimulus.step != THEN_LEAVE)):
            continue  # it leaves for good: nothing calls it back
        if unit(draw(seed, number, STIMULUS_DRAWS + stimulus.number)) >= stimulus.probability:
            continue
        seconds = delay_seconds(&stimulus.delay, fan, seed, number)
        if seconds >= 0:
            schedule(squad, fan, <uint8_t> stimulus.step,
                     squad.now_ns + <uint64_t> (seconds * 1e9))


cdef inline void take_stimuli(Squad *squad) noexcept nogil:
    cdef uint64_t given = ng_load(&squad.plan.stimuli_given)
    while squad.stimuli_taken < given:
        be_stimulated(squad, &squad.plan.stimuli[squad.stimuli_taken % STIMULI_PENDING])
        ng_store(&squad.stimuli_taken, squad.stimuli_taken + 1)


# Who lacks the last publication

cdef inline void settle(Squad *squad, bint give_up) noexcept nogil:
    cdef uint64_t lacking = 0, checked = 0
    cdef Fan *fan
    cdef uint32_t i
    squad.reading.now_ns = squad.now_ns
    for i in range(<uint32_t> squad.started):
        fan = &squad.fans[i]
        if fan.state == FAN_OPEN and not fan.paused:
            checked += 1
        if not lacks_last(squad.plan, fan):
            continue
        lacking += 1
        if give_up:
            squad.reading.fan_number = fan_number(squad.plan, squad.number, i)
            note_tail(&squad.reading, fan)
    ng_store(&squad.lacking, lacking)
    ng_store(&squad.checked, checked)
