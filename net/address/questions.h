/*
 * Questions of a worker's actors to the resolver, which is held from the first one to the worker's end.
 */
#ifndef TROUPE_NET_QUESTIONS_H
#define TROUPE_NET_QUESTIONS_H

#include "resolver.h"
#include "worker_net.h"

/* tri_resolve() for an actor of this worker. Returns as that does. Thread: owner of the net. */
tr_status tri_ask(struct tri_net *net, tr_ref to, uint32_t tag, uint64_t token, const char *host, int family, int hints,
                  tri_lookup **out);

#endif
