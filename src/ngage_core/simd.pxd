"""ng_simd.h for Cython."""

from libc.stdint cimport uint8_t


cdef extern from "ng_simd.h" nogil:
    void ng_mask(uint8_t *data, size_t size, const uint8_t *key, size_t phase)
    size_t ng_ascii_prefix(const uint8_t *data, size_t size)
