"""Votes: registers, journals and the thread that has them, as Python holds them. See votes.pyi.

The GIL makes Python one thread: it writes the command ring, and the ports that are not a shard's.
A ballot is made and freed here, and is the votes thread's in between.
"""

import fcntl
import os

cimport cython
from libc.errno cimport EBADMSG, EILSEQ, ENOENT, ENOSPC
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from ngage_core.errors import JournalError

from ngage_core cimport limits as bound
from ngage_core.atomic cimport ng_peek, ng_store, ng_store_pointer
from ngage_core.ballot cimport SHOWN, SHOWN_VOTERS, Ballot, BallotRules, ballot_read, ballot_replay
from ngage_core.clock cimport sys_unix_ms, sys_unix_offset_ms, sys_wait
from ngage_core.journal cimport Batch, BatchHead, JournalHead, Record
from ngage_core.open cimport in_range
from ngage_core.platform cimport NG_ASSERT_STATIC
from ngage_core.registers cimport registers_free, registers_open, registers_value_elsewhere
from ngage_core.ring cimport ring_free, ring_push_at, ring_pushed
from ngage_core.sysio cimport (
    pthread_create, pthread_join, sem_destroy, sem_init, sem_post, sys_close, sys_event_raise,
    sys_eventfd, sys_release, sys_reserve, sys_yield,
)
from ngage_core.vote cimport (
    Vote, VoteAck, VotesPort, Wake, ack_pop, ack_waiting, vote_push, vote_room, votes_received_ms,
)
from ngage_core.votes_batch cimport (
    VOTES_BAN, VOTES_CLOSE, VOTES_FLUSH, VOTES_FORGET, VOTES_OPEN, VOTES_STOP, VOTES_SUSPEND,
    VOTES_UNBAN, Decision, VotesCommand, VotesOrder, VotesThread,
)
from ngage_core.votes_thread cimport votes_main

cdef int64_t TIME_MAX = <int64_t> 1 << 53

_STATUSES = ("accepted", "duplicate", "closed", "no_poll", "no_choice", "banned", "final", "late",
             "unavailable", "busy", "guarded")


def limits():
    return {
        "choices_max": bound.CHOICES_MAX,
        "ports_max": bound.VOTES_PORTS_MAX,
        "in_flight_min": bound.VOTES_IN_FLIGHT_MIN,
        "in_flight_max": bound.VOTES_IN_FLIGHT_MAX,
        "vote_batch": bound.VOTE_BATCH,
        "group_window_ms": bound.GROUP_WINDOW_MS,
        "ballots_max": bound.BALLOTS_MAX,
        "ballot_voters_max": bound.BALLOT_VOTERS_MAX,
        "bans_max": bound.BANS_MAX,
        "vote_grace_ms": bound.VOTE_GRACE_MS,
        "vote_rtt_ms_max": bound.VOTE_RTT_MS_MAX,
    }


cdef void raise_event(void *who) noexcept nogil:
    sys_event_raise(<int> <size_t> who)


cdef uint64_t capacity_of_a_port(uint32_t ports) noexcept:
    cdef uint64_t capacity = bound.VOTES_IN_FLIGHT_MAX
    while capacity > bound.VOTES_IN_FLIGHT_MIN and capacity * ports > bound.VOTES_IN_FLIGHT:
        capacity //= 2
    return capacity


cdef void close_journal(Ballot *ballot) noexcept:
    """And unlock it."""
    if ballot.journal.fd >= 0:
        sys_close(ballot.journal.fd)
        ballot.journal.fd = -1


cdef void free_ballot(Ballot *ballot) noexcept:
    if ballot != NULL:
        close_journal(ballot)
        registers_free(&ballot.registers)
        free(ballot)


@cython.final
@cython.no_gc_clear  # __dealloc__ needs the dict and the list, which lead back to nothing
cdef class Votes:
    def __cinit__(self, int ports):
        NG_ASSERT_STATIC(sizeof(JournalHead) == 24)
        NG_ASSERT_STATIC(sizeof(BatchHead) == 16)
        NG_ASSERT_STATIC(sizeof(Record) == 40)
        NG_ASSERT_STATIC(sizeof(Vote) <= 64)
        cdef VotesPort *port
        in_range("ports", ports, 1, bound.VOTES_PORTS_MAX)
        self.ballots = {}
        self.event_fds = [-1] * ports
        self.core = <VotesThread *> calloc(1, sizeof(VotesThread))
        if self.core == NULL:
            raise MemoryError
        self.core.commands_ring.capacity = bound.VOTES_COMMAND_RING
        self.core.door.unix_offset_ms = sys_unix_offset_ms()
        sem_init(&self.core.door.bell, 0, 0)
        self.core.door.ports = <VotesPort *> calloc(<size_t> ports, sizeof(VotesPort))
        self.core.batch = <Decision *> sys_reserve(bound.VOTE_BATCH * sizeof(Decision))
        self.core.records = <Batch *> sys_reserve(sizeof(Batch))
        if (self.core.door.ports == NULL or self.core.batch == NULL or self.core.records == NULL
                or not registers_open(&self.core.bans, bound.BANS_MAX)):
            raise MemoryError
        self.core.door.port_count = <uint32_t> ports
        for number in range(ports):
            port = &self.core.door.ports[number]
            port.votes_ring.capacity = capacity_of_a_port(self.core.door.port_count)
            port.acks_ring.capacity = port.votes_ring.capacity
            port.votes = <Vote *> sys_reserve(port.votes_ring.capacity * sizeof(Vote))
            port.acks = <VoteAck *> sys_reserve(port.acks_ring.capacity * sizeof(VoteAck))
            if port.votes == NULL or port.acks == NULL:
                raise MemoryError

    def __dealloc__(self):
        cdef VotesPort *port
        cdef uint32_t number
        if self.core == NULL:
            return
        self.stop()
        for ballot in self.ballots.values():
            free_ballot(<Ballot *> <size_t> ballot)
        for number in range(self.core.door.port_count):
            port = &self.core.door.ports[number]
            sys_release(port.votes, port.votes_ring.capacity * sizeof(Vote))
            sys_release(port.acks, port.acks_ring.capacity * sizeof(VoteAck))
        free(self.core.door.ports)
        sys_release(self.core.batch, bound.VOTE_BATCH * sizeof(Decision))
        sys_release(self.core.records, sizeof(Batch))
        registers_free(&self.core.bans)
        sem_destroy(&self.core.door.bell)
        free(self.core)

    def start(self):
        cdef int status
        if self.started:
            raise ValueError("votes start once")
        self.started = self.core.running = True
        status = pthread_create(&self.core.thread, NULL, votes_main, self.core)
        if status != 0:
            raise OSError(status, f"cannot start the votes thread: {os.strerror(status)}")
        self.running = True

    def stop(self):
        cdef VotesCommand command
        if not self.running:
            return
        self.running = False  # before others could order what would never be carried out
        memset(&command, 0, sizeof(VotesCommand))
        command.order = VOTES_STOP
        self.carry_out(&command)
        with nogil:
            pthread_join(self.core.thread, NULL)
        for number, fd in enumerate(self.event_fds):
            self.core.door.ports[<uint32_t> number].wake = NULL
            self.event_fds[number] = -1
            if fd >= 0:
                sys_close(fd)
        for poll in self.ballots:
            close_journal(self.ballot_numbered(poll))

    # Commands

    cdef int order(self, VotesCommand *command) except -1:
        """Returns when it is carried out, with its status; the GIL is free meanwhile."""
        if not self.running:
            raise ValueError("the votes thread is not running")
        self.carry_out(command)
        return 0

    cdef void carry_out(self, VotesCommand *command) noexcept:
        while ring_free(&self.core.commands_ring) == 0:
            with nogil:
                sys_yield()
        sem_init(&command.done, 0, 0)
        self.core.commands[ring_push_at(&self.core.commands_ring)] = command
        ring_pushed(&self.core.commands_ring)
        with nogil:
            sem_post(&self.core.door.bell)  # asleep or in its group window
            sys_wait(&command.done)
        sem_destroy(&command.done)

    cdef int order_of_poll(self, int order, uint32_t poll) except -1:
        cdef VotesCommand command
        memset(&command, 0, sizeof(VotesCommand))
        command.order = <VotesOrder> order
        command.poll = poll
        self.order(&command)
        if command.status == -ENOENT:
            raise ValueError(f"poll {poll}: not open")
        return 0

    def open(self, uint32_t poll, path, *, choices, most=1, bint final=False, opens_ms=0,
             closes_ms=0, window_ms=0, delay_max_ms=0):
        cdef BallotRules rules
        cdef VotesCommand command
        cdef Ballot *ballot
        rules.choices = in_range("choices", choices, 1, bound.CHOICES_MAX)
        rules.most = in_range("most", most, 1, rules.choices)
        rules.final = final
        rules.opens_ms = in_range("opens_ms", opens_ms, 0, TIME_MAX)
        rules.closes_ms = in_range("closes_ms", closes_ms, 0, TIME_MAX)
        rules.window_ms = in_range("window_ms", window_ms, 0, 0xFFFFFFFF)
        rules.delay_max_ms = in_range("delay_max_ms", delay_max_ms, 0, 0xFFFFFFFF)
        self.suspend(poll)
        ballot = <Ballot *> calloc(1, sizeof(Ballot))
        if ballot == NULL or not registers_open(&ballot.registers, bound.BALLOT_VOTERS_MAX):
            free(ballot)
            raise MemoryError
        ballot.poll = poll
        ballot.rules = rules
        ballot.journal.fd = -1
        memset(&command, 0, sizeof(VotesCommand))
        command.order = VOTES_OPEN
        command.poll = poll
        command.ballot = ballot
        try:
            open_journal(ballot, os.fspath(path))
            known = ballot.registers.live
            self.order(&command)
            if command.status == 0:
                self.ballots[poll] = <size_t> ballot
                ballot = NULL
        finally:
            free_ballot(ballot)
        if command.status == -ENOSPC:
            raise OverflowError(f"{bound.BALLOTS_MAX} polls are open already")
        free_ballot(command.ballot)
        return known

    cdef int suspend(self, uint32_t poll) except -1:
        """If the poll is open, have its votes refused, and give its journal up."""
        if poll in self.ballots:
            self.order_of_poll(VOTES_SUSPEND, poll)
            close_journal(self.ballot_numbered(poll))
        return 0

    def close(self, uint32_t poll):
        self.order_of_poll(VOTES_CLOSE, poll)

    def forget(self, uint32_t poll):
        cdef VotesCommand command
        memset(&command, 0, sizeof(VotesCommand))
        command.order = VOTES_FORGET
        command.poll = poll
        self.order(&command)
        if command.ballot != NULL:
            self.ballots.pop(poll, None)
            free_ballot(command.ballot)

    def flush(self):
        self.order_of_poll(VOTES_FLUSH, 0)

    def ban(self, uint64_t voter, bint banned):
        cdef VotesCommand command
        if voter == 0:
            raise ValueError("voter 0: there is none")
        memset(&command, 0, sizeof(VotesCommand))
        command.order = VOTES_BAN if banned else VOTES_UNBAN
        command.voter = voter
        self.order(&command)
        if command.status == -ENOSPC:
            raise OverflowError(f"{bound.BANS_MAX} voters are banned already")

    # What has been counted

    cdef Ballot *ballot_numbered(self, uint32_t poll) except NULL:
        ballot = self.ballots.get(poll)
        if ballot is None:
            raise ValueError(f"poll {poll}: not open")
        return <Ballot *> <size_t> ballot

    def tally(self, uint32_t poll):
        cdef Ballot *ballot = self.ballot_numbered(poll)
        cdef uint64_t shown[SHOWN]
        ballot_read(ballot, shown)
        return tuple([shown[i] for i in range(ballot.rules.choices)]), shown[SHOWN_VOTERS]

    def register(self, uint32_t poll, uint64_t voter):
        cdef Ballot *ballot = self.ballot_numbered(poll)
        cdef uint64_t value = registers_value_elsewhere(&ballot.registers, voter) if voter else 0
        return (value >> 32, <uint32_t> value) if value else None

    def failing(self, poll=None):
        cdef Ballot *ballot
        for poll in self.ballots if poll is None else (poll,):
            ballot = self.ballot_numbered(poll)
            if ballot.closed:
                continue  # it takes no votes, whatever happened to its last ones
            if ballot.suspended:
                return f"poll {poll}: its journal is not open"
            if ng_peek(&ballot.error):
                return f"poll {poll}: {os.strerror(ng_peek(&ballot.error))}"
        return ""

    def counters(self):
        cdef Ballot *ballot
        cdef uint64_t voters = 0, held = 0
        for poll in self.ballots:
            ballot = self.ballot_numbered(poll)
            voters += ng_peek(&ballot.registers.live)
            held += ng_peek(&ballot.registers.bytes)
        counted = {f"votes_{name}": ng_peek(&self.core.counters.by_status[i])
                   for i, name in enumerate(_STATUSES)}
        return {
            "votes": ng_peek(&self.core.counters.votes),
            **counted,
            "batches": ng_peek(&self.core.counters.batches),
            "syncs": ng_peek(&self.core.counters.syncs),
            "sync_us": ng_peek(&self.core.counters.sync_us),
            "sync_us_max": ng_peek(&self.core.counters.sync_us_max),
            "failures": ng_peek(&self.core.counters.failures),
            "journal_bytes": ng_peek(&self.core.counters.journal_bytes),
            "voters": voters,
            "register_bytes": held,
        }

    # A port of Python's own

    cdef VotesPort *port_numbered(self, uint32_t number) except NULL:
        if number >= self.core.door.port_count:
            raise ValueError(f"port {number}: no such port")
        return &self.core.door.ports[number]

    def now_ms(self):
        return sys_unix_ms(&self.core.door.unix_offset_ms)

    def unix_ms(self, uint64_t moment_ms):
        return votes_received_ms(&self.core.door, moment_ms)

    def set_clock(self):
        cdef uint64_t offset = sys_unix_offset_ms()
        cdef int64_t step = <int64_t> (offset - self.core.door.unix_offset_ms)
        ng_store(&self.core.door.unix_offset_ms, offset)
        return step

    def leave(self, bint leaving):
        ng_store(&self.core.leaving, leaving)

    def guard(self, bint guarded):
        ng_store(&self.core.door.guarded, guarded)

    def event_fd(self, uint32_t port):
        cdef VotesPort *opened = self.port_numbered(port)
        cdef int64_t fd = self.event_fds[port]
        if fd < 0:
            if opened.wake != NULL or not self.running:
                raise ValueError(f"port {port}: another thread's, or stopped")
            fd = sys_eventfd()
            if fd < 0:
                raise OSError(<int> -fd, os.strerror(<int> -fd))
            self.event_fds[port] = fd
            opened.who = <void *> <size_t> fd
            ng_store_pointer(&opened.wake, <void *> <Wake> raise_event)
            sys_event_raise(<int> fd)  # there may be answers already
        return fd

    def vote(self, uint32_t port, uint64_t client, uint64_t voter, uint32_t poll, uint32_t seq,
             uint32_t mask, uint32_t elapsed_ms=0, uint32_t reply_id=0, uint64_t received_ms=0,
             uint32_t rtt_ms=0):
        cdef VotesPort *opened = self.port_numbered(port)
        cdef Vote vote
        if not self.running or vote_room(opened) == 0:
            return False
        vote.client = client
        vote.voter = voter
        vote.received_ms = received_ms or sys_unix_ms(&self.core.door.unix_offset_ms)
        vote.poll = poll
        vote.seq = seq
        vote.mask = mask
        vote.elapsed_ms = elapsed_ms
        vote.rtt_ms = rtt_ms
        vote.reply_id = reply_id
        vote.guarded = False
        vote_push(&self.core.door, opened, &vote)
        return True

    def acks(self, uint32_t port):
        cdef VotesPort *opened = self.port_numbered(port)
        cdef VoteAck ack
        cdef uint64_t _i
        cdef list taken = []
        for _i in range(ack_waiting(opened)):
            ack_pop(opened, &ack)
            taken.append((ack.client, ack.poll, ack.seq, ack.reply_id, ack.status))
        return taken


cdef int open_journal(Ballot *ballot, str path) except -1:
    """Open or create, lock and replay; the ballot has the descriptor, whatever happens."""
    cdef Batch *batch
    cdef int64_t size, status
    cdef uint64_t now_ms
    ballot.journal.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(ballot.journal.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise JournalError(f"{path}: another process writes it") from None
    size = os.fstat(ballot.journal.fd).st_size
    now_ms = sys_unix_offset_ms()
    now_ms = sys_unix_ms(&now_ms)
    batch = <Batch *> sys_reserve(sizeof(Batch))
    if batch == NULL:
        raise MemoryError
    with nogil:
        status = ballot_replay(ballot, size, now_ms, batch)
        sys_release(batch, sizeof(Batch))
    if status == -EILSEQ:
        raise JournalError(f"{path}: not the journal of poll {ballot.poll}")
    if status == -EBADMSG:
        raise JournalError(f"{path}: damaged after byte {ballot.journal.bytes}")
    if status < 0:
        raise OSError(<int> -status, os.strerror(<int> -status), path)
    sync_directory(os.path.dirname(os.path.abspath(path)))
    return 0


cdef int sync_directory(str path) except -1:
    """So that a new file's name is durable, too."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return 0
