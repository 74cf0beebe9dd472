/*
 * A socket's connection for another process: the socket ends, and the connection does not.
 */
#include "socket_actor.h"

#include <troupe/core/descriptors.h>

tr_status
tr_socket_detach(tr_socket *socket, int *fd)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL || fd == NULL)
        return TR_EINVAL;
    if (!tri_socket_is_open(socket))
        return TR_ENOTCONN;
    if (tri_socket_is_secure(socket))
        return TR_EBADHANDLE; /* who gets it would lack what the layer knows */
    if (tr_socket_buffered(socket) > 0)
        return TR_EBUSY;
    tr_status status = tri_duplicate(socket->fd, fd);
    if (status != TR_OK)
        return status;
    socket->flags |= TRI_SOCKET_ENDED; /* so that the peer is not told that our side has ended */
    tr_socket_destroy(socket, TR_OK);
    return TR_OK;
}
