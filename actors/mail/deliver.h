/*
 * Delivery. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_DELIVER_H
#define TROUPE_ACTORS_DELIVER_H

#include "actor_internal.h"

/* What comes from other workers and threads: of struct tri_layer. */
bool tri_actors_deliver(struct tri_worker *worker, tr_ref to, tr_message *message);
void tri_actors_bury(struct tri_worker *worker, tr_ref to, tr_message *message);

/* Somebody asks whether an actor is gone. */
bool tri_probe_arrived(struct tri_actors *home, tr_ref to, tr_message *message);

#endif
