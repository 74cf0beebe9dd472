#include "sight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

bool
sight_see(void *context, const struct tr_actor_info *info)
{
    struct sight *sight = context;
    assert_true(sight->count < SIGHT_AT_MOST);
    sight->actors[sight->count] = *info;
    memset(sight->actors[sight->count].registered, 0, sizeof(info->registered));
    return ++sight->count != sight->limit;
}

const struct sight *
sight_look(tr_runtime *runtime, tr_status expected)
{
    static struct sight sight;
    sight.count = sight.limit = 0;
    assert_int_equal(tr_inspect_actors(runtime, sight_see, &sight), expected);
    return &sight;
}

const struct tr_actor_info *
sight_find(const struct sight *sight, tr_ref ref)
{
    const struct tr_actor_info *found = NULL;
    for (unsigned i = 0; i < sight->count; i++) {
        if (sight->actors[i].ref != ref)
            continue;
        assert_null(found); /* exactly once */
        found = &sight->actors[i];
    }
    return found;
}

const struct tr_actor_info *
sight_await(tr_runtime *runtime, tr_ref ref, enum tr_actor_state state)
{
    const struct tr_actor_info *info;
    do {
        info = sight_find(sight_look(runtime, TR_OK), ref);
        assert_non_null(info);
    } while ((info->state & (unsigned)state) == 0);
    return info;
}
