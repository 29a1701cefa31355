/* Many sends in one system call: io_uring(7), without liburing.
 *
 * Requests lie in a ring that the kernel empties within io_uring_enter(2), completions in another
 * that we empty. A request says MSG_DONTWAIT, so the kernel tries it once, at once, and never puts
 * it by (REQ_F_NOWAIT): every completion is there when the call returns. They are counted all the
 * same.
 *
 * The declarations are ours, since the distribution's <linux/io_uring.h> may be older than the
 * kernel or missing; what they declare never changes. */
#ifndef NG_URING_H
#define NG_URING_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    NG_URING_SETUP = 425, /* the same on every architecture but alpha */
    NG_URING_ENTER = 426,
    NG_URING_SUBMIT_ALL = 1 << 7,     /* Linux 5.18: a request that is wrong stops no other */
    NG_URING_SINGLE_ISSUER = 1 << 12, /* 6.0: only the thread that opened the ring uses it */
    NG_URING_DEFER_TASKRUN = 1 << 13, /* 6.1: and nothing interrupts it for a completion */
    NG_URING_GETEVENTS = 1,
    NG_URING_OP_SEND = 26,
    NG_URING_AT_RINGS = 0,
    NG_URING_AT_REQUESTS = 0x10000000,
};

struct ng_uring_request {
    uint8_t opcode, flags;
    uint16_t priority;
    int32_t fd;
    uint64_t offset, address;
    uint32_t bytes, message_flags;
    uint64_t tag;
    uint64_t unused[3];
};

struct ng_uring_completion {
    uint64_t tag;
    int32_t result;
    uint32_t flags;
};

struct ng_uring_params {
    uint32_t requests, completions, flags, poll_cpu, poll_idle, features, workers, reserved[3];
    struct {
        uint32_t head, tail, mask, entries, flags, dropped, order, reserved;
        uint64_t address;
    } request;
    struct {
        uint32_t head, tail, mask, entries, overflow, items, flags, reserved;
        uint64_t address;
    } completion;
};

_Static_assert(sizeof(struct ng_uring_request) == 64, "struct io_uring_sqe");
_Static_assert(sizeof(struct ng_uring_completion) == 16, "struct io_uring_cqe");
_Static_assert(sizeof(struct ng_uring_params) == 120, "struct io_uring_params");

struct ng_uring {
    int fd; /* -1: closed */
    void *rings;
    size_t ring_bytes, request_bytes;
    struct ng_uring_request *requests;
    uint32_t *head, *tail, mask; /* of the requests: the kernel moves the head, we the tail */
    const struct ng_uring_completion *completions;
    uint32_t *done_head, *done_tail, done_mask; /* of the completions: the other way round */
};

static inline void ng_uring_close(struct ng_uring *ring)
{
    if (ring->fd < 0)
        return;
    munmap(ring->rings, ring->ring_bytes);
    munmap(ring->requests, ring->request_bytes);
    close(ring->fd);
    ring->fd = -1;
}

/* For the calling thread alone. 0 or -errno. IORING_FEAT_SINGLE_MMAP (Linux 5.4): both rings are in
 * one mapping. */
static inline int ng_uring_open(struct ng_uring *ring, uint32_t requests)
{
    struct ng_uring_params params = {
        .flags = NG_URING_SUBMIT_ALL | NG_URING_SINGLE_ISSUER | NG_URING_DEFER_TASKRUN};
    const int protection = PROT_READ | PROT_WRITE, shared = MAP_SHARED | MAP_POPULATE;
    size_t order_end, items_end;
    char *at;
    int status;
    ring->fd = (int)syscall(NG_URING_SETUP, requests, &params);
    if (ring->fd < 0)
        return -errno;
    order_end = params.request.order + params.requests * sizeof(uint32_t);
    items_end = params.completion.items + params.completions * sizeof(*ring->completions);
    ring->ring_bytes = order_end > items_end ? order_end : items_end;
    ring->request_bytes = params.requests * sizeof(*ring->requests);
    at = mmap(NULL, ring->ring_bytes, protection, shared, ring->fd, NG_URING_AT_RINGS);
    status = -errno;
    if (at != MAP_FAILED) {
        ring->requests =
            mmap(NULL, ring->request_bytes, protection, shared, ring->fd, NG_URING_AT_REQUESTS);
        status = -errno;
        if (ring->requests == MAP_FAILED)
            munmap(at, ring->ring_bytes);
    }
    if (at == MAP_FAILED || ring->requests == MAP_FAILED) {
        close(ring->fd);
        ring->fd = -1;
        return status;
    }
    ring->rings = at;
    ring->head = (uint32_t *)(at + params.request.head);
    ring->tail = (uint32_t *)(at + params.request.tail);
    ring->mask = *(uint32_t *)(at + params.request.mask);
    ring->completions = (const struct ng_uring_completion *)(at + params.completion.items);
    ring->done_head = (uint32_t *)(at + params.completion.head);
    ring->done_tail = (uint32_t *)(at + params.completion.tail);
    ring->done_mask = *(uint32_t *)(at + params.completion.mask);
    for (uint32_t i = 0; i < params.requests; i++)
        ((uint32_t *)(at + params.request.order))[i] = i;
    return 0;
}

static inline long ng_uring_enter(const struct ng_uring *ring, uint32_t requests, uint32_t wanted)
{
    return syscall(NG_URING_ENTER, ring->fd, requests, wanted, NG_URING_GETEVENTS, NULL, 0);
}

/* Take what has completed: how many requests. */
static inline uint32_t ng_uring_collect(struct ng_uring *ring, int64_t *sent)
{
    uint32_t head = *ring->done_head;
    uint32_t tail = __atomic_load_n(ring->done_tail, __ATOMIC_ACQUIRE), at;
    for (at = head; at != tail; at++) {
        const struct ng_uring_completion *done = &ring->completions[at & ring->done_mask];
        sent[done->tag] = done->result;
    }
    __atomic_store_n(ring->done_head, tail, __ATOMIC_RELEASE);
    return tail - head;
}

/* The same bytes to the first of these sockets: how many, which is fewer than all only where the
 * kernel took fewer requests. sent[i] is what send(2) would have returned, or -errno; -EIO if that
 * can never be known, after which the ring takes nothing more. */
static inline size_t ng_uring_send_each(struct ng_uring *ring, const int *fds, size_t count,
                                        const void *data, size_t bytes, int flags, int64_t *sent)
{
    uint32_t first, taken, done, i;
    if (ring->fd < 0)
        return 0;
    first = *ring->tail;
    for (i = 0; i < count; i++) {
        ring->requests[(first + i) & ring->mask] = (struct ng_uring_request){
            .opcode = NG_URING_OP_SEND,
            .fd = fds[i],
            .address = (uintptr_t)data,
            .bytes = (uint32_t)bytes,
            .message_flags = (uint32_t)flags | MSG_DONTWAIT | MSG_NOSIGNAL,
            .tag = i};
        sent[i] = -EIO;
    }
    __atomic_store_n(ring->tail, first + i, __ATOMIC_RELEASE);
    /* Whatever it returns, the rings say what was done: what has left the first has been begun, and
     * completes in the second; what is still there was not looked at (EAGAIN: no memory for it). */
    ng_uring_enter(ring, i, i);
    taken = __atomic_load_n(ring->head, __ATOMIC_ACQUIRE) - first;
    __atomic_store_n(ring->tail, first + taken, __ATOMIC_RELEASE);
    done = ng_uring_collect(ring, sent);
    while (done < taken) {
        if (ng_uring_enter(ring, 0, taken - done) < 0 && errno != EINTR) {
            ng_uring_close(ring);
            break;
        }
        done += ng_uring_collect(ring, sent);
    }
    return taken;
}

#endif
