/*
 * How a server stops listening, is closed, and ends.
 */
#include "server_close.h"

#include "due.h"
#include "membership.h"
#include "shares.h"
#include "waiter.h"

#include <stdlib.h>

void
tri_listen_forget(tr_server *server)
{
    if (server->lookup == NULL)
        return;
    tri_lookup_cancel(server->lookup->lookup);
    free(server->lookup);
    server->lookup = NULL;
}

static void
stop_listening(tr_server *server)
{
    tri_listen_forget(server);
    tri_server_leave_listener(server);
    server->address = (struct tr_address){0};
}

void
tri_server_shut(tr_server *server)
{
    stop_listening(server);
    server->flags |= TRI_SERVER_CLOSING;
    tri_server_check_drained(server);
    tri_server_count_live(server);
}

tr_status
tr_server_close(tr_server *server)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL)
        return TR_EINVAL;
    bool was_open = tri_server_is_open(server);
    tri_server_shut(server);
    return was_open ? TR_OK : TR_ENOTLISTENING;
}

void
tri_server_let_go(tr_server *server)
{
    if (server->flags & TRI_SERVER_GONE)
        return;
    server->flags |= TRI_SERVER_GONE;
    stop_listening(server);
    tri_server_tell_waiter(server, TR_ESTOPPING);
    tri_server_dismiss_shares(server);
    tri_later_remove(server->net, &server->later);
    tri_server_count_live(server);
    if ((server->flags & TRI_SERVER_INSIDE) == 0)
        tri_server_free_parts(server);
}

/* true: there is nothing to wait for, not even a close event. */
static bool
is_idle(const tr_server *server)
{
    return !tri_server_is_open(server) && (server->flags & TRI_SERVER_CLOSING) == 0 &&
           server->closes_given == server->closes_caused;
}

bool
tri_server_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    tr_server *server = state;
    (void)self;
    server->flags |= TRI_SERVER_ENDING;
    if (how == TR_STOP_KILL) {
        tri_server_let_go(server);
        return (server->flags & TRI_SERVER_INSIDE) == 0;
    }
    if (is_idle(server)) {
        server->flags |= server->errors_due > 0 ? TRI_SERVER_LAST_WORDS : 0;
        return server->errors_due == 0;
    }
    if (tri_server_is_open(server) || server->closes_given == server->closes_caused)
        tri_server_shut(server);
    if (how == TR_STOP_NOW && (server->flags & TRI_SERVER_CLOSING)) { /* connections are not waited for */
        tri_server_clear(server, TRI_SERVER_CLOSING);
        server->closes_caused++;
        tri_server_due(server);
    }
    return false;
}
