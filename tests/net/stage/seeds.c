#include "seeds.h"

#include "play.h"

#include <stddef.h>

static const struct stage_seeds *played;
static uint64_t first_seed;

static void
go_on_with_all(void *argument)
{
    unsigned finished = 0;
    for (unsigned i = 0; i < played->at_once; i++)
        finished += played->go_on(i);
    if (finished == played->at_once)
        stage_settled(end_play, NULL);
    else
        stage_after(0, go_on_with_all, argument);
}

static void
begin_all(void)
{
    for (unsigned i = 0; i < played->at_once; i++)
        played->begin(i, first_seed + i);
    go_on_with_all(NULL);
}

void
stage_play_seeds(const struct stage_seeds *seeds, uint64_t first)
{
    played = seeds;
    first_seed = first;
    stage_play(1, begin_all);
}
