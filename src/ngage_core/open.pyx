"""Options and rules as Python gives them, checked and put into the structs the shards read."""

from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport calloc
from libc.string cimport memcpy, memset

import ipaddress

from ngage_core.hub cimport Options, Rules
from ngage_core.limits cimport ORIGINS_MAX, PROXY_NETWORKS_MAX
from ngage_core.sysio cimport (
    AF_INET, AF_INET6, htons, inet_pton, sockaddr_in, sockaddr_in6,
)


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
