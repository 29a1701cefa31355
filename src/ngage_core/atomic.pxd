"""ng_atomic.h for Cython."""

from libc.stdint cimport uint64_t


cdef extern from "ng_atomic.h" nogil:
    uint64_t ng_load(const uint64_t *word)
    uint64_t ng_peek(const uint64_t *word)
    uint64_t ng_load_seq(const uint64_t *word)
    void ng_store(uint64_t *word, uint64_t value)
    void ng_store_seq(uint64_t *word, uint64_t value)
    uint64_t ng_add(uint64_t *word, uint64_t value)
    uint64_t ng_sub(uint64_t *word, uint64_t value)
    uint64_t ng_or_seq(uint64_t *word, uint64_t bits)
    uint64_t ng_take_seq(uint64_t *word)
    void *ng_load_pointer(void **slot)
    void ng_store_pointer(void **slot, void *value)
    void ng_lock(uint64_t *word)
    void ng_unlock(uint64_t *word)
    void ng_fence()
