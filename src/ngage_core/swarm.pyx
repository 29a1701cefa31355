"""A crowd of native WebSocket clients that checks what each of them gets: mobsim's engine.

A Swarm is `fans` connections spread over squads, each a thread with a private descriptor table
(swarm_squad.pxd), because RLIMIT_NOFILE then counts for each squad. No Python object per fan, and
no GIL in a squad. What fans do is given as plain values (behaviour.py) and copied into a Plan that
all squads read.
"""

import time
from os import strerror

from cpython.array cimport array
from cython cimport final
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from ngage_core.behaviour import LURKER, Violation
from ngage_core.behaviour import VIOLATION_KINDS as _VIOLATION_KINDS
from ngage_core.behaviour import VoteBounds as Bounds

from ngage_core.atomic cimport ng_load, ng_or_seq, ng_peek, ng_store
from ngage_core.histogram cimport BUCKETS, bucket_floor
from ngage_core.platform cimport NG_ASSERT_STATIC
from ngage_core.swarm_build cimport (
    parts, plan_crowd, plan_delay, plan_personas, plan_poll, plan_source, plan_targets,
    plan_tickets,
)
from ngage_core.swarm_fan cimport (
    FAN_BYTES_MAX, FAN_OPEN, FAN_SCAN_BYTES_MAX, FAN_VOTES_BYTES_MAX, VIOLATIONS_KEPT, Fan,
    FanScan, FanVotes, Tally, ViolationNote,
)
from ngage_core.swarm_payload cimport pad
from ngage_core.swarm_plan cimport EVERY_PERSONA, STIMULI_PENDING, THEN_LEAVE, Plan, Stimulus
from ngage_core.swarm_squad cimport (
    ORDER_AUDIT, ORDER_CONNECT, ORDER_GIVE_UP, ORDER_RESET, ORDER_SETTLE, ORDER_STIMULI,
    ORDER_STOP, ORDER_VOTES, Squad,
)
from ngage_core.swarm_steps cimport ascending, persona_for
from ngage_core.swarm_stream cimport CLOSE_CODE_END
from ngage_core.swarm_thread cimport squad_run
from ngage_core.swarm_votes cimport VoteBounds
from ngage_core.sysio cimport (
    pthread_create, pthread_join, sys_close, sys_event_raise, sys_eventfd, sys_release,
    sys_reserve, sys_thread_cpu_us,
)
from ngage_core.ticket cimport TICKET_BYTES

_POLL_SECONDS = 0.001


def publication(intended_ns: int, sequence: int, size: int) -> bytes:
    """A publication a Swarm can check, at least `size` bytes: stamp, number, padding."""
    cdef bytes prefix = b"%d %d " % (intended_ns, sequence)
    cdef size_t length = len(prefix)
    cdef size_t padding = max(0, size - len(prefix))
    cdef bytearray data = bytearray(prefix) + bytearray(padding)
    pad(<uint8_t *> data + length, padding, sequence, length)
    return bytes(data)


def bucket_floors() -> array:
    """The least time, in ns, that each bucket of histogram() counts."""
    return array("Q", [bucket_floor(i) for i in range(BUCKETS)])


@final
cdef class Swarm:
    cdef Plan *plan
    cdef Squad *squads
    cdef list _kept  # what the plan points into
    cdef readonly int threads
    cdef readonly int fans
    cdef readonly tuple channels

    def __cinit__(
        self,
        targets not None,
        *,
        int fans,
        personas not None=(LURKER,),
        seed=0,
        int threads=0,
        str source not None="",
        int window=256, bint window_returns=False,
        str congestion not None="",
        bint check_key=True, bint check_padding=False,
    ):
        NG_ASSERT_STATIC(sizeof(Fan) <= FAN_BYTES_MAX)
        NG_ASSERT_STATIC(sizeof(FanVotes) <= FAN_VOTES_BYTES_MAX)
        NG_ASSERT_STATIC(sizeof(FanScan) <= FAN_SCAN_BYTES_MAX)
        self._kept = []
        self.plan = <Plan *> calloc(1, sizeof(Plan))
        if self.plan == NULL:
            raise MemoryError
        plan_crowd(self.plan, fans, threads, window, congestion)
        self.fans = fans
        self.threads = self.plan.threads
        self.plan.window_returns = window_returns
        self.plan.seed = seed & 0xFFFFFFFFFFFFFFFF
        self.plan.check_key = check_key
        self.plan.check_padding = check_padding
        self.channels = plan_targets(self.plan, targets)
        plan_source(self.plan, source, fans)
        plan_personas(self.plan, personas, self._kept)
        self.squads = <Squad *> sys_reserve(self.threads * sizeof(Squad))
        if self.squads == NULL:
            raise MemoryError
        for i in range(self.threads):
            self.start_squad(&self.squads[i], i)

    cdef int start_squad(self, Squad *squad, int number) except -1:
        cdef int status
        squad.plan = self.plan
        squad.number = number
        squad.fan_count = parts(self.fans - number, self.threads)
        squad.fans = <Fan *> sys_reserve(squad.fan_count * sizeof(Fan))
        squad.votes = <FanVotes *> sys_reserve(squad.fan_count * sizeof(FanVotes))
        squad.scans = <FanScan *> sys_reserve(squad.fan_count * sizeof(FanScan))
        if squad.fans == NULL or squad.votes == NULL or squad.scans == NULL:
            raise MemoryError
        status = <int> sys_eventfd()
        if status < 0:
            raise OSError(-status, strerror(-status))
        squad.wake_fd = status
        status = pthread_create(&squad.thread, NULL, squad_run, squad)
        if status != 0:
            sys_close(squad.wake_fd)
            raise OSError(status, strerror(status))
        squad.alive = True
        return 0

    def __dealloc__(self):
        if self.squads != NULL:
            self.end()
            for i in range(self.threads):
                sys_release(self.squads[i].fans, self.squads[i].fan_count * sizeof(Fan))
                sys_release(self.squads[i].votes, self.squads[i].fan_count * sizeof(FanVotes))
                sys_release(self.squads[i].scans, self.squads[i].fan_count * sizeof(FanScan))
            sys_release(self.squads, self.threads * sizeof(Squad))
        if self.plan != NULL:
            free(self.plan.personas)
            free(self.plan)

    cdef void order(self, uint64_t orders) noexcept nogil:
        cdef Squad *squad
        cdef int i
        for i in range(self.threads):
            squad = &self.squads[i]
            if squad.alive:
                ng_or_seq(&squad.wanted, orders)
                ng_store(&squad.asked, squad.asked + 1)  # after what it tells of
                sys_event_raise(squad.wake_fd)

    def _obeyed(self):
        cdef int i
        for i in range(self.threads):
            while ng_load(&self.squads[i].answered) < self.squads[i].asked:
                time.sleep(_POLL_SECONDS)

    def population(self) -> list[int]:
        """How many fans of each persona there are, arrived or not."""
        cdef list fans_of = [0] * self.plan.persona_count
        cdef uint64_t number
        for number in range(<uint64_t> self.fans):
            fans_of[persona_for(self.plan, number)] += 1
        return fans_of

    def connect(self, double timeout) -> int:
        """Let every fan arrive as fast as the window allows; how many are open in time.

        The rest goes on connecting, so 0 seconds only starts it.
        """
        cdef double deadline = time.monotonic() + timeout
        cdef Tally total
        self.order(ORDER_CONNECT)
        while True:
            self.sum(&total)
            if total.opened + total.failed >= <uint64_t> self.fans or time.monotonic() >= deadline:
                return total.open
            time.sleep(_POLL_SECONDS)

    def arrive(self, uint64_t start_ns, array delays_us not None) -> None:
        """Let fan i arrive at start_ns (CLOCK_MONOTONIC) + delays_us[i]: open loop."""
        if (delays_us.typecode != "I" or len(delays_us) != self.fans
                or not ascending(delays_us.data.as_uints, self.fans)):
            raise ValueError('delays_us: an ascending array("I"), one number for each fan')
        self._kept.append(delays_us)
        self.plan.start_ns = start_ns
        self.plan.arrivals_us = <const uint32_t *> delays_us.data.as_uints
        self.order(ORDER_CONNECT)

    def stimulate(self, int persona, double probability, delay, int step) -> None:
        """Every fan of this persona, with this probability, enters `step` after its own delay."""
        cdef uint64_t number = self.plan.stimuli_given
        cdef Stimulus *stimulus = &self.plan.stimuli[number % STIMULI_PENDING]
        cdef int i
        if not -1 <= persona < self.plan.persona_count:
            raise ValueError(f"persona: no number {persona}")
        if step != -1 and (persona < 0 or not 0 <= step < self.plan.personas[persona].step_count):
            raise ValueError(f"step: persona {persona} has no number {step}")
        if not 0 <= probability <= 1:
            raise ValueError(f"probability: 0 to 1, not {probability}")
        for i in range(self.threads):
            while number >= ng_load(&self.squads[i].stimuli_taken) + STIMULI_PENDING:
                time.sleep(_POLL_SECONDS)
        stimulus.number = number
        stimulus.probability = probability
        stimulus.persona = EVERY_PERSONA if persona < 0 else persona
        stimulus.step = THEN_LEAVE if step < 0 else step
        plan_delay(&stimulus.delay, delay, self._kept)
        ng_store(&self.plan.stimuli_given, number + 1)
        self.order(ORDER_STIMULI)

    def wait_received(self, uint64_t per_fan, double timeout) -> bool:
        """Whether every open fan got at least so many publications since reset(), in time."""
        cdef double deadline = time.monotonic() + timeout
        while not self.all_received(per_fan):
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    cdef bint all_received(self, uint64_t per_fan) noexcept nogil:
        """The sum is cheap to ask often; only when it can be true each fan is looked at."""
        cdef Tally total
        cdef Squad *squad
        cdef uint32_t fan
        cdef int i
        self.sum(&total)
        if total.received < per_fan * total.open:
            return False
        for i in range(self.threads):
            squad = &self.squads[i]
            for fan in range(squad.fan_count):
                if (ng_peek(&squad.fans[fan].state) == FAN_OPEN
                        and ng_peek(&squad.fans[fan].received) < per_fan):
                    return False
        return True

    def reset(self, uint64_t first_sequence=0) -> None:
        """Count publications from zero. Each fan must see `first_sequence` first; 0: any."""
        for i in range(self.threads):
            ng_store(&self.squads[i].first_sequence, first_sequence)
        self.order(ORDER_RESET)
        self._obeyed()

    def anchor(self, int target, uint32_t epoch, int64_t difference) -> None:
        """On this target and epoch, a publication's sequence is its offset + difference."""
        if not 0 <= target < self.plan.target_count:
            raise ValueError(f"target: no number {target}")
        # A fan looks at the epoch first: between these it is not anchored.
        ng_store(&self.plan.targets[target].epoch, 0)
        ng_store(&self.plan.targets[target].difference, <uint64_t> difference)
        ng_store(&self.plan.targets[target].epoch, epoch)

    def settle(self, last) -> dict[str, int]:
        """Who has not seen the last publication? `last`: (sequence, intended_ns) by channel."""
        return self.settle_with(last, ORDER_SETTLE)

    def give_up(self, last) -> int:
        """As settle(), but what is missing now is a violation of kind tail, and in gaps."""
        return self.settle_with(last, ORDER_GIVE_UP)["waiting"]

    cdef dict settle_with(self, last, uint64_t order):
        cdef uint64_t lacking = 0, checked = 0
        if len(last) != len(self.channels):
            raise ValueError(f"last: one for each of {len(self.channels)} channels")
        for i, (sequence, intended_ns) in enumerate(last):
            self.plan.last[i].sequence = sequence
            self.plan.last[i].intended_ns = intended_ns
        self.order(order)
        self._obeyed()
        for i in range(self.threads):
            lacking += ng_load(&self.squads[i].lacking)
            checked += ng_load(&self.squads[i].checked)
        return {"waiting": lacking, "checked": checked}

    def sign_tickets(self, bytes secret not None, uint32_t expires) -> int:
        """Let every fan show a ticket of its own; the voter of fan 0, from which they count on."""
        return plan_tickets(self.plan, secret, expires)

    def hand_out(self, bytes tickets not None) -> None:
        """Let fan i show ticket i of these, 32 bytes each."""
        if len(tickets) != TICKET_BYTES * self.fans:
            raise ValueError(f"tickets: {TICKET_BYTES} bytes for each of {self.fans} fans")
        self._kept.append(tickets)
        self.plan.tickets.given = <const uint8_t *> tickets

    def poll(
        self, uint32_t number, int choices, *,
        uint32_t event=0, str name not None="", int reactions=0,
    ) -> None:
        """Let fans vote in this poll from now on, react and chat."""
        plan_poll(self.plan, number, choices, event, name, reactions)

    def close_poll(self) -> None:
        """No fan begins to vote any more; what is not acknowledged is sent on."""
        ng_store(&self.plan.poll.closed, 1)

    def vote_bounds(self) -> Bounds:
        """What the tally may be, if nothing was counted after this."""
        cdef VoteBounds *bounds
        cdef int choices = <int> ng_peek(&self.plan.poll.choices)
        cdef list least = [0] * choices, most = [0] * choices
        cdef uint64_t voters_least = 0, voters_most = 0, pending = 0
        self.order(ORDER_VOTES)
        self._obeyed()
        for i in range(self.threads):
            bounds = &self.squads[i].bounds
            for choice in range(choices):
                least[choice] += bounds.least[choice]
                most[choice] += bounds.most[choice]
            voters_least += bounds.voters_least
            voters_most += bounds.voters_most
            pending += bounds.pending
        return Bounds(tuple(least), tuple(most), voters_least, voters_most, pending)

    def audit(self, array seqs not None, array masks not None) -> None:
        """Hold the server's registers, by fan, to what each fan has sent and was acknowledged."""
        if any(of.typecode != "I" or len(of) != self.fans for of in (seqs, masks)):
            raise ValueError('seqs, masks: array("I"), one number for each fan')
        self.plan.audit.seqs = <const uint32_t *> seqs.data.as_uints
        self.plan.audit.masks = <const uint32_t *> masks.data.as_uints
        self.order(ORDER_AUDIT)
        self._obeyed()

    def progress(self) -> dict[str, int]:
        """Counters of all squads, named as in swarm_fan.pxd; of `last_...` the largest. Cheap."""
        cdef Tally total
        self.sum(&total)
        return total

    cdef void sum(self, Tally *total) noexcept nogil:
        cdef uint64_t *words
        cdef size_t word
        cdef int i
        memset(total, 0, sizeof(Tally))
        for i in range(self.threads):
            words = <uint64_t *> &self.squads[i].tally
            for word in range(sizeof(Tally) // sizeof(uint64_t)):
                (<uint64_t *> total)[word] += ng_peek(&words[word])
        total.last_received_ns = total.last_error = 0
        for i in range(self.threads):
            total.last_received_ns = max(total.last_received_ns,
                                         ng_peek(&self.squads[i].tally.last_received_ns))
            total.last_error = max(total.last_error, ng_peek(&self.squads[i].tally.last_error))

    def violations(self) -> list:
        """The first 256 of each squad, oldest first; progress() counts all of them."""
        cdef ViolationNote *found
        cdef uint64_t number
        cdef list all_found = []
        for i in range(self.threads):
            number = ng_load(&self.squads[i].tally.violations)
            for j in range(min(number, <uint64_t> VIOLATIONS_KEPT)):
                found = &self.squads[i].violations[j]
                all_found.append(Violation(
                    _VIOLATION_KINDS[found.kind], found.fan, found.channel, found.persona,
                    found.expected, found.got, found.at_ns))
        return sorted(all_found, key=lambda violation: violation.at_ns)

    def close_codes(self) -> dict[int, int]:
        """Codes of closes the server began, and statuses of refused upgrades: how often each."""
        cdef dict codes = {}
        cdef uint64_t times
        for i in range(self.threads):
            for code in range(CLOSE_CODE_END + 1):
                times = ng_peek(&self.squads[i].endings[code])
                if times:
                    codes[code] = codes.get(code, 0) + times
        return codes

    def histogram(self, str kind not None="latency") -> array:
        """Counts for the buckets of bucket_floors(), as 64-bit words for numpy."""
        cdef array merged = array("Q", bytes(8 * BUCKETS))
        cdef uint64_t *counts
        for i in range(self.threads):
            if kind == "latency":
                counts = self.squads[i].latency
            elif kind == "connect":
                counts = self.squads[i].connecting
            elif kind == "lag":
                counts = self.squads[i].lag
            elif kind == "vote":
                counts = self.squads[i].voting
            else:
                raise ValueError(f"histogram: latency, connect, lag or vote, not {kind}")
            for bucket in range(BUCKETS):
                merged.data.as_ulonglongs[bucket] += ng_peek(&counts[bucket])
        return merged

    def cpu_seconds(self) -> float:
        """CPU time the threads have spent."""
        cdef uint64_t spent_us = 0
        for i in range(self.threads):
            if self.squads[i].alive:
                ng_store(&self.squads[i].cpu_us, sys_thread_cpu_us(self.squads[i].thread))
            spent_us += ng_peek(&self.squads[i].cpu_us)
        return <double> spent_us / 1e6

    def stop(self) -> None:
        """Reset every connection and end the threads. Idempotent; the other counters stay."""
        self.cpu_seconds()
        with nogil:
            self.end()

    cdef void end(self) noexcept nogil:
        cdef int i
        self.order(ORDER_STOP)
        for i in range(self.threads):
            if self.squads[i].alive:
                pthread_join(self.squads[i].thread, NULL)
                sys_close(self.squads[i].wake_fd)
                self.squads[i].alive = False
