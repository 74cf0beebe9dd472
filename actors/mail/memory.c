/*
 * The memory limit, as senders meet it.
 *
 * At the limit a send is refused if it brings new memory: a payload that was made since, or a node that would have to
 * be made. So the work that is there can be done to its end, by however many actors it is handed on: what they send on
 * was there before, and each message that was handled leaves its node to another. Who produces something new hears of
 * it. Words of the library's own are neither looked at nor refused: they go by tri_post(), which is not here.
 *
 * Whether a node is free on another worker its sender sees by a count that is some microseconds old; what was sent in
 * between is filed all the same. It is bounded by the lane, since who finds that full is refused, too.
 *
 * Below the limit nothing of this costs anything: the plain case of a send looks at `careful` anyway (owed.c).
 */
#include "memory.h"

#include "owed.h"

#include <troupe/core/buffer_holds.h>
#include <troupe/core/ceiling.h>

#define TIMERS_FREELY 1024u /* of a worker: for who is refused, and tries again later */

/* What a handler was given was there before, whatever it is. Of what a new pointer points to nothing is known. */
static bool
is_payload_new(const tr_message *message)
{
    if (message->from != TR_NOBODY)
        return false;
    unsigned kind = message->kind & TR_PAYLOAD_KINDS;
    return kind == TR_PAYLOAD_POINTER ||
           (kind == TR_PAYLOAD_SLICE && tri_slice_is_new_at_limit(message->payload.slice));
}

bool
tri_memory_is_used_up(const struct tri_actors *home)
{
    return !tri_pool_has_free(&home->mail);
}

bool
tri_memory_is_new(struct tri_worker *worker, tr_ref to, const tr_message *message)
{
    unsigned target = tri_ref_worker(to);
    if (is_payload_new(message))
        return true;
    if (target == worker->index)
        return tri_memory_is_used_up(tri_actors_of(worker));
    return target < worker->runtime->count && !tri_worker_has_old_room(worker, target);
}

bool
tri_memory_refuses_timer(const struct tri_actors *home, const tr_message *message)
{
    return TRI_UNLIKELY(home->worker->at_limit) && (is_payload_new(message) || home->timers_running >= TIMERS_FREELY);
}

tr_status
tri_memory_refuse(struct tri_worker *worker)
{
    worker->counters.memory_refused++;
    return TR_EMEMORYLIMIT;
}

tr_status
tri_memory_check_outside(const tr_runtime *runtime)
{
    if (TRI_LIKELY(!tri_ceiling_look(runtime->core)))
        return TR_OK;
    tri_ceiling_refuse(runtime->core);
    return TR_EMEMORYLIMIT;
}

/* Questions have nodes of their own. */
void
tri_memory_settle(struct tri_worker *worker)
{
    struct tri_actors *home = tri_actors_of(worker);
    tri_pool_settle(&home->mail);
    if (home->deadlines != NULL)
        tri_pool_settle(&home->asking_pool);
    size_t free = tri_pool_count_free(&home->mail);
    ck_pr_store_32(&worker->free_mail, free < UINT32_MAX ? (uint32_t)free : UINT32_MAX);
}

void
tri_memory_at_limit(struct tri_worker *worker, bool reached)
{
    struct tri_actors *home = tri_actors_of(worker);
    tri_owed_look_again(home);
    if (!reached && home->memory_free != NULL)
        home->memory_free(worker);
}

void
tri_actors_on_memory(struct tri_worker *worker, void (*memory_free)(struct tri_worker *worker))
{
    tri_actors_of(worker)->memory_free = memory_free;
}

tr_status
tri_actors_check_memory(struct tri_worker *worker)
{
    return tri_memory_check(worker);
}
