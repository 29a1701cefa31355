"""The connection of a fan: made, read, ended.

Every call here is made by the squad's own thread. Reads go to one buffer per squad; only a unit
that is cut in two is parked with its fan.
"""

from libc.errno cimport EAGAIN, EINPROGRESS
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset, strlen

from ngage_core.atomic cimport ng_store
from ngage_core.codes cimport CLOSE_GOING_AWAY, OP_CLOSE
from ngage_core.sha1 cimport CLIENT_KEY_BYTES
from ngage_core.swarm_fan cimport (
    FAN_AWAY, FAN_CONNECTING, FAN_GONE, FAN_LEAVING, FAN_OPEN, FAN_UPGRADING, GUISE_HONEST,
    VIOLATION_MALFORMED, Fan, FanVotes, count,
)
from ngage_core.swarm_head cimport client_key
from ngage_core.swarm_oracle cimport violate
from ngage_core.swarm_plan cimport (
    CONGESTION_BYTES_MAX, NEVER, REQUEST_BYTES_MAX, STAY, THEN_GIVE_UP, THEN_LEAVE, THEN_NEXT,
    Codec, PersonaPlan, Plan, Reading, TargetPlan, fan_number, persona_of,
)
from ngage_core.swarm_squad cimport (
    SQUAD_PARK_BYTES, SQUAD_READ_BYTES, Squad, index_of, schedule, set_paused, unschedule,
)
from ngage_core.swarm_stream cimport (
    CLOSE_CODE_END, READ_REFUSED, may_return, read_units, reply_frame,
)
from ngage_core.sysio cimport (
    AF_INET, EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, IP_BIND_ADDRESS_NO_PORT,
    IPPROTO_IP, IPPROTO_TCP, SO_RCVBUF, SOL_SOCKET, TCP_CONGESTION, htonl, sockaddr_in, sys_abort,
    sys_bind, sys_close, sys_connect, sys_epoll_add, sys_now_ns, sys_option, sys_option_bytes,
    sys_receive, sys_send, sys_socket,
)


# Connecting

cdef inline void launch(Squad *squad, Fan *fan, uint64_t intended_ns) noexcept nogil:
    cdef uint32_t index = index_of(squad, fan)
    cdef const TargetPlan *target = &squad.plan.targets[fan.target]
    cdef int64_t status = sys_socket(AF_INET)
    squad.in_flight += 1
    ng_store(&fan.state, FAN_CONNECTING)
    fan.fd = <int> status
    fan.launched_ns = intended_ns
    fan.close_code = 0
    fan.left = 0
    fan.unfinished = fan.ready = 0
    if status >= 0:
        status = prepare(squad.plan, fan.fd, fan_number(squad.plan, squad.number, index),
                         persona_of(squad.plan, fan).receive_buffer_bytes)
    if status >= 0:
        status = sys_connect(fan.fd, &target.address, sizeof(sockaddr_in))
    if status == -EINPROGRESS:
        status = 0
    if status >= 0:
        # Write readiness is reported only here and after a full send buffer: one registration.
        status = sys_epoll_add(squad.epoll_fd, fan.fd,
                               EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, index)
    if status < 0:
        fan_end(squad, fan, status)


cdef inline int64_t prepare(
    const Plan *plan, int fd, uint64_t number, int receive_buffer_bytes
) noexcept nogil:
    """Options and the source address, before connect()."""
    cdef int64_t status = 0
    cdef sockaddr_in source
    if receive_buffer_bytes:
        status = sys_option(fd, SOL_SOCKET, SO_RCVBUF, receive_buffer_bytes)
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
    source.sin_addr.s_addr = htonl(plan.source + <uint32_t> (number % plan.sources))
    return sys_bind(fd, &source, sizeof(source))


cdef inline size_t write_request(
    const Plan *plan, Fan *fan, const FanVotes *votes, uint64_t number, uint8_t *out
) noexcept nogil:
    cdef const TargetPlan *target = &plan.targets[fan.target]
    cdef const Codec *codec = persona_of(plan, fan).codec
    cdef size_t size = target.path_bytes, query
    if codec.path == NULL:
        memcpy(out, target.path, size)
    else:
        size = strlen(codec.path)
        memcpy(out, codec.path, size)
    query = codec.query(plan, fan, votes, number, out + size + 1)
    if query:
        out[size] = 38 if target.has_query else 63  # "&", "?"
        size += 1 + query
    memcpy(out + size, target.head, target.head_bytes)
    size += target.head_bytes
    client_key(out + size, plan.seed, number)
    size += CLIENT_KEY_BYTES
    memcpy(out + size, b"\r\n\r\n", 4)
    return size + 4


cdef inline void request_upgrade(Squad *squad, Fan *fan, uint32_t index) noexcept nogil:
    cdef uint8_t request[REQUEST_BYTES_MAX]
    cdef size_t size = write_request(squad.plan, fan, &squad.votes[index],
                                     fan_number(squad.plan, squad.number, index), request)
    cdef int64_t sent
    ng_store(&fan.state, FAN_UPGRADING)
    sent = sys_send(fan.fd, request, size, 0)
    if sent != <int64_t> size:  # a fresh socket takes more than any request
        fan_end(squad, fan, sent if sent < 0 else -EAGAIN)


# Reading

cdef inline void fan_event(Squad *squad, uint32_t index, uint32_t events) noexcept nogil:
    cdef Fan *fan = &squad.fans[index]
    if fan.state == FAN_CONNECTING and events & EPOLLOUT and not events & EPOLLERR:
        request_upgrade(squad, fan, index)
    if fan.state > FAN_LEAVING or not events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP):
        return
    if fan.paused and not events & EPOLLERR:
        fan.ready = 1
        return
    fan_read(squad, index, events)


cdef inline void fan_read(Squad *squad, uint32_t index, uint32_t events) noexcept nogil:
    """Read until the kernel has no more: a short read is that, unless the peer has ended too."""
    cdef bint ended = (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0
    cdef int64_t received
    while True:
        received = fan_take(squad, index, SQUAD_READ_BYTES)
        if received < SQUAD_READ_BYTES and (received <= 0 or not ended):
            return


cdef inline int64_t fan_take(Squad *squad, uint32_t index, size_t size_max) noexcept nogil:
    """One read: its bytes; 0 when there is nothing, or the connection has ended."""
    cdef Fan *fan = &squad.fans[index]
    cdef Reading *reading = &squad.reading
    cdef size_t parked = fan.parked_bytes
    cdef int64_t received, used
    cdef bint upgrading = fan.state == FAN_UPGRADING
    received = sys_receive(fan.fd, squad.buffer + parked,
                           min(size_max, <size_t> SQUAD_READ_BYTES))
    if received == -EAGAIN:
        return 0
    if received <= 0:
        fan_end(squad, fan, received)
        return 0
    unpark(squad, fan)
    reading.now_ns = sys_now_ns()
    read_for(squad, index)
    used = read_units(reading, fan, squad.buffer, parked + received)
    if upgrading and fan.state == FAN_OPEN:
        squad.in_flight -= 1
        fan_opened(squad, fan)
    if used < 0 or not park(fan, squad.buffer + used, parked + received - used):
        fan_refuse(squad, fan, used)
        return 0
    if reading.turned_away:
        fan_turned_away(squad, fan)
        return 0
    return received if send_reply(squad, fan) else 0


cdef inline bint send_reply(Squad *squad, Fan *fan) noexcept nogil:
    """All it has to say, in one send. A server that does not read has it dropped; False: it took
    half of it, and that ends the connection."""
    cdef size_t size = squad.reading.reply.bytes
    cdef int64_t sent
    squad.reading.reply.bytes = 0
    if size == 0:
        return True
    sent = sys_send(fan.fd, squad.reading.reply.data, size, 0)
    if 0 <= sent < <int64_t> size:
        fan_end(squad, fan, -EAGAIN)
        return False
    return True


cdef inline void read_for(Squad *squad, uint32_t index) noexcept nogil:
    """squad.reading is of this fan from now on."""
    squad.reading.fan_number = fan_number(squad.plan, squad.number, index)
    squad.reading.votes = &squad.votes[index]
    squad.reading.scan = &squad.scans[index]


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

cdef inline void fan_refuse(Squad *squad, Fan *fan, int64_t verdict) noexcept nogil:
    if verdict == READ_REFUSED:
        count(&squad.tally.refused, 1)
    else:
        count(&squad.tally.malformed, 1)
        violate(&squad.reading, fan, VIOLATION_MALFORMED, 0, fan.sequence)
    fan_end(squad, fan, 0)


cdef inline void fan_turned_away(Squad *squad, Fan *fan) noexcept nogil:
    """The server does not let it in, or does not go on with it: it goes, and may try again."""
    count(&squad.tally.refused, 1)
    count(&squad.endings[min(squad.reading.turned_away, <uint32_t> CLOSE_CODE_END)], 1)
    squad.reading.turned_away = 0
    sys_close(fan.fd)
    fan_forget(squad, fan)
    fan_ended(squad, fan, False)


cdef inline void fan_end(Squad *squad, Fan *fan, int64_t status) noexcept nogil:
    """The connection has ended, or could not be made: `status` is 0 or -errno."""
    cdef bint wanted = fan.state == FAN_LEAVING
    cdef bint was_open = fan.state >= FAN_OPEN
    if fan.fd >= 0:
        sys_close(fan.fd)
    if status < 0:
        ng_store(&squad.tally.last_error, -status)
    if was_open and not wanted and fan.close_code == 0:
        count(&squad.tally.lost, 1)
    fan_forget(squad, fan)
    if not was_open:
        count(&squad.tally.failed, 1)
    fan_ended(squad, fan, wanted)


cdef inline void fan_forget(Squad *squad, Fan *fan) noexcept nogil:
    """Its descriptor is closed; what is left is the fan."""
    free(fan.parked)
    fan.parked = NULL
    fan.parked_bytes = 0
    fan.fd = -1
    set_paused(squad, fan, False)
    squad.reading.reply.bytes = 0
    if fan.state < FAN_OPEN:
        squad.in_flight -= 1
    else:
        count(&squad.tally.open, -1)
        count(&squad.tally.closed, 1)
    ng_store(&fan.state, FAN_AWAY)


cdef inline void fan_drop(Squad *squad, Fan *fan) noexcept nogil:
    """As when the network is lost, but for the reset that says so."""
    if FAN_CONNECTING <= fan.state <= FAN_LEAVING:
        sys_abort(fan.fd)
        count(&squad.tally.dropped, fan.state == FAN_OPEN)
        fan_forget(squad, fan)


cdef inline void fan_opened(Squad *squad, Fan *fan) noexcept nogil:
    """The first time it enters its first step; later it goes on in the step it is in."""
    cdef const PersonaPlan *persona = persona_of(squad.plan, fan)
    if fan.entered:
        return
    fan.entered = 1
    fan.step = 0
    if fan.waiting and fan.then != THEN_NEXT:
        return  # a stimulus that came while it connected
    if persona.steps[0].action != STAY or persona.steps[0].think.distribution != NEVER:
        schedule(squad, fan, 0, squad.reading.now_ns)
    else:
        unschedule(squad, fan)


cdef inline void fan_ended(Squad *squad, Fan *fan, bint wanted) noexcept nogil:
    """What an end leads to, unless the fan is waiting for it or on its way out anyway."""
    cdef const PersonaPlan *persona = persona_of(squad.plan, fan)
    if wanted:
        if fan.then == THEN_GIVE_UP:
            unschedule(squad, fan)
            ng_store(&fan.state, FAN_GONE)
    elif not may_return(fan.close_code) and squad.votes[index_of(squad, fan)].guise == GUISE_HONEST:
        unschedule(squad, fan)
        ng_store(&fan.state, FAN_GONE)
    elif persona.lost >= 0 and not (fan.waiting and fan.then == THEN_LEAVE):
        schedule(squad, fan, <uint8_t> persona.lost, sys_now_ns())


cdef inline void fan_say_goodbye(Squad *squad, Fan *fan) noexcept nogil:
    """1001, as a browser does whose user goes elsewhere (RFC 6455 section 7.4.1)."""
    cdef uint8_t code[2]
    code[0] = CLOSE_GOING_AWAY >> 8
    code[1] = CLOSE_GOING_AWAY & 0xFF
    squad.reading.reply.bytes = 0
    reply_frame(&squad.reading, OP_CLOSE, code, 2)
    sys_send(fan.fd, squad.reading.reply.data, squad.reading.reply.bytes, 0)
    squad.reading.reply.bytes = 0
    count(&squad.tally.left, 1)
    ng_store(&fan.state, FAN_LEAVING)
