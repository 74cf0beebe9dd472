/*
 * Sessions, as clients begin with them.
 */
#ifndef TROUPE_NET_TLS_SESSIONS_H
#define TROUPE_NET_TLS_SESSIONS_H

#include "layer.h"

#include <openssl/types.h>
#include <stdbool.h>

/* What this client is given to resume later is bound to whom it expects, and the session of the wish, if it may resume
 * that here, is offered to the server. false: no memory. */
bool tri_sessions_begin(SSL *connection, const struct tri_tls_wish *wish);

#endif
