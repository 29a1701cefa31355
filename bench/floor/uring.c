/* The same through io_uring(7): BATCH requests for each io_uring_enter(2), without liburing.
 *
 * CQE-skip leaves out the completion of a send that went well, and MSG_WAITALL makes a short one
 * count as failed: without it a short write would pass for a whole one. So whatever completes is a
 * short write or an error. The flags of the ring are those of Linux 6.1. A thread has a ring of its
 * own, as DEFER_TASKRUN wants it. */
#define _GNU_SOURCE
#include "floor.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BATCH = 64 };

static __thread struct {
    int fd, registered; /* registered: the sockets are */
    unsigned mask, *tail, *submitted;
    unsigned completion_mask, *completion_head, *completion_tail;
    struct io_uring_sqe *requests;
    struct io_uring_cqe *completions;
} ring = {.fd = -1};

static int open_ring(void) {
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN |
                                              IORING_SETUP_SUBMIT_ALL};
    int fd = syscall(__NR_io_uring_setup, BATCH, &params);
    if (fd < 0)
        return -1;
    /* IORING_FEAT_SINGLE_MMAP (5.4): both rings are in one mapping. */
    size_t submissions = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    size_t completions =
        params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    char *rings = mmap(NULL, submissions > completions ? submissions : completions,
                       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQ_RING);
    ring.requests = mmap(NULL, params.sq_entries * sizeof(struct io_uring_sqe),
                         PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQES);
    if (rings == MAP_FAILED || ring.requests == MAP_FAILED)
        fail("mmap of io_uring");
    ring.tail = (unsigned *)(rings + params.sq_off.tail);
    ring.mask = *(unsigned *)(rings + params.sq_off.ring_mask);
    ring.submitted = (unsigned *)(rings + params.sq_off.array);
    ring.completion_head = (unsigned *)(rings + params.cq_off.head);
    ring.completion_tail = (unsigned *)(rings + params.cq_off.tail);
    ring.completion_mask = *(unsigned *)(rings + params.cq_off.ring_mask);
    ring.completions = (struct io_uring_cqe *)(rings + params.cq_off.cqes);
    for (unsigned i = 0; i < params.sq_entries; i++)
        ring.submitted[i] = i;
    ring.fd = fd;
    return 0;
}

/* GETEVENTS lets deferred work run, so that what failed later than at once is seen too. */
static long submit(int count) {
    unsigned head, tail;
    if (syscall(__NR_io_uring_enter, ring.fd, count, 0, IORING_ENTER_GETEVENTS, NULL, 0) != count)
        fail("io_uring_enter");
    head = *ring.completion_head;
    tail = __atomic_load_n(ring.completion_tail, __ATOMIC_ACQUIRE);
    __atomic_store_n(ring.completion_head, tail, __ATOMIC_RELEASE);
    return (long)(tail - head);
}

static void ask(struct io_uring_sqe *request, int fd, int flags, const struct msghdr *message) {
    const struct iovec *parts = message->msg_iov;
    int alone = message->msg_iovlen == 1;
    memset(request, 0, sizeof *request);
    request->opcode = alone ? IORING_OP_SEND : IORING_OP_SENDMSG;
    request->flags = IOSQE_CQE_SKIP_SUCCESS | flags;
    request->fd = fd;
    request->addr = alone ? (uintptr_t)parts->iov_base : (uintptr_t)message;
    request->len = alone ? parts->iov_len : 1;
    request->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_WAITALL;
}

/* sockets: NULL means those that are registered, by their number. */
static long send_batches(const int *sockets, int socket_count, int count, size_t size) {
    struct iovec parts[FRAMES_MAX];
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    long short_writes = 0;
    for (int k = 0; k < count; k++)
        parts[k] = (struct iovec){frames[k], size};
    for (int first = 0; first < socket_count; first += BATCH) {
        int end = socket_count - first < BATCH ? socket_count : first + BATCH;
        unsigned tail = *ring.tail;
        for (int i = first; i < end; i++)
            ask(&ring.requests[tail++ & ring.mask], sockets ? sockets[i] : i,
                sockets ? 0 : IOSQE_FIXED_FILE, &message);
        __atomic_store_n(ring.tail, tail, __ATOMIC_RELEASE);
        short_writes += submit(end - first);
    }
    return short_writes;
}

long send_ring(const int *sockets, int socket_count, int count, size_t size) {
    if (ring.fd < 0 && open_ring() < 0)
        return -1;
    return send_batches(sockets, socket_count, count, size);
}

/* Registered files are not looked up in the descriptor table, nor counted up and down. */
long send_fixed(const int *sockets, int socket_count, size_t size) {
    if (ring.fd < 0 && open_ring() < 0)
        return -1;
    if (!ring.registered && socket_count) {
        if (syscall(__NR_io_uring_register, ring.fd, IORING_REGISTER_FILES, sockets,
                    socket_count) < 0)
            return -1;
        ring.registered = 1;
    }
    return send_batches(NULL, socket_count, 1, size);
}
