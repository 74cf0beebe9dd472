/*
 * Whose a descriptor is: the addresses of its two ends.
 */
#include "address_internal.h"

#include "descriptor.h"

#include <string.h>
#include <sys/socket.h>

/*
 * The kernel keeps the peer's address as long as the descriptor is open, but getpeername() denies it once the peer has
 * reset the connection, which it may have done before we accepted it. SO_PEERNAME gives it then: to a caller that asks
 * for exactly as many bytes as its family has.
 */
#ifdef SO_PEERNAME

static socklen_t
size_of_family(int fd)
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof(own);
    return getsockname(fd, (struct sockaddr *)&own, &size) == 0 ? size : 0;
}

static int
kept_peer_name(int fd, struct sockaddr *name, socklen_t *size)
{
    *size = size_of_family(fd);
    return getsockopt(fd, SOL_SOCKET, SO_PEERNAME, name, size);
}

#else

static int
kept_peer_name(int fd, struct sockaddr *name, socklen_t *size)
{
    (void)fd;
    (void)name;
    (void)size;
    return -1;
}

#endif

static int
peer_name(int fd, struct sockaddr *name, socklen_t *size)
{
    return getpeername(fd, name, size) == 0 ? 0 : kept_peer_name(fd, name, size);
}

bool
tri_descriptor_peer_name(int fd, struct sockaddr_storage *out)
{
    socklen_t size = sizeof(*out);
    memset(out, 0, sizeof(*out));
    return fd >= 0 && peer_name(fd, (struct sockaddr *)out, &size) == 0;
}

bool
tri_descriptor_own_name(int fd, struct sockaddr_storage *out)
{
    socklen_t size = sizeof(*out);
    memset(out, 0, sizeof(*out));
    return fd >= 0 && getsockname(fd, (struct sockaddr *)out, &size) == 0;
}

void
tri_descriptor_peer(int fd, struct tr_address *out)
{
    struct sockaddr_storage name;
    *out = (struct tr_address){0};
    if (tri_descriptor_peer_name(fd, &name))
        tri_address_from((const struct sockaddr *)&name, out);
}

void
tri_descriptor_own(int fd, struct tr_address *out)
{
    struct sockaddr_storage name;
    *out = (struct tr_address){0};
    if (tri_descriptor_own_name(fd, &name))
        tri_address_from((const struct sockaddr *)&name, out);
}
