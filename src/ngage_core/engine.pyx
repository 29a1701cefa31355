"""The engine: what Python holds of the data plane. See engine.pyi for the contract.

This is the writer's side of everything shared: it fills channels, replaces tables, and retires what
it takes out of sight. The GIL makes it one writer. The shards' side is turn.pxd.
"""

from libc.errno cimport ENOMEM
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import os

cimport cython

from ngage_core cimport limits as bound
from ngage_core.atomic cimport ng_fence, ng_load, ng_store, ng_store_pointer, ng_sub
from ngage_core.channel cimport (
    NAME_SLOTS, Channel, channel_append, channel_at, channel_create, channel_enter_name,
    channel_evict, channel_full_for, channel_name_valid, channel_named,
)
from ngage_core.codes cimport KEYFRAME, LATEST, OP_BINARY, OP_TEXT, RELIABLE, RING
from ngage_core.conn cimport handle_shard
from ngage_core.counters cimport Counters
from ngage_core.deflate cimport (
    WINDOW_BITS_MAX, Buffer, buffer_reserve, deflate_bound, deflate_message, deflate_open,
    deflateEnd, z_stream,
)
from ngage_core.epoll cimport epoll_ops
from ngage_core.hub cimport Hub, Rules
from ngage_core.open cimport read_address, rules_create
from ngage_core.paths cimport (
    PathEntry, PathTable, entry_create, entry_replace, table_copy, table_create, table_enter,
    table_find,
)
from ngage_core.payload cimport (
    Payload, payload_of_bytes, payload_of_frame, payload_plain, payload_release,
)
from ngage_core.reclaim cimport (
    RECLAIM_ASLEEP, RETIRED_MEMORY, RETIRED_PAYLOAD, reclaim_seen, retire,
)
from ngage_core.ring cimport (
    COMMAND_CLOSE, COMMAND_CLOSE_CHANNEL, COMMAND_DRAIN, COMMAND_SEND, COMMAND_STOP, Command,
    Message, ring_free, ring_pop_at, ring_popped, ring_push_at, ring_pushed, ring_waiting,
)
from ngage_core.shard cimport (
    Shard, shard_allocate, shard_mark_dirty, shard_release, shard_wake,
)
from ngage_core.sysio cimport (
    AF_INET, SO_REUSEADDR, SOL_SOCKET, ntohs, pthread_create, pthread_join, sem_destroy, sem_init,
    sem_wait, sockaddr_in, sockaddr_in6, sockaddr_storage, sys_bind, sys_close, sys_event_clear,
    sys_eventfd, sys_listen, sys_local_name, sys_option, sys_release, sys_reserve, sys_socket,
    sys_thread_cpu_us,
)
from ngage_core.thread cimport listener_open, thread_main
from ngage_core.utf8 cimport UTF8_COMPLETE, utf8_step

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
        "ring_frames_min": bound.RING_FRAMES_MIN,
        "ring_frames_max": bound.RING_FRAMES_MAX,
        "ring_bytes_max": bound.RING_BYTES_MAX,
        "publication_bytes_max": bound.PUBLICATION_BYTES_MAX,
        "tick_ms_max": bound.TICK_MS_MAX,
        "paths_max": bound.PATHS_MAX,
        "http_response_bytes_max": bound.HTTP_RESPONSE_BYTES_MAX,
        "message_bytes_max": bound.MESSAGE_BYTES_MAX,
        "fragments_max": bound.FRAGMENTS_MAX,
        "close_reason_bytes_max": bound.CLOSE_REASON_BYTES_MAX,
        "origins_max": bound.ORIGINS_MAX,
        "proxy_networks_max": bound.PROXY_NETWORKS_MAX,
        "outbox_bytes_max": bound.OUTBOX_BYTES_MAX,
    }


def backends():
    return ("epoll",)


cdef object kernel_error(int64_t status, str what):
    return OSError(<int> -status, f"{what}: {os.strerror(<int> -status)}")


cdef object address_text(const uint8_t *address):
    import ipaddress
    parsed = ipaddress.IPv6Address((<const char *> address)[:16])
    return str(parsed.ipv4_mapped or parsed)


@cython.final
cdef class Engine:
    cdef Hub hub
    cdef Shard **shards
    cdef uint32_t running
    cdef z_stream deflater
    cdef Buffer deflated
    cdef bint share_port
    cdef bint stopped

    def __cinit__(self, *, str host not None, int port, int shards, int connections_per_shard,
                  str backend="auto", bint echo=False, bint share_port=False,
                  handshake_timeout_ms=5000, ping_interval_ms=25000, pong_timeout_ms=10000,
                  message_timeout_ms=30000, close_timeout_ms=5000, message_bytes_max=65536,
                  inbound_messages_per_second=100, inbound_bytes_per_second=1048576,
                  deflate_bytes_min=256, str congestion_control="", send_buffer_bytes=0,
                  notsent_lowat_bytes=65536, user_timeout_ms=30000, keepalive_seconds=60,
                  bint allow_missing_origin=True, tuple allowed_origins=(),
                  tuple trusted_proxies=()):
        cdef bytes congestion = congestion_control.encode("ascii")
        memset(&self.hub, 0, sizeof(Hub))
        self.hub.event_fd = -1
        self.share_port = share_port
        if backend not in ("auto", "epoll"):
            raise ValueError(f"backend {backend!r}: auto or epoll")
        self.hub.options.backend = epoll_ops()
        read_address(&self.hub.options, host, port)
        self.hub.options.shards = in_range("shards", shards, 1, bound.SHARDS_MAX)
        self.hub.options.connections_per_shard = in_range(
            "connections_per_shard", connections_per_shard, 1, bound.SHARD_CONNECTIONS_MAX)
        self.hub.options.echo = echo
        self.hub.options.handshake_timeout_ms = in_range(
            "handshake_timeout_ms", handshake_timeout_ms, 1, 3600000)
        self.hub.options.ping_interval_ms = in_range(
            "ping_interval_ms", ping_interval_ms, 0, 3600000)
        self.hub.options.pong_timeout_ms = in_range("pong_timeout_ms", pong_timeout_ms, 1, 3600000)
        self.hub.options.message_timeout_ms = in_range(
            "message_timeout_ms", message_timeout_ms, 1, 3600000)
        self.hub.options.close_timeout_ms = in_range(
            "close_timeout_ms", close_timeout_ms, 1, 3600000)
        self.hub.options.message_bytes_max = in_range(
            "message_bytes_max", message_bytes_max, 1, bound.MESSAGE_BYTES_MAX)
        self.hub.options.inbound_messages_per_second = in_range(
            "inbound_messages_per_second", inbound_messages_per_second, 1, 65534)
        self.hub.options.inbound_bytes_per_second = in_range(
            "inbound_bytes_per_second", inbound_bytes_per_second, 1, 1 << 30)
        self.hub.options.deflate_bytes_min = in_range(
            "deflate_bytes_min", deflate_bytes_min, 0, bound.PUBLICATION_BYTES_MAX)
        self.hub.options.send_buffer_bytes = in_range(
            "send_buffer_bytes", send_buffer_bytes, 0, 1 << 30)
        self.hub.options.notsent_lowat_bytes = in_range(
            "notsent_lowat_bytes", notsent_lowat_bytes, 0, 1 << 30)
        self.hub.options.user_timeout_ms = in_range("user_timeout_ms", user_timeout_ms, 0, 3600000)
        self.hub.options.keepalive_seconds = in_range(
            "keepalive_seconds", keepalive_seconds, 0, 32767)
        if <size_t> len(congestion) >= sizeof(self.hub.options.congestion_control):
            raise ValueError(f"congestion_control {congestion_control!r}: no such algorithm")
        for place, letter in enumerate(congestion):
            self.hub.options.congestion_control[place] = letter
        self.hub.seed = int.from_bytes(os.urandom(8), "little")
        self.hub.reclaim.epoch = 1
        self.hub.rules = rules_create(allow_missing_origin, allowed_origins, trusted_proxies)
        self.hub.paths = table_create(8)
        self.hub.channels = <Channel **> sys_reserve(bound.CHANNELS_MAX * sizeof(void *))
        self.hub.names = <uint64_t *> sys_reserve(NAME_SLOTS * sizeof(uint64_t))
        self.shards = <Shard **> calloc(self.hub.options.shards, sizeof(void *))
        if (self.hub.paths == NULL or self.hub.channels == NULL or self.hub.names == NULL
                or self.shards == NULL or not deflate_open(&self.deflater, WINDOW_BITS_MAX)):
            raise MemoryError

    def __dealloc__(self):
        cdef uint64_t number, offset
        cdef Channel *channel
        self.end_threads()
        reclaim_seen(&self.hub.reclaim, <uint64_t> RECLAIM_ASLEEP)
        free(self.hub.reclaim.queue)
        for number in range(self.hub.channel_count):
            channel = self.hub.channels[number]
            for offset in range(channel.tail, channel.head):
                payload_release(channel_at(channel, offset))
            if channel.preamble != NULL:
                payload_release(channel.preamble)
            free(channel.ring)
            free(channel)
        if self.hub.paths != NULL:
            for number in range(self.hub.paths.mask + 1):
                if self.hub.paths.slots[number] != NULL:
                    payload_release(self.hub.paths.slots[number].answer)
                    free(self.hub.paths.slots[number])
        free(self.hub.paths)
        free(self.hub.rules)
        sys_release(self.hub.channels, bound.CHANNELS_MAX * sizeof(void *))
        sys_release(self.hub.names, NAME_SLOTS * sizeof(uint64_t))
        free(self.shards)
        free(self.deflated.data)
        deflateEnd(&self.deflater)

    # Start and stop

    def start(self):
        cdef uint32_t number
        if self.running or self.stopped:
            raise ValueError("an engine starts once")
        bound_fd = self.claim_port()
        try:
            self.hub.event_fd = self.event_descriptor()
            for number in range(self.hub.options.shards):
                self.start_shard(number)
        except BaseException:
            self.stop()
            raise
        finally:
            sys_close(bound_fd)
        return self.local_address()

    def stop(self):
        self.stopped = True
        self.end_threads()

    cdef int claim_port(self) except -1:
        """Bind the port without serving it: to learn which one, and that nobody else serves it.

        SO_REUSEPORT would let a second daemon of the same user join in silently.
        """
        cdef int64_t fd, status
        cdef sockaddr_storage local
        if not self.share_port:
            fd = sys_socket(self.hub.options.address.ss_family)
            if fd < 0:
                raise kernel_error(fd, "socket")
            sys_option(<int> fd, SOL_SOCKET, SO_REUSEADDR, 1)
            status = sys_bind(
                <int> fd, &self.hub.options.address, self.hub.options.address_bytes)
            if status >= 0:
                status = sys_listen(<int> fd, 1)
            sys_close(<int> fd)
            if status < 0:
                raise kernel_error(status, "cannot listen")
        fd = listener_open(&self.hub.options)
        if fd < 0:
            raise kernel_error(fd, "cannot listen")
        sys_local_name(<int> fd, &local)
        self.hub.options.address = local
        return <int> fd

    cdef int event_descriptor(self) except -1:
        cdef int64_t fd = sys_eventfd()
        if fd < 0:
            raise kernel_error(fd, "eventfd")
        return <int> fd

    cdef int start_shard(self, uint32_t number) except -1:
        cdef Shard *shard = <Shard *> calloc(1, sizeof(Shard))
        cdef int status
        if shard == NULL:
            raise MemoryError
        shard.hub = &self.hub
        shard.ops = self.hub.options.backend
        shard.number = number
        shard.wake_fd = -1
        if not shard_allocate(shard):
            shard_release(shard)
            free(shard)
            raise MemoryError
        try:
            shard.wake_fd = self.event_descriptor()
            sem_init(&shard.started, 0, 0)
            status = pthread_create(&shard.thread, NULL, thread_main, shard)
            if status:
                raise kernel_error(-status, "pthread_create")
        except BaseException:
            if shard.wake_fd >= 0:
                sys_close(shard.wake_fd)
            shard_release(shard)
            free(shard)
            raise
        with nogil:
            sem_wait(&shard.started)
        self.shards[number] = shard
        self.running = number + 1
        if shard.start_status < 0:
            raise kernel_error(shard.start_status, f"shard {number} cannot start")
        return 0

    cdef void end_threads(self) noexcept:
        cdef uint32_t number
        cdef Command command
        cdef Shard *shard
        memset(&command, 0, sizeof(Command))
        command.kind = COMMAND_STOP
        for number in range(self.running):
            # A full ring is emptied within a turn or two.
            while self.shards[number].start_status == 0 and not self.push(number, &command):
                with nogil:
                    pass
        for number in range(self.running):
            shard = self.shards[number]
            with nogil:
                pthread_join(shard.thread, NULL)
            sem_destroy(&shard.started)
            while ring_waiting(&shard.events_ring):
                free(shard.events[ring_pop_at(&shard.events_ring)])
                ring_popped(&shard.events_ring)
            sys_close(shard.wake_fd)
        for number in range(self.running):
            shard_release(self.shards[number])
            free(self.shards[number])
            self.shards[number] = NULL
        self.running = 0
        if self.hub.event_fd >= 0:
            sys_close(self.hub.event_fd)
            self.hub.event_fd = -1

    cdef tuple local_address(self):
        cdef sockaddr_in *v4 = <sockaddr_in *> &self.hub.options.address
        cdef sockaddr_in6 *v6 = <sockaddr_in6 *> &self.hub.options.address
        if self.hub.options.address.ss_family == AF_INET:
            return (address_text(b"\0" * 10 + b"\xff\xff" + (<char *> &v4.sin_addr)[:4]),
                    ntohs(v4.sin_port))
        return address_text(<uint8_t *> &v6.sin6_addr), ntohs(v6.sin6_port)

    @property
    def event_fd(self):
        return self.hub.event_fd

    # Channels

    def channel(self, str name not None, *, int lag, ring_frames, ring_bytes, tick_ms=0,
                bint deflate=True):
        cdef bytes text = name.encode("utf-8")
        cdef const uint8_t *data = <const uint8_t *> <char *> text
        cdef size_t size = <size_t> len(text)
        cdef uint64_t frames = in_range(
            "ring_frames", ring_frames, bound.RING_FRAMES_MIN, bound.RING_FRAMES_MAX)
        cdef uint64_t held = in_range("ring_bytes", ring_bytes, 1, bound.RING_BYTES_MAX)
        cdef uint32_t tick = in_range("tick_ms", tick_ms, 0, bound.TICK_MS_MAX)
        cdef uint64_t rounded = bound.RING_FRAMES_MIN
        cdef Channel *channel
        if not channel_name_valid(data, size):
            raise ValueError(
                f"channel name {name!r}: 1 to {bound.CHANNEL_NAME_BYTES_MAX} ASCII letters, digits "
                "and any of . : _ - ~ = @ $")
        if lag not in (LATEST, KEYFRAME, RING, RELIABLE):
            raise ValueError(f"lag {lag}: no such policy")
        channel = channel_named(self.hub.names, self.hub.channels, self.hub.seed, data, size)
        if channel != NULL:
            return channel.id
        if self.hub.channel_count == bound.CHANNELS_MAX:
            raise OverflowError(f"{bound.CHANNELS_MAX} channels exist already")
        while rounded < frames:
            rounded *= 2
        channel = channel_create(<uint32_t> self.hub.channel_count, data, size, rounded)
        if channel == NULL:
            raise MemoryError
        channel.lag = lag
        channel.tick_ms = tick
        channel.deflate = deflate
        channel.bytes_max = held
        channel.epoch = int.from_bytes(os.urandom(4), "little") or 1
        self.hub.channels[channel.id] = channel
        self.hub.channel_count += 1
        channel_enter_name(self.hub.names, self.hub.seed, channel)
        return channel.id

    cdef Channel *channel_numbered(self, uint64_t number) except NULL:
        if number >= self.hub.channel_count:
            raise ValueError(f"channel {number}: no such channel")
        return self.hub.channels[number]

    cdef Payload *encode(self, bytes data, int opcode, bint deflate) except NULL:
        """The frame in every variant that somebody here could be sent."""
        cdef const uint8_t *source = <const uint8_t *> <char *> data
        cdef size_t size = <size_t> len(data)
        cdef int64_t deflated = 0
        cdef size_t capacity
        cdef Payload *payload
        if opcode == OP_TEXT:
            if utf8_step(UTF8_COMPLETE, source, size) != UTF8_COMPLETE:
                raise ValueError("a text publication is UTF-8")
        elif opcode != OP_BINARY:
            raise ValueError(f"opcode {opcode}: {OP_TEXT} (text) or {OP_BINARY} (binary)")
        if size > bound.PUBLICATION_BYTES_MAX:
            raise ValueError(f"{size} bytes: at most {bound.PUBLICATION_BYTES_MAX}")
        if deflate and size >= self.hub.options.deflate_bytes_min and self.deflate_wanted():
            capacity = deflate_bound(&self.deflater, size)
            if buffer_reserve(&self.deflated, capacity):
                deflated = deflate_message(
                    &self.deflater, source, size, self.deflated.data, capacity)
        if deflated < 0 or <size_t> deflated >= size:
            deflated = 0
        payload = payload_of_frame(
            source, size, <uint8_t> opcode, self.deflated.data, <size_t> deflated)
        if payload == NULL:
            raise MemoryError
        return payload

    cdef bint deflate_wanted(self) noexcept:
        cdef uint32_t number
        for number in range(self.running):
            if self.shards[number].counters.deflate_clients:
                return True
        return False

    def publish(self, uint64_t channel, bytes data not None, int opcode, bint sync=False):
        cdef Channel *log = self.channel_numbered(channel)
        cdef Payload *payload = self.encode(data, opcode, log.deflate)
        cdef uint64_t size = payload.plain_bytes + payload.deflated_bytes
        cdef uint64_t offset
        if size > log.bytes_max:
            payload_release(payload)
            raise ValueError(f"{size} bytes: more than the channel's ring_bytes {log.bytes_max}")
        payload.sync = sync
        while channel_full_for(log, size):
            retire(&self.hub.reclaim, channel_evict(log), RETIRED_PAYLOAD)
        offset = channel_append(log, payload)
        self.tell_shards(log)
        self.reclaim()
        return offset

    def preamble(self, uint64_t channel, bytes data not None, int opcode):
        cdef Channel *log = self.channel_numbered(channel)
        cdef Payload *payload = self.encode(data, opcode, log.deflate) if data else NULL
        cdef Payload *old = log.preamble
        ng_store_pointer(<void **> &log.preamble, payload)
        ng_store(&log.preamble_version, log.preamble_version + 1)
        retire(&self.hub.reclaim, old, RETIRED_PAYLOAD)
        self.reclaim()

    cdef void tell_shards(self, Channel *channel) noexcept:
        cdef uint32_t number
        cdef Shard *shard
        for number in range(self.running):
            shard = self.shards[number]
            if shard.members[channel.id] != NULL and ng_load(&shard.members[channel.id].count):
                shard_mark_dirty(shard, channel.id)
                shard_wake(shard)

    cdef void reclaim(self) noexcept:
        cdef uint64_t oldest = <uint64_t> RECLAIM_ASLEEP, seen
        cdef uint32_t number
        ng_fence()
        for number in range(self.running):
            seen = ng_load(&self.shards[number].seen)
            oldest = seen if seen < oldest else oldest
        reclaim_seen(&self.hub.reclaim, oldest)

    def position(self, uint64_t channel):
        cdef Channel *log = self.channel_numbered(channel)
        return f"{log.epoch:08x}", log.head - 1

    def subscribers(self, uint64_t channel):
        cdef uint64_t count = 0
        cdef uint32_t number
        self.channel_numbered(channel)
        for number in range(self.running):
            if self.shards[number].members[channel] != NULL:
                count += ng_load(&self.shards[number].members[channel].count)
        return count

    def history(self, uint64_t channel, *, uint64_t since=0, uint64_t limit=0, bint reverse=False):
        cdef Channel *log = self.channel_numbered(channel)
        cdef uint64_t first = max(log.tail, since + 1)
        cdef uint64_t count = log.head - first if log.head > first else 0
        cdef uint64_t step, offset
        cdef Payload *payload
        cdef list found = []
        if limit and limit < count:
            count = limit
        for step in range(count):
            offset = log.head - 1 - step if reverse else first + step
            payload = channel_at(log, offset)
            found.append((
                offset, payload.opcode,
                (<char *> payload_plain(payload))[payload.head_bytes:payload.plain_bytes]))
        return found

    # Clients

    cdef bint push(self, uint64_t shard_number, Command *command) noexcept:
        cdef Shard *shard = self.shards[shard_number]
        if ring_free(&shard.commands_ring) == 0:
            shard_wake(shard)
            return False
        shard.commands[ring_push_at(&shard.commands_ring)] = command[0]
        ring_pushed(&shard.commands_ring)
        ng_fence()
        shard_wake(shard)
        return True

    cdef bint push_to_client(self, uint64_t client, Command *command) except -1:
        """A handle that no shard of ours ever gave out is the caller's mistake."""
        if handle_shard(client) >= self.running:
            payload_release(command.payload)
            raise ValueError(f"client {client:016x}: no such client")
        command.target = client
        if not self.push(handle_shard(client), command):
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
        cdef bytes text = reason.encode("utf-8")
        cdef Command command
        memset(&command, 0, sizeof(Command))
        command.kind = COMMAND_CLOSE
        command.code = close_code(code, text)
        command.payload = payload_of_bytes(
            <const uint8_t *> <char *> text, <size_t> len(text), 0)
        if command.payload == NULL:
            raise MemoryError
        return self.push_to_client(client, &command)

    cdef bint push_to_all(self, Command *command) noexcept:
        cdef uint32_t number
        cdef bint done = True
        for number in range(self.running):
            done = self.push(number, command) and done
        return done

    def close_channel(self, uint64_t channel, int code, str reason=""):
        cdef Command command
        self.channel_numbered(channel)
        memset(&command, 0, sizeof(Command))
        command.kind = COMMAND_CLOSE_CHANNEL
        command.target = channel
        command.code = close_code(code, reason.encode("utf-8"))
        return bool(self.push_to_all(&command))

    def drain(self, int code, str reason, uint64_t milliseconds):
        cdef Command command
        memset(&command, 0, sizeof(Command))
        command.kind = COMMAND_DRAIN
        command.code = close_code(code, reason.encode("utf-8"))
        command.milliseconds = milliseconds
        if not self.push_to_all(&command):
            raise BufferError("a shard's command ring is full; try again")

    # Answers and rules

    def http_put(self, str path not None, bytes response not None, size_t head_bytes):
        cdef bytes text = path.encode("ascii")
        cdef const uint8_t *data = <const uint8_t *> <char *> text
        cdef size_t size = <size_t> len(text)
        cdef PathEntry *entry
        cdef PathTable *table
        cdef Payload *answer
        if not path.startswith("/") or len(response) > bound.HTTP_RESPONSE_BYTES_MAX:
            raise ValueError(f"path {path!r}: begins with /, and its response is at most "
                             f"{bound.HTTP_RESPONSE_BYTES_MAX} bytes")
        if head_bytes > <size_t> len(response):
            raise ValueError("head_bytes is more than the response has")
        entry = table_find(self.hub.paths, data, size, self.hub.seed)
        if entry == NULL and self.hub.paths.count >= bound.PATHS_MAX:
            raise OverflowError(f"{bound.PATHS_MAX} paths are served already")
        answer = payload_of_bytes(
            <const uint8_t *> <char *> response, <size_t> len(response), head_bytes)
        if answer == NULL:
            raise MemoryError
        if entry != NULL:
            retire(&self.hub.reclaim, entry_replace(entry, answer), RETIRED_PAYLOAD)
        else:
            entry = entry_create(data, size, self.hub.seed, answer)
            table = table_copy(self.hub.paths, self.hub.paths.count + 1, NULL)
            if entry == NULL or table == NULL:
                free(entry)
                free(table)
                payload_release(answer)
                raise MemoryError
            table_enter(table, entry)
            self.replace_paths(table)
        self.reclaim()

    cdef void replace_paths(self, PathTable *table) noexcept:
        cdef PathTable *old = self.hub.paths
        ng_store_pointer(<void **> &self.hub.paths, table)
        retire(&self.hub.reclaim, old, RETIRED_MEMORY)

    def http_remove(self, str path not None):
        cdef bytes text = path.encode("ascii")
        cdef PathEntry *entry = table_find(
            self.hub.paths, <const uint8_t *> <char *> text, <size_t> len(text), self.hub.seed)
        cdef PathTable *table
        if entry == NULL:
            return False
        table = table_copy(self.hub.paths, self.hub.paths.count, entry)
        if table == NULL:
            raise MemoryError
        self.replace_paths(table)
        retire(&self.hub.reclaim, entry.answer, RETIRED_PAYLOAD)
        retire(&self.hub.reclaim, entry, RETIRED_MEMORY)
        self.reclaim()
        return True

    def set_rules(self, *, bint allow_missing_origin, tuple allowed_origins not None,
                  tuple trusted_proxies not None):
        cdef Rules *rules = rules_create(allow_missing_origin, allowed_origins, trusted_proxies)
        cdef Rules *old = self.hub.rules
        ng_store_pointer(<void **> &self.hub.rules, rules)
        retire(&self.hub.reclaim, old, RETIRED_MEMORY)
        self.reclaim()

    # Events and counters

    def deliver_messages(self, bint wanted):
        ng_store(&self.hub.deliver, wanted)

    def events(self, int limit=4096):
        cdef list found = []
        cdef uint32_t number
        cdef Shard *shard
        cdef Message *message
        if self.hub.event_fd >= 0:
            sys_event_clear(self.hub.event_fd)
        for number in range(self.running):
            shard = self.shards[number]
            while ring_waiting(&shard.events_ring):
                if len(found) >= limit:
                    # More is waiting: leave the descriptor readable.
                    self.hub.options.backend.wake(self.hub.event_fd)
                    return found
                message = shard.events[ring_pop_at(&shard.events_ring)]
                ring_popped(&shard.events_ring)
                found.append((
                    message.client, message.channel, message.opcode,
                    (<char *> message)[sizeof(Message):sizeof(Message) + message.bytes],
                    address_text(message.address)))
                ng_sub(&shard.event_bytes, message.bytes)
                free(message)
        self.reclaim()
        return found

    def shard_counters(self):
        cdef uint32_t number
        cdef list found = []
        for number in range(self.running):
            counted = <dict> self.shards[number].counters
            counted["cpu_us"] = sys_thread_cpu_us(self.shards[number].thread)
            found.append(counted)
        self.reclaim()
        return found

    def counters(self):
        cdef Counters nothing
        memset(&nothing, 0, sizeof(Counters))
        total = <dict> nothing
        total["cpu_us"] = 0
        for counted in self.shard_counters():
            for name, value in counted.items():
                total[name] += value
        return total


cdef int close_code(int code, bytes reason) except -1:
    if not (1000 <= code <= 1014 and code not in (1004, 1005, 1006) or 3000 <= code <= 4999):
        raise ValueError(f"close code {code}: 1000-1003, 1007-1014 or 3000-4999")
    if len(reason) > bound.CLOSE_REASON_BYTES_MAX:
        raise ValueError(f"close reason: at most {bound.CLOSE_REASON_BYTES_MAX} bytes")
    return code


cdef int64_t in_range(str name, object value, int64_t least, int64_t most) except? -1:
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} {value!r}: {least} to {most}")
    return value
