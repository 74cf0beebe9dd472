#include <troupe/actors/steps.h>

#include "dispatch.h"
#include "offload.h"

struct tri_runtime *
tri_actors_core(const tr_runtime *runtime)
{
    return runtime->core;
}

/* Who comes before whom. */
static uint64_t
rank_of(const tr_actor *actor, uint64_t salt)
{
    uint64_t x = (actor->ref ^ salt) * UINT64_C(0x9e3779b97f4a7c15);
    return (x ^ x >> 32) * UINT64_C(0xbf58476d1ce4e5b9);
}

/* Of those whom the first messages are for, the actor that comes first. */
static const tr_actor *
first_of(const struct tri_mail_list *queue, unsigned window, uint64_t salt)
{
    const struct tri_mail *mail = queue->first;
    const tr_actor *first = mail->actor;
    for (; --window > 0 && queue->last_next != &mail->next; mail = mail->next)
        if (rank_of(mail->next->actor, salt) < rank_of(first, salt))
            first = mail->next->actor;
    return first;
}

/* Takes out of the queue what is the actor's oldest there. */
static struct tri_mail *
take_oldest_of(struct tri_mail_list *queue, const tr_actor *actor)
{
    struct tri_mail **link = &queue->first;
    while ((*link)->actor != actor)
        link = &(*link)->next;
    struct tri_mail *mail = *link;
    if (queue->last_next == &mail->next)
        queue->last_next = link;
    else
        *link = mail->next;
    return mail;
}

static void
put_first(struct tri_mail_list *queue, struct tri_mail *mail)
{
    if (tri_mail_list_empty(queue)) {
        tri_mail_list_append(queue, mail);
        return;
    }
    mail->next = queue->first;
    queue->first = mail;
}

void
tri_step_handle(struct tri_worker *worker, unsigned window, uint64_t salt)
{
    struct tri_mail_list *queue = &tri_actors_of(worker)->queue;
    if (window > 1 && !tri_mail_list_empty(queue))
        put_first(queue, take_oldest_of(queue, first_of(queue, window, salt)));
    tri_dispatch_run_one(worker);
}

unsigned
tri_step_offloads(const struct tri_worker *worker)
{
    return tri_offloads_count(tri_actors_of(worker));
}

void
tri_step_offload(struct tri_worker *worker, unsigned number)
{
    tri_offload_run(tri_actors_of(worker), number);
}
