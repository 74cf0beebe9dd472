/*
 * What the end of many workers costs, counted: the calls that wake all who wait for the runtime's condition. This
 * program is linked so that the library's calls come here.
 */
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <uv.h>

#define MANY 64u

static unsigned broadcasts, signals;

void __real_uv_cond_broadcast(uv_cond_t *condition);
void __real_uv_cond_signal(uv_cond_t *condition);
void __wrap_uv_cond_broadcast(uv_cond_t *condition);
void __wrap_uv_cond_signal(uv_cond_t *condition);

void
__wrap_uv_cond_broadcast(uv_cond_t *condition)
{
    ck_pr_inc_uint(&broadcasts);
    __real_uv_cond_broadcast(condition);
}

void
__wrap_uv_cond_signal(uv_cond_t *condition)
{
    ck_pr_inc_uint(&signals);
    __real_uv_cond_signal(condition);
}

static void
workers_that_end_wake_the_others_once_however_many_they_are(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(MANY);
    broadcasts = signals = 0;
    stage_close(runtime);
    assert_int_equal(broadcasts, 1); /* the gate opens */
    assert_in_range(signals, 1, 2);  /* the last worker is quiet; the watchdog is stopped */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_that_end_wake_the_others_once_however_many_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
