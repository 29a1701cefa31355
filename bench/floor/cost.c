/* What a thread has spent. cpu_us is exact; user_us and system_us are sampled by the tick. */
#define _GNU_SOURCE
#include "floor.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

void fail(const char *what) {
    perror(what);
    exit(1);
}

double now_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

struct cost spent(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (struct cost){usage.ru_utime.tv_sec * 1e6 + usage.ru_utime.tv_usec,
                         usage.ru_stime.tv_sec * 1e6 + usage.ru_stime.tv_usec,
                         now_us(CLOCK_THREAD_CPUTIME_ID), now_us(CLOCK_MONOTONIC)};
}

void report(const char *mode, int sockets, int count, struct cost before, long short_writes) {
    struct cost after = spent();
    printf("{\"mode\": \"%s\", \"sockets\": %d, \"frames\": %d, \"user_us\": %.0f, "
           "\"system_us\": %.0f, \"cpu_us\": %.1f, \"wall_us\": %.1f, \"short\": %ld}\n",
           mode, sockets, count, after.user_us - before.user_us,
           after.system_us - before.system_us, after.cpu_us - before.cpu_us,
           after.wall_us - before.wall_us, short_writes);
    fflush(stdout);
}
