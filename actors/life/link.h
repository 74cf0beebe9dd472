/*
 * Links that are under way. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_LINK_H
#define TROUPE_ACTORS_LINK_H

#include "actor_internal.h"

bool tri_link_arrived(struct tri_actors *home, tr_ref to, tr_message *message);
bool tri_unlink_arrived(struct tri_actors *home, tr_ref to, tr_message *message);
bool tri_link_down_arrived(struct tri_actors *home, tr_ref to, tr_message *message);

#endif
