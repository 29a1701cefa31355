"""What all shards share and only the control plane writes: options, rules, channels, answers.

Options never change after start. Rules and the path table are replaced as a whole and the old one
is retired; channels are only ever added. An inbox is its shard's, and the others pass to it.
"""

from libc.stdint cimport uint32_t, uint64_t, uint8_t
from libc.string cimport memcmp

from ngage_core.buckets cimport BucketSet
from ngage_core.channel cimport Channel
from ngage_core.limits cimport ORIGINS_MAX, PROXY_NETWORKS_MAX
from ngage_core.paths cimport PathTable
from ngage_core.poller cimport PollerOps
from ngage_core.presence cimport Presence
from ngage_core.reclaim cimport Reclaim
from ngage_core.sha256 cimport MacKey
from ngage_core.span cimport Span, lower
from ngage_core.sysio cimport sockaddr_storage, socklen_t
from ngage_core.vote cimport VotesDoor


cdef struct Options:
    const PollerOps *backend
    sockaddr_storage address
    socklen_t address_bytes
    uint32_t shards
    uint32_t connections_per_shard
    bint echo
    uint64_t client_ping_ms
    uint32_t reactions_per_second
    uint32_t votes_per_second
    uint32_t connects_per_second  # of all shards; 0: any
    uint32_t address_connects_per_second  # 0: any
    uint32_t address_connects_burst
    uint32_t waiting_per_shard
    uint64_t handshake_timeout_ms
    uint64_t http_idle_timeout_ms
    uint64_t ping_interval_ms  # 0: no pings
    uint64_t pings_per_second  # of all shards; 0: no limit
    uint64_t pong_timeout_ms
    uint64_t message_timeout_ms
    uint64_t close_timeout_ms
    uint64_t message_bytes_max
    uint32_t inbound_messages_per_second
    uint32_t inbound_bytes_per_second
    uint32_t deflate_bytes_min
    int send_buffer_bytes  # 0: the kernel tunes it
    int notsent_lowat_bytes
    int user_timeout_ms
    int keepalive_seconds
    char congestion_control[16]


cdef struct Network:
    uint8_t address[16]
    uint32_t bits


cdef struct Rules:
    bint allow_missing_origin
    bint any_origin
    uint32_t origin_count
    uint32_t network_count
    uint8_t *origins[ORIGINS_MAX]
    uint32_t origin_bytes[ORIGINS_MAX]
    Network networks[PROXY_NETWORKS_MAX]
    # the origins' text follows the struct


# Of a shard, for the others. name_bytes 0: it takes nothing.
cdef struct Inbox:
    sockaddr_storage name
    uint64_t name_bytes
    const uint64_t *connections  # that it has
    uint64_t coming  # passed to it, and not taken yet


cdef struct Hub:
    Options options
    Inbox *inboxes
    Rules *rules
    PathTable *paths
    Channel **channels
    uint64_t *names
    uint64_t channel_count
    uint64_t seed
    uint64_t deliver  # messages of raw clients are wanted
    uint64_t clients  # the client protocol is spoken
    MacKey ticket_key
    bint has_ticket_key
    Presence presence
    BucketSet *addresses  # NULL: nobody is limited
    VotesDoor *votes  # NULL: votes are not taken
    Reclaim reclaim
    int event_fd  # tells the control plane


cdef inline bint in_network(const uint8_t *address, const Network *network) noexcept nogil:
    cdef uint32_t whole = network.bits // 8, rest = network.bits % 8
    if memcmp(address, network.address, whole) != 0:
        return False
    return rest == 0 or (address[whole] ^ network.address[whole]) >> (8 - rest) == 0


cdef inline bint is_trusted_proxy(const Rules *rules, const uint8_t *address) noexcept nogil:
    cdef uint32_t i
    for i in range(rules.network_count):
        if in_network(address, &rules.networks[i]):
            return True
    return False


cdef inline bint same_text(Span a, Span b) noexcept nogil:
    cdef size_t i
    if a.bytes != b.bytes:
        return False
    for i in range(a.bytes):
        if lower(a.data[i]) != lower(b.data[i]):
            return False
    return True


cdef inline bint origin_allowed(
    const Rules *rules, bint has_origin, Span origin, Span host
) noexcept nogil:
    """RFC 6454 origins are compared whole. The page's own host is always welcome; its scheme is not
    compared, since a proxy that ends TLS hides it."""
    cdef Span own = origin, listed
    cdef uint32_t i
    if not has_origin:
        return rules.allow_missing_origin
    if rules.any_origin:
        return True
    if own.bytes > 7 and memcmp(own.data, b"http://", 7) == 0:
        own.data += 7
        own.bytes -= 7
        if same_text(own, host):
            return True
    elif own.bytes > 8 and memcmp(own.data, b"https://", 8) == 0:
        own.data += 8
        own.bytes -= 8
        if same_text(own, host):
            return True
    for i in range(rules.origin_count):
        listed.data = rules.origins[i]
        listed.bytes = rules.origin_bytes[i]
        if same_text(origin, listed):
            return True
    return False
