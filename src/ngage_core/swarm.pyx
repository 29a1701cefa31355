"""A crowd of native WebSocket clients that checks what each of them gets: mobsim's engine.

A Swarm is `fans` connections spread over squads, each a thread with a private descriptor table
(swarm_squad.pxd), because RLIMIT_NOFILE then counts for each squad. No Python object per fan, and
no GIL in a squad. What fans do is given as plain values (behaviour.py) and copied into a Plan that
all squads read.
"""

import ipaddress
import itertools
import resource
import time
from os import strerror

from cpython.array cimport array
from cython cimport final
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from ngage_core.behaviour import LURKER, Distribution, Violation
from ngage_core.behaviour import VIOLATION_KINDS as _VIOLATION_KINDS

from ngage_core.atomic cimport ng_load, ng_or_seq, ng_peek, ng_store
from ngage_core.histogram cimport BUCKETS, bucket_floor
from ngage_core.platform cimport NG_ASSERT_STATIC
from ngage_core.swarm_fan cimport (
    FAN_BYTES_MAX, FAN_OPEN, VIOLATIONS_KEPT, Fan, Tally, ViolationNote,
)
from ngage_core.swarm_payload cimport pad
from ngage_core.swarm_plan cimport (
    CONGESTION_BYTES_MAX, EVERY_PERSONA, EXITS_MAX, HEAD_BYTES_MAX, PATH_BYTES_MAX, PERSONAS_MAX,
    STEPS_MAX, STIMULI_PENDING, TARGETS_MAX, THEN_LEAVE, DelayPlan, PersonaPlan, Plan, StepPlan,
    Stimulus, TargetPlan,
)
from ngage_core.swarm_raw cimport raw_codec
from ngage_core.swarm_squad cimport (
    ORDER_CONNECT, ORDER_GIVE_UP, ORDER_RESET, ORDER_SETTLE, ORDER_STIMULI, ORDER_STOP, Squad,
)
from ngage_core.swarm_steps cimport ascending, persona_for
from ngage_core.swarm_stream cimport CLOSE_CODE_END
from ngage_core.swarm_thread cimport squad_run
from ngage_core.sysio cimport (
    AF_INET, htonl, htons, pthread_create, pthread_join, sys_close, sys_event_raise, sys_eventfd,
    sys_release, sys_reserve, sys_thread_cpu_us,
)

cdef enum:
    DESCRIPTORS_OF_A_SQUAD = 16  # what its table holds beside the fans, and room
    FANS_MAX = 4194304
    FANS_OF_AN_ADDRESS = 8192  # the default range has 28,232 ports, and the search slows when full
    WINDOW_MAX = 65536

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
        cdef bytes algorithm = congestion.encode()
        cdef int of_a_squad = fans_of_a_squad()
        if not 1 <= fans <= FANS_MAX:
            raise ValueError(f"fans: 1 to {FANS_MAX}, not {fans}")
        if not 1 <= window <= WINDOW_MAX:
            raise ValueError(f"window: 1 to {WINDOW_MAX} connects for each thread, not {window}")
        threads = threads or parts(fans, of_a_squad)
        if not 1 <= threads <= fans or parts(fans, threads) > of_a_squad:
            raise ValueError(f"threads: each holds at most {of_a_squad} fans (RLIMIT_NOFILE)")
        if len(algorithm) >= CONGESTION_BYTES_MAX:
            raise ValueError(f"congestion: no such algorithm: {congestion}")
        self.fans = fans
        self.threads = threads
        self._kept = []
        self.plan = <Plan *> calloc(1, sizeof(Plan))
        if self.plan == NULL:
            raise MemoryError
        raw_codec(&self.plan.raw)
        self.plan.threads = threads
        self.plan.window = window
        self.plan.window_returns = window_returns
        self.plan.seed = seed & 0xFFFFFFFFFFFFFFFF
        self.plan.check_key = check_key
        self.plan.check_padding = check_padding
        memcpy(self.plan.congestion, <const char *> algorithm, len(algorithm))
        self.channels = plan_targets(self.plan, targets)
        plan_source(self.plan, source, fans)
        self.plan_personas(personas)
        self.squads = <Squad *> sys_reserve(threads * sizeof(Squad))
        if self.squads == NULL:
            raise MemoryError
        for i in range(threads):
            self.start_squad(&self.squads[i], i)

    cdef int plan_personas(self, personas) except -1:
        cdef double total = 0
        cdef int i
        if not 1 <= len(personas) <= PERSONAS_MAX:
            raise ValueError(f"personas: 1 to {PERSONAS_MAX}, not {len(personas)}")
        self.plan.personas = <PersonaPlan *> calloc(len(personas), sizeof(PersonaPlan))
        if self.plan.personas == NULL:
            raise MemoryError
        self.plan.persona_count = len(personas)
        for i, persona in enumerate(personas):
            plan_persona(self.plan, &self.plan.personas[i], persona, self._kept)
            if persona.weight < 0:
                raise ValueError(f"persona {persona.name}: weight is negative")
            total += persona.weight
            self.plan.until[i] = total
        if total <= 0:
            raise ValueError("personas: no weight is above 0")
        for i in range(self.plan.persona_count):
            self.plan.until[i] /= total
        return 0

    cdef int start_squad(self, Squad *squad, int number) except -1:
        cdef int status
        squad.plan = self.plan
        squad.number = number
        squad.fan_count = parts(self.fans - number, self.threads)
        squad.fans = <Fan *> sys_reserve(squad.fan_count * sizeof(Fan))
        if squad.fans == NULL:
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
            else:
                raise ValueError(f"histogram: latency, connect or lag, not {kind}")
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


cdef int fans_of_a_squad() except -1:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return FANS_MAX
    return max(1, min(soft - DESCRIPTORS_OF_A_SQUAD, FANS_MAX))


cdef int parts(int whole, int part):
    return (whole + part - 1) // part


# Plain values to a Plan

cdef tuple plan_targets(Plan *plan, targets):
    """The channels: distinct paths in order of appearance."""
    cdef TargetPlan *target
    cdef list channels = []
    if not 1 <= len(targets) <= TARGETS_MAX:
        raise ValueError(f"targets: 1 to {TARGETS_MAX}, not {len(targets)}")
    plan.target_count = len(targets)
    for i, (host, port, path, skips) in enumerate(targets):
        target = &plan.targets[i]
        start = f"GET {path}".encode()
        head = (
            f" HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        ).encode()
        if len(start) > PATH_BYTES_MAX or len(head) > HEAD_BYTES_MAX:
            raise ValueError(f"path: at most {PATH_BYTES_MAX - 4} bytes")
        if path not in channels:
            channels.append(path)
        target.channel = channels.index(path)
        target.skips = skips
        target.has_query = "?" in path
        target.path_bytes = len(start)
        memcpy(target.path, <const uint8_t *> start, target.path_bytes)
        target.head_bytes = len(head)
        memcpy(target.head, <const uint8_t *> head, target.head_bytes)
        target.address.sin_family = AF_INET
        target.address.sin_port = htons(port)
        target.address.sin_addr.s_addr = htonl(int(ipaddress.IPv4Address(host)))
    plan.channel_count = len(channels)
    return tuple(channels)


cdef int plan_source(Plan *plan, str source, int fans) except -1:
    if source:
        network = ipaddress.IPv4Network(source)
        addresses = max(1, network.num_addresses - 2)  # without those of the network and broadcast
        plan.source = int(network.network_address) + (network.num_addresses > 2)
        plan.sources = min(addresses, parts(fans, FANS_OF_AN_ADDRESS))
    return 0


cdef int plan_persona(Plan *plan, PersonaPlan *out, persona, list kept) except -1:
    cdef StepPlan *step_out
    if persona.protocol != "raw":
        raise ValueError(f"persona {persona.name}: no protocol {persona.protocol}; there is: raw")
    if not 1 <= len(persona.steps) <= STEPS_MAX:
        raise ValueError(f"persona {persona.name}: 1 to {STEPS_MAX} steps")
    if not -1 <= persona.lost < len(persona.steps):
        raise ValueError(f"persona {persona.name}: lost: no step {persona.lost}")
    out.codec = &plan.raw
    out.receive_buffer_bytes = persona.receive_buffer
    out.lost = persona.lost
    out.step_count = len(persona.steps)
    for i, step in enumerate(persona.steps):
        step_out = &out.steps[i]
        if len(step.next) > EXITS_MAX:
            raise ValueError(f"persona {persona.name}: step {i}: at most {EXITS_MAX} exits")
        if any(not 0 <= to < len(persona.steps) for _, to in step.next):
            raise ValueError(f"persona {persona.name}: step {i}: leads to a step that is not there")
        step_out.action = step.action
        step_out.amount = step.amount
        step_out.exits = len(step.next)
        shares = itertools.accumulate(probability for probability, _ in step.next)
        for j, (until, (_, to)) in enumerate(zip(shares, step.next, strict=True)):
            step_out.until[j] = until
            step_out.to[j] = to
        plan_delay(&step_out.think, step.think, kept)
    return 0


cdef int plan_delay(DelayPlan *out, delay, list kept) except -1:
    cdef array values
    distribution, a, b, given = delay
    if a < 0 or (distribution == Distribution.PARETO and b <= 0) or b < 0:
        raise ValueError(f"delay: negative or without shape: {delay}")
    if distribution == Distribution.EMPIRICAL:
        if not given or min(given) < 0:
            raise ValueError("delay: empirical needs values, none negative")
        values = array("d", given)
        kept.append(values)
        out.values = values.data.as_doubles
        out.value_count = len(values)
    out.distribution = distribution
    out.a = a
    out.b = b
    return 0
