/*
 * The options of a socket, and what a new one has: options.c.
 *
 * Thread: the worker of the socket, unless another is said.
 */
#ifndef TROUPE_NET_OPTIONS_H
#define TROUPE_NET_OPTIONS_H

#include "socket_state.h"

/* Are these options in order? TR_OK, TR_EBADLIMIT, TR_EBADREF, TR_EBADENCODING, TR_EBADSTATE, TR_EINVAL. NULL is.
 * Thread: any. */
tr_status tri_socket_check_options(const struct tr_runtime *runtime, const struct tr_socket_options *options);

/* Sets up what all sockets have. TR_OK, TR_ENOMEM. */
tr_status tri_socket_init(tr_socket *socket, tr_actor *actor, const struct tr_socket_options *options,
                          const struct tri_course *course);

/* Frees what most sockets do not have. */
void tri_socket_free_extra(tr_socket *socket);

#endif
