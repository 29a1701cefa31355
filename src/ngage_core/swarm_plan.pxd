"""What all threads of a swarm share: targets, personas, stimuli; and what a codec is.

A codec is how a fan speaks, a property of its persona: a table of functions that swarm_stream.pxd
calls while it reads, and swarm_votes.pxd when it has something to say. A new protocol is a new
table. Reading is what the fans of one thread use while they read; `channels` of a Plan are distinct
paths among the targets.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from ngage_core.sha256 cimport MacKey
from ngage_core.swarm_fan cimport Fan, FanScan, FanVotes, Tally, ViolationNote
from ngage_core.sysio cimport sockaddr_in

cdef enum:
    CONGESTION_BYTES_MAX = 16  # TCP_CA_NAME_MAX
    EXITS_MAX = 8
    PATH_BYTES_MAX = 2048
    HEAD_BYTES_MAX = 512  # of a request, behind the path
    REQUEST_BYTES_MAX = PATH_BYTES_MAX + HEAD_BYTES_MAX + 512
    REPLY_BYTES_MAX = 4096
    PERSONAS_MAX = 64
    STEPS_MAX = 64
    STIMULI_PENDING = 64
    TARGETS_MAX = 64
    EVERY_PERSONA = PERSONAS_MAX
    CHOICES_MAX = 32
    CODECS = 3
    EVENT_BYTES_MAX = 64  # of an event's name, with the zero
    NAME_BYTES_MAX = 512  # of a channel's name as a JSON string, with the zero
    BURST_MAX = 16  # votes in one send
    REACTION_KINDS = 16

cdef enum Action:  # as in behaviour.py
    STAY = 0
    CONNECT = 1
    RESUME = 2
    LEAVE = 3
    DROP = 4
    PAUSE = 5
    READ = 6
    SIP = 7
    ZAP = 8
    VOTE = 9
    RETRY = 10
    REACT = 11
    CHEAT = 12
    CHAT = 13

cdef enum Way:  # as in behaviour.py; the others are Guises
    WAY_DOUBLE = 1
    WAY_REPLAY = 2
    WAY_NO_CHOICE = 3
    WAY_NO_POLL = 4

cdef enum Distribution:  # as in behaviour.py
    NEVER = 0
    CONSTANT = 1
    UNIFORM = 2
    EXPONENTIAL = 3
    LOGNORMAL = 4
    PARETO = 5
    EMPIRICAL = 6

cdef enum Then:  # where a deadline leads, if not to a step
    THEN_NEXT = 255  # one of the exits of the step it is in
    THEN_LEAVE = 254  # for good, in order
    THEN_GIVE_UP = 253  # the server does not answer the close frame: reset


cdef struct DelayPlan:  # times in seconds, as in behaviour.Delay
    int distribution
    double a
    double b
    const double *values
    uint64_t value_count


cdef struct StepPlan:
    int action
    uint32_t amount
    uint32_t kind  # of a reaction; REACTION_KINDS: any
    DelayPlan think
    int exits
    double until[EXITS_MAX]  # cumulative probabilities
    uint8_t to[EXITS_MAX]


cdef struct Codec:
    const char *path  # with the method before it; NULL: that of the target
    size_t prefix_bytes  # of a message it must see in one piece, to begin
    # What follows the path, but for the first character: bytes
    size_t (*query)(const Plan *plan, Fan *fan, const FanVotes *votes, uint64_t number,
                    uint8_t *out) noexcept nogil
    bint (*opened)(Reading *reading, Fan *fan, const uint8_t *head, size_t size) noexcept nogil
    size_t (*begin)(Reading *reading, Fan *fan, const uint8_t *data, size_t size) noexcept nogil
    void (*more)(Reading *reading, Fan *fan, const uint8_t *data, size_t size) noexcept nogil
    void (*end)(Reading *reading, Fan *fan) noexcept nogil
    void (*pinged)(Reading *reading, Fan *fan, const uint8_t *data, size_t size) noexcept nogil
    # Into reading.reply; NULL: there is no such thing in this protocol
    void (*vote)(Reading *reading, uint32_t poll, uint32_t seq, uint32_t mask) noexcept nogil
    void (*react)(Reading *reading, uint32_t kind, uint32_t count) noexcept nogil
    void (*chat)(Reading *reading, uint32_t number) noexcept nogil


cdef struct PollPlan:  # of the one poll there is
    uint64_t number  # 0: none yet
    uint64_t closed  # no fan begins to vote any more
    uint64_t choices
    uint64_t event  # number of the event, whose reactions are counted together
    uint64_t reactions  # kinds there are; 0: nobody reacts
    char name[EVENT_BYTES_MAX]  # of the event; "": nobody chats


cdef struct AuditPlan:  # for ORDER_AUDIT: what the server's registers hold, by fan; seq 0: none
    const uint32_t *seqs
    const uint32_t *masks


cdef struct TicketPlan:
    const uint8_t *given  # TICKET_BYTES for each fan; NULL: signed here
    bint signed_here
    MacKey key
    uint32_t expires  # Unix seconds
    uint64_t first_voter  # that of fan 0


cdef struct PersonaPlan:
    const Codec *codec
    int receive_buffer_bytes
    int lost  # the step after an unwanted end, or -1
    int step_count
    StepPlan steps[STEPS_MAX]


cdef struct TargetPlan:
    sockaddr_in address
    uint64_t epoch  # 0: not anchored
    uint64_t difference  # of sequence and offset, modulo 2**64
    uint64_t channel
    bint skips
    bint has_query
    uint8_t path[PATH_BYTES_MAX]  # with the method before it
    size_t path_bytes
    uint8_t name[NAME_BYTES_MAX]  # of the channel, as a JSON string
    uint8_t head[HEAD_BYTES_MAX]  # up to the key
    size_t head_bytes


cdef struct Stimulus:
    uint64_t number
    double probability
    DelayPlan delay
    int persona  # or EVERY_PERSONA
    int step  # or THEN_LEAVE


cdef struct LastOne:  # of a channel, for settle()
    uint64_t sequence
    uint64_t intended_ns


cdef struct Plan:  # written before the threads start, but for the marked words
    uint32_t threads
    uint32_t source  # of the first address, host order; 0: the kernel chooses
    uint32_t sources
    uint32_t window
    bint window_returns
    char congestion[CONGESTION_BYTES_MAX]
    uint64_t seed
    bint check_key
    bint check_padding
    int persona_count
    double until[PERSONAS_MAX]  # cumulative shares
    PersonaPlan *personas
    int target_count
    uint64_t channel_count
    TargetPlan targets[TARGETS_MAX]  # their anchors by the Python thread, at any time
    Codec codecs[CODECS]
    TicketPlan tickets
    PollPlan poll  # by the Python thread, at any time; `number` last
    # By the Python thread, before an order that every thread obeys before the next
    uint64_t start_ns
    const uint32_t *arrivals_us  # by fan; NULL: connect() sets the pace
    Stimulus stimuli[STIMULI_PENDING]
    uint64_t stimuli_given
    LastOne last[TARGETS_MAX]
    AuditPlan audit


cdef struct Reply:
    size_t bytes
    uint8_t data[REPLY_BYTES_MAX]


cdef struct Reading:
    Plan *plan
    Tally *tally
    uint64_t *latency
    uint64_t *connecting
    uint64_t *voting
    uint64_t now_ns
    uint64_t fan_number
    FanVotes *votes  # of this fan
    FanScan *scan  # of this fan
    uint32_t turned_away  # the code with which the server wants no more of this fan; 0: it does
    uint64_t replies
    ViolationNote *violations
    uint64_t *endings  # by close code or HTTP status
    Reply reply


cdef inline uint64_t fan_number(const Plan *plan, uint32_t thread, uint32_t index) noexcept nogil:
    """Fans are dealt to threads in turn, so that each thread sees the same arrival curve."""
    return <uint64_t> index * plan.threads + thread


cdef inline const PersonaPlan *persona_of(const Plan *plan, const Fan *fan) noexcept nogil:
    return &plan.personas[fan.persona]


cdef inline uint64_t channel_of(const Plan *plan, const Fan *fan) noexcept nogil:
    return plan.targets[fan.target].channel
