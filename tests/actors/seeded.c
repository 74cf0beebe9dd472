#include "seeded.h"

#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <troupe/testing.h>

#define SEEDS 1000u
#define SEEDS_TWICE 11u /* one of so many is played twice; with each number of workers */

struct seeded {
    seeded_program *program;
    const void *context;
};

static int
play(uint64_t seed, void *context)
{
    const struct seeded *seeded = context;
    uint64_t hash = seeded->program(seed, seeded->context);
    if (seed % SEEDS_TWICE == 0)
        assert_int_equal(seeded->program(seed, seeded->context), hash);
    return 0;
}

void
seeded_play(seeded_program *program, const void *context)
{
    struct seeded seeded = {program, context};
    assert_true(tr_testing_seeds(0, tests_seeds(SEEDS) * tests_stress(), play, &seeded));
}
