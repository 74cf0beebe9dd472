/*
 * How a server stops listening, is closed, and ends.
 *
 * Thread: the worker of the server.
 */
#ifndef TROUPE_NET_SERVER_CLOSE_H
#define TROUPE_NET_SERVER_CLOSE_H

#include "server_state.h"

/* Forgets a look-up that may be running. */
void tri_listen_forget(tr_server *server);

/* Stops listening; the close event follows when the last connection has ended. */
void tri_server_shut(tr_server *server);

/* The server gives back all that it has, at once or, in a callback of it, when that has returned. Again: nothing. */
void tri_server_let_go(tr_server *server);

/* The stopping callback of its actor. */
bool tri_server_stopping(tr_actor *self, void *state, enum tr_stop_mode how);

#endif
