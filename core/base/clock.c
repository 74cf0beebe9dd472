#include <troupe/core/clock.h>

#include <stdlib.h>
#include <string.h>
#include <uv.h>

uint8_t tri_clock_is_counter;
uint8_t tri_clock_may_be_virtual;

static uint8_t hides_counter;                    /* 1: it is one, but on some threads time is their own */
static _Thread_local const uint64_t *virtual_ns; /* NULL: the thread's time is the system's */

#if defined(__x86_64__)
#include <cpuid.h>

static bool
has_steady_counter(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007u, &a, &b, &c, &d) != 0 && (d & 1u << 8) != 0; /* "invariant TSC" */
}
#else
static bool
has_steady_counter(void)
{
    return false;
}
#endif

static uv_once_t settled = UV_ONCE_INIT, divided = UV_ONCE_INIT;

static bool
is_told_to_do_without(void)
{
    const char *clock = secure_getenv("TR_CLOCK");
    return clock != NULL && strcmp(clock, "monotonic") == 0;
}

static void
settle(void)
{
    tri_clock_is_counter = has_steady_counter() && !is_told_to_do_without();
}

void
tri_clock_init(void)
{
    uv_once(&settled, settle);
}

/* Other threads may read at any moment: whichever way they take, they get the same clock. */
static void
divide(void)
{
    ck_pr_store_8(&hides_counter, tri_clock_is_counter);
    ck_pr_fence_store(); /* V1: before anybody is sent there; pairs with V2 */
    ck_pr_store_8(&tri_clock_is_counter, 0);
    ck_pr_store_8(&tri_clock_may_be_virtual, 1);
}

const uint64_t *
tri_clock_set_virtual(const uint64_t *now_ns)
{
    const uint64_t *before = virtual_ns;
    tri_clock_init();
    if (now_ns != NULL)
        uv_once(&divided, divide);
    virtual_ns = now_ns;
    return before;
}

bool
tri_clock_is_virtual(void)
{
    return virtual_ns != NULL;
}

static bool
has_counter(void)
{
    if (ck_pr_load_8(&tri_clock_is_counter) != 0)
        return true;
    ck_pr_fence_load(); /* V2, pairs with V1 */
    return ck_pr_load_8(&hides_counter) != 0;
}

bool
tri_clock_counts(void)
{
    return virtual_ns == NULL && has_counter();
}

uint64_t
tri_clock_slow_ns(void)
{
    return virtual_ns != NULL ? *virtual_ns : uv_hrtime();
}

uint64_t
tri_clock_slow_ticks(void)
{
    if (virtual_ns != NULL)
        return *virtual_ns;
    return has_counter() ? tri_clock_counter() : tri_clock_ns(CLOCK_MONOTONIC);
}
