/*
 * What a server has to do with TLS: server_tls.c.
 *
 * Thread: the worker of the server.
 */
#ifndef TROUPE_NET_SERVER_TLS_H
#define TROUPE_NET_SERVER_TLS_H

#include "server_state.h"

/* Of the options: TR_OK, TR_EBADLIMIT, TR_ETLSNOKEY, TR_EBADHANDLE, TR_ENOTSUPPORTED. Thread: any. */
tr_status tri_server_check_tls(const struct tr_server_options *options);

/* A handshake has failed: TRI_TAG_DEAL_BAD_HANDSHAKE. */
void tri_server_hear_bad_handshake(tr_server *server, const tr_message *message);

/* How many have, on all workers. */
uint64_t tri_server_bad_handshakes(const tr_server *server);

#endif
