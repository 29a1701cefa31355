"""ng_platform.h for Cython."""

from libc.stdint cimport uint32_t, uint64_t


cdef extern from "ng_platform.h" nogil:
    void NG_ASSERT_STATIC(bint condition)
    bint NG_LIKELY(bint condition)
    bint NG_UNLIKELY(bint condition)
    void NG_PREFETCH(const void *address)
    uint32_t NG_LOWEST_BIT(uint64_t word)
