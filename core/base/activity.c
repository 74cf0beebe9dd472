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

static void
read_beats(const struct tri_worker_activity *activity, struct tri_worker_activity *copy)
{
    copy->received = ck_pr_load_64(&activity->received);
    copy->beat = ck_pr_load_64(&activity->beat);
    copy->loop_beat = ck_pr_load_64(&activity->loop_beat);
}

bool
tri_activity_copy(const struct tri_worker_activity *activity, struct tri_worker_activity *copy)
{
    struct tri_worker_activity again;
    read_beats(activity, copy);
    ck_pr_fence_load(); /* W1: the beats before the rest; pairs with the worker's stores, the beat last */
    copy->name = ck_pr_load_ptr(&activity->name);
    copy->actor = ck_pr_load_64(&activity->actor);
    copy->tag = ck_pr_load_32(&activity->tag);
    ck_pr_fence_load(); /* W2: the rest before the beats again; pairs with the same */
    read_beats(activity, &again);
    return tri_activity_has_same_beats(&again, copy);
}
