"""Token buckets: how many connections may come in a second, of all and of one address.

A bucket holds thousandths of a token, at most its burst, and fills with time; a token is taken for
each connection. Those of addresses are in one table for all shards, of a fixed size: an address has
one of WAYS places by a keyed hash, and takes one over that has filled up again, which is as good as
new. When all of them are being drawn on by others it shares the fullest.
"""

from libc.stdint cimport uint32_t, uint64_t

from ngage_core.atomic cimport ng_lock, ng_unlock
from ngage_core.platform cimport NG_ASSERT_STATIC

cdef enum:
    BUCKET_SETS = 8192
    BUCKET_WAYS = 4
    BUCKET_TOKEN = 1000


cdef struct Bucket:
    uint64_t key  # 0: nobody's
    uint64_t tokens  # in thousandths
    uint64_t at_ms  # when that was


# The places of one hash, and their lock: with 4 ways two cache lines.
cdef struct BucketSet:
    uint64_t lock
    Bucket buckets[BUCKET_WAYS]
    uint64_t pad[3]


cdef inline void bucket_set_size_holds() noexcept nogil:
    NG_ASSERT_STATIC(sizeof(BucketSet) == 128)


cdef inline void bucket_fill(
    Bucket *bucket, uint64_t now_ms, uint32_t per_second, uint32_t burst
) noexcept nogil:
    """A thousandth of a token a millisecond and connection per second. A clock of another shard may
    be a moment behind."""
    cdef uint64_t most = <uint64_t> burst * BUCKET_TOKEN
    if now_ms > bucket.at_ms:
        bucket.tokens = min(most, bucket.tokens + (now_ms - bucket.at_ms) * per_second)
        bucket.at_ms = now_ms


cdef inline bint bucket_take(
    Bucket *bucket, uint64_t now_ms, uint32_t per_second, uint32_t burst
) noexcept nogil:
    """Whether there was a token."""
    bucket_fill(bucket, now_ms, per_second, burst)
    if bucket.tokens < BUCKET_TOKEN:
        return False
    bucket.tokens -= BUCKET_TOKEN
    return True


cdef inline Bucket *bucket_of(
    BucketSet *places, uint64_t key, uint64_t now_ms, uint32_t per_second, uint32_t burst
) noexcept nogil:
    cdef Bucket *fullest = &places.buckets[0]
    cdef Bucket *bucket
    cdef uint32_t way
    for way in range(<uint32_t> BUCKET_WAYS):
        bucket = &places.buckets[way]
        if bucket.key == key:
            return bucket
        if bucket.key == 0:
            bucket.tokens = <uint64_t> burst * BUCKET_TOKEN
            bucket.at_ms = now_ms
        bucket_fill(bucket, now_ms, per_second, burst)
        if bucket.tokens > fullest.tokens:
            fullest = bucket
    if fullest.tokens == <uint64_t> burst * BUCKET_TOKEN:
        fullest.key = key
    return fullest


cdef inline bint buckets_take(
    BucketSet *all, uint64_t key, uint64_t now_ms, uint32_t per_second, uint32_t burst
) noexcept nogil:
    """The same for a key of the table, which has BUCKET_SETS."""
    cdef BucketSet *places = &all[key >> 1 & (BUCKET_SETS - 1)]
    cdef bint taken
    ng_lock(&places.lock)
    taken = bucket_take(
        bucket_of(places, key | 1, now_ms, per_second, burst), now_ms, per_second, burst)
    ng_unlock(&places.lock)
    return taken
