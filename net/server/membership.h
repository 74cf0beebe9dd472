/*
 * A server as a member of a listener: membership.c.
 *
 * Thread: the worker of the server.
 */
#ifndef TROUPE_NET_MEMBERSHIP_H
#define TROUPE_NET_MEMBERSHIP_H

#include "handover.h"
#include "server_state.h"

extern const struct tri_server_calls tri_server_calls;

/* It leaves the listener that it is a member of; NULL: none. */
void tri_server_leave_listener(tr_server *server);

/* What the listener has to say, when it came by message. */
void tri_server_hear_listener(tr_server *server, tr_message *message);

#endif
