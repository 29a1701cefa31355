"""Parts of the data plane that cannot be called from Python, each with its floor beside it.

Compiled for the benches from the core's own .pxd files, so this is the code the shards run, and
nothing in the core knows of it.

Flush: a shard's sweep, by itself: no thread, no listener, no poller. Its members are sockets it is
given; without the kernel, its poller's table takes everything and sends nothing, and what is left
is user mode. Its floor is a loop that sends the same bytes to the same sockets through that table.

BareLog: the least a log can do with a publication: a frame in memory of its own, which stays until
the ring comes round to it.

Stampede: votes pushed through ports, and their answers taken, as fast as the votes thread will have
them. BareJournal: the least that makes as many records durable: copied, written, synced.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from ngage_core.channel cimport (
    Channel, channel_append, channel_create, channel_evict, channel_full_for,
)
from ngage_core.codes cimport OP_BINARY, RING
from ngage_core.conn cimport CONN_OPEN, KIND_RAW, Conn
from ngage_core.epoll cimport epoll_ops
from ngage_core.frame cimport FIN, header_bytes, write_header
from ngage_core.hub cimport Hub
from ngage_core.lifecycle cimport conn_open, subscribe
from ngage_core.payload cimport Payload, payload_of_frame, payload_release
from ngage_core.poller cimport PollerOps
from ngage_core.shard cimport Shard, shard_allocate, shard_release
from ngage_core.sweep cimport activate, serve_active
from ngage_core.file cimport sys_sync_data, sys_write_at
from ngage_core.journal cimport Batch, Record
from ngage_core.limits cimport VOTE_BATCH
from ngage_core.sysio cimport (
    iovec, sys_now_ms, sys_receive, sys_release, sys_reserve, sys_thread_cpu_us, sys_yield,
)
from ngage_core.vote cimport (
    VOTE_ACCEPTED, Vote, VoteAck, VotesDoor, VotesPort, ack_pop, ack_waiting, vote_push, vote_room,
    votes_received_ms,
)
from ngage_core.votes cimport Votes
from ngage_core.wheel cimport wheel_open

cdef enum:
    RING_FRAMES = 1024
    RING_BYTES = 1 << 22
    DRAIN_BYTES = 65536


cdef void take_all(
    void *poller, const int *fds, size_t count, const void *data, size_t size, int flags,
    int64_t *sent,
) noexcept nogil:
    cdef size_t i
    for i in range(count):
        sent[i] = <int64_t> size


cdef int64_t take_parts(
    void *poller, int fd, iovec *parts, size_t count, int flags
) noexcept nogil:
    cdef int64_t total = 0
    cdef size_t i
    for i in range(count):
        total += <int64_t> parts[i].iov_len
    return total


cdef class Flush:
    """`sockets`: pairs of descriptors, nonblocking: the shard's, and the one that reads."""

    cdef Hub hub
    cdef PollerOps ops
    cdef Shard *shard
    cdef Channel *channel
    cdef int *readers
    cdef uint32_t count

    def __cinit__(self, list sockets not None, *, bint kernel):
        cdef uint8_t address[16]
        cdef uint32_t i, index
        memset(address, 0, 16)
        self.count = <uint32_t> len(sockets)
        self.ops = epoll_ops()[0]
        if not kernel:
            self.ops.send_each = take_all
            self.ops.send_parts = take_parts
        self.hub.options.connections_per_shard = self.count
        self.hub.options.handshake_timeout_ms = 1
        self.channel = channel_create(0, <const uint8_t *> b"stage", 5, RING_FRAMES)
        self.readers = <int *> calloc(self.count, sizeof(int))
        self.shard = <Shard *> calloc(1, sizeof(Shard))
        if self.channel == NULL or self.readers == NULL or self.shard == NULL:
            raise MemoryError
        self.channel.bytes_max = RING_BYTES
        self.channel.lag = RING
        self.shard.hub = &self.hub
        self.shard.ops = &self.ops
        if not shard_allocate(self.shard):
            raise MemoryError
        wheel_open(&self.shard.wheel, &self.shard.slab.conns[0].deadline, sizeof(Conn), 0)
        for i, (mine, reader) in enumerate(sockets):
            index = conn_open(self.shard, mine, address, KIND_RAW)
            self.shard.slab.conns[index].state = CONN_OPEN
            if subscribe(self.shard, index, self.channel) == NULL:
                raise MemoryError
            self.readers[i] = reader
        self.hub.channel_count = 1

    def __dealloc__(self):
        if self.shard != NULL:
            shard_release(self.shard)
        if self.channel != NULL:
            while self.channel.tail < self.channel.head:
                payload_release(channel_evict(self.channel))
            free(self.channel.ring)
        free(self.channel)
        free(self.readers)
        free(self.shard)

    def publish(self, bytes data not None, int frames) -> None:
        """Put so many of them on the log; nobody but the sweep looks at it."""
        cdef Payload *payload
        cdef int _i
        for _i in range(frames):
            payload = payload_of_frame(
                <const uint8_t *> <char *> data, <size_t> len(data), OP_BINARY, NULL, 0)
            if payload == NULL:
                raise MemoryError
            while channel_full_for(self.channel, payload.plain_bytes):
                payload_release(channel_evict(self.channel))
            channel_append(self.channel, payload)

    def sweep(self) -> None:
        """Send everybody what is new."""
        with nogil:
            activate(self.shard, self.shard.members[0])
            while serve_active(self.shard) == 0:
                pass

    def bare(self, bytes data not None) -> None:
        """The floor of a sweep: the same sockets in the same order, and nothing remembered."""
        cdef const char *bytes_ = data
        cdef size_t size = <size_t> len(data)
        cdef int64_t sent
        cdef int fd
        cdef uint32_t i
        with nogil:
            for i in range(self.count):
                fd = self.shard.slab.conns[i].fd
                self.ops.send_each(NULL, &fd, 1, bytes_, size, 0, &sent)

    def drain(self) -> int:
        """Let every reader read; how many bytes there were."""
        cdef uint8_t buffer[DRAIN_BYTES]
        cdef uint64_t total = 0
        cdef int64_t received
        cdef uint32_t i
        with nogil:
            for i in range(self.count):
                received = sys_receive(self.readers[i], buffer, DRAIN_BYTES)
                total += <uint64_t> received if received > 0 else 0
        return total

    @property
    def deliveries(self) -> int:
        return self.shard.counters.deliveries


cdef class BareLog:
    cdef uint8_t *ring[RING_FRAMES]
    cdef uint64_t head

    def append(self, bytes data not None):
        cdef size_t size = <size_t> len(data)
        cdef size_t header = header_bytes(size)
        cdef uint8_t *frame = <uint8_t *> malloc(header + size)
        if frame == NULL:
            raise MemoryError
        write_header(frame, FIN | OP_BINARY, size)
        memcpy(frame + header, <const char *> data, size)
        free(self.ring[self.head % RING_FRAMES])
        self.ring[self.head % RING_FRAMES] = frame
        self.head += 1
        return self.head

    def __dealloc__(self):
        cdef int i
        for i in range(RING_FRAMES):
            free(self.ring[i])


cdef class Stampede:
    """Through every port of `votes`, from one thread."""

    cdef Votes votes

    def __cinit__(self, Votes votes not None):
        self.votes = votes

    def run(self, uint32_t poll, uint64_t voters, uint64_t count) -> int:
        """`count` votes of so many voters, each of whom changes its mind. How many are accepted."""
        cdef VotesDoor *door = &self.votes.core.door
        cdef VotesPort *port
        cdef uint64_t sent = 0, answered = 0, accepted = 0
        cdef Vote vote
        memset(&vote, 0, sizeof(Vote))
        vote.poll = poll
        with nogil:
            while answered < count:
                port = &door.ports[sent % door.port_count]
                vote.received_ms = votes_received_ms(door, sys_now_ms())
                while sent < count and vote_room(port):
                    vote.client = vote.reply_id = <uint32_t> sent
                    vote.voter = (sent * 7919 % voters + 1) * <uint64_t> 0xBF58476D1CE4E5B9
                    vote.seq = <uint32_t> (sent // voters + 1)
                    vote.mask = <uint32_t> 1 << (sent % 3)
                    vote_push(door, port, &vote)
                    sent += 1
                    port = &door.ports[sent % door.port_count]
                accepted += take_answers(door, &answered)
                if vote_room(port) == 0 or sent == count:
                    sys_yield()
        return accepted

    @property
    def cpu_us(self) -> int:
        """What the votes thread has spent."""
        return sys_thread_cpu_us(self.votes.core.thread)


cdef uint64_t take_answers(VotesDoor *door, uint64_t *answered) noexcept nogil:
    cdef uint64_t accepted = 0, waiting, _i
    cdef uint32_t number
    cdef VoteAck ack
    for number in range(door.port_count):
        waiting = ack_waiting(&door.ports[number])
        for _i in range(waiting):
            ack_pop(&door.ports[number], &ack)
            accepted += ack.status == VOTE_ACCEPTED
        answered[0] += waiting
    return accepted


cdef class BareJournal:
    cdef Record *source
    cdef Batch *batch

    def __cinit__(self):
        self.source = <Record *> sys_reserve(VOTE_BATCH * sizeof(Record))
        self.batch = <Batch *> sys_reserve(sizeof(Batch))
        if self.source == NULL or self.batch == NULL:
            raise MemoryError
        memset(self.source, 1, VOTE_BATCH * sizeof(Record))

    def run(self, int fd, uint64_t count, uint64_t batches) -> None:
        """Make so many records durable in so many batches. OSError."""
        cdef uint64_t done = 0, number, size
        cdef int64_t at = 0, status = 0
        with nogil:
            for number in range(batches):
                size = (count * (number + 1)) // batches - done
                memcpy(self.batch.records, self.source, size * sizeof(Record))
                status = sys_write_at(fd, self.batch, size * sizeof(Record), at)
                status = sys_sync_data(fd) if status == 0 else status
                at += <int64_t> (size * sizeof(Record))
                done += size
        if status < 0:
            raise OSError(<int> -status, "cannot write")

    def __dealloc__(self):
        sys_release(self.source, VOTE_BATCH * sizeof(Record))
        sys_release(self.batch, sizeof(Batch))
