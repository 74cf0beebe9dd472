#include "counters.h"

#include "helpers.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LOOKS 10u

struct looks {
    tr_runtime *runtime;
    unsigned in_a_row; /* at which it was so: the counters are not read in one instant, and a timer may be on its way */
};

static bool
add_up(void *argument)
{
    struct looks *looks = argument;
    struct tr_counters counters;
    tr_runtime_counters(looks->runtime, &counters);
    bool equal = counters.sent + counters.outside == counters.received + counters.dead_letters + counters.notices_lost;
    looks->in_a_row = equal ? looks->in_a_row + 1 : 0;
    return looks->in_a_row == LOOKS;
}

void
tests_counters_add_up(tr_runtime *runtime)
{
    struct looks looks = {runtime, 0};
    if (tests_wait_until(add_up, &looks, TESTS_LIMIT_MS))
        return;
    struct tr_counters c;
    tr_runtime_counters(runtime, &c);
    fail_msg("%" PRIu64 " sent, %" PRIu64 " from outside, but %" PRIu64 " received, %" PRIu64 " dead, %" PRIu64 " lost",
             c.sent, c.outside, c.received, c.dead_letters, c.notices_lost);
}

struct graves {
    tr_runtime *runtime;
    uint64_t count;
};

static bool
are_filled(void *argument)
{
    const struct graves *graves = argument;
    struct tr_counters counters;
    tr_runtime_counters(graves->runtime, &counters);
    return counters.dead_letters >= graves->count;
}

void
tests_counters_await_dead(tr_runtime *runtime, uint64_t count)
{
    struct graves graves = {runtime, count};
    if (!tests_wait_until(are_filled, &graves, TESTS_LIMIT_MS))
        fail_msg("there are less than %" PRIu64 " dead letters", count);
}
