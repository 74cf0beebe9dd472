/*
 * The checks of a Debug build for sockets and servers: see TRI_CHECK_SELF(). The memory of an actor that has ended is
 * zero in such a build, so `home` and `net` are NULL there.
 */
#include "server_internal.h"
#include "socket_internal.h"

#ifndef NDEBUG

static void
check(const struct tri_worker *worker, const char *what, const char *function)
{
    if (worker == NULL)
        tri_mistake("%s() was called with a %s that has ended", function, what);
    tri_mistake_unless_owner(worker, function);
}

void
tri_socket_check(const tr_socket *socket, const char *function)
{
    if (socket != NULL)
        check(socket->home != NULL ? socket->home->worker : NULL, "socket", function);
}

void
tri_server_check(const tr_server *server, const char *function)
{
    if (server != NULL)
        check(server->net != NULL ? server->net->worker : NULL, "server", function);
}

#endif
