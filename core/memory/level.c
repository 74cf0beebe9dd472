#include <troupe/core/level.h>

#include <stddef.h>

struct tri_level tri_level;
static _Thread_local struct tri_level_shard *here;

void
tri_level_count_in(struct tri_level_shard *shard)
{
    here = shard;
}

/* V1: the level falls before it is asked whether anybody waits for that; pairs with V2 in ceiling.c. */
static void
change_level(int64_t bytes)
{
    ck_pr_add_64(&tri_level.bytes, (uint64_t)bytes);
    if (bytes >= 0)
        return;
    ck_pr_fence_memory();
    if (tri_level_is_reached())
        tri_level.fell();
}

void
tri_level_publish(struct tri_level_shard *shard)
{
    int64_t change = shard->change;
    if (change == 0)
        return;
    shard->change = 0;
    change_level(change);
}

void
tri_level_publish_grown(struct tri_level_shard *shard)
{
    tri_level_publish(shard);
    shard->grown(shard);
}

void
tri_level_add(int64_t bytes)
{
    struct tri_level_shard *shard = here;
    if (shard == NULL) {
        change_level(bytes);
        return;
    }
    shard->change += bytes;
    if (shard->change >= TRI_LEVEL_STEP)
        tri_level_publish_grown(shard);
    else if (shard->change <= -TRI_LEVEL_STEP)
        tri_level_publish(shard);
}

void
tri_level_end(struct tri_level_shard *shard)
{
    shard->change -= shard->own;
    shard->own = 0;
    tri_level_publish(shard);
}
