/*
 * What one sees who inspects a runtime.
 */
#ifndef TESTS_ACTORS_INSPECT_SIGHT_H
#define TESTS_ACTORS_INSPECT_SIGHT_H

#include <troupe/actors/inspect.h>

#define SIGHT_AT_MOST 4096u

struct sight {
    unsigned count, limit; /* limit: no more wanted; 0: all */
    struct tr_actor_info actors[SIGHT_AT_MOST];
};

/* A visit for tr_inspect_actors(), whose context is a struct sight. What is seen has no names that it is registered
 * under: they are valid during the visit alone. */
bool sight_see(void *context, const struct tr_actor_info *info);

/* Looks at all actors; fails the test if that returns something else. Valid until the next look. */
const struct sight *sight_look(tr_runtime *runtime, tr_status expected);

/* The actor of that name; fails the test if it was seen twice. NULL: it was not seen. */
const struct tr_actor_info *sight_find(const struct sight *sight, tr_ref ref);

/* Looks again and again until that actor's state has that bit; gives what is seen then. */
const struct tr_actor_info *sight_await(tr_runtime *runtime, tr_ref ref, enum tr_actor_state state);

#endif
