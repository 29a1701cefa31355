"""Unix time that does not jump, and waiting for somebody who posts."""

from libc.errno cimport EINTR, errno
from libc.stdint cimport uint64_t

from ngage_core.atomic cimport ng_peek
from ngage_core.sysio cimport (
    CLOCK_MONOTONIC, CLOCK_REALTIME, c_clock_gettime, sem_clockwait, sem_t, sem_wait, sys_now_ms,
    timespec,
)


cdef inline uint64_t sys_unix_offset_ms() noexcept nogil:
    """What CLOCK_REALTIME is ahead of CLOCK_MONOTONIC now."""
    cdef timespec now
    c_clock_gettime(CLOCK_REALTIME, &now)
    return <uint64_t> now.tv_sec * 1000 + <uint64_t> now.tv_nsec // 1000000 - sys_now_ms()


cdef inline uint64_t sys_unix_ms(const uint64_t *offset_ms) noexcept nogil:
    """Unix time that never jumps: an offset that was taken once, and CLOCK_MONOTONIC since.

    An operator or NTP may set CLOCK_REALTIME back or forth at any moment. What was received earlier
    must not get a later time for it, nor may a deadline pass early, so the offset is taken anew
    only when the control plane asks for it.
    """
    return sys_now_ms() + ng_peek(offset_ms)


cdef inline void sys_wait(sem_t *semaphore) noexcept nogil:
    while sem_wait(semaphore) < 0 and errno == EINTR:
        pass


cdef inline void sys_wait_until(sem_t *semaphore, uint64_t until_ns) noexcept nogil:
    """Until somebody posts, or CLOCK_MONOTONIC has come so far."""
    cdef timespec until
    until.tv_sec = <long> (until_ns // 1000000000)
    until.tv_nsec = <long> (until_ns % 1000000000)
    while sem_clockwait(semaphore, CLOCK_MONOTONIC, &until) < 0 and errno == EINTR:
        pass
