/* The two byte-wise loops of the inbound path, 16 bytes a step.
 *
 * GCC's generic vectors become SSE2 or NEON, both part of their architecture's baseline, so there
 * is nothing to detect at run time. Loads and stores go through memcpy: never past the end of the
 * range, any alignment. */
#ifndef NG_SIMD_H
#define NG_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t ng_lane __attribute__((vector_size(16)));
typedef uint64_t ng_pair __attribute__((vector_size(16)));

/* XOR with the mask key (RFC 6455 section 5.3), starting `phase` bytes into it. */
static inline void ng_mask(uint8_t *data, size_t size, const uint8_t key[4], size_t phase)
{
    uint8_t turned[16];
    ng_lane lane, pad;
    size_t at = 0;
    for (size_t i = 0; i < 16; i++)
        turned[i] = key[(phase + i) & 3];
    memcpy(&pad, turned, 16);
    for (; at + 16 <= size; at += 16) {
        memcpy(&lane, data + at, 16);
        lane ^= pad;
        memcpy(data + at, &lane, 16);
    }
    for (; at < size; at++)
        data[at] ^= turned[at & 15];
}

/* How many leading bytes are certainly ASCII: a multiple of 16, the rest is the caller's. */
static inline size_t ng_ascii_prefix(const uint8_t *data, size_t size)
{
    size_t at = 0;
    for (; at + 16 <= size; at += 16) {
        ng_pair pair;
        memcpy(&pair, data + at, 16);
        if ((pair[0] | pair[1]) & UINT64_C(0x8080808080808080))
            break;
    }
    return at;
}

#endif
