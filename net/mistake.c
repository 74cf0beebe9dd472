/*
 * The checks of a Debug build for sockets and servers: see TRI_CHECK_SELF(). The memory of an actor that has ended is
 * zero in such a build, so `net` is NULL there.
 */
#include "server_internal.h"
#include "socket_internal.h"

#ifndef NDEBUG

static void
check(const struct tri_net *net, const char *what, const char *function)
{
    if (net == NULL)
        tri_mistake("%s() was called with a %s that has ended", function, what);
    tri_mistake_unless_owner(net->worker, function);
}

void
tri_socket_check(const tr_socket *socket, const char *function)
{
    if (socket != NULL)
        check(socket->net, "socket", function);
}

void
tri_server_check(const tr_server *server, const char *function)
{
    if (server != NULL)
        check(server->net, "server", function);
}

#endif
