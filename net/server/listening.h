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

/* It listens on this endpoint from now on. */
void tri_listen_begin(tr_server *server, struct tri_endpoint *endpoint);

/* A descriptor that listens, with its path, which may be NULL; both are taken. It listens, or has failed. */
void tri_listen_opened(tr_server *server, int fd, struct tri_unix_path *path);

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
