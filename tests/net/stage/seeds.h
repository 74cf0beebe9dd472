/*
 * Programs that random numbers make, each from a seed of its own, of which several are played in one runtime.
 */
#ifndef TESTS_NET_STAGE_SEEDS_H
#define TESTS_NET_STAGE_SEEDS_H

#include <stdbool.h>
#include <stdint.h>

struct stage_seeds {
    unsigned at_once;
    void (*begin)(unsigned number, uint64_t seed);
    bool (*go_on)(unsigned number); /* does a step, if there is one left. true: it is over */
};

/* Plays the programs of the seeds from `first` on, at_once of them, in turns, until all are over, on one worker. */
void stage_play_seeds(const struct stage_seeds *seeds, uint64_t first);

#endif
