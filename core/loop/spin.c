#include "spin.h"

#include "mail.h"

#include <ck_pr.h>
#include <sched.h>
#include <troupe/core/clock.h>
#include <troupe/core/descriptors.h>

#define PROBE_EVERY 8u
#define PAID_AT_MOST 16
#define MAIL_LOOKS 32u /* for each at the descriptors, which is a system call */

static uint64_t
spin_ticks(const struct tri_worker *worker)
{
    return (uint64_t)worker->runtime->options.spin_us * worker->runtime->ticks_per_ms / 1000;
}

bool
tri_spin_pays(struct tri_worker *worker)
{
    if (worker->runtime->options.spin_us <= 0)
        return false;
    if (worker->spin_paid > 0)
        return true;
    if (worker->naps < PROBE_EVERY)
        return false;
    worker->naps = 0;
    return true;
}

static enum tri_found
look(struct tri_worker *worker)
{
    for (unsigned i = 0; i < MAIL_LOOKS; i++) {
        if (tri_mail_waits(worker))
            return TRI_FOUND_MAIL;
        ck_pr_stall();
    }
    return tri_await_readable(uv_backend_fd(&worker->loop), 0) ? TRI_FOUND_DESCRIPTORS : TRI_FOUND_NOTHING;
}

static void
learn(struct tri_worker *worker, enum tri_found found)
{
    static const int gains[] = {[TRI_FOUND_NOTHING] = -1, [TRI_FOUND_MAIL] = 2, [TRI_FOUND_DESCRIPTORS] = 1};
    worker->spin_paid += gains[found];
    if (worker->spin_paid > PAID_AT_MOST)
        worker->spin_paid = PAID_AT_MOST;
    else if (worker->spin_paid < 0)
        worker->spin_paid = 0;
}

enum tri_found
tri_spin(struct tri_worker *worker)
{
    uint64_t end = worker->turn_ended + spin_ticks(worker), now;
    enum tri_found found;
    do {
        now = tri_ticks(); /* before the look: one follows the last yield, however long that took */
        found = look(worker);
    } while (found == TRI_FOUND_NOTHING && now < end && sched_yield() == 0);
    learn(worker, found);
    return found;
}

void
tri_spin_learn(struct tri_worker *worker, uint64_t ticks_slept, bool found_mail)
{
    if (found_mail || (worker->runtime->options.spin_us > 0 && ticks_slept <= spin_ticks(worker)))
        worker->naps++;
}
