/*
 * What is due at a server, and when it is given: due.c.
 *
 * Thread: the worker of the server.
 */
#ifndef TROUPE_NET_DUE_H
#define TROUPE_NET_DUE_H

#include "server_state.h"

/* Brackets a callback of the server that comes from libuv. After leave the server may be gone. */
struct tri_actor_frame tri_server_enter(tr_server *server, uint32_t tag);
void tri_server_leave(tr_server *server, struct tri_actor_frame frame);

/* An event is to be given, as soon as the server's callbacks have returned. */
void tri_server_due(tr_server *server);

/* Room for the error of a listening that is about to begin. TR_OK, TR_ENOMEM. */
tr_status tri_server_reserve_error(tr_server *server);

/* Listening has failed: the error event is due, or a thread outside gets to know. There is room for it. */
void tri_server_failed(tr_server *server, tr_status status, int system, const char *call);

/* An operation that another actor asked for was refused: the error event is due, with that call. */
void tri_server_refused(tr_server *server, tr_status status, const char *call);

/* Reports that accepting failed, unless that was reported just now. */
void tri_server_complain(tr_server *server, tr_status status, int system);

/* Counts it among those that keep the program alive, or no more, as its state says. */
void tri_server_count_live(tr_server *server);

/* Gives what is due, and closes the bracket. What that makes due waits for the next turn. */
void tri_server_settle(tr_server *server);

/* It is closed, or a connection has ended: if no connection is left the close event is due. */
void tri_server_check_drained(tr_server *server);

/* Frees the parts of a server. */
void tri_server_free_parts(tr_server *server);

#endif
