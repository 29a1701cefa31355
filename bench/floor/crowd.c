/* The floor of a server for more connections than one descriptor table holds.
 *
 *   crowd ADDRESS PORT CONNECTIONS THREADS AT_ONCE CONGESTION [pin] [steer]
 *
 * Every thread has a descriptor table of its own, as a shard has, and a listener that shares PORT
 * of ADDRESS. pin: thread k stays on CPU k % CPUs. steer: a connection goes to a thread of the CPU
 * it comes from (steer.c). Prints {"port": PORT} when all listen, and {"open": CONNECTIONS} when so
 * many request heads are answered. Then each line of stdin is a command:
 *
 *   WAY BYTES                  BYTES of payload follow: each thread sends them to its sockets
 *   at_once N                  so many threads send at the same time
 *   stagger MS                 thread k begins MS * k / THREADS later
 *   pin 0|1                    the threads may go to any CPU, or not
 *   option LEVEL NAME VALUE    setsockopt() of an int on all sockets
 *
 * WAY is send (one send() each, in accept order) or one of levers.c. The answer to it is
 * {"sent": sockets, "short": sends that were not whole, "copied": so far, see zerocopy}, or
 * {"refused": why}; to all others {"done": on how many sockets or threads}. */
#define _GNU_SOURCE
#include "floor.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BESIDE = 16, STACK_BYTES = 65536 }; /* descriptors that are no connections */

struct thread {
    pthread_t id;
    sem_t start;
    int number;
    struct share share;
    long result; /* of the last order: short writes, or sockets with the option */
    int error;   /* why the kernel refused */
};

/* What all threads are to do when they start: send, or set an option. */
static struct {
    way *way;
    size_t bytes;
    double begin_us;
    int level, name, value;
} order;

static int port, wanted, thread_count, steered;
static const char *address, *congestion;
static struct thread *threads;
static atomic_int open_count;
static double stagger_us;
static sem_t listening, complete, turns, done;
static cpu_set_t allowed;

static void sleep_until_us(double us) {
    struct timespec until = {.tv_sec = us / 1e6};
    until.tv_nsec = (us - until.tv_sec * 1e6) * 1e3;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

static long set_option(const struct share *share) {
    long set = 0;
    for (int i = 0; i < share->count; i++)
        set += setsockopt(share->sockets[i], order.level, order.name, &order.value,
                          sizeof order.value) == 0;
    return set;
}

static void take_turn(struct thread *self) {
    if (stagger_us > 0)
        sleep_until_us(order.begin_us + stagger_us * self->number / thread_count);
    sem_wait(&turns);
    self->result = order.way(&self->share, order.bytes);
    self->error = errno;
    sem_post(&turns);
}

static void *run(void *argument) {
    struct thread *self = argument;
    struct cost before;
    if (unshare(CLONE_FILES) < 0 || close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
        fail("a descriptor table of its own");
    int listener = listen_on(address, port, congestion, 1);
    int capacity = sysconf(_SC_OPEN_MAX) - BESIDE;
    if (steered && self->number == thread_count - 1)
        steer_by_cpu(listener, CPU_COUNT(&allowed), thread_count);
    sem_post(&listening);
    self->share.sockets = malloc(capacity * sizeof *self->share.sockets);
    self->share.count = accept_until(listener, self->share.sockets, capacity, &open_count, wanted,
                                     &before);
    sem_post(&complete);
    while (sem_wait(&self->start) == 0) {
        if (order.way)
            take_turn(self);
        else
            self->result = set_option(&self->share);
        sem_post(&done);
    }
    return NULL;
}

static void await(sem_t *semaphore, int times) {
    while (times--)
        sem_wait(semaphore);
}

static void pin(int pinned) {
    for (int i = 0; i < thread_count; i++) {
        cpu_set_t mine = allowed;
        int left = i % CPU_COUNT(&allowed);
        for (int cpu = 0; pinned && cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &allowed) && left-- != 0)
                CPU_CLR(cpu, &mine);
        if (pthread_setaffinity_np(threads[i].id, sizeof mine, &mine) != 0)
            fail("pthread_setaffinity_np");
    }
}

/* One after the other: steer.c goes by the order of the listeners. */
static void start_threads(void) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK_BYTES);
    for (int i = 0; i < thread_count; i++) {
        threads[i].number = i;
        sem_init(&threads[i].start, 0, 0);
        if (pthread_create(&threads[i].id, &small, run, &threads[i]) != 0)
            fail("pthread_create");
        await(&listening, 1);
    }
}

/* Let all threads follow the order, and sum up. */
static long follow(void) {
    long sum = 0;
    order.begin_us = now_us(CLOCK_MONOTONIC);
    for (int i = 0; i < thread_count; i++)
        sem_post(&threads[i].start);
    await(&done, thread_count);
    for (int i = 0; i < thread_count; i++)
        sum += threads[i].result;
    return sum;
}

static int send_payload(const char *name, int size) {
    static unsigned char payload[PAYLOAD_MAX];
    long copied = 0;
    order.way = way_named(name);
    if (!order.way || size < 1 || size > PAYLOAD_MAX ||
        fread(payload, 1, size, stdin) != (size_t)size)
        return 0;
    order.bytes = encode_frame(frames[0], payload, size);
    long short_writes = follow();
    for (int i = 0; i < thread_count; i++) {
        copied += threads[i].share.copied;
        if (threads[i].result < 0) {
            printf("{\"refused\": \"%s\"}\n", strerror(threads[i].error));
            return 1;
        }
    }
    printf("{\"sent\": %d, \"short\": %ld, \"copied\": %ld}\n", wanted, short_writes, copied);
    return 1;
}

static int obey(const char *line) {
    char name[16];
    int value;
    long of = thread_count;
    if (sscanf(line, "option %d %d %d", &order.level, &order.name, &order.value) == 3) {
        order.way = NULL;
        of = follow();
    } else if (sscanf(line, "%15s %d", name, &value) != 2) {
        return 0;
    } else if (strcmp(name, "at_once") == 0) {
        of = value;
        sem_destroy(&turns);
        sem_init(&turns, 0, value);
    } else if (strcmp(name, "stagger") == 0) {
        stagger_us = value * 1e3;
    } else if (strcmp(name, "pin") == 0) {
        pin(value);
    } else {
        return send_payload(name, value);
    }
    printf("{\"done\": %ld}\n", of);
    return 1;
}

int main(int argc, char **argv) {
    int pinned = 0;
    if (argc < 7) {
        fprintf(stderr, "usage: crowd ADDRESS PORT CONNECTIONS THREADS AT_ONCE CONGESTION "
                        "[pin] [steer]\n");
        return 2;
    }
    address = argv[1];
    port = atoi(argv[2]);
    wanted = atoi(argv[3]);
    thread_count = atoi(argv[4]);
    congestion = argv[6];
    for (int i = 7; i < argc; i++) {
        pinned |= strcmp(argv[i], "pin") == 0;
        steered |= strcmp(argv[i], "steer") == 0;
    }
    threads = calloc(thread_count, sizeof *threads);
    sem_init(&listening, 0, 0);
    sem_init(&complete, 0, 0);
    sem_init(&done, 0, 0);
    sem_init(&turns, 0, atoi(argv[5]));
    if (!threads || sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        fail("crowd");
    start_threads();
    if (pinned)
        pin(1);
    printf("{\"port\": %d}\n", port);
    fflush(stdout);
    await(&complete, thread_count);
    printf("{\"open\": %d}\n", wanted);
    fflush(stdout);

    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        if (!obey(line)) {
            fprintf(stderr, "crowd: not a command: %s", line);
            return 2;
        }
        fflush(stdout);
    }
    return 0;
}
