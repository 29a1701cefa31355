/* The floor of a crowd.
 *
 *   receiver PORT CONNECTIONS CONGESTION
 *
 * Connects so often to 127.0.0.1:PORT, from an address of 127.0.0.0/8 for every 8,192 as the swarm
 * does, asks for an upgrade with a fixed key, and prints what that cost once all are in. Then it
 * reads, and tells frames by the arithmetic of their lengths alone. Each line of stdin is answered
 * with one line of JSON: frames so far, and what they have cost. The server must send neither
 * control frames nor any of 64 KiB and more. */
#define _GNU_SOURCE
#include "floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WINDOW = 256, OF_AN_ADDRESS = 8192, READ_BYTES = 65536 };
enum { CONNECTING, UPGRADING, OPEN };

struct fan {
    int fd;
    uint32_t left; /* of the frame */
    uint8_t head[4];
    uint8_t head_bytes;
    uint8_t state;
};

static struct sockaddr_in target = {.sin_family = AF_INET};
static struct fan *fans;
static uint32_t wanted, started, open_count;
static const char *congestion;
static long frame_count;
static int poller;
static char request[256];
static size_t request_bytes;
static uint8_t buffer[READ_BYTES];

static void start_one(uint32_t index) {
    uint32_t addresses = (wanted + OF_AN_ADDRESS - 1) / OF_AN_ADDRESS;
    struct sockaddr_in source = {.sin_family = AF_INET};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.u32 = index};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("socket");
    fans[index].fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, strlen(congestion));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + index % addresses);
    if (bind(fd, (struct sockaddr *)&source, sizeof source) < 0)
        fail("bind");
    if (connect(fd, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS)
        fail("connect");
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
}

static void count_frames(struct fan *fan, const uint8_t *data, size_t size) {
    while (size) {
        if (fan->left) {
            size_t piece = fan->left < size ? fan->left : size;
            fan->left -= piece;
            data += piece;
            size -= piece;
        } else {
            fan->head[fan->head_bytes++] = *data++;
            size--;
            if (fan->head_bytes < 2 || (fan->head[1] == 126 && fan->head_bytes < 4))
                continue;
            fan->left = fan->head[1] == 126 ? fan->head[2] << 8 | fan->head[3] : fan->head[1];
            fan->head_bytes = 0;
        }
        frame_count += fan->left == 0;
    }
}

static void read_fan(struct fan *fan) {
    ssize_t size;
    do {
        size = recv(fan->fd, buffer, READ_BYTES, 0);
        if (size < 0 && errno == EAGAIN)
            return;
        if (size <= 0)
            exit(0); /* the server has gone */
        if (fan->state == OPEN) {
            count_frames(fan, buffer, size);
        } else if (size > 13 && memcmp(buffer, "HTTP/1.1 101 ", 13) == 0 &&
                   memcmp(buffer + size - 4, "\r\n\r\n", 4) == 0) {
            fan->state = OPEN;
            open_count++;
        } else {
            fprintf(stderr, "receiver: not a 101\n");
            exit(1);
        }
    } while (size == READ_BYTES);
}

static void turn(void) {
    struct epoll_event events[EVENTS];
    int ready;
    while (started < wanted && started - open_count < WINDOW)
        start_one(started++);
    ready = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < ready; i++) {
        struct fan *fan = &fans[events[i].data.u32];
        if (events[i].data.u32 == wanted) { /* stdin */
            if (read(STDIN_FILENO, buffer, READ_BYTES) <= 0)
                exit(0);
            printf("{\"frames\": %ld, \"cpu_us\": %.1f}\n", frame_count,
                   now_us(CLOCK_THREAD_CPUTIME_ID));
            fflush(stdout);
            continue;
        }
        if (fan->state == CONNECTING && events[i].events & EPOLLOUT) {
            if (send(fan->fd, request, request_bytes, MSG_NOSIGNAL) != (ssize_t)request_bytes)
                fail("send");
            fan->state = UPGRADING;
        }
        if (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))
            read_fan(fan);
    }
}

int main(int argc, char **argv) {
    struct epoll_event event = {.events = EPOLLIN};
    struct cost before;
    if (argc != 4) {
        fprintf(stderr, "usage: receiver PORT CONNECTIONS CONGESTION\n");
        return 2;
    }
    target.sin_port = htons(atoi(argv[1]));
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    event.data.u32 = wanted = atoi(argv[2]);
    congestion = argv[3];
    fans = calloc(wanted, sizeof *fans);
    request_bytes = snprintf(request, sizeof request,
                             "GET /ws/stage HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n"
                             "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                             argv[1]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (!fans || poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0)
        fail("receiver");
    before = spent();
    while (open_count < wanted)
        turn();
    report("connect", wanted, 0, before, 0);
    for (;;)
        turn();
}
