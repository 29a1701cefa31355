/* The floor: what loops of bare system calls cost on the same sockets. server.c, crowd.c and
 * receiver.c are programs; what they are made of is declared here. */
#ifndef NG_FLOOR_H
#define NG_FLOOR_H

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

enum { FRAMES_MAX = 64, PAYLOAD_MAX = 65535, EVENTS = 512 };

/* cost.c: what this thread has spent, and its difference as a line of JSON. */
struct cost {
    double user_us, system_us, cpu_us, wall_us;
};

void fail(const char *what);
double now_us(clockid_t clock);
struct cost spent(void);
void report(const char *mode, int sockets, int count, struct cost before, long short_writes);

/* accept.c: a listener, and the answers to everybody who connects: accept_until() returns how many
 * it accepted, once `wanted` are open at all threads that count in `open`. `before`: what the
 * thread had spent at the first. `shared`: with listeners of other threads. */
int listen_on(const char *address, int port, const char *congestion, int shared);
int port_of(int listener);
int accept_until(int listener, int *sockets, int capacity, atomic_int *open, int wanted,
                 struct cost *before);

/* send.c, uring.c: `count` frames of `size` bytes to every socket. They return how many sends were
 * short or failed; -1: the kernel refuses io_uring, and errno says how. */
typedef unsigned char frame_buffer[4 + PAYLOAD_MAX];
extern frame_buffer frames[FRAMES_MAX];

/* A binary WebSocket frame, and one whose payload begins with the time and a number: their size. */
size_t encode_frame(unsigned char *frame, const unsigned char *payload, int payload_bytes);
size_t make_frame(unsigned char *frame, int payload_bytes, long sequence);
long send_each(const int *sockets, int socket_count, int count, size_t size);
long send_vectors(const int *sockets, int socket_count, int count, size_t size);
long send_ring(const int *sockets, int socket_count, int count, size_t size);

/* The same with one frame and the sockets registered at the ring: those of its first call. */
long send_fixed(const int *sockets, int socket_count, size_t size);

/* levers.c: ways to send frames[0], by name. A thread has a share of all sockets, and what a way
 * keeps beside them, made when it is first taken. Returned is what send_each() returns. */
struct share {
    int *sockets, *shuffled;
    int count;
    struct state *states;
    long copied; /* of the sends without copying, those that the kernel copied after all */
};

typedef long way(struct share *share, size_t size);
way *way_named(const char *name);

/* steer.c: let the listeners that share a port be chosen by the CPU a SYN is processed on. */
void steer_by_cpu(int listener, int cpus, int listeners);

#endif
