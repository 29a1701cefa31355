"""Who the clients are that have said so: a record each, by the number their connection keeps.

The voter is what votes and the viewer count go by; what else the control plane knows of a client is
bytes to the core, kept for it and handed back with each of the client's messages.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memset

from ngage_core.payload cimport Payload, payload_release
from ngage_core.platform cimport NG_ASSERT_STATIC

cdef enum:
    NO_IDENTITY = 0  # no record has this number


cdef struct Identity:
    uint64_t voter
    Payload *about  # the control plane's; NULL: nothing
    uint32_t expires_s  # Unix time; 0: never. Doubles as the free list
    uint8_t second  # modulo 2**8
    uint8_t votes  # in it
    uint16_t reactions  # in it


cdef struct Identities:
    Identity *items  # reserved address space, touched as it is used
    uint32_t capacity  # of the records 1 to capacity
    uint32_t touched
    uint32_t free


cdef inline void identity_size_holds() noexcept nogil:
    NG_ASSERT_STATIC(sizeof(Identity) == 24)


cdef inline uint32_t identity_take(Identities *all) noexcept nogil:
    """NO_IDENTITY: all are taken."""
    cdef uint32_t item = all.free
    if item != <uint32_t> NO_IDENTITY:
        all.free = all.items[item].expires_s
    elif all.touched < all.capacity:
        all.touched += 1
        item = all.touched
    if item != <uint32_t> NO_IDENTITY:
        memset(&all.items[item], 0, sizeof(Identity))
    return item


cdef inline void identity_give(Identities *all, uint32_t item) noexcept nogil:
    if all.items[item].about != NULL:
        payload_release(all.items[item].about)
    all.items[item].about = NULL
    all.items[item].expires_s = all.free
    all.free = item
