"""What a shard counts. Only its thread writes them; anybody may read a word at any time.

Those above the line are gauges and return to zero when everybody has gone.
"""

from libc.stdint cimport uint64_t


cdef struct Counters:
    uint64_t connections  # slots in use, handshakes and lingering closes included
    uint64_t websockets
    uint64_t deflate_clients  # who can take a broadcast's deflated variant
    uint64_t subscriptions
    uint64_t blocked  # sockets whose buffer is full
    uint64_t inbound_states
    uint64_t outboxes
    uint64_t held_bytes  # of unfinished messages and heads
    uint64_t waiting  # requests whose answer is not there yet
    # ----
    uint64_t accepted
    uint64_t handed_on  # to a shard with room
    uint64_t refused_full
    uint64_t refused_descriptors
    uint64_t refused_origin
    uint64_t refused_tickets  # forged or expired
    uint64_t refused_rate  # connects_per_second
    uint64_t refused_address  # address_connects_per_second
    uint64_t not_http
    uint64_t handshake_timeouts
    uint64_t upgrades
    uint64_t recovered
    uint64_t not_recovered
    uint64_t http_answers
    uint64_t http_errors
    uint64_t http_waits  # requests that had to wait
    uint64_t http_wait_timeouts
    uint64_t http_waits_refused  # too many waited
    uint64_t deliveries  # publications written whole, or begun, to a socket
    uint64_t sends  # that wrote something: a system call, or a request of a batch
    uint64_t sent_bytes
    uint64_t short_writes
    uint64_t write_retries  # ENOBUFS, ENOMEM
    uint64_t skipped_latest
    uint64_t skipped_keyframe
    uint64_t skipped_ring
    uint64_t picture_waits  # for a sync point, of subscribers who were too late for the rest
    uint64_t rungs_down  # changes to a lower rung of a ladder
    uint64_t rungs_up
    uint64_t recovered_publications  # in answers to clients that came back
    uint64_t reactions
    uint64_t reactions_dropped  # over the rate, or none
    uint64_t expired_closed
    uint64_t slow_closed
    uint64_t messages_received
    uint64_t received_bytes
    uint64_t messages_dropped  # nobody asked for them, or no memory
    uint64_t pings_sent
    uint64_t pings_spared  # the peer had just acknowledged data
    uint64_t pings_received
    uint64_t pongs_received
    uint64_t no_pong_closed
    uint64_t protocol_errors
    uint64_t policy_closed
    uint64_t late_commands  # for a client that had gone
    uint64_t turns
    uint64_t sweeps
    # The largest so far, in CPU time: of a quantum of a sweep, and of all that came between two.
    uint64_t quantum_us_max
    uint64_t pause_us_max
