/*
 * Names of tags for the trace: what behaviors say (tr_behavior.tag_name), each recorded when a tag is first received.
 *
 * Thread: owner.
 */
#ifndef TROUPE_ACTORS_TAG_NAMES_H
#define TROUPE_ACTORS_TAG_NAMES_H

#include "actor_internal.h"

/*
 * The worker records, and a message with that tag is about to be received by an actor of that behavior, which has
 * tag_name. A lookup, if one of them was before.
 */
void tri_tag_names_note(struct tri_actors *home, const struct tr_behavior *behavior, uint32_t tag);

void tri_tag_names_fini(struct tri_actors *home);

#endif
