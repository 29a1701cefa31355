"""What a viewer does that is counted at once, without the control plane: reactions.

A verb is a binary message of a client that brought a ticket, little-endian, its kind in the first
byte (docs/reference/verbs-v1.md). A reaction adds to the shard's counter for its event and kind,
which the control plane sums; nobody is sent a single one.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t, uint8_t

from ngage_core.atomic cimport ng_peek, ng_store
from ngage_core.identity cimport Identity
from ngage_core.limits cimport (
    REACTION_EVENTS_MAX, REACTION_KINDS_MAX, REACTIONS_PER_MESSAGE_MAX,
)
from ngage_core.lifecycle cimport identity_of
from ngage_core.shard cimport Shard

cdef enum VerbKind:
    VERB_REACT = 17

cdef enum:
    REACT_BYTES = 8


cdef inline uint32_t word_at(const uint8_t *data) noexcept nogil:
    return (<uint32_t> data[0] | <uint32_t> data[1] << 8 | <uint32_t> data[2] << 16
            | <uint32_t> data[3] << 24)


cdef inline bint over_reactions(
    const Shard *shard, Identity *identity, uint32_t count
) noexcept nogil:
    """Count them in the viewer's current second; whether that is more than one may."""
    cdef uint16_t second = <uint16_t> (shard.now_ms // 1000)
    if identity.react_second != second:
        identity.react_second = second
        identity.react_count = 0
    if identity.react_count + count > shard.hub.options.reactions_per_second:
        return True
    identity.react_count += <uint16_t> count
    return False


cdef inline void react(Shard *shard, Identity *identity, const uint8_t *data) noexcept nogil:
    cdef uint32_t kind = data[1], event = word_at(data + 4)
    cdef uint32_t count = data[2] | <uint32_t> data[3] << 8
    cdef uint64_t *counter
    if (count == 0 or count > REACTIONS_PER_MESSAGE_MAX or kind >= REACTION_KINDS_MAX
            or event >= REACTION_EVENTS_MAX or over_reactions(shard, identity, count)):
        shard.counters.reactions_dropped += count
        return
    counter = &shard.reactions[event * REACTION_KINDS_MAX + kind]
    ng_store(counter, ng_peek(counter) + count)
    shard.counters.reactions += count


cdef inline bint take_verb(
    Shard *shard, uint32_t index, const uint8_t *data, uint64_t size
) noexcept nogil:
    """Whether it was one."""
    cdef Identity *identity = identity_of(shard, index)
    if identity == NULL or identity.voter == 0:
        return False
    if size == REACT_BYTES and data[0] == VERB_REACT:
        react(shard, identity, data)
        return True
    return False
