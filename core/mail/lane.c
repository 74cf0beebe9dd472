#include "lane.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct tri_lane *
tri_lane_new(void)
{
    struct tri_lane *lane = aligned_alloc(alignof(struct tri_lane), sizeof(*lane));
    if (lane != NULL)
        memset(lane, 0, sizeof(*lane));
    return lane;
}

void
tri_lane_free(struct tri_lane *lane)
{
    free(lane);
}

unsigned
tri_lane_under_way(struct tri_lane *lane, unsigned mark)
{
    if (lane->tail - lane->released_seen >= mark) {
        lane->released_seen = ck_pr_load_64(&lane->released);
        ck_pr_fence_load_store(); /* L4 */
        TRI_ACQUIRE(&lane->released);
    }
    return (unsigned)(lane->tail - lane->released_seen);
}

static unsigned
room_for(struct tri_lane *lane, unsigned wanted)
{
    unsigned room = TRI_LANE_SLOTS - tri_lane_under_way(lane, TRI_LANE_SLOTS - wanted + 1);
    return room < wanted ? room : wanted;
}

static void
publish(struct tri_lane *lane, uint64_t position, struct tri_envelope *envelope)
{
    struct tri_envelope *slot = &lane->slots[position % TRI_LANE_SLOTS];
    uint16_t lap = tri_lane_lap(position);
    envelope->message.lap = (uint16_t)(lap - 1); /* copying must not publish */
    *slot = *envelope;
    TRI_RELEASE(&slot->message.lap);
    ck_pr_fence_store(); /* L1 */
    ck_pr_store_16(&slot->message.lap, lap);
}

unsigned
tri_lane_put(struct tri_lane *lane, struct tri_envelope *envelopes, unsigned count)
{
    count = room_for(lane, count);
    for (unsigned i = count; i-- > 0;)
        publish(lane, lane->tail + i, &envelopes[i]);
    lane->tail += count;
    assert(lane->tail - lane->released_seen <= TRI_LANE_SLOTS);
    return count;
}

bool
tri_lane_starve(struct tri_lane *lane)
{
    ck_pr_store_uint(&lane->starved, 1);
    ck_pr_fence_memory(); /* L6, pairs with L5 */
    return room_for(lane, 1) > 0;
}
