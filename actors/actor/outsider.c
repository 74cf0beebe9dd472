#include "outsider.h"

#include <troupe/core/status_from.h>
#include <troupe/core/steps.h>

tr_status
tri_outsider_init(struct tri_outsider *outsider, const struct tri_runtime *core)
{
    outsider->stepper = core->stepper;
    outsider->status = TR_OK;
    int err = uv_sem_init(&outsider->over, 0);
    return err == 0 ? TR_OK : tri_status_from_uv(err);
}

void
tri_outsider_fini(struct tri_outsider *outsider)
{
    uv_sem_destroy(&outsider->over);
}

tr_status
tri_outsider_wait(struct tri_outsider *outsider)
{
    tri_steps_await(outsider->stepper, &outsider->over);
    return outsider->status;
}

void
tri_outsider_let_go(struct tri_outsider *outsider, tr_status status)
{
    outsider->status = status;
    uv_sem_post(&outsider->over);
}
