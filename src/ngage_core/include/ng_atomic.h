/* C11 memory orders on plain 64-bit words: the only way two threads touch one variable, and a lock.
 *
 * acquire/release publish data written before a flag; the _seq forms also order a store before a
 * later load of another word, which is what a sleeper and its waker need (Dekker's pattern). */
#ifndef NG_ATOMIC_H
#define NG_ATOMIC_H

#include <sched.h>
#include <stdint.h>

static inline uint64_t ng_load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline uint64_t ng_peek(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline uint64_t ng_load_seq(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static inline void ng_store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline void ng_store_seq(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static inline uint64_t ng_add(uint64_t *word, uint64_t value)
{
    return __atomic_add_fetch(word, value, __ATOMIC_ACQ_REL);
}

static inline uint64_t ng_sub(uint64_t *word, uint64_t value)
{
    return __atomic_sub_fetch(word, value, __ATOMIC_ACQ_REL);
}

static inline uint64_t ng_or_seq(uint64_t *word, uint64_t bits)
{
    return __atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST);
}

static inline uint64_t ng_take_seq(uint64_t *word)
{
    return __atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST);
}

static inline void *ng_load_pointer(void *const *slot)
{
    return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
}

static inline void ng_store_pointer(void **slot, void *value)
{
    __atomic_store_n(slot, value, __ATOMIC_RELEASE);
}

/* For what is held for some instructions only. */
static inline void ng_lock(uint64_t *word)
{
    while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(word, __ATOMIC_RELAXED))
            sched_yield();
}

static inline void ng_unlock(uint64_t *word)
{
    __atomic_store_n(word, 0, __ATOMIC_RELEASE);
}

static inline void ng_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif
