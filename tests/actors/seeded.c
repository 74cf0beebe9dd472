#include "seeded.h"

#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <troupe/testing.h>

/* A simulated runtime has one thread, where ThreadSanitizer finds little, and takes ten times as long. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define SEEDS 100u
#endif
#elif defined(__SANITIZE_THREAD__)
#define SEEDS 100u
#endif
#ifndef SEEDS
#define SEEDS 1000u
#endif

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
    assert_true(tr_testing_seeds(0, SEEDS * tests_stress(), play, &seeded));
}
