"""A squad: what one thread of a swarm owns, and how it connects, reads and ends its fans.

Python asks through `wanted` (a set of Orders) with one eventfd, and sees `answered` reach `asked`;
it reads the Tally and the histogram while they are written. The thread itself is in swarm.pyx.
"""

from libc.errno cimport EAGAIN, EINPROGRESS
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from ngage_core.atomic cimport ng_store
from ngage_core.histogram cimport BUCKETS
from ngage_core.sha1 cimport CLIENT_KEY_BYTES
from ngage_core.swarm_fan cimport (
    FAN_CLOSED, FAN_CONNECTING, FAN_FAILED, FAN_OPEN, FAN_UPGRADING, Fan, Tally, count,
)
from ngage_core.swarm_stream cimport READ_MALFORMED, READ_REFUSED, Reading, client_key, read_units
from ngage_core.sysio cimport (
    AF_INET, EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, IP_BIND_ADDRESS_NO_PORT,
    IPPROTO_IP, IPPROTO_TCP, SO_RCVBUF, SOL_SOCKET, TCP_CONGESTION, epoll_event, htonl, pthread_t,
    sockaddr_in, sys_bind, sys_close, sys_connect, sys_epoll_add, sys_now_ns, sys_option,
    sys_option_bytes, sys_receive, sys_send, sys_socket,
)

cdef enum:
    SQUAD_READ_BYTES = 65536
    SQUAD_PARK_BYTES = 8192  # more than any unit of swarm_stream
    SQUAD_EVENTS = 512
    LAUNCHES_PER_TURN = 32  # about 1 ms of connects, then those who are there are read
    REQUEST_BYTES_MAX = 4096
    CONGESTION_BYTES_MAX = 16  # TCP_CA_NAME_MAX


cdef enum Order:
    ORDER_CONNECT = 1
    ORDER_PAUSE = 2
    ORDER_RESUME = 4
    ORDER_RESET = 8
    ORDER_STOP = 16


cdef struct Plan:  # what all squads of a swarm share; written before they start
    sockaddr_in target
    uint32_t source  # of the first address, host order; 0: the kernel chooses
    uint32_t sources
    uint32_t window
    int receive_buffer_bytes
    char congestion[CONGESTION_BYTES_MAX]
    uint8_t request[REQUEST_BYTES_MAX]  # without the key and what follows it
    size_t request_bytes
    uint64_t seed
    bint check_key
    bint check_padding


cdef struct Squad:
    uint64_t wanted
    uint64_t asked
    uint64_t answered
    uint64_t pause_count
    uint64_t first_sequence
    uint64_t started  # of the fans, how many were launched
    Tally tally
    uint64_t histogram[BUCKETS]
    const Plan *plan
    Fan *fans
    uint32_t fan_count
    uint32_t first_fan  # of the swarm's numbering
    uint32_t in_flight
    bint launching
    bint stopping
    bint alive  # the thread exists and was not joined
    int epoll_fd
    int wake_fd
    pthread_t thread
    Reading reading
    epoll_event events[SQUAD_EVENTS]
    uint8_t buffer[SQUAD_PARK_BYTES + SQUAD_READ_BYTES]


# Connecting

cdef inline bint can_launch(const Squad *squad) noexcept nogil:
    return (squad.launching and squad.started < squad.fan_count
            and squad.in_flight < squad.plan.window)


cdef inline void launch_some(Squad *squad) noexcept nogil:
    cdef int _i
    for _i in range(LAUNCHES_PER_TURN):
        if not can_launch(squad):
            return
        launch(squad, <uint32_t> squad.started)
        ng_store(&squad.started, squad.started + 1)


cdef inline void launch(Squad *squad, uint32_t index) noexcept nogil:
    cdef Fan *fan = &squad.fans[index]
    cdef int64_t status = sys_socket(AF_INET)
    if status < 0:
        fan_fail(squad, fan, status)
        return
    fan.fd = <int> status
    squad.in_flight += 1
    ng_store(&fan.state, FAN_CONNECTING)
    status = prepare(squad.plan, fan.fd, squad.first_fan + index)
    if status >= 0:
        status = sys_connect(fan.fd, &squad.plan.target, sizeof(sockaddr_in))
    if status == -EINPROGRESS:
        status = 0
    if status >= 0:
        # Write readiness is reported only here and after a full send buffer: one registration.
        status = sys_epoll_add(squad.epoll_fd, fan.fd,
                               EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, index)
    if status < 0:
        fan_end(squad, fan, status)


cdef inline int64_t prepare(const Plan *plan, int fd, uint32_t fan_number) noexcept nogil:
    """Options and the source address, before connect()."""
    cdef int64_t status = 0
    cdef sockaddr_in source
    if plan.receive_buffer_bytes:
        status = sys_option(fd, SOL_SOCKET, SO_RCVBUF, plan.receive_buffer_bytes)
    if status >= 0 and plan.congestion[0]:
        status = sys_option_bytes(fd, IPPROTO_TCP, TCP_CONGESTION, plan.congestion,
                                  CONGESTION_BYTES_MAX)
    if status < 0 or plan.source == 0:
        return status
    # ip(7): the port is chosen at connect(), so it has to be free for this target only.
    status = sys_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    if status < 0:
        return status
    memset(&source, 0, sizeof(source))
    source.sin_family = AF_INET
    source.sin_addr.s_addr = htonl(plan.source + fan_number % plan.sources)
    return sys_bind(fd, &source, sizeof(source))


cdef inline void request_upgrade(Squad *squad, Fan *fan, uint32_t index) noexcept nogil:
    cdef const Plan *plan = squad.plan
    cdef uint8_t request[REQUEST_BYTES_MAX + 32]
    cdef size_t size = plan.request_bytes
    cdef int64_t sent
    memcpy(request, plan.request, size)
    client_key(request + size, plan.seed, squad.first_fan + index)
    size += CLIENT_KEY_BYTES
    memcpy(request + size, b"\r\n\r\n", 4)
    size += 4
    ng_store(&fan.state, FAN_UPGRADING)
    sent = sys_send(fan.fd, request, size)
    if sent != <int64_t> size:  # a fresh socket takes more than any request
        fan_end(squad, fan, sent if sent < 0 else -EAGAIN)


# Reading

cdef inline void fan_event(Squad *squad, uint32_t index, uint32_t events) noexcept nogil:
    cdef Fan *fan = &squad.fans[index]
    if fan.state == FAN_CONNECTING and events & EPOLLOUT and not events & EPOLLERR:
        request_upgrade(squad, fan, index)
    if fan.state > FAN_OPEN or not events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP):
        return
    if fan.paused and not events & EPOLLERR:
        fan.ready = 1
        return
    fan_read(squad, fan, index, events)


cdef inline void fan_read(Squad *squad, Fan *fan, uint32_t index, uint32_t events) noexcept nogil:
    """Read until the kernel has no more: a short read is that, unless the peer has ended too."""
    cdef bint ended = (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0
    cdef size_t parked
    cdef int64_t received, used
    cdef bint upgrading
    while fan.state <= FAN_OPEN:
        parked = fan.parked_bytes
        received = sys_receive(fan.fd, squad.buffer + parked, SQUAD_READ_BYTES)
        if received == -EAGAIN:
            return
        if received <= 0:
            fan_end(squad, fan, received)
            return
        unpark(squad, fan)
        squad.reading.now_ns = sys_now_ns()
        upgrading = fan.state == FAN_UPGRADING
        used = read_units(&squad.reading, fan, squad.first_fan + index, squad.buffer,
                          parked + received)
        if upgrading and fan.state == FAN_OPEN:
            squad.in_flight -= 1
        if used < 0:
            refuse(squad, fan, used)
            return
        if squad.reading.reply.bytes:
            # A server that does not read its pongs has them dropped.
            sys_send(fan.fd, squad.reading.reply.data, squad.reading.reply.bytes)
            squad.reading.reply.bytes = 0
        if not park(fan, squad.buffer + used, parked + received - used):
            refuse(squad, fan, READ_MALFORMED)
            return
        if received < SQUAD_READ_BYTES and not ended:
            return


cdef inline void unpark(Squad *squad, Fan *fan) noexcept nogil:
    if fan.parked == NULL:
        return
    memcpy(squad.buffer, fan.parked, fan.parked_bytes)
    free(fan.parked)
    fan.parked = NULL
    fan.parked_bytes = 0


cdef inline bint park(Fan *fan, const uint8_t *rest, size_t size) noexcept nogil:
    if size == 0:
        return True
    if size > SQUAD_PARK_BYTES:
        return False
    fan.parked = <uint8_t *> malloc(size)
    if fan.parked == NULL:
        return False
    memcpy(fan.parked, rest, size)
    fan.parked_bytes = <uint32_t> size
    return True


# Ending

cdef inline void refuse(Squad *squad, Fan *fan, int64_t verdict) noexcept nogil:
    if verdict == READ_REFUSED:
        count(&squad.tally.refused, 1)
    else:
        count(&squad.tally.malformed, 1)
    fan_end(squad, fan, 0)


cdef inline void fan_end(Squad *squad, Fan *fan, int64_t status) noexcept nogil:
    """Give the descriptor back; `status` is 0 or -errno."""
    sys_close(fan.fd)
    free(fan.parked)
    fan.parked = NULL
    fan.parked_bytes = 0
    if fan.state != FAN_OPEN:
        squad.in_flight -= 1
        fan_fail(squad, fan, status)
        return
    if status < 0:
        ng_store(&squad.tally.last_error, -status)
    count(&squad.tally.open, -1)
    count(&squad.tally.closed, 1)
    ng_store(&fan.state, FAN_CLOSED)


cdef inline void fan_fail(Squad *squad, Fan *fan, int64_t status) noexcept nogil:
    if status < 0:
        ng_store(&squad.tally.last_error, -status)
    count(&squad.tally.failed, 1)
    ng_store(&fan.state, FAN_FAILED)
