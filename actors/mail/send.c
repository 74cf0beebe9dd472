/*
 * Sending, as users do it: with the fast path, and within the limits of mailboxes and lanes. What these refuse stays
 * the caller's.
 */
#include "dead_letters.h"
#include "mailbox.h"
#include "memory.h"
#include "mute.h"
#include "post.h"

/* All that is not the plain case of tr_send(), refusals included. */
TRI_NOINLINE static tr_status
send_checked(tr_actor *self, tr_ref to, tr_message *message)
{
    if (self == NULL || message == NULL)
        return TR_EINVAL;
    struct tri_worker *worker = self->home->worker;
    tr_status status = to == TR_NOBODY                   ? TR_EBADREF
                       : message->tag >= TR_TAG_RESERVED ? TR_EBADTAG
                                                         : tri_send_limited(worker, self->ref, to, message);
    worker->counters.refused += status != TR_OK;
    if (status == TR_OK)
        tri_mute_after_send(self, to);
    return status;
}

/* Not the plain case, or it would be but that it is recorded. */
TRI_NOINLINE static tr_status
send_carefully(tr_actor *self, tr_ref to, tr_message *message)
{
    struct tri_actors *home = self->home;
    struct tri_worker *worker = home->worker;
    if (TRI_UNLIKELY(tri_post_recorded(home, self->ref, to, message) == NULL))
        return send_checked(self, to, message);
    worker->counters.sent++;
    tri_post_record(worker->trace, self->ref, message->tag);
    return TR_OK;
}

/* The plain case of a message for another worker: there is nothing to look at before it is staged. */
TRI_NOINLINE static tr_status
send_plain_away(tr_actor *self, tr_ref to, tr_message *message)
{
    struct tri_actors *home = self->home;
    if (TRI_UNLIKELY(to == TR_NOBODY || home->careful))
        return send_checked(self, to, message);
    struct tri_worker *worker = home->worker;
    tr_status status = tri_post_away(worker, self->ref, to, message, false);
    if (TRI_UNLIKELY(status != TR_OK)) {
        worker->counters.refused++;
        return status;
    }
    worker->counters.sent++;
    tri_mute_after_send(self, to);
    return TR_OK;
}

/* The fast path: a plain actor of this worker. It calls no function, so the compiler saves no registers. */
tr_status
tr_send(tr_actor *self, tr_ref to, tr_message *message)
{
    TRI_CHECK_SELF(self);
    if (TRI_UNLIKELY(self == NULL || message == NULL || message->tag >= TR_TAG_RESERVED ||
                     message->kind >= TR_PAYLOAD_INVALID))
        return send_checked(self, to, message);
    struct tri_actors *home = self->home;
    if (TRI_UNLIKELY(tri_ref_worker(to) != home->slots.worker))
        return send_plain_away(self, to, message);
    if (TRI_UNLIKELY(home->careful != TRI_CAREFUL_NOT))
        return send_carefully(self, to, message);
    if (TRI_UNLIKELY(!tri_post_plain(home, self->ref, to, 0, message)))
        return send_checked(self, to, message);
    home->worker->counters.sent++;
    return TR_OK;
}

size_t
tr_backlog(tr_actor *self, tr_ref to)
{
    TRI_CHECK_SELF(self);
    unsigned target = tri_ref_worker(to);
    if (self == NULL || target >= self->home->worker->runtime->count)
        return 0;
    const struct tri_worker *worker = self->home->worker, *receiver = worker->runtime->workers[target];
    size_t under_way = target != worker->index ? tri_worker_backlog(worker, target) : 0;
    return under_way + tri_slots_crowded(&tri_actors_of(receiver)->slots, to);
}

/* From outside. */

tr_status
tr_runtime_send(tr_runtime *runtime, tr_ref to, tr_message *message)
{
    if (runtime == NULL || message == NULL)
        return TR_EINVAL;
    if (message->tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    if (tri_runtime_phase(runtime->core) != TRI_RUNNING)
        return TR_ESTOPPING;
    if (tri_mute_refuses(runtime->core, to))
        return TR_EFULL;
    tr_status status = tri_memory_check_outside(runtime);
    return status == TR_OK ? tri_post_outside(runtime, to, message, false) : status;
}
