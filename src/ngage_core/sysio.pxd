"""Every system call of the data plane; a result, or -errno. EINTR is retried here, nothing else.

Descriptors are numbers of the calling thread's table: a shard's are private to it (design 3).
"""

from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t, uint8_t

cdef extern from "<sys/types.h>" nogil:
    ctypedef unsigned int socklen_t
    ctypedef Py_ssize_t ssize_t

cdef extern from "<netinet/in.h>" nogil:
    cdef struct sockaddr:
        unsigned short sa_family
    cdef struct in_addr:
        uint32_t s_addr
    cdef struct in6_addr:
        uint8_t s6_addr[16]
    cdef struct sockaddr_in:
        unsigned short sin_family
        uint16_t sin_port
        in_addr sin_addr
    cdef struct sockaddr_in6:
        unsigned short sin6_family
        uint16_t sin6_port
        in6_addr sin6_addr
    cdef struct sockaddr_storage:
        unsigned short ss_family
    uint16_t htons(uint16_t value)
    uint16_t ntohs(uint16_t value)
    uint32_t htonl(uint32_t value)
    uint32_t ntohl(uint32_t value)
    int AF_INET, AF_INET6, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT

cdef extern from "<arpa/inet.h>" nogil:
    int inet_pton(int family, const char *text, void *address)
    const char *inet_ntop(int family, const void *address, char *text, socklen_t size)

cdef extern from "<sys/uio.h>" nogil:
    cdef struct iovec:
        void *iov_base
        size_t iov_len

cdef extern from "<sys/socket.h>" nogil:
    cdef struct msghdr:
        void *msg_name
        socklen_t msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
        void *msg_control
        size_t msg_controllen
        int msg_flags
    int SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC, SOL_SOCKET
    int SO_REUSEADDR, SO_REUSEPORT, SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE, SO_LINGER
    int MSG_DONTWAIT, MSG_EOR, MSG_NOSIGNAL, SHUT_WR
    cdef struct c_linger "linger":
        int l_onoff
        int l_linger
    int c_socket "socket"(int family, int kind, int protocol)
    int c_bind "bind"(int fd, const sockaddr *address, socklen_t size)
    int c_listen "listen"(int fd, int backlog)
    int c_accept4 "accept4"(int fd, sockaddr *address, socklen_t *size, int flags)
    int c_connect "connect"(int fd, const sockaddr *address, socklen_t size)
    int c_setsockopt "setsockopt"(int fd, int level, int name, const void *value, socklen_t size)
    int c_getsockopt "getsockopt"(int fd, int level, int name, void *value, socklen_t *size)
    int c_getsockname "getsockname"(int fd, sockaddr *address, socklen_t *size)
    int c_getpeername "getpeername"(int fd, sockaddr *address, socklen_t *size)
    int c_shutdown "shutdown"(int fd, int how)
    ssize_t c_send "send"(int fd, const void *data, size_t size, int flags)
    ssize_t c_sendmsg "sendmsg"(int fd, const msghdr *message, int flags)
    ssize_t c_recv "recv"(int fd, void *data, size_t size, int flags)

# Results are descriptors, 0 or -errno.
cdef extern from "ng_inbox.h" nogil:
    int ng_inbox_open(sockaddr_storage *name, socklen_t *size)
    int ng_inbox_pass(int inbox, const sockaddr_storage *to, socklen_t size, int passed)
    int ng_inbox_take(int inbox)

cdef extern from "ng_uring.h" nogil:
    cdef struct ng_uring:
        int fd
    int ng_uring_open(ng_uring *ring, uint32_t requests)
    void ng_uring_close(ng_uring *ring)
    size_t ng_uring_send_each(ng_uring *ring, const int *fds, size_t count, const void *data,
                              size_t size, int flags, int64_t *sent)

cdef extern from "<netinet/tcp.h>" nogil:
    cdef struct tcp_info:
        uint32_t tcpi_rtt  # smoothed, microseconds
        uint32_t tcpi_last_data_sent
        uint32_t tcpi_last_ack_recv
    int IPPROTO_TCP, TCP_NODELAY, TCP_INFO, TCP_CONGESTION, TCP_USER_TIMEOUT, TCP_NOTSENT_LOWAT
    int TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint64_t u64
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    uint32_t EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLET
    int EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CLOEXEC
    int c_epoll_create1 "epoll_create1"(int flags)
    int c_epoll_ctl "epoll_ctl"(int epoll_fd, int operation, int fd, epoll_event *event)
    int c_epoll_wait "epoll_wait"(int epoll_fd, epoll_event *events, int count, int timeout_ms)

cdef extern from "<sys/eventfd.h>" nogil:
    int EFD_NONBLOCK, EFD_CLOEXEC
    int c_eventfd "eventfd"(unsigned int value, int flags)

cdef extern from "<unistd.h>" nogil:
    ssize_t c_read "read"(int fd, void *data, size_t size)
    ssize_t c_write "write"(int fd, const void *data, size_t size)
    int c_close "close"(int fd)
    int c_close_range "close_range"(unsigned int first, unsigned int last, int flags)
    int c_dup "dup"(int fd)
    ssize_t c_pread "pread"(int fd, void *data, size_t size, int64_t offset)
    ssize_t c_pwrite "pwrite"(int fd, const void *data, size_t size, int64_t offset)
    int c_fdatasync "fdatasync"(int fd)
    int c_ftruncate "ftruncate"(int fd, int64_t size)

cdef extern from "<sched.h>" nogil:
    int CLONE_FILES
    int c_unshare "unshare"(int flags)
    int c_sched_yield "sched_yield"()

cdef extern from "<sys/mman.h>" nogil:
    int PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE
    void *MAP_FAILED
    void *c_mmap "mmap"(void *at, size_t size, int protection, int flags, int fd, long offset)
    int c_munmap "munmap"(void *at, size_t size)

cdef extern from "<time.h>" nogil:
    cdef struct timespec:
        long tv_sec
        long tv_nsec
    int CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_THREAD_CPUTIME_ID
    int c_clock_gettime "clock_gettime"(int clock, timespec *now)

cdef extern from "<signal.h>" nogil:
    ctypedef struct sigset_t:
        pass
    int SIG_SETMASK
    int sigfillset(sigset_t *signals)
    int pthread_sigmask(int how, const sigset_t *signals, sigset_t *old)

cdef extern from "<pthread.h>" nogil:
    ctypedef unsigned long pthread_t
    int pthread_create(pthread_t *thread, void *attributes, void *(*run)(void *) noexcept nogil,
                       void *argument)
    int pthread_join(pthread_t thread, void **result)
    int pthread_getcpuclockid(pthread_t thread, int *clock)

cdef extern from "<semaphore.h>" nogil:
    ctypedef struct sem_t:
        pass
    int sem_init(sem_t *semaphore, int shared, unsigned int value)
    int sem_post(sem_t *semaphore)
    int sem_wait(sem_t *semaphore)
    int sem_clockwait(sem_t *semaphore, int clock, const timespec *until)
    int sem_destroy(sem_t *semaphore)


cdef inline int64_t result(int64_t value) noexcept nogil:
    return value if value >= 0 else -errno


cdef inline int64_t sys_send(int fd, const void *data, size_t size, int flags) noexcept nogil:
    cdef int64_t sent
    while True:
        sent = c_send(fd, data, size, flags | MSG_DONTWAIT | MSG_NOSIGNAL)
        if sent >= 0:
            return sent
        if errno != EINTR:
            return -errno


cdef inline int64_t sys_sendmsg(int fd, iovec *parts, size_t count, int flags) noexcept nogil:
    cdef int64_t sent
    cdef msghdr message
    message.msg_name = NULL
    message.msg_namelen = 0
    message.msg_iov = parts
    message.msg_iovlen = count
    message.msg_control = NULL
    message.msg_controllen = 0
    message.msg_flags = 0
    while True:
        sent = c_sendmsg(fd, &message, flags | MSG_DONTWAIT | MSG_NOSIGNAL)
        if sent >= 0:
            return sent
        if errno != EINTR:
            return -errno


cdef inline int64_t sys_receive(int fd, void *data, size_t size) noexcept nogil:
    cdef int64_t count
    while True:
        count = c_recv(fd, data, size, MSG_DONTWAIT)
        if count >= 0:
            return count
        if errno != EINTR:
            return -errno


cdef inline int64_t sys_accept(int fd, sockaddr *address, socklen_t *size) noexcept nogil:
    cdef int64_t accepted
    while True:
        accepted = c_accept4(fd, address, size, SOCK_NONBLOCK | SOCK_CLOEXEC)
        if accepted >= 0:
            return accepted
        if errno != EINTR:
            return -errno


cdef inline int64_t sys_socket(int family) noexcept nogil:
    return result(c_socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))


cdef inline int64_t sys_bind(int fd, const void *address, socklen_t size) noexcept nogil:
    return result(c_bind(fd, <const sockaddr *> address, size))


cdef inline int64_t sys_listen(int fd, int backlog) noexcept nogil:
    return result(c_listen(fd, backlog))


cdef inline int64_t sys_connect(int fd, const void *address, socklen_t size) noexcept nogil:
    return result(c_connect(fd, <const sockaddr *> address, size))


cdef inline int64_t sys_local_name(int fd, sockaddr_storage *address) noexcept nogil:
    cdef socklen_t size = sizeof(sockaddr_storage)
    return result(c_getsockname(fd, <sockaddr *> address, &size))


cdef inline int64_t sys_peer_name(int fd, sockaddr_storage *address) noexcept nogil:
    cdef socklen_t size = sizeof(sockaddr_storage)
    return result(c_getpeername(fd, <sockaddr *> address, &size))


cdef inline int64_t sys_option(int fd, int level, int name, int value) noexcept nogil:
    return result(c_setsockopt(fd, level, name, &value, sizeof(int)))


cdef inline int64_t sys_option_bytes(
    int fd, int level, int name, const void *value, socklen_t size
) noexcept nogil:
    return result(c_setsockopt(fd, level, name, value, size))


cdef inline int64_t sys_tcp_info(int fd, tcp_info *info) noexcept nogil:
    cdef socklen_t size = sizeof(tcp_info)
    return result(c_getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size))


cdef inline uint32_t sys_round_trip_ms(int fd) noexcept nogil:
    """As TCP measures it; 0 if it does not tell."""
    cdef tcp_info info
    return info.tcpi_rtt // 1000 if sys_tcp_info(fd, &info) == 0 else 0


cdef inline int64_t sys_shutdown_writes(int fd) noexcept nogil:
    return result(c_shutdown(fd, SHUT_WR))


cdef inline int64_t sys_close(int fd) noexcept nogil:
    # close(2): on Linux the descriptor is gone even after EINTR, so it is never retried.
    return result(c_close(fd))


cdef inline int64_t sys_abort(int fd) noexcept nogil:
    """Close with a reset: nothing more is sent and no TIME_WAIT stays."""
    cdef c_linger at_once
    at_once.l_onoff = 1
    at_once.l_linger = 0
    c_setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once))
    return result(c_close(fd))


cdef inline int64_t sys_epoll_create() noexcept nogil:
    return result(c_epoll_create1(EPOLL_CLOEXEC))


cdef inline int64_t sys_epoll_add(
    int epoll_fd, int fd, uint32_t events, uint64_t tag
) noexcept nogil:
    cdef epoll_event event
    event.events = events
    event.data.u64 = tag
    return result(c_epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))


cdef inline int64_t sys_epoll_remove(int epoll_fd, int fd) noexcept nogil:
    cdef epoll_event event
    return result(c_epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, &event))


cdef inline int64_t sys_epoll_wait(
    int epoll_fd, epoll_event *events, int count, int timeout_ms
) noexcept nogil:
    cdef int64_t ready = c_epoll_wait(epoll_fd, events, count, timeout_ms)
    while ready < 0 and errno == EINTR:
        # A stopped process comes back so (signal(7)): look what has arrived, without waiting more.
        ready = c_epoll_wait(epoll_fd, events, count, 0)
    return result(ready)


cdef inline int64_t sys_eventfd() noexcept nogil:
    return result(c_eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC))


cdef inline void sys_event_raise(int fd) noexcept nogil:
    cdef uint64_t one = 1
    # EAGAIN means the counter is at its ceiling, so the reader is woken already.
    while c_write(fd, &one, sizeof(one)) < 0 and errno == EINTR:
        pass


cdef inline void sys_event_clear(int fd) noexcept nogil:
    cdef uint64_t count
    while c_read(fd, &count, sizeof(count)) < 0 and errno == EINTR:
        pass


cdef inline int64_t sys_private_descriptors(int keep_a, int keep_b) noexcept nogil:
    """Give the calling thread its own descriptor table with two of the shared one's entries, and
    the standard streams, where the C library and the sanitizers have their last word."""
    cdef unsigned int low = <unsigned int> (keep_a if keep_a < keep_b else keep_b)
    cdef unsigned int high = <unsigned int> (keep_b if keep_a < keep_b else keep_a)
    cdef unsigned int first = 3
    if c_unshare(CLONE_FILES) < 0:
        return -errno
    if low > first and c_close_range(first, low - 1, 0) < 0:
        return -errno
    first = low + 1 if low >= first else first
    if high > first and c_close_range(first, high - 1, 0) < 0:
        return -errno
    first = high + 1 if high >= first else first
    return result(c_close_range(first, ~<unsigned int> 0, 0))


cdef inline void sys_yield() noexcept nogil:
    c_sched_yield()


cdef inline int64_t sys_spare_descriptor(int fd) noexcept nogil:
    return result(c_dup(fd))


cdef inline void *sys_reserve(size_t size) noexcept nogil:
    """Zeroed address space that costs memory only where it is touched; NULL when refused."""
    cdef void *at = c_mmap(NULL, size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    return NULL if at == MAP_FAILED else at


cdef inline void sys_release(void *at, size_t size) noexcept nogil:
    if at != NULL:
        c_munmap(at, size)


cdef inline uint64_t sys_now_ms() noexcept nogil:
    cdef timespec now
    c_clock_gettime(CLOCK_MONOTONIC, &now)
    return <uint64_t> now.tv_sec * 1000 + <uint64_t> now.tv_nsec // 1000000


cdef inline uint64_t sys_now_ns() noexcept nogil:
    cdef timespec now
    c_clock_gettime(CLOCK_MONOTONIC, &now)
    return <uint64_t> now.tv_sec * 1000000000 + <uint64_t> now.tv_nsec


cdef inline uint64_t sys_unix_s() noexcept nogil:
    cdef timespec now
    c_clock_gettime(CLOCK_REALTIME, &now)
    return <uint64_t> now.tv_sec


cdef inline uint64_t sys_thread_cpu_us(pthread_t thread) noexcept nogil:
    """User and system time of a running thread, asked for from outside; 0 if it has ended."""
    cdef timespec spent
    cdef int clock
    if pthread_getcpuclockid(thread, &clock) != 0 or c_clock_gettime(clock, &spent) != 0:
        return 0
    return <uint64_t> spent.tv_sec * 1000000 + <uint64_t> spent.tv_nsec // 1000


cdef inline uint64_t sys_own_cpu_us() noexcept nogil:
    cdef timespec spent
    c_clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent)
    return <uint64_t> spent.tv_sec * 1000000 + <uint64_t> spent.tv_nsec // 1000


cdef inline void sys_block_signals() noexcept nogil:
    cdef sigset_t all_signals
    sigfillset(&all_signals)
    pthread_sigmask(SIG_SETMASK, &all_signals, NULL)
