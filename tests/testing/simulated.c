#include "simulated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

tr_runtime *
simulated_open(uint64_t seed, unsigned workers)
{
    tr_runtime *runtime = NULL;
    struct tr_testing_options options = {.seed = seed, .workers = workers};
    assert_int_equal(tr_testing_start(&options, &runtime), TR_OK);
    return runtime;
}

void
simulated_close(tr_runtime *runtime)
{
    struct tr_stop_report report;
    assert_int_equal(tr_runtime_stop(runtime, 1000, &report), TR_OK);
    assert_int_equal(report.killed, 0);
}
