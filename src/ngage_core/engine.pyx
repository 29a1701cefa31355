"""The engine: what Python holds of the data plane. See engine.pyi for the contract.

This is the writer's side of everything shared: it fills channels (channels.pyx), replaces tables,
and retires what it takes out of sight. The GIL makes it one writer. The shards' side is turn.pxd.
"""

from libc.errno cimport ENOENT
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc
from libc.string cimport memset

import os

cimport cython

from ngage_core cimport limits as bound
from ngage_core.atomic cimport ng_peek, ng_store, ng_sub
from ngage_core.backend cimport backend_named, backend_names, backend_status
from ngage_core.buckets cimport BUCKET_SETS, BucketSet
from ngage_core.channel cimport NAME_SLOTS, Channel
from ngage_core.channels cimport Channels
from ngage_core.codes cimport KEYFRAME, LATEST, OP_BINARY, OP_TEXT, RELIABLE, RING
from ngage_core.conn cimport handle_shard, is_ipv4
from ngage_core.control cimport (
    claim_port, end_shards, free_shared, push, push_to_all, put_offer, reclaim, remove_path,
    replace_rules, start_shard,
)
from ngage_core.counters cimport Counters
from ngage_core.hub cimport Hub, Inbox
from ngage_core.offer cimport Offer, offer_release
from ngage_core.offers cimport offer_awaited, offer_of_playlist, offer_of_response
from ngage_core.open cimport read_address, read_options, rules_create
from ngage_core.paths cimport PathEntry, table_create, table_find
from ngage_core.payload cimport Payload, payload_of_bytes, payload_plain, payload_release
from ngage_core.ring cimport (
    COMMAND_CLOSE, COMMAND_CLOSE_CHANNEL, COMMAND_DRAIN, COMMAND_IDENTIFY, COMMAND_SEND,
    COMMAND_SUBSCRIBE, COMMAND_UNSUBSCRIBE, Command, Message, message_free, ring_pop_at,
    ring_popped, ring_waiting,
)
from ngage_core.sha256 cimport SHA256_BLOCK_BYTES, mac_key_of
from ngage_core.shard cimport Shard
from ngage_core.span cimport Span, span_of
from ngage_core.sysio cimport (
    AF_INET, AF_INET6, inet_ntop, ntohs, sockaddr_in, sockaddr_in6, sockaddr_storage, sys_close,
    sys_event_clear, sys_eventfd, sys_release, sys_reserve, sys_thread_cpu_us,
)
from ngage_core.votes cimport Votes

LAG_LATEST = LATEST
LAG_KEYFRAME = KEYFRAME
LAG_RING = RING
LAG_RELIABLE = RELIABLE
OPCODE_TEXT = OP_TEXT
OPCODE_BINARY = OP_BINARY


def limits():
    return {
        "shards_max": bound.SHARDS_MAX,
        "shard_connections_max": bound.SHARD_CONNECTIONS_MAX,
        "refusals_per_shard": bound.REFUSALS_PER_SHARD,
        "reserved_descriptors": bound.RESERVED_DESCRIPTORS,
        "channels_max": bound.CHANNELS_MAX,
        "channel_name_bytes_max": bound.CHANNEL_NAME_BYTES_MAX,
        "views_max": bound.VIEWS_MAX,
        "recovered_max": bound.RECOVERED_MAX,
        "reaction_events_max": bound.REACTION_EVENTS_MAX,
        "reaction_kinds_max": bound.REACTION_KINDS_MAX,
        "subscriptions_per_connection": bound.SUBSCRIPTIONS_PER_CONNECTION,
        "rungs_max": bound.RUNGS_MAX,
        "ring_frames_min": bound.RING_FRAMES_MIN,
        "ring_frames_max": bound.RING_FRAMES_MAX,
        "ring_bytes_max": bound.RING_BYTES_MAX,
        "publication_bytes_max": bound.PUBLICATION_BYTES_MAX,
        "tick_ms_max": bound.TICK_MS_MAX,
        "lag_ms_max": bound.LAG_MS_MAX,
        "paths_max": bound.PATHS_MAX,
        "http_response_bytes_max": bound.HTTP_RESPONSE_BYTES_MAX,
        "requests_per_connection": bound.REQUESTS_PER_CONNECTION,
        "waiting_per_shard_max": bound.WAITING_PER_SHARD_MAX,
        "wait_ms_max": bound.WAIT_MS_MAX,
        "message_bytes_max": bound.MESSAGE_BYTES_MAX,
        "fragments_max": bound.FRAGMENTS_MAX,
        "close_reason_bytes_max": bound.CLOSE_REASON_BYTES_MAX,
        "origins_max": bound.ORIGINS_MAX,
        "proxy_networks_max": bound.PROXY_NETWORKS_MAX,
        "outbox_bytes_max": bound.OUTBOX_BYTES_MAX,
    }


def backends():
    return backend_names()


def refusal(str backend not None):
    return -backend_status(backend_named(backend))


cdef object kernel_error(int64_t status, str what):
    return OSError(<int> -status, f"{what}: {os.strerror(<int> -status)}")


cdef object address_text(const uint8_t *address):
    """Without ::ffff: where IPv4 is mapped into it."""
    cdef char text[46]
    if is_ipv4(address):
        inet_ntop(AF_INET, address + 12, text, sizeof(text))
    else:
        inet_ntop(AF_INET6, address, text, sizeof(text))
    return text.decode("ascii")


cdef tuple address_pair(const sockaddr_storage *address):
    cdef const sockaddr_in *v4 = <const sockaddr_in *> address
    cdef const sockaddr_in6 *v6 = <const sockaddr_in6 *> address
    cdef char text[46]
    if address.ss_family == AF_INET:
        inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text))
        return text.decode("ascii"), ntohs(v4.sin_port)
    return address_text(v6.sin6_addr.s6_addr), ntohs(v6.sin6_port)


cdef object about_of(const Message *message):
    """None: of a raw client."""
    if not message.speaks:
        return None
    if message.about == NULL:
        return b""
    return (<char *> payload_plain(message.about))[:message.about.plain_bytes]


cdef Payload *payload_copy(bytes data) except NULL:
    cdef Payload *payload = payload_of_bytes(
        <const uint8_t *> <char *> data, <size_t> len(data), 0)
    if payload == NULL:
        raise MemoryError
    return payload


cdef Span span_of_bytes(bytes text) noexcept:
    return span_of(<const uint8_t *> <char *> text, <size_t> len(text))


# Not cleared before it is deallocated: to stop its threads it takes what it refers to.
@cython.final
@cython.no_gc_clear
cdef class Engine(Channels):
    cdef bint share_port
    cdef bint started
    cdef uint32_t events_first
    cdef Votes votes

    def __cinit__(self, *, str host not None, int port, str backend not None="epoll",
                  bint share_port=False, bint allow_missing_origin=True,
                  tuple allowed_origins=(), tuple trusted_proxies=(), **options):
        cdef Hub *hub = &self.control.hub
        hub.event_fd = -1
        self.share_port = share_port
        hub.options.backend = backend_named(backend)
        read_address(&hub.options, host, port)
        read_options(&hub.options, options)
        hub.seed = int.from_bytes(os.urandom(8), "little")
        hub.reclaim.epoch = 1
        hub.rules = rules_create(allow_missing_origin, allowed_origins, trusted_proxies)
        hub.paths = table_create(8)
        hub.channels = <Channel **> sys_reserve(bound.CHANNELS_MAX * sizeof(void *))
        hub.names = <uint64_t *> sys_reserve(NAME_SLOTS * sizeof(uint64_t))
        hub.inboxes = <Inbox *> calloc(hub.options.shards, sizeof(Inbox))
        if hub.options.address_connects_per_second:
            hub.addresses = <BucketSet *> sys_reserve(BUCKET_SETS * sizeof(BucketSet))
            if hub.addresses == NULL:
                raise MemoryError
        self.control.shards = <Shard **> calloc(hub.options.shards, sizeof(void *))
        if (hub.paths == NULL or hub.channels == NULL or hub.names == NULL
                or hub.inboxes == NULL or self.control.shards == NULL):
            raise MemoryError

    def __dealloc__(self):
        self.stop()
        free_shared(&self.control)
        sys_release(self.control.hub.channels, bound.CHANNELS_MAX * sizeof(void *))
        sys_release(self.control.hub.names, NAME_SLOTS * sizeof(uint64_t))
        sys_release(self.control.hub.addresses, BUCKET_SETS * sizeof(BucketSet))

    def start(self):
        cdef int64_t status, port_fd
        if self.started:
            raise ValueError("an engine starts once")
        self.started = True
        port_fd = claim_port(&self.control, self.share_port)
        if port_fd == -ENOENT:  # nothing else here looks a name up
            raise ValueError("congestion_control: the kernel has none of that name")
        if port_fd < 0:
            raise kernel_error(port_fd, "cannot listen")
        status = sys_eventfd()
        self.control.hub.event_fd = <int> status
        while status >= 0 and self.control.running < self.control.hub.options.shards:
            with nogil:
                status = start_shard(&self.control)
        sys_close(<int> port_fd)
        if status < 0:
            number = self.control.running
            self.stop()
            raise kernel_error(status, f"cannot start shard {number}")
        return address_pair(&self.control.hub.options.address)

    def count_votes(self, Votes votes not None):
        if self.started:
            raise ValueError("votes are joined before the start")
        if votes.core.door.port_count < self.control.hub.options.shards:
            raise ValueError(f"votes of {votes.core.door.port_count} ports: one for each shard")
        self.votes = votes
        self.control.hub.votes = &votes.core.door

    def stop(self):
        self.started = True
        if self.votes is not None:
            self.votes.stop()  # it wakes shards, which end now
        with nogil:
            end_shards(&self.control)
        if self.control.hub.event_fd >= 0:
            sys_close(self.control.hub.event_fd)
            self.control.hub.event_fd = -1

    @property
    def event_fd(self):
        return self.control.hub.event_fd

    # Clients

    cdef bint push_to_client(self, uint64_t client, Command *command) except -1:
        if handle_shard(client) >= self.control.running:
            if command.payload != NULL:
                payload_release(command.payload)
            raise ValueError(f"client {client:016x}: no such client")
        command.target = client
        if not push(&self.control, handle_shard(client), command):
            if command.payload != NULL:
                payload_release(command.payload)
            return False
        return True

    def send(self, uint64_t client, bytes data not None, int opcode):
        cdef Command command
        memset(&command, 0, sizeof(Command))
        command.kind = COMMAND_SEND
        command.payload = self.encode(data, opcode, False)
        return self.push_to_client(client, &command)

    def close(self, uint64_t client, int code, str reason=""):
        cdef Command command
        closing(&command, COMMAND_CLOSE, code, reason)
        return self.push_to_client(client, &command)

    def close_channel(self, uint64_t channel, int code, str reason=""):
        cdef Channel *rung = self.channel_numbered(channel)
        cdef uint32_t i
        if rung.log != rung:
            self.close_members(rung.id, code, reason)
            return
        while rung != NULL:
            for i in range(rung.view_count):
                self.close_members(rung.views[i].id, code, reason)
            if rung.pushes != NULL:
                self.close_members(rung.pushes.id, code, reason)
            rung = rung.below

    cdef int close_members(self, uint32_t number, int code, str reason) except -1:
        cdef Command command
        closing(&command, COMMAND_CLOSE_CHANNEL, code, reason)
        command.target = number
        with nogil:
            push_to_all(&self.control, &command)
        return 0

    # Clients that speak the client protocol

    def speak(self, bint wanted):
        ng_store(&self.control.hub.clients, wanted)

    def identify(self, uint64_t client, uint64_t voter, uint32_t expires, bytes about not None):
        cdef Command command
        memset(&command, 0, sizeof(Command))
        command.kind = COMMAND_IDENTIFY
        command.number = voter
        command.id = expires
        command.payload = payload_copy(about)
        return self.push_to_client(client, &command)

    def subscribe(self, uint64_t client, uint64_t push_log, uint32_t id, uint64_t first,
                  bytes result not None, bint recovers=False):
        cdef Command command
        memset(&command, 0, sizeof(Command))
        command.kind = COMMAND_SUBSCRIBE
        command.code = <int> self.channel_numbered(push_log).id
        command.number = first
        command.id = id
        command.recovers = recovers
        command.payload = payload_copy(result)
        return self.push_to_client(client, &command)

    def unsubscribe(self, uint64_t client, uint64_t push_log):
        cdef Command command
        memset(&command, 0, sizeof(Command))
        command.kind = COMMAND_UNSUBSCRIBE
        command.code = <int> self.channel_numbered(push_log).id
        return self.push_to_client(client, &command)

    def drain(self, int code, str reason, uint64_t milliseconds):
        cdef Command command
        closing(&command, COMMAND_DRAIN, code, reason)
        command.milliseconds = milliseconds
        with nogil:
            push_to_all(&self.control, &command)

    # Answers and rules

    cdef int offer_at(self, str path, Offer *offer) except -1:
        """Takes the offer over."""
        cdef bytes text = path.encode("ascii", "replace")
        cdef bint known = self.entry_at(text) != NULL
        if path.startswith("/") and path.isascii():
            if not known and self.control.hub.paths.count >= bound.PATHS_MAX:
                offer_release(offer)
                raise OverflowError(f"{bound.PATHS_MAX} paths are served already")
            if put_offer(&self.control, span_of_bytes(text), offer):
                return 0
            offer_release(offer)
            raise MemoryError
        offer_release(offer)
        raise ValueError(f"path {path!r}: ASCII that begins with /")

    def http_put(self, str path not None, bytes response not None, size_t head_bytes):
        self.offer_at(path, offer_of_response(response, head_bytes))

    def http_expect(self, str path not None, wait_ms):
        if self.entry_at(path.encode("ascii", "replace")) == NULL:
            self.offer_at(path, offer_awaited(wait_ms))

    def http_playlist(self, str path not None, tuple responses not None, **position):
        self.offer_at(path, offer_of_playlist(responses, position))

    cdef PathEntry *entry_at(self, bytes path) noexcept:
        return table_find(self.control.hub.paths, <const uint8_t *> <char *> path,
                          <size_t> len(path), self.control.hub.seed)

    def http_remove(self, str path not None):
        cdef PathEntry *entry = self.entry_at(path.encode("ascii"))
        if entry == NULL:
            return False
        if not remove_path(&self.control, entry):
            raise MemoryError
        return True

    def set_rules(self, *, bint allow_missing_origin, tuple allowed_origins not None,
                  tuple trusted_proxies not None):
        replace_rules(&self.control, rules_create(
            allow_missing_origin, allowed_origins, trusted_proxies))

    # Events and counters

    def deliver_messages(self, bint wanted):
        ng_store(&self.control.hub.deliver, wanted)

    def set_ticket_key(self, bytes secret not None):
        if not 16 <= len(secret) <= SHA256_BLOCK_BYTES:
            raise ValueError(f"a ticket key of {len(secret)} bytes: 16 to {SHA256_BLOCK_BYTES}")
        if self.started:
            raise ValueError("the ticket key is set before the start")
        mac_key_of(&self.control.hub.ticket_key, <const uint8_t *> <char *> secret,
                   <size_t> len(secret))
        self.control.hub.has_ticket_key = True

    def reactions(self, uint32_t event):
        cdef list counts = [0] * bound.REACTION_KINDS_MAX
        cdef uint32_t number, kind
        cdef uint64_t *counted
        event %= bound.REACTION_EVENTS_MAX
        for number in range(self.control.running):
            counted = &self.control.shards[number].reactions[event * bound.REACTION_KINDS_MAX]
            for kind in range(<uint32_t> bound.REACTION_KINDS_MAX):
                counts[kind] += ng_peek(&counted[kind])
        return counts

    def events(self, int limit=4096):
        cdef list found = []
        cdef uint32_t step
        cdef Shard *shard
        cdef Message *message
        if self.control.hub.event_fd >= 0:
            sys_event_clear(self.control.hub.event_fd)
        self.events_first += 1  # so that a flood at one shard does not keep the others waiting
        for step in range(self.control.running):
            shard = self.control.shards[(self.events_first + step) % self.control.running]
            while ring_waiting(&shard.events_ring):
                if len(found) >= limit:
                    # More is waiting: leave the descriptor readable.
                    self.control.hub.options.backend.wake(self.control.hub.event_fd)
                    return found
                message = shard.events[ring_pop_at(&shard.events_ring)]
                ring_popped(&shard.events_ring)
                found.append((
                    message.client, message.channel, message.opcode,
                    (<char *> message)[sizeof(Message):sizeof(Message) + message.bytes],
                    address_text(message.address), about_of(message), message.received_ms,
                    message.rtt_ms))
                ng_sub(&shard.event_bytes, message.bytes)
                message_free(message)
        reclaim(&self.control)
        return found

    def shard_counters(self):
        cdef uint32_t number
        cdef list found = []
        for number in range(self.control.running):
            counted = <dict> self.control.shards[number].counters
            counted["cpu_us"] = sys_thread_cpu_us(self.control.shards[number].thread)
            found.append(counted)
        reclaim(&self.control)
        return found

    def counters(self):
        cdef Counters nothing
        memset(&nothing, 0, sizeof(Counters))
        total = <dict> nothing
        total["cpu_us"] = 0
        for counted in self.shard_counters():
            for name, value in counted.items():
                # Names say it: a largest value of all is the largest of the shards'.
                total[name] = max(total[name], value) if name.endswith("_max") else (
                    total[name] + value)
        return total


cdef int closing(Command *command, int kind, int code, str reason) except -1:
    """Fill in a command that closes, with one reference to its reason."""
    cdef bytes text = reason.encode("utf-8")
    if not (1000 <= code <= 1014 and code not in (1004, 1005, 1006) or 3000 <= code <= 4999):
        raise ValueError(f"close code {code}: 1000-1003, 1007-1014 or 3000-4999")
    if len(text) > bound.CLOSE_REASON_BYTES_MAX:
        raise ValueError(f"close reason: at most {bound.CLOSE_REASON_BYTES_MAX} bytes")
    memset(command, 0, sizeof(Command))
    command.kind = kind
    command.code = code
    command.payload = payload_copy(text)
    return 0
