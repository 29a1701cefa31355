/* The floor of a server.
 *
 *   server PORT CONNECTIONS CONGESTION
 *
 * Listens on 127.0.0.1:PORT (0 picks one), prints {"port": N}, answers CONNECTIONS request heads
 * and prints what that cost. Then each line of stdin is a command:
 *
 *   send FRAMES BYTES SEQUENCE     one send() per socket and frame
 *   vector FRAMES BYTES SEQUENCE   one sendmsg() per socket with FRAMES iovecs
 *   ring FRAMES BYTES SEQUENCE     one request of io_uring per socket
 *
 * A frame is a binary WebSocket frame whose payload has BYTES and begins with CLOCK_MONOTONIC ns
 * and a sequence number. Every answer is one line of JSON with the thread's CPU time in us, or
 * {"refused": why}. One thread, sockets in accept order. */
#define _GNU_SOURCE
#include "floor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef long sender(const int *sockets, int socket_count, int count, size_t size);

static sender *sender_named(const char *mode) {
    if (strcmp(mode, "send") == 0)
        return send_each;
    if (strcmp(mode, "vector") == 0)
        return send_vectors;
    return strcmp(mode, "ring") == 0 ? send_ring : NULL;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: server PORT CONNECTIONS CONGESTION\n");
        return 2;
    }
    int wanted = atoi(argv[2]);
    int *sockets = calloc(wanted, sizeof *sockets);
    if (!sockets)
        fail("calloc");
    int listener = listen_on("127.0.0.1", atoi(argv[1]), argv[3], 0);
    printf("{\"port\": %d}\n", port_of(listener));
    fflush(stdout);
    atomic_int open = 0;
    struct cost first = {0};
    accept_until(listener, sockets, wanted, &open, wanted, &first);
    report("accept", wanted, 1, first, 0);

    char line[128], mode[16];
    int count, payload_bytes;
    long sequence;
    while (fgets(line, sizeof line, stdin)) {
        int read = sscanf(line, "%15s %d %d %ld", mode, &count, &payload_bytes, &sequence);
        sender *send_frames = read == 4 ? sender_named(mode) : NULL;
        if (!send_frames || count < 1 || count > FRAMES_MAX || payload_bytes < 48 ||
            payload_bytes > PAYLOAD_MAX) {
            fprintf(stderr, "floor: not a command: %s", line);
            return 2;
        }
        size_t size = 0;
        for (int k = 0; k < count; k++)
            size = make_frame(frames[k], payload_bytes, sequence + k);
        struct cost before = spent();
        long short_writes = send_frames(sockets, wanted, count, size);
        if (short_writes >= 0) {
            report(mode, wanted, count, before, short_writes);
        } else {
            printf("{\"refused\": \"%s\"}\n", strerror(errno));
            fflush(stdout);
        }
    }
    return 0;
}
