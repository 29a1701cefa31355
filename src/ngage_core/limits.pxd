"""Every bound of the data plane, unit in the name. engine.limits() shows them to Python.

A bound that an operator may set has its default in ngage/settings.py and its ceiling here.
"""

cdef enum:
    # Shards and connections
    SHARDS_MAX = 1024
    SHARD_CONNECTIONS_MAX = 4194304
    REFUSALS_PER_SHARD = 64  # slots kept to answer 503 when a shard is full
    RESERVED_DESCRIPTORS = 16  # of a shard: epoll, ring, wake, event, listener, spare, and room
    SUBSCRIPTIONS_PER_CONNECTION = 16
    SUBSCRIPTIONS_PER_SLOT = 4  # pool of a shard = its slots times this

    # Channels
    CHANNELS_MAX = 65536
    CHANNEL_NAME_BYTES_MAX = 255
    RING_FRAMES_MIN = 2
    RING_FRAMES_MAX = 1048576
    RING_BYTES_MAX = 1073741824
    PUBLICATION_BYTES_MAX = 67108864
    VIEWS_MAX = 8  # of a channel, itself among them
    RUNGS_MAX = 16  # of a ladder
    SYNCS_KEPT = 16  # the newest sync points, by which a rung is found
    # Publications in an answer to who comes back; who missed more makes a new start. What is
    # published while the answer is on its way to a shard comes on top.
    RECOVERED_MAX = 300
    RECOVERED_ON_TOP_MAX = 212
    TICK_MS_MAX = 60000
    LAG_MS_MAX = 60000
    # What may wait in a socket unsent, where lag is bounded by time: a quarter of a second at
    # 500 kbit/s. The default of 64 KiB would be a second, which no cursor can take back.
    LAG_NOTSENT_BYTES = 16384

    # HTTP
    HEAD_BYTES_MAX = 16384
    REQUEST_LINE_BYTES_MAX = 8192
    HEADERS_MAX = 64
    ANSWER_BYTES_MAX = 1024  # of an error or a 101, head and body
    PATHS_MAX = 65536
    HTTP_RESPONSE_BYTES_MAX = 67108864
    REQUESTS_PER_CONNECTION = 1000  # then its client comes anew, perhaps to another shard
    REQUESTS_PER_TURN = 16  # of a client that pipelines them
    PIPELINED_BYTES_MAX = 16384  # kept while an answer is on its way; over it TCP pushes back
    WAITING_PER_SHARD_MAX = 1048576  # requests whose answer is not there yet
    WAIT_MS_MAX = 60000
    ORIGINS_MAX = 256
    PROXY_NETWORKS_MAX = 256

    # Inbound
    READ_BUFFER_BYTES = 65536
    READS_PER_TURN = 4  # of one socket, before the others have theirs
    MESSAGE_BYTES_MAX = 16777216
    FRAGMENTS_MAX = 4096
    ECHO_MESSAGE_BYTES_MAX = 16777216  # Autobahn 9.1.6 echoes 16 MiB
    ECHO_FRAGMENTS_MAX = 65600  # Autobahn 9.3.1 sends 65,536 fragments
    HELD_BYTES_PER_SHARD = 268435456  # incomplete messages of all its connections
    PONG_COST_BYTES = 64  # towards the byte rate: 16,384 pongs a second at 1 MiB
    REACTION_EVENTS_MAX = 256  # at a time; numbers that many apart are counted as one
    REACTION_KINDS_MAX = 16
    REACTIONS_PER_MESSAGE_MAX = 100
    CONTROL_BYTES_MAX = 125  # RFC 6455 section 5.5
    CLOSE_REASON_BYTES_MAX = 123
    INFLATED_KEPT_BYTES = 1048576
    POOLED_STATES_MAX = 256  # free inbound states and outboxes kept by a shard

    # Outbound
    STAGING_BYTES = 65536  # frames of one sweep copied once, then sent to every socket
    PLAN_FRAMES_MAX = 512
    IOVECS_MAX = 64
    CONTROL_QUEUE_BYTES_MAX = 4096  # pongs waiting; over it only the newest is kept
    OUTBOX_BYTES_MAX = 4194304  # messages for one client; over it the client is slow
    ECHO_OUTBOX_BYTES_MAX = 67108864
    OUTBOX_PAUSE_BYTES = 1048576  # an echo client is read again below this
    WRITE_BYTES_PER_TURN = 262144  # to one socket, before the others have theirs
    PASSED_PER_WRITE = 4096  # of who waits for a sync point

    # Who has not been late for so long is tried on the rung above; after each that did not hold for
    # the time of the trial, the next is waited for twice as long, up to 2**5 times.
    CALM_MS = 10000
    TRIAL_MS = 30000
    PATIENCE_MAX = 5

    # Turn
    READY_PER_TURN = 256
    ACCEPTS_PER_TURN = 64
    # While a sweep is under way, so that what lies between two quanta takes no longer than one: an
    # upgrade costs 27 us, a send 9.
    READY_WHILE_SWEEPING = 64
    ACCEPTS_WHILE_SWEEPING = 16
    SWEEP_QUANTUM = 256  # sockets written before the poller is asked again, about 1.5 ms
    SEND_BATCH = 64  # sockets that are sent a plan in one call of the backend
    SWEEP_VISITS = 8192  # members looked at in a quantum, with or without anything to write
    RELEASES_PER_TURN = 128  # requests that waited and are answered, some 10 us each
    COMMANDS_PER_TURN = 1024
    VOTE_ANSWERS_PER_TURN = 2048
    CLOSES_PER_STEP = 100  # of a channel's members, when it is closed
    CLOSE_STEP_MS = 10
    DRAIN_STEP_MS = 50  # shorter, and the wake-ups of many shards cost more than what they close
    ACCEPT_PAUSE_MS = 100  # after EMFILE

    # Between the planes
    COMMAND_RING = 16384
    EVENT_RING = 16384
    EVENT_ROOM_WANTED = 11000  # messages a full read buffer can hold: 65,536 bytes of 6-byte frames
    EVENT_BYTES_PER_SHARD = 67108864

    # Votes
    CHOICES_MAX = 32  # of a poll: a vote is a mask of 32 bits
    VOTES_PORTS_MAX = 1025  # a shard each, and the control plane
    VOTES_IN_FLIGHT = 1048576  # of all ports: pushed, and the answer not yet taken, of 72 bytes
    VOTES_IN_FLIGHT_MIN = 4096  # of a port
    VOTES_IN_FLIGHT_MAX = 65536
    VOTE_BATCH = 65536  # decided, then made durable together
    GROUP_WINDOW_MS = 20  # from the first vote of a batch to its sync
    VOTES_COMMAND_RING = 64
    BALLOTS_MAX = 1024  # polls that are not forgotten
    BALLOT_VOTERS_MAX = 134217728  # of a poll: registers of 4 GiB
    BANS_MAX = 1048576
    VOTE_GRACE_MS = 250  # either way on a viewer's own timeline: a click's delay, a clock's drift
    VOTE_RTT_MS_MAX = 2000  # that count for it: who delays acknowledgements gains half of it

    # Of all shards together; the kernel lowers each one's to net.core.somaxconn. It is 3 to 5 s of
    # upgrades of two cores: who would have to wait longer has given up by its turn, and its SYN is
    # better lost, which the client's kernel sends again after 1, 3, 7 s.
    LISTEN_BACKLOG = 65535
    LISTEN_BACKLOG_MIN = 512  # of a shard

    KEEPALIVE_PROBES = 3  # unanswered ones that end a connection

    # Time
    WHEEL_SLOTS = 4096
    WHEEL_TICK_MS = 64  # 4096 * 64 ms = 262 s; a later deadline takes several rounds
    CONNECT_MS_MAX = 10000  # until a client has said who it is
    EXPIRY_GRACE_S = 25  # after a token's end, for the client to bring another
    IDLE_TICKS_MAX = 64  # a shard with nothing due looks at its wheel every 4 s
    # Pings to many are sent in steps of a second, each shard's at another moment: a wake-up costs
    # about as much as a ping does.
    PING_STEP_TICKS = 16
