/*
 * Closing a descriptor ends its connection only if no other process and no duplicate has it: a child that was forked
 * and runs nothing else, or a process to which it was passed. So the connection is ended before, by calls that act on
 * the connection itself.
 */
#include "descriptor.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define NOTICES_AT_ONCE 64

int
tri_descriptor_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof(error);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : 0;
}

bool
tri_descriptor_has_hung_up(int fd)
{
    struct pollfd look = {.fd = fd};
    return poll(&look, 1, 0) > 0 && (look.revents & POLLHUP) != 0;
}

#ifdef MSG_ERRQUEUE

/* Unix sockets have no such queue: for them the flag means nothing, and the call would read. */
bool
tri_descriptor_empty_error_queue(int fd)
{
    int domain = AF_UNSPEC;
    socklen_t size = sizeof(domain);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0)
        return errno != ENOTSOCK;
    if (domain != AF_INET && domain != AF_INET6)
        return true;
    for (int i = 0; i < NOTICES_AT_ONCE; i++) {
        struct msghdr nothing = {0};
        if (recvmsg(fd, &nothing, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            break;
    }
    return true;
}

#else

bool
tri_descriptor_empty_error_queue(int fd)
{
    int type;
    socklen_t size = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 || errno != ENOTSOCK;
}

#endif

/* Linux takes a connection apart when it is connected to no address, with a reset. Elsewhere closing does it. */
static bool
disconnect(int fd)
{
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    return connect(fd, &nowhere, sizeof(nowhere)) == 0;
}

void
tri_descriptor_reset(int fd)
{
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    disconnect(fd);
}

/*
 * With bytes unread close() resets a connection: the peer is not to believe that they were received. A unix socket
 * cannot be disconnected, and one that is shut down before looks like a clean end to a peer that reads in between:
 * there close() alone says it, unless others may have the descriptor, which was given to us.
 */
void
tri_descriptor_end(int fd, bool shared)
{
    int unread = 0;
    bool resets = ioctl(fd, FIONREAD, &unread) == 0 && unread > 0;
    if (!resets || (!disconnect(fd) && shared))
        shutdown(fd, SHUT_RDWR); /* of what is no socket, or not connected any more, it changes nothing */
}
