/* accept4, epoll_ctl, recv, send: what an upgrade costs at least. The answer is fixed, so its
 * accept key matches nothing and the client must not check it. */
#define _GNU_SOURCE
#include "floor.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { ACCEPTS_PER_TURN = 64, OTHERS_MS = 100 }; /* how soon it is seen that others have all */

static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";

int listen_on(const char *address_text, int port, const char *congestion, int shared) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t size = sizeof address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (inet_pton(AF_INET, address_text, &address.sin_addr) != 1)
        fail(address_text);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shared, sizeof shared);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (*congestion &&
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, strlen(congestion)) < 0)
        fail("TCP_CONGESTION");
    if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 65535) < 0)
        fail("listen");
    return fd;
}

int port_of(int listener) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    getsockname(listener, (struct sockaddr *)&address, &size);
    return ntohs(address.sin_port);
}

/* Whether the head was whole: the client sends it in one piece, and only its end matters. */
static int answered(int fd) {
    char head[4096];
    ssize_t size = recv(fd, head, sizeof head, 0);
    return size > 4 && memcmp(head + size - 4, "\r\n\r\n", 4) == 0 &&
           send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) > 0;
}

int accept_until(int listener, int *sockets, int capacity, atomic_int *open, int wanted,
                 struct cost *before) {
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.fd = listener};
    int poller = epoll_create1(0), accepted = 0;
    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0)
        fail("epoll");
    while (atomic_load(open) < wanted) {
        int ready = epoll_wait(poller, events, EVENTS, OTHERS_MS);
        if (accepted == 0)
            *before = spent();
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd != listener) {
                atomic_fetch_add(open, answered(events[i].data.fd));
                continue;
            }
            for (int turn = 0; turn < ACCEPTS_PER_TURN && accepted < capacity; turn++) {
                int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (fd < 0)
                    break;
                event = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.fd = fd};
                epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
                sockets[accepted++] = fd;
            }
        }
    }
    return accepted;
}
