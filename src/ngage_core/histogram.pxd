"""A log-linear histogram of nanoseconds: 64 steps per power of two, so an error below 1.6 %."""

from libc.stdint cimport uint64_t

cdef extern from * nogil:
    int clzll "__builtin_clzll"(unsigned long long value)

cdef enum:
    STEP_BITS = 6
    STEPS = 1 << STEP_BITS
    RANGE_BITS = 40  # up to 2**40 ns = 18 minutes; what is longer counts as that
    BUCKETS = (RANGE_BITS - STEP_BITS + 1) * STEPS


cdef inline size_t bucket_of(uint64_t value) noexcept nogil:
    cdef int shift
    if value < STEPS:
        return value
    if value >> RANGE_BITS:
        return BUCKETS - 1
    shift = 63 - clzll(value) - STEP_BITS
    return (<size_t> shift << STEP_BITS) + (value >> shift)


cdef inline uint64_t bucket_floor(size_t bucket) noexcept nogil:
    """The least value that falls into it."""
    cdef size_t octave = bucket >> STEP_BITS
    if octave < 2:
        return bucket
    return <uint64_t> (STEPS + (bucket & (STEPS - 1))) << (octave - 1)
