"""ng_platform.h for Cython."""

cdef extern from "ng_platform.h" nogil:
    void NG_ASSERT_STATIC(bint condition)
    bint NG_LIKELY(bint condition)
    bint NG_UNLIKELY(bint condition)
    void NG_PREFETCH(const void *address)
