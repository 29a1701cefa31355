/* The floor of a server for more connections than one descriptor table holds.
 *
 *   crowd PORT CONNECTIONS THREADS AT_ONCE CONGESTION
 *
 * Every thread has a descriptor table of its own, as a shard has, and a listener that shares PORT
 * of 127.0.0.1. Prints {"port": PORT} when all listen, and {"open": CONNECTIONS} when so many
 * request heads are answered. Then each line of stdin is `send BYTES`, and BYTES of payload follow:
 * every thread sends them to its sockets in accept order, one send() each, AT_ONCE threads at the
 * same time. The answer is {"sent": sockets, "short": sends that were not whole}. */
#define _GNU_SOURCE
#include "floor.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BESIDE = 16, STACK_BYTES = 65536 }; /* descriptors that are no connections */

struct thread {
    pthread_t id;
    sem_t start;
    int *sockets;
    int count;
    long short_writes;
};

static int port, wanted;
static const char *congestion;
static atomic_int open_count;
static size_t frame_bytes;
static sem_t listening, complete, turns, sent;

static void *run(void *argument) {
    struct thread *self = argument;
    struct cost before;
    if (unshare(CLONE_FILES) < 0 || close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
        fail("a descriptor table of its own");
    int listener = listen_on(port, congestion, 1), capacity = sysconf(_SC_OPEN_MAX) - BESIDE;
    sem_post(&listening);
    self->sockets = malloc(capacity * sizeof *self->sockets);
    self->count = accept_until(listener, self->sockets, capacity, &open_count, wanted, &before);
    sem_post(&complete);
    while (sem_wait(&self->start) == 0) {
        sem_wait(&turns);
        self->short_writes = send_each(self->sockets, self->count, 1, frame_bytes);
        sem_post(&turns);
        sem_post(&sent);
    }
    return NULL;
}

static void await(sem_t *semaphore, int times) {
    while (times--)
        sem_wait(semaphore);
}

int main(int argc, char **argv) {
    pthread_attr_t small;
    if (argc != 6) {
        fprintf(stderr, "usage: crowd PORT CONNECTIONS THREADS AT_ONCE CONGESTION\n");
        return 2;
    }
    port = atoi(argv[1]);
    wanted = atoi(argv[2]);
    int thread_count = atoi(argv[3]), size;
    congestion = argv[5];
    struct thread *threads = calloc(thread_count, sizeof *threads);
    sem_init(&listening, 0, 0);
    sem_init(&complete, 0, 0);
    sem_init(&sent, 0, 0);
    sem_init(&turns, 0, atoi(argv[4]));
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK_BYTES);
    for (int i = 0; i < thread_count; i++) {
        sem_init(&threads[i].start, 0, 0);
        if (pthread_create(&threads[i].id, &small, run, &threads[i]) != 0)
            fail("pthread_create");
    }
    await(&listening, thread_count);
    printf("{\"port\": %d}\n", port);
    fflush(stdout);
    await(&complete, thread_count);
    printf("{\"open\": %d}\n", wanted);
    fflush(stdout);

    char line[64];
    static unsigned char payload[PAYLOAD_MAX];
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "send %d", &size) != 1 || size < 1 || size > PAYLOAD_MAX ||
            fread(payload, 1, size, stdin) != (size_t)size) {
            fprintf(stderr, "crowd: not a command: %s", line);
            return 2;
        }
        frame_bytes = encode_frame(frames[0], payload, size);
        int sockets = 0;
        long short_writes = 0;
        for (int i = 0; i < thread_count; i++)
            sem_post(&threads[i].start);
        await(&sent, thread_count);
        for (int i = 0; i < thread_count; i++) {
            sockets += threads[i].count;
            short_writes += threads[i].short_writes;
        }
        printf("{\"sent\": %d, \"short\": %ld}\n", sockets, short_writes);
        fflush(stdout);
    }
    return 0;
}
