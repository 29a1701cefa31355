"""The journal of a poll: what was accepted, in order, in batches that are whole or not there.

A file of a header and batches, little-endian. One batch is written and synced at a time, so only
the last can be torn: a batch that does not check is the end, and is cut off. Unless a later one
does check: then the file was damaged, and cutting would lose votes that were acknowledged.
"""

from libc.errno cimport EBADMSG, EILSEQ
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcmp, memset

from ngage_core.file cimport sys_read_at, sys_sync_data, sys_truncate, sys_write_at
from ngage_core.limits cimport VOTE_BATCH

cdef extern from "zlib.h" nogil:
    unsigned long crc32(unsigned long so_far, const uint8_t *data, unsigned int size)

cdef enum:
    BATCH_MAGIC = 0x4256474E  # "NGVB"
    # Record.flags: which of the poll's rules it had to keep to
    RECORD_FINAL = 1
    RECORD_WINDOW = 2
    SEARCH_WORDS = 16384


cdef struct JournalHead:
    uint8_t magic[8]  # "ngagevt" and the version
    uint32_t poll
    uint32_t reserved
    uint64_t created_ms


cdef struct BatchHead:
    uint32_t magic
    uint32_t count
    uint32_t crc  # of the records, zlib's
    uint32_t sequence  # from 1


cdef struct Record:
    uint64_t voter
    uint32_t seq
    uint32_t mask
    uint32_t elapsed_ms
    uint16_t flags
    uint16_t rtt_ms  # what of it counts
    uint64_t received_ms
    uint64_t client


cdef struct Batch:
    BatchHead head
    Record records[VOTE_BATCH]


cdef struct Journal:
    int fd
    bint broken  # what is on the disk is not known: not written until it is opened anew
    int64_t bytes  # whole and durable
    uint32_t sequence  # of the last batch


cdef inline int64_t journal_size_of(uint32_t count) noexcept nogil:
    return <int64_t> (sizeof(BatchHead) + count * sizeof(Record))


cdef inline int64_t journal_begin(
    Journal *journal, uint32_t poll, uint64_t now_ms, int64_t size
) noexcept nogil:
    """Take over journal.fd of so many bytes. 0; -EILSEQ: it is something else; or -errno.

    Fewer than a header has are one that was torn: nothing can have been acknowledged yet.
    """
    cdef JournalHead head, found
    cdef int64_t status
    memset(&head, 0, sizeof(head))
    head.magic = b"ngagevt1"
    head.poll = poll
    head.created_ms = now_ms
    memset(&found, 0, sizeof(found))
    status = sys_read_at(journal.fd, &found, sizeof(found), 0)
    if status < 0:
        return status
    if memcmp(found.magic, head.magic, <size_t> min(size, <int64_t> sizeof(head.magic))) != 0:
        return -EILSEQ
    journal.bytes = sizeof(JournalHead)
    if size >= journal.bytes:
        return 0 if found.poll == poll else -EILSEQ
    status = sys_write_at(journal.fd, &head, sizeof(head), 0)
    return sys_sync_data(journal.fd) if status == 0 else status


cdef inline int64_t batch_at(Journal *journal, int64_t at, Batch *batch) noexcept nogil:
    """How many records the batch there has; 0: none that is whole; or -errno."""
    cdef int64_t status = sys_read_at(journal.fd, &batch.head, sizeof(BatchHead), at)
    cdef int64_t bytes
    if status < 0:
        return status
    if (status < <int64_t> sizeof(BatchHead) or batch.head.magic != BATCH_MAGIC
            or not 1 <= batch.head.count <= VOTE_BATCH):
        return 0
    bytes = <int64_t> (batch.head.count * sizeof(Record))
    status = sys_read_at(
        journal.fd, batch.records, <size_t> bytes, at + <int64_t> sizeof(BatchHead))
    if status < 0:
        return status
    if status < bytes or batch.head.crc != crc32(
            0, <const uint8_t *> batch.records, <unsigned int> bytes):
        return 0
    return batch.head.count


cdef inline int64_t journal_next(Journal *journal, Batch *batch) noexcept nogil:
    """Read the next batch: how many records; 0: that was the last; or -errno."""
    cdef int64_t count = batch_at(journal, journal.bytes, batch)
    if count <= 0 or batch.head.sequence != journal.sequence + 1:
        return count if count < 0 else 0
    journal.sequence += 1
    journal.bytes += journal_size_of(<uint32_t> count)
    return count


cdef inline int64_t later_batch(Journal *journal, int64_t size, Batch *batch) noexcept nogil:
    """Whether any that is whole lies beyond the end: 1, 0 or -errno. Batches begin at 8s."""
    cdef uint32_t words[SEARCH_WORDS]
    cdef int64_t at = journal.bytes + 8, got, found, word
    while at < size:
        got = sys_read_at(journal.fd, words, sizeof(words), at)
        if got <= 0:
            return got
        for word in range(0, got // 4, 2):
            if words[word] == BATCH_MAGIC:
                found = batch_at(journal, at + word * 4, batch)
                if found < 0:
                    return found
                if found > 0 and batch.head.sequence > journal.sequence + 1:
                    return 1
        at += got
    return 0


cdef inline int64_t journal_end(Journal *journal, int64_t size, Batch *batch) noexcept nogil:
    """Cut off what a crash has torn. 0; -EBADMSG: what lies there was acknowledged; or -errno."""
    cdef int64_t status
    if size <= journal.bytes:
        return 0
    status = later_batch(journal, size, batch)
    if status != 0:
        return status if status < 0 else -EBADMSG
    status = sys_truncate(journal.fd, journal.bytes)
    return sys_sync_data(journal.fd) if status == 0 else status


cdef inline int64_t journal_append(Journal *journal, Batch *batch, uint32_t count) noexcept nogil:
    """Make batch.records durable. 0; or -errno, and the journal is as before, or broken.

    After a sync that failed nobody knows what is on the disk, and another would not tell: the
    kernel has forgotten that these pages were to be written.
    """
    cdef int64_t size = journal_size_of(count)
    cdef int64_t status
    batch.head.magic = BATCH_MAGIC
    batch.head.count = count
    batch.head.crc = <uint32_t> crc32(
        0, <const uint8_t *> batch.records, <unsigned int> (count * sizeof(Record)))
    batch.head.sequence = journal.sequence + 1
    status = sys_write_at(journal.fd, batch, <size_t> size, journal.bytes)
    if status == 0:
        status = sys_sync_data(journal.fd)
        journal.broken = status < 0
    if status < 0:
        if sys_truncate(journal.fd, journal.bytes) < 0:
            journal.broken = True
        return status
    journal.sequence += 1
    journal.bytes += size
    return 0
