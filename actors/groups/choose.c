#include "choose.h"

#include <ck_pr.h>
#include <stdbool.h>

uint32_t
tri_choose_next(const uint64_t *actors, uint32_t size, uint64_t *next)
{
    for (uint32_t tried = 0; tried < size; tried++) {
        uint32_t place = (uint32_t)(*next % size);
        *next = place + UINT64_C(1);
        if (ck_pr_load_64(&actors[place]) != TR_NOBODY)
            return place;
    }
    return size;
}

/* A mixing that lets every bit of the key and of the place reach every bit of the weight; never UINT64_MAX. */
static uint64_t
weight(uint64_t key, uint32_t place)
{
    uint64_t x = key + (place + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    x += key * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return (x ^ x >> 32) >> 1;
}

uint32_t
tri_choose_by_key(const uint64_t *actors, uint32_t size, uint64_t key, uint64_t *below)
{
    uint32_t chosen = size;
    uint64_t best = 0;
    for (uint32_t place = 0; place < size; place++) {
        uint64_t here = weight(key, place);
        if (here >= *below || (chosen != size && here <= best) || ck_pr_load_64(&actors[place]) == TR_NOBODY)
            continue;
        chosen = place;
        best = here;
    }
    *below = best;
    return chosen;
}

uint32_t
tri_choose_least(const uint64_t *actors, uint32_t size, uint64_t *next, size_t (*load)(void *argument, tr_ref actor),
                 void *argument)
{
    uint32_t chosen = size;
    size_t least = SIZE_MAX;
    for (uint32_t tried = 0; tried < size && least > 0; tried++) {
        uint32_t place = (uint32_t)((*next + tried) % size);
        tr_ref actor = ck_pr_load_64(&actors[place]);
        size_t here = actor != TR_NOBODY ? load(argument, actor) : SIZE_MAX;
        if (actor == TR_NOBODY || (chosen != size && here >= least))
            continue;
        chosen = place;
        least = here;
    }
    if (chosen != size)
        *next = chosen + UINT64_C(1);
    return chosen;
}
