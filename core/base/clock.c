#include <troupe/core/clock.h>

#include <uv.h>

bool tri_clock_is_counter;

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

static uv_once_t settled = UV_ONCE_INIT;

static void
settle(void)
{
    tri_clock_is_counter = has_steady_counter();
}

void
tri_clock_init(void)
{
    uv_once(&settled, settle);
}
