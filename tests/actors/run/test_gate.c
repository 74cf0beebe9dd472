/*
 * What the end of many workers costs, counted: the calls that wake who waits for the runtime's condition. This program
 * is linked so that the library's calls come here.
 */
#include "actor_internal.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <uv.h>

#define MANY 64u

static uv_cond_t *of_runtime; /* those of others, as the recorder's, do not count */
static unsigned broadcasts, signals;

void __real_uv_cond_broadcast(uv_cond_t *condition);
void __real_uv_cond_signal(uv_cond_t *condition);
void __wrap_uv_cond_broadcast(uv_cond_t *condition);
void __wrap_uv_cond_signal(uv_cond_t *condition);

void
__wrap_uv_cond_broadcast(uv_cond_t *condition)
{
    if (condition == of_runtime)
        ck_pr_inc_uint(&broadcasts);
    __real_uv_cond_broadcast(condition);
}

void
__wrap_uv_cond_signal(uv_cond_t *condition)
{
    if (condition == of_runtime)
        ck_pr_inc_uint(&signals);
    __real_uv_cond_signal(condition);
}

static void
workers_that_end_wake_the_others_once_however_many_they_are(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(MANY);
    of_runtime = &runtime->core->changed;
    stage_close(runtime);
    assert_int_equal(broadcasts, 1); /* the gate opens */
    assert_int_equal(signals, 1);    /* the last worker is quiet */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_that_end_wake_the_others_once_however_many_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
