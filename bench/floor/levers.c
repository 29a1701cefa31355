/* Ways to send one frame to every socket of a thread, to be compared with one send() each.
 *
 * shuffled asks what accept order is worth: sockets that were made one after the other are often
 * neighbours in memory. touch does what a server with a record for each connection must do beside
 * the send, and prefetch asks for that record some sends ahead. zerocopy spares the copy into the
 * kernel, for a page to be pinned and a completion to be collected (MSG_ZEROCOPY, Linux 4.18). */
#define _GNU_SOURCE
#include "floor.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LINE_BYTES = 64, AHEAD = 8 };

/* As large as a connection of the engine: three cache lines, wherever it begins. */
struct state {
    uint64_t words[20];
};

static long send_one(int fd, size_t size, int flags) {
    return send(fd, frames[0], size, flags | MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size;
}

static long plain(struct share *share, size_t size) {
    return send_each(share->sockets, share->count, 1, size);
}

static long batched(struct share *share, size_t size) {
    return send_ring(share->sockets, share->count, 1, size);
}

static long fixed(struct share *share, size_t size) {
    return send_fixed(share->sockets, share->count, size);
}

/* Fisher-Yates, the same each time: two runs have the same disorder. */
static int *shuffle(const int *sockets, int count) {
    unsigned seed = 1;
    int *order = malloc((count + 1) * sizeof *order);
    if (!order)
        fail("malloc");
    memcpy(order, sockets, count * sizeof *order);
    for (int left = count; left > 1; left--) {
        int other = rand_r(&seed) % left, kept = order[left - 1];
        order[left - 1] = order[other];
        order[other] = kept;
    }
    return order;
}

static long shuffled(struct share *share, size_t size) {
    if (!share->shuffled)
        share->shuffled = shuffle(share->sockets, share->count);
    return send_each(share->shuffled, share->count, 1, size);
}

/* Its first word is read, and one in each line is written. */
static void touch_one(struct state *state) {
    uint64_t cursor = state->words[0] + 1;
    state->words[0] = cursor;
    state->words[10] += cursor;
    state->words[19] += cursor;
}

static void prefetch_one(const struct state *state) {
    for (size_t at = 0; at < sizeof *state; at += LINE_BYTES)
        __builtin_prefetch((const char *)state + at, 1);
}

static struct state *make_states(int count) {
    void *states = NULL;
    size_t bytes = (count + 1) * sizeof(struct state);
    if (posix_memalign(&states, LINE_BYTES, bytes) != 0)
        fail("posix_memalign");
    return memset(states, 0, bytes);
}

static inline long walk(struct share *share, size_t size, int ahead) {
    long short_writes = 0;
    if (!share->states)
        share->states = make_states(share->count);
    for (int i = 0; i < share->count; i++) {
        if (ahead && i + ahead < share->count)
            prefetch_one(&share->states[i + ahead]);
        touch_one(&share->states[i]);
        short_writes += send_one(share->sockets[i], size, 0);
    }
    return short_writes;
}

static long touch(struct share *share, size_t size) {
    return walk(share, size, 0);
}

static long prefetch(struct share *share, size_t size) {
    return walk(share, size, AHEAD);
}

/* Completions that wait at a socket: how many of them say that the kernel has copied. */
static long collect(int fd) {
    char control[CMSG_SPACE(sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in))];
    long copied = 0;
    for (;;) {
        struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
        struct sock_extended_err error;
        if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return copied;
        if (!CMSG_FIRSTHDR(&message))
            continue;
        memcpy(&error, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof error);
        if (error.ee_origin == SO_EE_ORIGIN_ZEROCOPY &&
            error.ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
            copied += error.ee_data - error.ee_info + 1;
    }
}

/* A completion comes with the acknowledgement, so each send collects that of the one before. */
static long zerocopy(struct share *share, size_t size) {
    long short_writes = 0;
    for (int i = 0; i < share->count; i++) {
        share->copied += collect(share->sockets[i]);
        short_writes += send_one(share->sockets[i], size, MSG_ZEROCOPY);
    }
    return short_writes;
}

way *way_named(const char *name) {
    static const struct {
        const char *name;
        way *way;
    } ways[] = {{"send", plain},       {"ring", batched},      {"fixed", fixed},
                {"shuffled", shuffled}, {"touch", touch},       {"prefetch", prefetch},
                {"zerocopy", zerocopy}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (strcmp(ways[i].name, name) == 0)
            return ways[i].way;
    return NULL;
}
