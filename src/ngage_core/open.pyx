"""Options and rules as Python gives them, checked and put into the structs the shards read."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc
from libc.string cimport memcpy, memset

import ipaddress

from ngage_core.hub cimport Options, Rules
from ngage_core.limits cimport (
    MESSAGE_BYTES_MAX, ORIGINS_MAX, PROXY_NETWORKS_MAX, PUBLICATION_BYTES_MAX,
    SHARD_CONNECTIONS_MAX, SHARDS_MAX, WAITING_PER_SHARD_MAX,
)
from ngage_core.sysio cimport (
    AF_INET, AF_INET6, htons, inet_pton, sockaddr_in, sockaddr_in6,
)


# Name: (default, least, most). The ceilings that are bounds of the core stand in limits.pxd.
_NUMBERS = {
    "shards": (1, 1, SHARDS_MAX),
    "connections_per_shard": (1, 1, SHARD_CONNECTIONS_MAX),
    "waiting_per_shard": (16384, 0, WAITING_PER_SHARD_MAX),
    "handshake_timeout_ms": (5000, 1, 3600000),
    "http_idle_timeout_ms": (30000, 1, 3600000),
    "client_ping_ms": (25000, 0, 3600000),
    "reactions_per_second": (20, 0, 65535),
    "votes_per_second": (20, 1, 255),
    "connects_per_second": (0, 0, 10000000),
    "address_connects_per_second": (0, 0, 1000000),
    "address_connects_burst": (200, 1, 1000000),
    "ping_interval_ms": (25000, 0, 3600000),
    "pings_per_second": (1000, 0, 1000000),
    "pong_timeout_ms": (10000, 1, 3600000),
    "message_timeout_ms": (30000, 1, 3600000),
    "close_timeout_ms": (5000, 1, 3600000),
    "message_bytes_max": (65536, 1, MESSAGE_BYTES_MAX),
    "inbound_messages_per_second": (100, 1, 65534),
    "inbound_bytes_per_second": (1048576, 1, 1 << 30),
    "deflate_bytes_min": (256, 0, PUBLICATION_BYTES_MAX),
    "send_buffer_bytes": (0, 0, 1 << 30),
    "notsent_lowat_bytes": (65536, 0, 1 << 30),
    "user_timeout_ms": (30000, 0, 3600000),
    "keepalive_seconds": (0, 0, 32767),
}


cdef int64_t in_range(str name, object value, int64_t least, int64_t most) except? -1:
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} {value!r}: {least} to {most}")
    return value


cdef int read_options(Options *options, dict given) except -1:
    """Every option but the address; raises TypeError for a name there is not."""
    cdef dict number = {}
    cdef bytes congestion = given.pop("congestion_control", "").encode("ascii")
    options.echo = given.pop("echo", False)
    for name, (default, least, most) in _NUMBERS.items():
        number[name] = in_range(name, given.pop(name, default), least, most)
    if given:
        raise TypeError(f"no such option: {', '.join(given)}")
    options.shards = number["shards"]
    options.connections_per_shard = number["connections_per_shard"]
    options.waiting_per_shard = number["waiting_per_shard"]
    options.handshake_timeout_ms = number["handshake_timeout_ms"]
    options.http_idle_timeout_ms = number["http_idle_timeout_ms"]
    options.client_ping_ms = number["client_ping_ms"]
    options.reactions_per_second = <uint32_t> number["reactions_per_second"]
    options.votes_per_second = <uint32_t> number["votes_per_second"]
    options.connects_per_second = <uint32_t> number["connects_per_second"]
    options.address_connects_per_second = <uint32_t> number["address_connects_per_second"]
    options.address_connects_burst = <uint32_t> number["address_connects_burst"]
    options.ping_interval_ms = number["ping_interval_ms"]
    options.pings_per_second = number["pings_per_second"]
    options.pong_timeout_ms = number["pong_timeout_ms"]
    options.message_timeout_ms = number["message_timeout_ms"]
    options.close_timeout_ms = number["close_timeout_ms"]
    options.message_bytes_max = number["message_bytes_max"]
    options.inbound_messages_per_second = number["inbound_messages_per_second"]
    options.inbound_bytes_per_second = number["inbound_bytes_per_second"]
    options.deflate_bytes_min = number["deflate_bytes_min"]
    options.send_buffer_bytes = number["send_buffer_bytes"]
    options.notsent_lowat_bytes = number["notsent_lowat_bytes"]
    options.user_timeout_ms = number["user_timeout_ms"]
    options.keepalive_seconds = number["keepalive_seconds"]
    if <size_t> len(congestion) >= sizeof(options.congestion_control):
        raise ValueError(f"congestion_control {congestion!r}: no such algorithm")
    memset(options.congestion_control, 0, sizeof(options.congestion_control))
    memcpy(options.congestion_control, <char *> congestion, <size_t> len(congestion))
    return 0


cdef int read_address(Options *options, str host, int port) except -1:
    cdef bytes text = host.encode("ascii")
    cdef sockaddr_in *v4 = <sockaddr_in *> &options.address
    cdef sockaddr_in6 *v6 = <sockaddr_in6 *> &options.address
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port}: 0 to 65535")
    memset(&options.address, 0, sizeof(options.address))
    if inet_pton(AF_INET, text, &v4.sin_addr) == 1:
        v4.sin_family = <unsigned short> AF_INET
        v4.sin_port = htons(<unsigned short> port)
        options.address_bytes = sizeof(sockaddr_in)
    elif inet_pton(AF_INET6, text, &v6.sin6_addr) == 1:
        v6.sin6_family = <unsigned short> AF_INET6
        v6.sin6_port = htons(<unsigned short> port)
        options.address_bytes = sizeof(sockaddr_in6)
    else:
        raise ValueError(f"host {host!r}: a numeric IPv4 or IPv6 address")
    return 0


cdef int add_network(Rules *rules, str text) except -1:
    network = ipaddress.ip_network(text, strict=False)
    cdef bytes packed = network.network_address.packed
    cdef uint32_t number = rules.network_count
    rules.networks[number].bits = network.prefixlen
    if network.version == 4:
        # The shards know every address as IPv6, IPv4 mapped into it.
        packed = b"\x00" * 10 + b"\xff\xff" + packed
        rules.networks[number].bits += 96
    memcpy(rules.networks[number].address, <char *> packed, 16)
    rules.network_count += 1
    return 0


cdef Rules *rules_create(bint allow_missing_origin, tuple origins, tuple networks) except NULL:
    """One block, so that it can be retired as one."""
    cdef list texts = [origin.rstrip("/").encode("ascii") for origin in origins if origin != "*"]
    cdef size_t text_bytes = sum(len(text) for text in texts)
    cdef Rules *rules
    cdef uint8_t *at
    cdef bytes text
    if len(origins) > ORIGINS_MAX or len(networks) > PROXY_NETWORKS_MAX:
        raise ValueError(f"at most {ORIGINS_MAX} origins and {PROXY_NETWORKS_MAX} proxy networks")
    for network in networks:
        ipaddress.ip_network(network, strict=False)  # raises before anything is allocated
    rules = <Rules *> calloc(1, sizeof(Rules) + text_bytes)
    if rules == NULL:
        raise MemoryError
    rules.allow_missing_origin = allow_missing_origin
    rules.any_origin = "*" in origins
    at = <uint8_t *> rules + sizeof(Rules)
    for text in texts:
        memcpy(at, <char *> text, <size_t> len(text))
        rules.origins[rules.origin_count] = at
        rules.origin_bytes[rules.origin_count] = <uint32_t> len(text)
        rules.origin_count += 1
        at += len(text)
    for network in networks:
        add_network(rules, network)
    return rules
