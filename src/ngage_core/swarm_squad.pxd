"""A squad: what one thread of a swarm owns.

Python asks through `wanted` (a set of Orders) with one eventfd, and sees `answered` reach `asked`;
it reads the tally and the histograms while they are written. How fans connect and read is in
swarm_connection.pxd, what they want in swarm_steps.pxd, the thread itself in swarm.pyx.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from ngage_core.histogram cimport BUCKETS
from ngage_core.swarm_fan cimport (
    VIOLATIONS_KEPT, Fan, FanScan, FanVotes, Tally, ViolationNote, count,
)
from ngage_core.swarm_plan cimport Plan, Reading
from ngage_core.swarm_stream cimport CLOSE_CODE_END
from ngage_core.swarm_votes cimport VoteBounds
from ngage_core.sysio cimport epoll_event, pthread_t
from ngage_core.wheel cimport Wheel, wheel_add, wheel_move, wheel_remove

cdef enum:
    SQUAD_READ_BYTES = 65536
    SQUAD_PARK_BYTES = 8192  # more than any unit of swarm_stream
    SQUAD_EVENTS = 512
    STEP_TICK_NS = 4000000  # of the wheel; it is 16 s long

cdef enum Order:
    ORDER_CONNECT = 1
    ORDER_STIMULI = 2
    ORDER_RESET = 4
    ORDER_SETTLE = 8
    ORDER_GIVE_UP = 16
    ORDER_STOP = 32
    ORDER_VOTES = 64
    ORDER_AUDIT = 128


cdef struct Squad:
    uint64_t wanted
    uint64_t asked
    uint64_t answered
    uint64_t first_sequence
    uint64_t stimuli_taken
    uint64_t lacking  # fans the last ORDER_SETTLE found without the last publication
    uint64_t checked
    uint64_t started  # of the fans, how many have arrived
    uint64_t cpu_us  # of the thread, when it was last asked for
    Tally tally
    uint64_t latency[BUCKETS]
    uint64_t connecting[BUCKETS]
    uint64_t voting[BUCKETS]
    uint64_t lag[BUCKETS]
    uint64_t endings[CLOSE_CODE_END + 1]
    ViolationNote violations[VIOLATIONS_KEPT]
    VoteBounds bounds  # as the last ORDER_VOTES found them
    Plan *plan
    Fan *fans
    FanVotes *votes  # by fan
    FanScan *scans
    uint32_t fan_count
    uint32_t number
    uint32_t in_flight
    uint32_t waiting  # deadlines in the wheel
    uint32_t *returning  # fans that wait for room in the window; a ring with room for all
    uint32_t returning_first
    uint32_t returning_count
    uint64_t now_ns  # of this turn
    uint64_t beat_ns  # when its next heartbeat is due
    bint launching
    bint stopping
    bint alive  # the thread exists and was not joined
    int epoll_fd
    int wake_fd
    pthread_t thread
    Wheel wheel
    Reading reading
    epoll_event events[SQUAD_EVENTS]
    uint8_t buffer[SQUAD_PARK_BYTES + SQUAD_READ_BYTES]


cdef inline uint32_t index_of(const Squad *squad, const Fan *fan) noexcept nogil:
    return <uint32_t> (fan - squad.fans)


cdef inline void set_paused(Squad *squad, Fan *fan, bint paused) noexcept nogil:
    count(&squad.tally.paused, <uint64_t> paused - fan.paused)
    fan.paused = paused


cdef inline void schedule(Squad *squad, Fan *fan, uint8_t then, uint64_t due_ns) noexcept nogil:
    """Its one deadline; rounded up, so that nothing is early."""
    cdef uint32_t tick = <uint32_t> ((due_ns + STEP_TICK_NS - 1) // STEP_TICK_NS)
    fan.then = then
    if fan.waiting:
        wheel_move(&squad.wheel, index_of(squad, fan), tick)
        return
    fan.waiting = 1
    squad.waiting += 1
    wheel_add(&squad.wheel, index_of(squad, fan), tick)


cdef inline void unschedule(Squad *squad, Fan *fan) noexcept nogil:
    if fan.waiting:
        fan.waiting = 0
        squad.waiting -= 1
        wheel_remove(&squad.wheel, index_of(squad, fan))
