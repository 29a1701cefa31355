"""The life of a shard's thread: a descriptor table of its own, a listener, turns, the end."""

from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport strlen

from ngage_core.accept cimport TAG_INBOX, TAG_LISTENER
from ngage_core.conn cimport CONN_FREE, Conn
from ngage_core.deflate cimport deflateEnd, inflateEnd, inflate_open
from ngage_core.hub cimport Options
from ngage_core.inbox cimport inbox_open
from ngage_core.lifecycle cimport doom, reap
from ngage_core.limits cimport (
    ECHO_FRAGMENTS_MAX, ECHO_MESSAGE_BYTES_MAX, FRAGMENTS_MAX, KEEPALIVE_PROBES, LISTEN_BACKLOG,
    LISTEN_BACKLOG_MIN,
)
from ngage_core.payload cimport payload_release
from ngage_core.reclaim cimport reclaim_asleep, reclaim_awake
from ngage_core.ring cimport ring_pop_at, ring_popped, ring_waiting
from ngage_core.shard cimport Shard
from ngage_core.sysio cimport (
    IPPROTO_TCP, SOL_SOCKET, SO_KEEPALIVE, SO_REUSEADDR, SO_REUSEPORT, SO_SNDBUF,
    TCP_CONGESTION, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_NODELAY, TCP_NOTSENT_LOWAT,
    TCP_USER_TIMEOUT, sem_post, socklen_t, sys_bind, sys_block_signals, sys_close, sys_listen,
    sys_now_ms, sys_option, sys_option_bytes, sys_private_descriptors, sys_socket,
    sys_spare_descriptor,
)
from ngage_core.turn cimport TAG_WAKE, turn
from ngage_core.wheel cimport tick_of, wheel_open


cdef inline int64_t set_listener_options(int fd, const Options *options) noexcept nogil:
    """All of them are inherited by accepted sockets (tcp(7)), so none costs a call per connection.

    0, or -errno (ENOENT): only a congestion control asked for by name and not there fails.
    """
    cdef int64_t status = 0
    cdef int user_timeout_ms = options.user_timeout_ms
    cdef int keepalive_interval = options.keepalive_seconds // 4 + 1
    sys_option(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    sys_option(fd, SOL_SOCKET, SO_REUSEPORT, 1)
    sys_option(fd, IPPROTO_TCP, TCP_NODELAY, 1)
    if options.keepalive_seconds:
        sys_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
        sys_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, options.keepalive_seconds)
        sys_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval)
        sys_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES)
        # TCP_USER_TIMEOUT takes the place of TCP_KEEPCNT (tcp(7)): a shorter one would end the
        # connection at the first probe that is lost.
        if user_timeout_ms:
            user_timeout_ms = max(user_timeout_ms, 1000 * (
                options.keepalive_seconds + KEEPALIVE_PROBES * keepalive_interval))
    sys_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms)
    if options.send_buffer_bytes:
        sys_option(fd, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes)
    if options.notsent_lowat_bytes:
        sys_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, options.notsent_lowat_bytes)
    if options.congestion_control[0]:
        status = sys_option_bytes(fd, IPPROTO_TCP, TCP_CONGESTION, options.congestion_control,
                                  <socklen_t> strlen(options.congestion_control))
    return status


cdef inline int64_t listener_open(const Options *options) noexcept nogil:
    """A bound socket of the SO_REUSEPORT group, not listening yet; or -errno."""
    cdef int64_t fd = sys_socket(options.address.ss_family)
    cdef int64_t status
    if fd < 0:
        return fd
    status = set_listener_options(<int> fd, options)
    if status >= 0:
        status = sys_bind(<int> fd, &options.address, options.address_bytes)
    if status < 0:
        sys_close(<int> fd)
        return status
    return fd


cdef inline int64_t thread_open(Shard *shard) noexcept nogil:
    """Everything the turns need. 0, or -errno with what was opened left to the thread's end."""
    cdef int64_t status
    status = sys_private_descriptors(shard.wake_fd, shard.hub.event_fd)
    if status < 0:
        return status
    shard.now_ms = sys_now_ms()
    wheel_open(&shard.wheel, &shard.slab.conns[0].deadline, sizeof(Conn), tick_of(shard.now_ms))
    shard.raw_limits.message_bytes_max = shard.hub.options.message_bytes_max
    shard.raw_limits.fragments_max = FRAGMENTS_MAX
    shard.echo_limits.message_bytes_max = ECHO_MESSAGE_BYTES_MAX
    shard.echo_limits.fragments_max = ECHO_FRAGMENTS_MAX
    status = shard.ops.open(&shard.poller)
    if status < 0:
        return status
    if not inflate_open(&shard.inflater):
        return -ENOMEM
    status = listener_open(&shard.hub.options)
    if status < 0:
        return status
    shard.listener = <int> status
    shard.spare_fd = <int> sys_spare_descriptor(shard.wake_fd)
    status = sys_listen(shard.listener, <int> max(
        LISTEN_BACKLOG // shard.hub.options.shards, <uint32_t> LISTEN_BACKLOG_MIN))
    if status < 0:
        return status
    status = shard.ops.add(shard.poller, shard.wake_fd, <uint64_t> TAG_WAKE, True)
    if status < 0:
        return status
    status = shard.ops.add(shard.poller, shard.listener, <uint64_t> TAG_LISTENER, True)
    shard.accepting = status >= 0
    if status >= 0 and shard.hub.options.shards > 1:
        status = inbox_open(shard)
        shard.inbox = <int> status
        if status >= 0:
            status = shard.ops.add(shard.poller, shard.inbox, <uint64_t> TAG_INBOX, True)
    return status if status < 0 else 0


cdef inline void thread_close(Shard *shard) noexcept nogil:
    """The descriptor table dies with the thread, so only memory needs care."""
    cdef uint32_t index
    cdef int which
    for index in range(shard.slab.touched):
        if shard.slab.conns[index].state != CONN_FREE:
            doom(shard, index)
    reap(shard)
    while ring_waiting(&shard.commands_ring):
        index = <uint32_t> ring_pop_at(&shard.commands_ring)
        if shard.commands[index].payload != NULL:
            payload_release(shard.commands[index].payload)
        ring_popped(&shard.commands_ring)
    if shard.drain.on:
        payload_release(shard.drain.reason)
    for which in range(7):
        if shard.deflater_open[which]:
            deflateEnd(&shard.deflaters[which])
    if shard.poller != NULL:
        shard.ops.close(shard.poller)
        inflateEnd(&shard.inflater)
    reclaim_asleep(&shard.seen)


cdef inline void *thread_main(void *argument) noexcept nogil:
    cdef Shard *shard = <Shard *> argument
    cdef int64_t channels_want = -1
    sys_block_signals()  # they are the control plane's
    shard.listener = -1
    shard.inbox = -1
    shard.start_status = thread_open(shard)
    shard.running = shard.start_status == 0
    reclaim_awake(&shard.hub.reclaim, &shard.seen)
    sem_post(&shard.started)
    while shard.running:
        channels_want = turn(shard, channels_want)
    thread_close(shard)
    return NULL
