/*
 * The socket on which a runtime answers people and tools.
 */
#ifndef TROUPE_ACTORS_INSPECT_SERVE_H
#define TROUPE_ACTORS_INSPECT_SERVE_H

#include "actor_internal.h"

struct tri_inspector; /* opaque */

/*
 * Answers at a path from now on, on a thread of its own. path NULL: where TR_INSPECT says, or nowhere; what the
 * variable says and cannot be had is a line on stderr, and no failure. *out may be NULL afterwards.
 * Thread: setup. Returns: TR_OK; TR_ENOMEM; TR_EAGAIN, no more threads; what tri_private_socket_open() returns.
 */
tr_status tri_inspector_start(tr_runtime *runtime, const char *path, struct tri_inspector **out);

/* Ends it: closes its connections and removes the file. NULL does nothing. The workers may be gone, but are not freed.
 * Thread: setup. */
void tri_inspector_stop(struct tri_inspector *inspector);

#endif
