"""A crowd of native WebSocket clients that checks what each of them gets: mobsim's engine.

A Swarm is `fans` connections spread over squads, each a thread with a private descriptor table
(swarm_squad.pxd), because RLIMIT_NOFILE then counts for each squad. No Python object per fan, and
no GIL in a squad. Every publication should begin with two decimal numbers, a space after each:
CLOCK_MONOTONIC nanoseconds of the intended send, and a sequence number.
"""

import ipaddress
import os
import resource
import time

from cpython.array cimport array
from cython cimport final
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from ngage_core.atomic cimport ng_load, ng_or_seq, ng_peek, ng_store, ng_take_seq
from ngage_core.histogram cimport BUCKETS, bucket_floor
from ngage_core.platform cimport NG_ASSERT_STATIC
from ngage_core.swarm_fan cimport FAN_BYTES_MAX, FAN_CONNECTING, FAN_OPEN, Fan, Tally, pad
from ngage_core.swarm_squad cimport (
    CONGESTION_BYTES_MAX, ORDER_CONNECT, ORDER_PAUSE, ORDER_RESET, ORDER_RESUME, ORDER_STOP,
    REQUEST_BYTES_MAX, SQUAD_EVENTS, Plan, Squad, can_launch, fan_event, fan_read, launch_some,
)
from ngage_core.sysio cimport (
    AF_INET, EPOLLET, EPOLLIN, EPOLLRDHUP, htonl, htons, pthread_create, pthread_join, sys_abort,
    sys_block_signals, sys_close, sys_epoll_add, sys_epoll_create, sys_epoll_wait,
    sys_event_clear, sys_event_raise, sys_eventfd, sys_private_descriptors, sys_release,
    sys_reserve,
)

cdef enum:
    DESCRIPTORS_OF_A_SQUAD = 16  # what its table holds beside the fans, and room
    FANS_MAX = 4194304
    FANS_OF_AN_ADDRESS = 8192  # the default range has 28,232 ports, and the search slows when full
    WINDOW_MAX = 65536
    WAKE_TAG = 0xFFFFFFFF

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
    """The least latency, in ns, that each bucket of histogram() counts."""
    return array("Q", [bucket_floor(i) for i in range(BUCKETS)])


@final
cdef class Swarm:
    cdef Plan plan
    cdef Squad *squads
    cdef readonly int threads
    cdef readonly int fans

    def __cinit__(
        self,
        str host not None,
        int port,
        str path not None,
        *,
        int fans,
        int threads=0,
        str source not None="",
        int window=256,
        int receive_buffer=0,
        str congestion not None="",
        bint check_key=True,
        bint check_padding=False,
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
        self.fans = fans
        self.threads = threads
        make_plan(&self.plan, host, port, path, source, fans)
        if len(algorithm) >= CONGESTION_BYTES_MAX:
            raise ValueError(f"congestion: no such algorithm: {congestion}")
        memcpy(self.plan.congestion, <const char *> algorithm, len(algorithm))
        self.plan.window = window
        self.plan.receive_buffer_bytes = receive_buffer
        self.plan.check_key = check_key
        self.plan.check_padding = check_padding
        self.squads = <Squad *> calloc(threads, sizeof(Squad))
        if self.squads == NULL:
            raise MemoryError
        for i in range(threads):
            self.start_squad(&self.squads[i], i)

    cdef int start_squad(self, Squad *squad, int number) except -1:
        cdef int status
        squad.plan = &self.plan
        squad.first_fan = <uint32_t> (<uint64_t> self.fans * number // self.threads)
        squad.fan_count = <uint32_t> (
            <uint64_t> self.fans * (number + 1) // self.threads - squad.first_fan)
        squad.fans = <Fan *> sys_reserve(squad.fan_count * sizeof(Fan))
        if squad.fans == NULL:
            raise MemoryError
        status = <int> sys_eventfd()
        if status < 0:
            raise OSError(-status, os.strerror(-status))
        squad.wake_fd = status
        status = pthread_create(&squad.thread, NULL, squad_run, squad)
        if status != 0:
            sys_close(squad.wake_fd)
            raise OSError(status, os.strerror(status))
        squad.alive = True
        return 0

    def __dealloc__(self):
        if self.squads == NULL:
            return
        self.end()
        for i in range(self.threads):
            sys_release(self.squads[i].fans, self.squads[i].fan_count * sizeof(Fan))
        free(self.squads)

    cdef void order(self, uint64_t orders) noexcept nogil:
        cdef Squad *squad
        cdef int i
        for i in range(self.threads):
            squad = &self.squads[i]
            if squad.alive:
                ng_store(&squad.asked, squad.asked + 1)
                ng_or_seq(&squad.wanted, orders)
                sys_event_raise(squad.wake_fd)

    def _obeyed(self):
        cdef int i
        for i in range(self.threads):
            while ng_load(&self.squads[i].answered) < self.squads[i].asked:
                time.sleep(_POLL_SECONDS)

    def connect(self, double timeout) -> int:
        """Connect every fan; returns how many are open after at most `timeout` seconds.

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

    def pause(self, double fraction) -> int:
        """Let this part of the fans stop reading (and answering pings); returns how many did."""
        cdef int paused = 0
        if not 0 <= fraction <= 1:
            raise ValueError(f"fraction: 0 to 1, not {fraction}")
        for i in range(self.threads):
            ng_store(&self.squads[i].pause_count, <uint64_t> (self.squads[i].fan_count * fraction))
            paused += <int> ng_peek(&self.squads[i].pause_count)
        self.order(ORDER_PAUSE)
        self._obeyed()
        return paused

    def resume(self) -> None:
        """Let every fan read again, first what has come meanwhile."""
        self.order(ORDER_RESUME)
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

    def close_codes(self) -> dict[int, int]:
        """Close codes received, and statuses of refused upgrades: how many fans had each."""
        cdef dict codes = {}
        cdef uint16_t code
        for i in range(self.threads):
            for fan in range(self.squads[i].fan_count):
                code = self.squads[i].fans[fan].close_code
                if code:
                    codes[code] = codes.get(code, 0) + 1
        return codes

    def histogram(self) -> array:
        """Latencies from intended send to fan, as counts for the buckets of bucket_floors().

        An array of 64-bit words: numpy.asarray() takes it without a copy.
        """
        cdef array merged = array("Q", bytes(8 * BUCKETS))
        for i in range(self.threads):
            for bucket in range(BUCKETS):
                merged.data.as_ulonglongs[bucket] += ng_peek(&self.squads[i].histogram[bucket])
        return merged

    def stop(self) -> None:
        """Reset every connection and end the threads. Idempotent; the other counters stay."""
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


cdef int parts(int whole, int part) noexcept:
    return (whole + part - 1) // part


cdef int make_plan(Plan *plan, str host, int port, str path, str source, int fans) except -1:
    cdef bytes request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    ).encode()
    if len(request) > REQUEST_BYTES_MAX:
        raise ValueError(f"path: at most {REQUEST_BYTES_MAX} bytes with the request around it")
    memset(plan, 0, sizeof(Plan))
    plan.target.sin_family = AF_INET
    plan.target.sin_port = htons(port)
    plan.target.sin_addr.s_addr = htonl(int(ipaddress.IPv4Address(host)))
    plan.request_bytes = len(request)
    memcpy(plan.request, <const uint8_t *> request, plan.request_bytes)
    plan.seed = int.from_bytes(os.urandom(8), "little")
    if source:
        network = ipaddress.IPv4Network(source)
        addresses = max(1, network.num_addresses - 2)  # without those of the network and broadcast
        plan.source = int(network.network_address) + (network.num_addresses > 2)
        plan.sources = min(addresses, parts(fans, FANS_OF_AN_ADDRESS))
    return 0


# The thread of a squad

cdef void *squad_run(void *argument) noexcept nogil:
    """Its private descriptor table, and all that is open in it, goes when it returns."""
    cdef Squad *squad = <Squad *> argument
    cdef int64_t ready, i
    sys_block_signals()
    if not squad_enter(squad):
        squad.stopping = True
    while not squad.stopping:
        ready = sys_epoll_wait(squad.epoll_fd, squad.events, SQUAD_EVENTS,
                               0 if can_launch(squad) else -1)
        for i in range(ready):
            if squad.events[i].data.u64 == <uint64_t> WAKE_TAG:
                sys_event_clear(squad.wake_fd)
                obey(squad)
            else:
                fan_event(squad, <uint32_t> squad.events[i].data.u64, squad.events[i].events)
        launch_some(squad)
    squad_leave(squad)
    return NULL


cdef bint squad_enter(Squad *squad) noexcept nogil:
    cdef int64_t status = sys_private_descriptors(squad.wake_fd, squad.wake_fd)
    if status >= 0:
        status = squad.epoll_fd = <int> sys_epoll_create()
    if status >= 0:
        status = sys_epoll_add(squad.epoll_fd, squad.wake_fd, EPOLLIN | EPOLLET, WAKE_TAG)
    if status < 0:
        ng_store(&squad.tally.last_error, -status)
        ng_store(&squad.tally.failed, squad.fan_count)
    squad.reading.tally = &squad.tally
    squad.reading.histogram = squad.histogram
    squad.reading.seed = squad.plan.seed
    squad.reading.check_key = squad.plan.check_key
    squad.reading.check_padding = squad.plan.check_padding
    return status >= 0


cdef void squad_leave(Squad *squad) noexcept nogil:
    """Reset every connection: a close in order would leave the client's ports in TIME_WAIT."""
    cdef uint32_t i
    for i in range(squad.fan_count):
        if FAN_CONNECTING <= squad.fans[i].state <= FAN_OPEN:
            sys_abort(squad.fans[i].fd)
            free(squad.fans[i].parked)
    ng_store(&squad.tally.open, 0)
    ng_store(&squad.answered, ~<uint64_t> 0)


cdef void obey(Squad *squad) noexcept nogil:
    cdef uint64_t asked = ng_load(&squad.asked)
    cdef uint64_t orders = ng_take_seq(&squad.wanted)
    if orders & ORDER_CONNECT:
        squad.launching = True
    if orders & ORDER_RESET:
        forget(squad)
    if orders & ORDER_PAUSE:
        pause_fans(squad)
    if orders & ORDER_RESUME:
        resume_fans(squad)
    if orders & ORDER_STOP:
        squad.stopping = True
        return
    ng_store(&squad.answered, asked)


cdef void forget(Squad *squad) noexcept nogil:
    """Count publications from zero: from `received` to `last_received_ns`. Connections stay."""
    cdef Tally *tally = &squad.tally
    cdef uint32_t i
    for i in range(squad.fan_count):
        ng_store(&squad.fans[i].received, 0)
        squad.fans[i].next_sequence = ng_peek(&squad.first_sequence)
        squad.fans[i].seen = ~<uint64_t> 0
    for i in range(<uint32_t> BUCKETS):
        ng_store(&squad.histogram[i], 0)
    for i in range(&tally.last_received_ns - &tally.received + 1):
        ng_store(&tally.received + i, 0)


cdef void pause_fans(Squad *squad) noexcept nogil:
    cdef uint32_t i
    for i in range(<uint32_t> ng_peek(&squad.pause_count)):
        squad.fans[i].paused = 1


cdef void resume_fans(Squad *squad) noexcept nogil:
    cdef uint32_t i
    for i in range(squad.fan_count):
        squad.fans[i].paused = 0
        if squad.fans[i].ready:
            squad.fans[i].ready = 0
            # Readiness was taken while paused, the peer's end perhaps with it: read to the end.
            fan_read(squad, &squad.fans[i], i, EPOLLRDHUP)
