/*
 * What a socket knows of PROXY headers: the one with which it began, and the one that hands it on.
 */
#include "descriptor.h"

#include "socket_state.h"

const struct tr_proxy *
tr_socket_proxy(const tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    return socket != NULL && socket->extra != NULL ? socket->extra->proxy : NULL;
}

void
tr_proxy_for(const tr_socket *socket, struct tr_proxy *out)
{
    TRI_CHECK_SOCKET(socket);
    const struct tr_proxy *came = tr_socket_proxy(socket);
    if (out == NULL)
        return;
    *out = (struct tr_proxy){.version = TR_PROXY_V2, .command = TR_PROXY_FORWARDS};
    if (came != NULL && came->source.family != TR_FAMILY_NONE) {
        out->transport = came->transport;
        out->source = came->source;
        out->destination = came->destination;
    } else {
        tr_socket_remote_address(socket, &out->source);
        tr_socket_local_address(socket, &out->destination);
    }
}
