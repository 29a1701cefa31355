"""One fan of a swarm, and what its thread counts.

A Fan and a Tally belong to one thread; other threads read the 64-bit words of a Tally, and `state`
and `received` of a Fan, through ng_peek. What only some fans need is beside it, in address space
that is touched as it is used: FanVotes, FanScan.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from ngage_core.atomic cimport ng_peek, ng_store
from ngage_core.swarm_json cimport Json
from ngage_core.wheel cimport Deadline

cdef enum:
    FAN_BYTES_MAX = 192
    FAN_VOTES_BYTES_MAX = 24
    FAN_SCAN_BYTES_MAX = 72
    VIOLATIONS_KEPT = 256  # of each thread; all are counted

cdef enum FanState:
    FAN_NEW = 0  # has not arrived
    FAN_CONNECTING = 1
    FAN_UPGRADING = 2
    FAN_OPEN = 3
    FAN_LEAVING = 4  # its close frame is out; the server closes (RFC 6455 section 7.1.1)
    FAN_AWAY = 5  # no connection
    FAN_GONE = 6  # and it will not come back

cdef enum ViolationKind:
    VIOLATION_GAP = 0
    VIOLATION_DUPLICATE = 1
    VIOLATION_REORDERED = 2
    VIOLATION_CORRUPT = 3
    VIOLATION_RECOVERY = 4
    VIOLATION_TAIL = 5
    VIOLATION_GAP_NOTE = 6
    VIOLATION_MALFORMED = 7
    VIOLATION_CLOSE_CODE = 8
    VIOLATION_ACK = 9
    VIOLATION_FORBIDDEN = 10
    VIOLATION_VOTE_LOST = 11
    VIOLATION_VOTE_DOUBLED = 12

cdef enum Guise:  # what ticket a fan shows; as Way in behaviour.py, from FORGED on
    GUISE_HONEST = 0
    GUISE_FORGED = 5
    GUISE_EXPIRED = 6
    GUISE_CUT = 7
    GUISE_NOBODY = 8


cdef struct Fan:
    uint64_t state
    uint64_t received
    uint64_t next_sequence  # 0: whatever comes first
    uint64_t seen  # bit i: publication next_sequence - 1 - i came
    # The publication being read
    uint64_t stamp_ns
    uint64_t sequence
    uint64_t at  # payload bytes of it that were read
    uint64_t left  # of its frame
    # Colder
    uint64_t offset  # of the newest publication it has, or was told that it has missed
    uint64_t launched_ns  # when this connection was meant to be made
    uint64_t since_ns  # from here on nothing may be missing
    uint8_t *parked  # a unit that is cut in two
    uint32_t parked_bytes
    int32_t fd
    uint32_t epoch
    uint32_t forgiven  # publications announced as missing, whose place has not come yet
    uint32_t draws  # random numbers it has used
    Deadline deadline
    uint16_t close_code  # of the peer's close frame on this connection
    uint8_t target
    uint8_t persona
    uint8_t step
    uint8_t then  # the step its deadline leads to, or one of the Thens
    uint8_t waiting  # its deadline is in the wheel
    uint8_t unfinished  # another frame of the publication follows
    uint8_t timed  # it began with two numbers
    uint8_t corrupt
    uint8_t paused
    uint8_t ready  # readable while paused
    uint8_t resuming  # this connection asked for what follows `offset`
    uint8_t recovering  # the server said that it gets that: see note_sequence
    uint8_t entered  # was open once
    uint8_t queued  # waits for room in the window


cdef struct FanVotes:  # in one poll; what each seq is for is a function of fan and seq
    uint32_t sent  # seq of its newest vote
    uint32_t acked  # the highest seq that was acknowledged
    uint32_t asked_us  # modulo 2**32: when what is not acknowledged was sent first
    uint32_t repeated  # the highest seq that was sent more than once
    uint16_t refused  # votes after `acked` that the server has refused
    uint8_t settled  # the newest was refused, and is not to be sent again
    uint8_t doubled  # it cheats: a seq may stand for either of two choices
    uint8_t guise


cdef struct FanScan:  # of a protocol in JSON: the object being read, see swarm_centrifugo.pxd
    Json json
    uint64_t offset
    uint32_t id
    uint32_t epoch
    uint32_t at  # bytes of the publication's text
    uint16_t code
    uint8_t seen
    uint8_t phase
    uint8_t digits


cdef struct ViolationNote:
    uint64_t kind
    uint64_t fan
    uint64_t channel
    uint64_t persona
    uint64_t expected
    uint64_t got
    uint64_t at_ns


cdef struct Tally:
    uint64_t open
    uint64_t paused
    uint64_t arrived
    uint64_t entered
    uint64_t opened
    uint64_t failed
    uint64_t closed
    uint64_t lost
    uint64_t left
    uint64_t dropped
    uint64_t refused  # answered with another status than 101; also in failed
    uint64_t malformed  # broke RFC 6455; also in closed or failed
    uint64_t recovered
    uint64_t unrecovered
    uint64_t last_error  # errno
    uint64_t voters  # fans that have sent a vote
    uint64_t voters_acknowledged
    uint64_t votes_sent
    uint64_t votes_repeated
    uint64_t votes_acknowledged
    uint64_t votes_refused
    uint64_t votes_put_off  # the server said that it has no room now
    uint64_t reactions
    uint64_t cheats
    uint64_t lines  # of chat
    uint64_t lines_taken
    uint64_t lines_refused
    # From here on: since the last reset
    uint64_t received
    uint64_t bytes
    uint64_t gaps  # publications missing
    uint64_t duplicates
    uint64_t reordered  # came late; no longer in gaps
    uint64_t corrupt  # padding differs from what pad() writes
    uint64_t untimed  # did not begin with two numbers
    uint64_t told  # missing, and the server said so
    uint64_t skipped  # missing, as the channel's policy may
    uint64_t pings
    uint64_t violations
    uint64_t last_received_ns


cdef inline void count(uint64_t *word, uint64_t amount) noexcept nogil:
    """One writer, many readers: no locked instruction is needed."""
    ng_store(word, ng_peek(word) + amount)
