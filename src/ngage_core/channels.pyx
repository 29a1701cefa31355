"""The channels of an engine: what is published in them, and how they hang together.

The base of Engine, which has the shards, the clients and the paths. See engine.pyi.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

import os

from cpython.unicode cimport PyUnicode_AsUTF8AndSize

from ngage_core cimport limits as bound
from ngage_core.atomic cimport ng_load, ng_store_pointer
from ngage_core.channel cimport (
    Channel, channel_append, channel_at, channel_create, channel_enter_name, channel_name_valid,
    channel_named, channel_show, view_create,
)
from ngage_core.codes cimport KEYFRAME, LATEST, OP_BINARY, OP_TEXT, RELIABLE, RING
from ngage_core.control cimport Control, count_subscribers, deflate_wanted, publish, set_preamble
from ngage_core.deflate cimport (
    WINDOW_BITS_MAX, buffer_reserve, deflate_bound, deflate_message, deflate_open, deflateEnd,
)
from ngage_core.hub cimport Hub
from ngage_core.open cimport in_range
from ngage_core.payload cimport Payload, payload_of_frame, payload_plain, payload_release
from ngage_core.span cimport Span, span_of
from ngage_core.utf8 cimport UTF8_COMPLETE, utf8_step

# A push of the client protocol, Centrifugo's.
cdef bytes PUSH_HEAD = b'{"push":{"channel":"%s","pub":'
cdef bytes PUSH_TAIL = b'{%s,"offset":%d}}}'

cdef int64_t OFFSET_MAX = <int64_t> 1 << 53  # JSON numbers are exact so far


cdef Span channel_name(str name) except *:
    """Good as long as the name is: its own UTF-8."""
    cdef Py_ssize_t size
    cdef const char *data = PyUnicode_AsUTF8AndSize(name, &size)
    if not channel_name_valid(<const uint8_t *> data, <size_t> size):
        raise ValueError(
            f"channel name {name!r}: 1 to {bound.CHANNEL_NAME_BYTES_MAX} ASCII letters, digits "
            "and any of . : _ - ~ = @ $ # ,")
    return span_of(<const uint8_t *> data, <size_t> size)


cdef bytes data_of(Payload *payload):
    """What was published, without its frame header."""
    return (<char *> payload_plain(payload))[payload.head_bytes:payload.plain_bytes]


cdef class Channels:
    def __cinit__(self):
        memset(&self.control, 0, sizeof(Control))
        if not deflate_open(&self.deflater, WINDOW_BITS_MAX):
            raise MemoryError

    def __dealloc__(self):
        free(self.deflated.data)
        deflateEnd(&self.deflater)

    def channel(self, str name not None, *, int lag, ring_frames, ring_bytes, lag_ms=0,
                tick_ms=0, bint deflate=True, bint cache=False, bint counted=False,
                bint hidden=False, epoch=0, first=1):
        cdef Span text = channel_name(name)
        cdef uint64_t frames = in_range(
            "ring_frames", ring_frames, bound.RING_FRAMES_MIN, bound.RING_FRAMES_MAX)
        cdef uint64_t held = in_range("ring_bytes", ring_bytes, 1, bound.RING_BYTES_MAX)
        cdef uint32_t age = in_range("lag_ms", lag_ms, 0, bound.LAG_MS_MAX)
        cdef uint32_t tick = in_range("tick_ms", tick_ms, 0, bound.TICK_MS_MAX)
        cdef uint32_t restored = in_range("epoch", epoch, 0, 0xFFFFFFFF)
        cdef uint64_t head = in_range("first", first, 1, OFFSET_MAX if restored else 1)
        cdef uint64_t rounded = bound.RING_FRAMES_MIN
        cdef Channel *channel = self.find(text)
        if lag not in (LATEST, KEYFRAME, RING, RELIABLE):
            raise ValueError(f"lag {lag}: no such policy")
        if channel != NULL:
            if restored:
                raise ValueError(f"channel {name!r} has a log: none can be restored")
            if channel.log != channel:
                raise ValueError(f"channel name {name!r}: a view of another has it")
            return channel.id
        while rounded < frames:
            rounded *= 2
        channel = channel_create(self.next_number(), text.data, text.bytes, rounded)
        if channel == NULL:
            raise MemoryError
        channel.lag = lag
        channel.lag_ms = age
        channel.tick_ms = tick
        channel.deflate = deflate
        channel.cache = cache
        channel.hidden = hidden
        if counted:
            channel.viewers = channel
        channel.bytes_max = held
        channel.epoch = restored or int.from_bytes(os.urandom(4), "little") or 1
        channel.head = channel.tail = head
        self.number(channel)
        channel_enter_name(self.control.hub.names, self.control.hub.seed, channel)
        return channel.id

    cdef Channel *find(self, Span name) noexcept:
        cdef Hub *hub = &self.control.hub
        return channel_named(hub.names, hub.channels, hub.seed, name.data, name.bytes)

    cdef uint32_t next_number(self) except? 0xFFFFFFFF:
        if self.control.hub.channel_count == bound.CHANNELS_MAX:
            raise OverflowError(f"{bound.CHANNELS_MAX} channels exist already")
        return <uint32_t> self.control.hub.channel_count

    cdef void number(self, Channel *channel) noexcept:
        self.control.hub.channels[channel.id] = channel
        self.control.hub.channel_count += 1

    cdef Channel *channel_numbered(self, uint64_t number) except NULL:
        if number >= self.control.hub.channel_count:
            raise ValueError(f"channel {number}: no such channel")
        return self.control.hub.channels[number]

    def view(self, uint64_t channel, str name not None, *, tick_ms):
        cdef Channel *log = self.channel_numbered(channel)
        cdef uint32_t tick = in_range("tick_ms", tick_ms, 0, bound.TICK_MS_MAX)
        cdef Span text = channel_name(name)
        cdef Channel *view = self.find(text)
        if view != NULL:
            if view.log != log or view == log:
                raise ValueError(f"channel name {name!r}: another has it")
            return view.id
        if log.log != log:
            raise ValueError(f"channel {channel}: a view itself")
        if log.view_count == bound.VIEWS_MAX:
            raise ValueError(f"channel {channel}: {bound.VIEWS_MAX} views are the most")
        view = view_create(self.next_number(), text.data, text.bytes, log)
        if view == NULL:
            raise MemoryError
        view.tick_ms = tick
        view.viewers = log.viewers
        self.number(view)
        channel_enter_name(self.control.hub.names, self.control.hub.seed, view)
        channel_show(log, view)
        return view.id

    def hide(self, uint64_t channel, bint hidden):
        self.channel_numbered(channel).log.hidden = hidden

    def push_log(self, uint64_t channel, list held not None):
        cdef Channel *log = self.channel_numbered(channel).log
        cdef Channel *pushes
        cdef bytes fields
        if log.pushes != NULL:
            return log.pushes.id
        if len(held) != <int64_t> (log.head - log.tail):
            raise ValueError(f"{len(held)} publications: the log holds {log.head - log.tail}")
        pushes = channel_create(self.next_number(), log.name, log.name_bytes, log.mask + 1)
        if pushes == NULL:
            raise MemoryError
        pushes.lag = log.lag
        pushes.lag_ms = log.lag_ms
        pushes.tick_ms = log.tick_ms
        pushes.deflate = log.deflate
        pushes.viewers = log.viewers
        pushes.bytes_max = log.bytes_max
        pushes.epoch = log.epoch
        pushes.head = pushes.tail = log.tail
        pushes.push_head_bytes = <uint32_t> len(PUSH_HEAD) + log.name_bytes - 2
        self.number(pushes)
        for fields in held:
            channel_append(pushes, self.encode_push(pushes, fields))
        log.pushes = pushes
        return pushes.id

    cdef Payload *encode_push(self, Channel *pushes, bytes fields) except NULL:
        """The next publication as a push; `fields` are the members of its object but the offset."""
        return self.encode(
            (PUSH_HEAD + PUSH_TAIL) % (<char *> pushes.name, fields, pushes.head),
            OP_TEXT, pushes.deflate)

    def ladder(self, tuple rungs not None, *, bint last_resort=False):
        cdef Channel *above = NULL
        cdef Channel *rung
        cdef uint32_t place
        if len(rungs) > bound.RUNGS_MAX or len(set(rungs)) < len(rungs):
            raise ValueError(f"a ladder of {len(rungs)} rungs: {bound.RUNGS_MAX} are the most, "
                             "each once")
        for number in rungs:
            rung = self.channel_numbered(number)
            if rung.log.lag != KEYFRAME:
                raise ValueError(f"channel {number}: rungs are keyframe channels")
            if rung.above != above and (
                    rung.above != NULL or rung.below != NULL or above.below != NULL):
                raise ValueError(f"channel {number}: in another place of a ladder already")
            above = rung
        if rungs:
            self.count_as(rungs)
        above = NULL
        for place, number in enumerate(rungs):
            rung = self.channel_numbered(number)
            rung.rung = place
            rung.last_resort = last_resort and 0 < place == len(rungs) - 1
            ng_store_pointer(<void **> &rung.above, above)
            if above != NULL:
                ng_store_pointer(<void **> &above.below, rung)
            above = rung

    cdef int count_as(self, tuple rungs) except -1:
        """Who is on a rung is counted with the highest, wherever it is moved. A rung that has
        members already stays as it is: who was counted in a place leaves it there."""
        cdef Channel *viewers = self.channel_numbered(rungs[0]).viewers
        cdef Channel *rung
        cdef uint32_t i
        for number in rungs[1:]:
            rung = self.channel_numbered(number)
            if count_subscribers(&self.control, rung):
                continue
            ng_store_pointer(<void **> &rung.viewers, viewers)
            for i in range(rung.view_count):
                ng_store_pointer(<void **> &rung.views[i].viewers, viewers)
            if rung.pushes != NULL:
                ng_store_pointer(<void **> &rung.pushes.viewers, viewers)
        return 0

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
        if (deflate and size >= self.control.hub.options.deflate_bytes_min
                and deflate_wanted(&self.control)):
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

    def publish(self, uint64_t channel, bytes data not None, int opcode, bint sync=False,
                uint64_t group=0, bint independent=False, bytes fields=None):
        cdef Channel *log = self.channel_numbered(channel).log
        cdef Payload *push = NULL
        cdef Payload *payload = self.encode(data, opcode, log.deflate)
        cdef uint64_t size = payload.plain_bytes + payload.deflated_bytes
        if size > log.bytes_max:
            payload_release(payload)
            raise ValueError(f"{size} bytes: more than the channel's ring_bytes {log.bytes_max}")
        payload.sync = sync
        payload.group = group
        payload.independent = independent
        if log.pushes != NULL:
            try:
                push = self.encode_push(log.pushes, fields or b'"data":null')
            except BaseException:
                payload_release(payload)
                raise
        return publish(&self.control, log, payload, push)

    def preamble(self, uint64_t channel, bytes data not None, int opcode):
        cdef Channel *log = self.channel_numbered(channel).log
        cdef Payload *payload = NULL
        if log.preamble != NULL and opcode == log.preamble.opcode and data == data_of(log.preamble):
            return
        if data:
            payload = self.encode(data, opcode, log.deflate)
        set_preamble(&self.control, log, payload)

    def position(self, uint64_t channel):
        cdef Channel *log = self.channel_numbered(channel).log
        return f"{log.epoch:08x}", log.head - 1

    def viewers(self, uint64_t channel):
        cdef Channel *log = self.channel_numbered(channel).log
        if log.viewers != NULL:
            log = log.viewers
        cdef uint64_t unnamed = ng_load(&log.unnamed)
        cdef uint64_t monitors = ng_load(&log.monitors), members = count_subscribers(
            &self.control, log)
        return members - min(members, monitors), ng_load(&log.unique) + unnamed

    def subscribers(self, uint64_t channel):
        return count_subscribers(&self.control, self.channel_numbered(channel))

    def history(self, uint64_t channel, *, uint64_t since=0, uint64_t limit=0, bint reverse=False):
        cdef Channel *log = self.channel_numbered(channel).log
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
            found.append((offset, payload.opcode, data_of(payload)))
        return found

    def log(self, uint64_t channel):
        cdef Channel *log = self.channel_numbered(channel).log
        cdef uint64_t offset
        cdef Payload *payload
        cdef list held = []
        cdef tuple preamble = None
        for offset in range(log.tail, log.head):
            payload = channel_at(log, offset)
            held.append((payload.plain_bytes - payload.head_bytes, payload.opcode, payload.sync,
                         payload.group, payload.independent))
        if log.preamble != NULL:
            preamble = (log.preamble.opcode, data_of(log.preamble))
        return log.epoch, log.tail, held, preamble
