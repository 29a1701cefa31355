/* Descriptors passed between threads with tables of their own: SCM_RIGHTS in a datagram, unix(7).
 *
 * The name is an abstract one, to which any process in the same network namespace may send. So the
 * kernel is asked who sent (SCM_CREDENTIALS), and what is not from this process is closed. */
#ifndef NG_INBOX_H
#define NG_INBOX_H

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The descriptor, or -errno. `name` gets what others pass to. */
static inline int ng_inbox_open(struct sockaddr_storage *name, socklen_t *bytes)
{
    sa_family_t autobind = AF_UNIX;
    int on = 1, status, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    *bytes = sizeof *name;
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0 &&
        bind(fd, (const struct sockaddr *)&autobind, sizeof autobind) == 0 &&
        getsockname(fd, (struct sockaddr *)name, bytes) == 0)
        return fd;
    status = -errno;
    close(fd);
    return status;
}

/* 0 or -errno. The caller's copy stays open. */
static inline int ng_inbox_pass(int inbox, const struct sockaddr_storage *to, socklen_t bytes,
                                int passed)
{
    char byte = 0;
    struct iovec part = {&byte, sizeof byte};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof passed)];
    } control;
    struct msghdr message = {.msg_name = (void *)to,
                             .msg_namelen = bytes,
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    memset(&control, 0, sizeof control);
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof passed);
    memcpy(CMSG_DATA(&control.head), &passed, sizeof passed);
    return sendmsg(inbox, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The next descriptor; -EAGAIN: there is none; -EMFILE: it found no room in this table; -EPERM:
 * what came was not from this process. */
static inline int ng_inbox_take(int inbox)
{
    char byte;
    struct iovec part = {&byte, sizeof byte};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *item;
    struct ucred sender = {.pid = 0};
    int taken = -EPERM, passed;
    if (recvmsg(inbox, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
        return -errno;
    for (item = CMSG_FIRSTHDR(&message); item != NULL; item = CMSG_NXTHDR(&message, item)) {
        if (item->cmsg_level != SOL_SOCKET)
            continue;
        if (item->cmsg_type == SCM_CREDENTIALS)
            memcpy(&sender, CMSG_DATA(item), sizeof sender);
        for (size_t at = 0; item->cmsg_type == SCM_RIGHTS &&
                            CMSG_LEN(at + sizeof passed) <= item->cmsg_len; at += sizeof passed) {
            memcpy(&passed, CMSG_DATA(item) + at, sizeof passed);
            if (taken < 0)
                taken = passed;
            else
                close(passed); /* a stranger's: we pass one at a time */
        }
    }
    if (sender.pid == getpid())
        return taken >= 0 ? taken : -EMFILE; /* no room for it here: it is closed */
    if (taken >= 0)
        close(taken);
    return -EPERM;
}

#endif
