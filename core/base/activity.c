#include <troupe/core/activity.h>

static _Thread_local const struct tri_worker_activity *current;

const struct tri_worker_activity *
tri_activity_current(void)
{
    return current;
}

void
tri_activity_set_current(const struct tri_worker_activity *activity)
{
    current = activity;
}
