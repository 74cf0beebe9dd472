/*
 * What kind of a descriptor it is, and its flags.
 */
#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <troupe/core/status_from.h>

/* Of what is no socket: AF_UNSPEC. */
static sa_family_t
family_of(int fd)
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof(own);
    return getsockname(fd, (struct sockaddr *)&own, &size) == 0 ? own.ss_family : AF_UNSPEC;
}

bool
tri_descriptor_is_unix(int fd)
{
    return family_of(fd) == AF_UNIX;
}

bool
tri_descriptor_is_tcp(int fd)
{
    sa_family_t family = family_of(fd);
    return family == AF_INET || family == AF_INET6;
}

bool
tri_descriptor_keeps_records(int fd)
{
    int type;
    socklen_t size = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

tr_status
tri_descriptor_check_connected(int fd)
{
    int listens = 0, type;
    struct sockaddr_storage peer;
    socklen_t size = sizeof(listens);
    if (fcntl(fd, F_GETFD) < 0)
        return TR_EBADF;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0)
        return TR_EBADFD;
    size = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type != SOCK_STREAM && type != SOCK_SEQPACKET)
        return TR_EBADFD; /* datagrams: an empty one would be taken for the end */
    size = sizeof(peer);
    if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0 && errno == ENOTCONN)
        return TR_ENOTCONN;
    return TR_OK;
}

static bool
is_bound(const struct sockaddr_storage *address, socklen_t size)
{
    switch (address->ss_family) {
    case AF_INET: return ((const struct sockaddr_in *)address)->sin_port != 0;
    case AF_INET6: return ((const struct sockaddr_in6 *)address)->sin6_port != 0;
    case AF_UNIX: return size > offsetof(struct sockaddr_un, sun_path);
    default: return false;
    }
}

tr_status
tri_descriptor_check_bound(int fd)
{
    struct sockaddr_storage address = {0}, peer;
    socklen_t size = sizeof(address), peer_size = sizeof(peer);
    int type = 0;
    socklen_t type_size = sizeof(type);
    if (fcntl(fd, F_GETFD) < 0)
        return TR_EBADF;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) != 0 || type != SOCK_STREAM)
        return TR_EBADFD;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0 || !is_bound(&address, size))
        return TR_EBADFD;
    return getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0 ? TR_EBADFD : TR_OK;
}

tr_status
tri_descriptor_file_size(int fd, uint64_t *out)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0)
        return tri_status_from_errno(errno);
    if (!S_ISREG(stat.st_mode))
        return TR_EBADFD;
    *out = (uint64_t)stat.st_size;
    return TR_OK;
}

void
tri_descriptor_close_on_exec(int fd)
{
    fcntl(fd, F_SETFD, fcntl(fd, F_GETFD) | FD_CLOEXEC);
}
