/* Compile-time assertions, branch hints and the CPU's cache hints, in a form Cython can call. */
#ifndef NG_PLATFORM_H
#define NG_PLATFORM_H

#include <stdint.h>

#define NG_ASSERT_STATIC(condition) _Static_assert((condition), #condition)
#define NG_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define NG_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define NG_LOWEST_BIT(word) ((uint32_t)__builtin_ctzll(word))
#define NG_PREFETCH(address) __builtin_prefetch((address), 1, 2)

#endif
