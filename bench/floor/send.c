/* A frame to every socket, in accept order, with no poller: less would not deliver. */
#define _GNU_SOURCE
#include "floor.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

frame_buffer frames[FRAMES_MAX];

size_t encode_frame(unsigned char *frame, const unsigned char *payload, int payload_bytes) {
    size_t header = payload_bytes < 126 ? 2 : 4;
    frame[0] = 0x82;
    frame[1] = payload_bytes < 126 ? payload_bytes : 126;
    if (header == 4) {
        frame[2] = payload_bytes >> 8;
        frame[3] = payload_bytes & 255;
    }
    memcpy(frame + header, payload, payload_bytes);
    return header + payload_bytes;
}

size_t make_frame(unsigned char *frame, int payload_bytes, long sequence) {
    static unsigned char payload[PAYLOAD_MAX];
    char numbers[48];
    int size = snprintf(numbers, sizeof numbers, "%.0f %ld ", now_us(CLOCK_MONOTONIC) * 1e3,
                        sequence);
    memset(payload, 'x', payload_bytes);
    memcpy(payload, numbers, size);
    return encode_frame(frame, payload, payload_bytes);
}

long send_each(const int *sockets, int socket_count, int count, size_t size) {
    long short_writes = 0;
    for (int i = 0; i < socket_count; i++)
        for (int k = 0; k < count; k++)
            if (send(sockets[i], frames[k], size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size)
                short_writes++;
    return short_writes;
}

long send_vectors(const int *sockets, int socket_count, int count, size_t size) {
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
