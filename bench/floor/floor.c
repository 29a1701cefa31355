/* The floor: what a loop of bare system calls costs on the same sockets.
 *
 *   floor PORT CONNECTIONS CONGESTION
 *
 * Listens on 127.0.0.1:PORT (0 picks one), prints {"port": N}, answers CONNECTIONS request heads
 * with a fixed 101 (its accept key matches nothing, so the client must not check it) and prints
 * what that cost. Then each line of stdin is a command:
 *
 *   send FRAMES BYTES SEQUENCE     one send() per socket and frame
 *   vector FRAMES BYTES SEQUENCE   one sendmsg() per socket with FRAMES iovecs
 *
 * A frame is a binary WebSocket frame whose payload has BYTES and begins with CLOCK_MONOTONIC ns
 * and a sequence number. Every answer is one line of JSON with the thread's CPU time in us. One
 * thread, sockets in accept order, no poller while it sends: less would not deliver.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FRAMES_MAX = 64, PAYLOAD_MAX = 65535, EVENTS = 512, ACCEPTS_PER_TURN = 64 };

static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
static unsigned char frames[FRAMES_MAX][4 + PAYLOAD_MAX];
static int *sockets;
static int socket_count;

struct cost {
    double user_us, system_us, cpu_us, wall_us;
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double now_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static struct cost spent(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (struct cost){usage.ru_utime.tv_sec * 1e6 + usage.ru_utime.tv_usec,
                         usage.ru_stime.tv_sec * 1e6 + usage.ru_stime.tv_usec,
                         now_us(CLOCK_THREAD_CPUTIME_ID), now_us(CLOCK_MONOTONIC)};
}

static void report(const char *mode, int count, struct cost before, long short_writes) {
    struct cost after = spent();
    printf("{\"mode\": \"%s\", \"sockets\": %d, \"frames\": %d, \"user_us\": %.0f, "
           "\"system_us\": %.0f, \"cpu_us\": %.1f, \"wall_us\": %.1f, \"short\": %ld}\n",
           mode, socket_count, count, after.user_us - before.user_us,
           after.system_us - before.system_us, after.cpu_us - before.cpu_us,
           after.wall_us - before.wall_us, short_writes);
    fflush(stdout);
}

static int listen_on(int port, const char *congestion) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t size = sizeof address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (*congestion &&
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, strlen(congestion)) < 0)
        fail("TCP_CONGESTION");
    if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 65535) < 0)
        fail("listen");
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("{\"port\": %d}\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void accept_all(int listener, int wanted) {
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.fd = listener};
    struct cost before = {0};
    int poller = epoll_create1(0), answered = 0;
    char head[4096];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    while (answered < wanted) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        if (socket_count == 0)
            before = spent();
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                /* The client sends its head in one piece; only its end matters. */
                ssize_t size = recv(fd, head, sizeof head, 0);
                if (size > 4 && memcmp(head + size - 4, "\r\n\r\n", 4) == 0 &&
                    send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) > 0)
                    answered++;
                continue;
            }
            for (int turn = 0; turn < ACCEPTS_PER_TURN && socket_count < wanted; turn++) {
                fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (fd < 0)
                    break;
                event = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.fd = fd};
                epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
                sockets[socket_count++] = fd;
            }
        }
    }
    report("accept", 1, before, 0);
}

static size_t make_frame(unsigned char *frame, int payload_bytes, long sequence) {
    size_t header = payload_bytes < 126 ? 2 : 4;
    memset(frame, 'x', header + payload_bytes);
    frame[0] = 0x82;
    frame[1] = payload_bytes < 126 ? payload_bytes : 126;
    if (header == 4) {
        frame[2] = payload_bytes >> 8;
        frame[3] = payload_bytes & 255;
    }
    char numbers[48];
    int size = snprintf(numbers, sizeof numbers, "%.0f %ld ",
                        now_us(CLOCK_MONOTONIC) * 1e3, sequence);
    memcpy(frame + header, numbers, size);
    return header + payload_bytes;
}

static long send_each(int count, size_t size) {
    long short_writes = 0;
    for (int i = 0; i < socket_count; i++)
        for (int k = 0; k < count; k++)
            if (send(sockets[i], frames[k], size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size)
                short_writes++;
    return short_writes;
}

static long send_vectors(int count, size_t size) {
    struct iovec parts[FRAMES_MAX];
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    long short_writes = 0;
    for (int k = 0; k < count; k++)
        parts[k] = (struct iovec){frames[k], size};
    for (int i = 0; i < socket_count; i++)
        if (sendmsg(sockets[i], &message, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)(count * size))
            short_writes++;
    return short_writes;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: floor PORT CONNECTIONS CONGESTION\n");
        return 2;
    }
    int wanted = atoi(argv[2]);
    sockets = calloc(wanted, sizeof *sockets);
    if (!sockets)
        fail("calloc");
    accept_all(listen_on(atoi(argv[1]), argv[3]), wanted);

    char line[128], mode[16];
    int count, payload_bytes;
    long sequence;
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%15s %d %d %ld", mode, &count, &payload_bytes, &sequence) != 4 ||
            count < 1 || count > FRAMES_MAX || payload_bytes < 48 || payload_bytes > PAYLOAD_MAX) {
            fprintf(stderr, "floor: not a command: %s", line);
            return 2;
        }
        size_t size = 0;
        for (int k = 0; k < count; k++)
            size = make_frame(frames[k], payload_bytes, sequence + k);
        struct cost before = spent();
        long short_writes =
            strcmp(mode, "vector") ? send_each(count, size) : send_vectors(count, size);
        report(mode, count, before, short_writes);
    }
    return 0;
}
