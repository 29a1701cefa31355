"""What the control plane orders: a ring of commands for each shard, taken at the top of a turn.

A command names a client by its handle. One whose client has gone is counted and forgotten.
"""

from libc.stdint cimport uint32_t, uint8_t

from ngage_core.accept cimport stop_accepting
from ngage_core.client cimport command_identify, command_subscribe, command_unsubscribe
from ngage_core.lifecycle cimport find_open
from ngage_core.limits cimport COMMANDS_PER_TURN
from ngage_core.members cimport Members
from ngage_core.own cimport begin_close, is_too_slow, own_share
from ngage_core.payload cimport payload_plain, payload_release
from ngage_core.ring cimport (
    COMMAND_CLOSE, COMMAND_CLOSE_CHANNEL, COMMAND_DRAIN, COMMAND_IDENTIFY, COMMAND_SEND,
    COMMAND_STOP, COMMAND_SUBSCRIBE, Command, ring_pop_at, ring_popped, ring_waiting,
)
from ngage_core.shard cimport Shard
from ngage_core.sweep cimport activate
from ngage_core.timers cimport drain_begin
from ngage_core.write cimport write_conn


cdef inline bint command_client(
    Shard *shard, const Command *command, uint32_t *index
) noexcept nogil:
    """The slot of a command's target, if the same client is still in it and open."""
    if find_open(shard, command.target, index):
        return True
    shard.counters.late_commands += 1
    return False


cdef inline void command_send(Shard *shard, const Command *command) noexcept nogil:
    cdef uint32_t index
    if not command_client(shard, command, &index) or is_too_slow(
            shard, index, command.payload.plain_bytes):
        payload_release(command.payload)
        return
    own_share(shard, index, command.payload, 0, command.payload.plain_bytes, False)


cdef inline void command_close(Shard *shard, const Command *command) noexcept nogil:
    cdef uint32_t index
    if command_client(shard, command, &index):
        write_conn(shard, index)
        begin_close(shard, index, command.code, payload_plain(command.payload),
                    command.payload.plain_bytes)
    payload_release(command.payload)


cdef inline void command_close_channel(Shard *shard, const Command *command) noexcept nogil:
    cdef Members *members = shard.members[command.target]
    if members == NULL or members.count == 0:
        payload_release(command.payload)
    else:
        if members.close_reason != NULL:
            payload_release(members.close_reason)
        members.close_reason = command.payload
        members.closing = <uint32_t> members.count
        members.close_code = command.code
        members.close_due_ms = shard.now_ms
        activate(shard, members)


cdef inline void command_about_client(Shard *shard, const Command *command) noexcept nogil:
    cdef uint32_t index
    if not command_client(shard, command, &index):
        if command.payload != NULL:
            payload_release(command.payload)
    elif command.kind == COMMAND_IDENTIFY:
        command_identify(shard, index, command)
    elif command.kind == COMMAND_SUBSCRIBE:
        command_subscribe(shard, index, command)
        payload_release(command.payload)
    else:
        command_unsubscribe(shard, index, command)


cdef inline void take_commands(Shard *shard) noexcept nogil:
    cdef Command command
    cdef int done = 0
    while ring_waiting(&shard.commands_ring) and done < COMMANDS_PER_TURN:
        command = shard.commands[ring_pop_at(&shard.commands_ring)]
        ring_popped(&shard.commands_ring)
        done += 1
        if command.kind == COMMAND_SEND:
            command_send(shard, &command)
        elif command.kind == COMMAND_CLOSE:
            command_close(shard, &command)
        elif command.kind == COMMAND_CLOSE_CHANNEL:
            command_close_channel(shard, &command)
        elif command.kind == COMMAND_DRAIN:
            stop_accepting(shard)
            drain_begin(shard, command.code, command.payload, command.milliseconds)
        elif command.kind == COMMAND_STOP:
            shard.running = False
        else:
            command_about_client(shard, &command)
