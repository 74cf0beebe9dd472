/*
 * How a socket becomes secure by TLS, as the program asks for it: upgrade.c. What becomes of it: stream/secure.c.
 *
 * Thread: any, but for tr_socket_set_secure() itself.
 */
#ifndef TROUPE_NET_UPGRADE_H
#define TROUPE_NET_UPGRADE_H

#include "secure.h"

#include <troupe/net/socket.h>
#include <troupe/net/tls.h>

/* Of options.tls of a connection, what can be said without its layer: TR_OK, TR_EINVAL, TR_EBADLIMIT,
 * TR_ENOTSUPPORTED. */
tr_status tri_upgrade_check(const struct tr_tls_options *options);

/* The same of tr_socket_set_secure(), where bytes may have been received. */
tr_status tri_upgrade_check_received(const struct tr_tls_options *options);

/* The layer of such a connection; NULL: it is plain. Returns as tr_socket_connect(). */
tr_status tri_upgrade_open_client(const struct tr_connect_options *options, struct tri_record_layer **out);

/* Of a layer that no socket has taken. NULL is allowed. */
void tri_upgrade_drop(struct tri_record_layer *layer);

/* The rest of the options, for secure.c. `received` is lent. */
struct tri_secure_options tri_upgrade_options(const struct tr_tls_options *options);

#endif
