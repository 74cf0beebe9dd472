/*
 * From options to a descriptor that listens: listen.c, listen_tcp.c; and the outcome: listening.c.
 *
 * Thread: the worker of the server, unless another is said.
 */
#ifndef TROUPE_NET_LISTENING_H
#define TROUPE_NET_LISTENING_H

#include "server_state.h"

/* Are these options in order? Returns as tr_server_listen(). Thread: any. */
tr_status tri_listen_check_options(const struct tr_listen_options *options);

/* What these options say of sharing; the key and how to open it are left to be filled in. */
struct tri_bound_wish tri_listen_wish(const tr_server *server, const struct tr_listen_options *options);

/* Joins who listens there, or opens it. It listens, or has failed. TR_OK; a status is the caller's mistake, or
 * TR_ENOMEM, and nothing has happened. */
tr_status tri_listen_join(tr_server *server, const struct tri_bound_wish *wish);

/* The same where it may need another try: a failure is not told. */
tr_status tri_listen_try(tr_server *server, const struct tri_bound_wish *wish, struct tr_error *error);
void tri_listen_failed(tr_server *server, const struct tr_error *error);

/* What another server of this worker listens on. Returns as tri_listen_join(). */
tr_status tri_listen_cover(tr_server *server, const tr_server *other, int backlog);

/* On a host and a port. TR_OK: it listens, has failed, or the host is being looked up. TR_ENOMEM: nothing happened. */
tr_status tri_listen_tcp(tr_server *server, const struct tr_listen_options *options);

/* The resolver's answer. */
void tri_listen_looked_up(tr_server *server, tr_message *message);

static inline int
tri_listen_backlog(const struct tr_listen_options *options)
{
    return options->backlog > 0 ? options->backlog : TR_BACKLOG_DEFAULT;
}

#endif
