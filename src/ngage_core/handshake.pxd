"""From the first byte to the first frame: the request head, the HTTP answers, the upgrade.

All of it happens in the shard, the control plane is not asked: a path is looked up in the table of
answers, `/ws/CHANNEL` among the channels, `/echo` is there when it was switched on. Who brings a
ticket is known by it from the start; who speaks the client protocol, `/connection/websocket`, says
it in its first message.
"""

from libc.stdint cimport uint32_t, uint64_t, uint8_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memcpy, memset

from ngage_core.answer cimport refuse
from ngage_core.atomic cimport ng_load, ng_load_pointer
from ngage_core.buckets cimport bucket_take, buckets_take
from ngage_core.channel cimport Channel, bytes_hash, channel_name_valid, channel_named
from ngage_core.codes cimport KEYFRAME
from ngage_core.conn cimport (
    CONN_OPEN, F_DEFLATE, F_SHARED_DEFLATE, KIND_CLIENT, KIND_ECHO, KIND_RAW, KIND_REFUSED, Conn,
    ConnCold, conn_handle, is_ipv4,
)
from ngage_core.deflate cimport WINDOW_BITS_MAX
from ngage_core.hub cimport Rules, is_trusted_proxy, origin_allowed
from ngage_core.lifecycle cimport (
    forget_identity, identify, ping_interval_ms, set_deadline, set_ping_deadline, spread_ms,
    subscribe, unsubscribe_all,
)
from ngage_core.limits cimport (
    ANSWER_BYTES_MAX, CHANNEL_NAME_BYTES_MAX, CONNECT_MS_MAX, LAG_NOTSENT_BYTES,
)
from ngage_core.members cimport S_WAITS, Subscription
from ngage_core.own cimport own_room
from ngage_core.park cimport answer_path
from ngage_core.sha1 cimport ACCEPT_KEY_BYTES, accept_key_of
from ngage_core.shard cimport Shard
from ngage_core.span cimport Span, cut, cut_last, span_of
from ngage_core.sysio cimport (
    AF_INET, AF_INET6, IPPROTO_TCP, TCP_NOTSENT_LOWAT, inet_pton, sys_option, sys_unix_s,
)
from ngage_core.ticket cimport Ticket, ticket_verify
from ngage_core.upgrade cimport Request, parse_head
from ngage_core.wheel cimport tick_of, ticks_of


cdef struct Resume:
    bint asked
    bint recovered


# The address a client is known by.

cdef inline bint parse_address(Span text, uint8_t *address) noexcept nogil:
    cdef char copy[46]
    if text.bytes == 0 or text.bytes >= sizeof(copy):
        return False
    memcpy(copy, text.data, text.bytes)
    copy[text.bytes] = 0
    if inet_pton(AF_INET6, copy, address) == 1:
        return True
    memset(address, 0, 10)
    memset(address + 10, 0xFF, 2)
    return inet_pton(AF_INET, copy, address + 12) == 1


cdef inline void note_address(Shard *shard, uint32_t index, const Request *request) noexcept nogil:
    """X-Forwarded-For counts only from a listed proxy, and from the right end as far as the list
    reaches: what stands left of that, the client may have written itself."""
    cdef Rules *rules = <Rules *> ng_load_pointer(<void **> &shard.hub.rules)
    cdef ConnCold *cold = &shard.slab.colds[index]
    cdef Span rest = request.forwarded_for
    cdef uint8_t address[16]
    while rest.bytes and is_trusted_proxy(rules, cold.address):
        if not parse_address(cut_last(&rest, 44), address):
            return
        memcpy(cold.address, address, 16)


# The channel a path names, and where in its log to begin.

cdef inline Span query_value(Span query, const char *name, size_t size) noexcept nogil:
    """What follows `name` (its = included); NULL: it is not there."""
    cdef Span parameter
    while query.bytes:
        parameter = cut(&query, 38)
        if parameter.bytes >= size and memcmp(parameter.data, name, size) == 0:
            return span_of(parameter.data + size, parameter.bytes - size)
    return span_of(NULL, 0)


cdef inline int hex_digit(uint8_t c) noexcept nogil:
    if 48 <= c <= 57:
        return c - 48
    if 65 <= c <= 70:
        return c - 55
    if 97 <= c <= 102:
        return c - 87
    return -1


cdef inline size_t percent_decode(Span text, uint8_t *out, size_t room) noexcept nogil:
    """Decoded size; 0 for a malformed escape or more than `room`."""
    cdef size_t at = 0, size = 0
    cdef uint8_t c
    while at < text.bytes:
        c = text.data[at]
        if c == 37:
            if (at + 2 >= text.bytes or hex_digit(text.data[at + 1]) < 0
                    or hex_digit(text.data[at + 2]) < 0):
                return 0
            c = <uint8_t> (hex_digit(text.data[at + 1]) << 4 | hex_digit(text.data[at + 2]))
            at += 2
        if size == room:
            return 0
        out[size] = c
        size += 1
        at += 1
    return size


cdef inline bint parse_position(Span text, uint32_t *epoch, uint64_t *offset) noexcept nogil:
    """EPOCH:OFFSET, eight hex digits and a decimal number."""
    cdef size_t i
    epoch[0] = 0
    offset[0] = 0
    if text.bytes < 10 or text.bytes > 28 or text.data[8] != 58:
        return False
    for i in range(8):
        if hex_digit(text.data[i]) < 0:
            return False
        epoch[0] = epoch[0] << 4 | <uint32_t> hex_digit(text.data[i])
    for i in range(9, text.bytes):
        if not 48 <= text.data[i] <= 57:
            return False
        offset[0] = offset[0] * 10 + (text.data[i] - 48)
    return True


cdef inline int place_cursor(
    Shard *shard, const Request *request, Channel *channel, Subscription *subscription,
    Resume *resume,
) noexcept nogil:
    """Where a subscriber begins: after `since` if the log still has what follows, at the newest
    sync point of a keyframe channel if it goes with the preamble, with the newest publication of
    one that is a cache, else live. 400 for a `since` that is no position."""
    cdef Span since = query_value(request.query, b"since=", 6)
    cdef uint8_t decoded[64]
    cdef uint32_t epoch
    cdef uint64_t offset, sync = ng_load(&channel.sync)
    cdef size_t size
    resume.asked = False
    resume.recovered = False
    if channel.cache and ng_load(&channel.head) > ng_load(&channel.tail):
        subscription.cursor = ng_load(&channel.head) - 1
    if channel.lag == KEYFRAME and sync and sync < ng_load(&channel.preamble_first):
        subscription.cursor = ng_load(&channel.preamble_first)
        subscription.flags |= S_WAITS
    elif channel.lag == KEYFRAME and sync >= ng_load(&channel.tail):
        subscription.cursor = sync
    if since.data != NULL:
        size = percent_decode(since, decoded, 64)
        if not parse_position(span_of(decoded, size), &epoch, &offset):
            return 400
        resume.asked = True
        if (epoch == channel.epoch and offset < ng_load(&channel.head)
                and offset + 1 >= ng_load(&channel.tail)):
            subscription.cursor = offset + 1
            subscription.flags &= ~S_WAITS
            resume.recovered = True
    return 0


# How many may come.

cdef inline int over_connects(Shard *shard, uint32_t index) noexcept nogil:
    """0, or the status to refuse a WebSocket with. A shard has its part of the rate of all."""
    cdef uint32_t shards = shard.hub.options.shards
    cdef uint32_t rate = (shard.hub.options.connects_per_second + shards - 1) // shards
    cdef const uint8_t *address = shard.slab.colds[index].address
    cdef uint64_t key
    if shard.hub.addresses != NULL:
        # Whoever has one IPv6 address has the 2**64 of its network.
        key = bytes_hash(address, 16 if is_ipv4(address) else 8, shard.hub.seed)
        if not buckets_take(
                shard.hub.addresses, key, shard.now_ms,
                shard.hub.options.address_connects_per_second,
                shard.hub.options.address_connects_burst):
            shard.counters.refused_address += 1
            return 429
    if rate and not bucket_take(&shard.connects, shard.now_ms, rate, rate):
        shard.counters.refused_rate += 1
        return 503
    return 0


# Who brings a ticket.

cdef inline int take_ticket(Shard *shard, uint32_t index, Span query) noexcept nogil:
    """0, or the status to refuse with."""
    cdef Span text = query_value(query, b"ticket=", 7)
    cdef Ticket ticket
    if text.data == NULL:
        return 0
    if not shard.hub.has_ticket_key or not ticket_verify(
            &shard.hub.ticket_key, text.data, text.bytes, sys_unix_s(), &ticket):
        shard.counters.refused_tickets += 1
        return 403
    return 0 if identify(shard, index, 0 if ticket.monitor else ticket.voter, 0, NULL) else 503


# The upgrade.

cdef inline void write_switch(
    Shard *shard, uint32_t index, const Request *request, Channel *channel, uint64_t cursor,
    const Resume *resume,
) noexcept nogil:
    cdef char text[ANSWER_BYTES_MAX]
    cdef char window[32]
    cdef char position[96]
    cdef uint8_t accept[ACCEPT_KEY_BYTES]
    cdef uint8_t *room
    cdef Conn *conn = &shard.slab.conns[index]
    cdef int size
    accept_key_of(request.key.data, accept)
    cdef const char *recovered = b""
    cdef const char *extension = b""
    cdef const char *line_end = b""
    window[0] = 0
    position[0] = 0
    if request.deflate:
        line_end = b"\r\n"
        extension = (b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
                     b"client_no_context_takeover")
    if request.window_bits_asked:
        snprintf(window, sizeof(window), b"; server_max_window_bits=%d", request.window_bits)
    if channel != NULL:
        if resume.asked:
            recovered = (b"Ngage-Recovered: true\r\n" if resume.recovered
                         else b"Ngage-Recovered: false\r\n")
        snprintf(position, sizeof(position), b"Ngage-Position: %08x:%llu\r\n%s", channel.epoch,
                 <unsigned long long> (cursor - 1), recovered)
    size = snprintf(
        text, sizeof(text),
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %.28s\r\n%s%s%sNgage-Client: %016llx\r\n%s\r\n",
        <const char *> accept, extension, window, line_end,
        <unsigned long long> conn_handle(shard.number, conn.generation, index), position)
    room = own_room(shard, index, <size_t> size)
    if room != NULL:
        memcpy(room, text, <size_t> size)


cdef inline void become_websocket(
    Shard *shard, uint32_t index, const Request *request, uint8_t kind
) noexcept nogil:
    cdef Conn *conn = &shard.slab.conns[index]
    conn.state = CONN_OPEN
    conn.kind = kind
    if request.deflate:
        conn.flags |= F_DEFLATE
        shard.slab.colds[index].window_bits = <uint8_t> request.window_bits
        if request.window_bits == WINDOW_BITS_MAX:
            conn.flags |= F_SHARED_DEFLATE
            shard.counters.deflate_clients += 1
    shard.counters.websockets += 1
    shard.counters.upgrades += 1
    if kind == KIND_CLIENT:
        conn.pinged_tick = tick_of(shard.now_ms) + ticks_of(CONNECT_MS_MAX)  # its last, to identify
        set_deadline(shard, index, CONNECT_MS_MAX)
    else:
        spread_pings(shard, index)


cdef inline void spread_pings(Shard *shard, uint32_t index) noexcept nogil:
    """As if each had last been heard some part of the interval ago."""
    cdef uint64_t interval = ping_interval_ms(shard)
    cdef uint64_t passed = spread_ms(index, interval)
    if interval == 0:
        set_deadline(shard, index, 3600000)
        return
    shard.slab.conns[index].heard_tick = tick_of(shard.now_ms - passed)
    set_ping_deadline(shard, index, interval - passed)


cdef inline void upgrade_raw(Shard *shard, uint32_t index, const Request *request) noexcept nogil:
    cdef uint8_t name[CHANNEL_NAME_BYTES_MAX]
    cdef size_t size = percent_decode(
        span_of(request.path.data + 4, request.path.bytes - 4), name, sizeof(name))
    cdef Channel *channel
    cdef Subscription *subscription
    cdef Resume resume
    cdef int status
    if not channel_name_valid(name, size):
        refuse(shard, index, 400, b"that is no channel name")
        return
    channel = channel_named(shard.hub.names, shard.hub.channels, shard.hub.seed, name, size)
    if channel == NULL or channel.log.hidden:
        refuse(shard, index, 404, b"there is no such channel")
        return
    status = take_ticket(shard, index, request.query)
    if status:
        refuse(shard, index, status, b"this ticket is not taken (any more)")
        return
    subscription = subscribe(shard, index, channel)
    channel = channel.log
    if subscription == NULL:
        forget_identity(shard, index)
        refuse(shard, index, 503, b"no room for another subscription")
        return
    if place_cursor(shard, request, channel, subscription, &resume):
        unsubscribe_all(shard, index)
        forget_identity(shard, index)
        refuse(shard, index, 400, b"since is EPOCH:OFFSET")
        return
    if channel.lag_ms and not 0 < shard.hub.options.notsent_lowat_bytes <= LAG_NOTSENT_BYTES:
        sys_option(shard.slab.conns[index].fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT,
                   <int> LAG_NOTSENT_BYTES)
    if resume.asked:
        shard.counters.recovered += resume.recovered
        shard.counters.not_recovered += not resume.recovered
    become_websocket(shard, index, request, KIND_RAW)
    write_switch(shard, index, request, channel, subscription.cursor, &resume)


cdef inline bint path_is(const Request *request, const char *path, size_t size) noexcept nogil:
    return request.path.bytes == size and memcmp(request.path.data, path, size) == 0


cdef inline bint path_under(const Request *request, const char *prefix, size_t size) noexcept nogil:
    return request.path.bytes > size and memcmp(request.path.data, prefix, size) == 0


cdef inline void serve_request(
    Shard *shard, uint32_t index, const uint8_t *head, size_t size
) noexcept nogil:
    """A complete head. Afterwards the connection is a WebSocket, has its answer or waits for it, or
    is ending."""
    cdef Request request
    cdef Resume resume
    cdef Rules *rules = <Rules *> ng_load_pointer(<void **> &shard.hub.rules)
    cdef int status
    cdef bint echo, client
    memset(&request, 0, sizeof(Request))
    if shard.slab.conns[index].kind == KIND_REFUSED or shard.drain.on:
        refuse(shard, index, 503, b"this server takes no more connections now")
        return
    status = parse_head(head, size, &request)
    if status:
        refuse(shard, index, status, b"the request cannot be accepted")
        return
    echo = shard.hub.options.echo and path_is(&request, b"/echo", 5)
    client = ng_load(&shard.hub.clients) and path_is(&request, b"/connection/websocket", 21)
    if not echo and not client and not path_under(&request, b"/ws/", 4):
        if request.upgrade:
            refuse(shard, index, 404, b"no WebSocket is here")
        else:
            answer_path(shard, index, &request)
        return
    if not request.upgrade:
        refuse(shard, index, 426, b"this is a WebSocket endpoint")
        return
    if not origin_allowed(rules, request.has_origin, request.origin, request.host):
        shard.counters.refused_origin += 1
        refuse(shard, index, 403, b"this origin is not allowed")
        return
    note_address(shard, index, &request)
    status = over_connects(shard, index)
    if status:
        refuse(shard, index, status, b"too many connections come now, try again")
        return
    if echo:
        become_websocket(shard, index, &request, KIND_ECHO)
        write_switch(shard, index, &request, NULL, 0, &resume)
    elif client:
        become_websocket(shard, index, &request, KIND_CLIENT)
        write_switch(shard, index, &request, NULL, 0, &resume)
    else:
        upgrade_raw(shard, index, &request)
