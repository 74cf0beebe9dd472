/*
 * Later: an event must not come before the call that caused it has returned. What happens inside a socket's own
 * callback is settled when that callback returns; everything else is put on the worker's list of later work, which an
 * idle handle of libuv runs in the next turn of the loop. The handle is active only while the list is not empty, so the
 * list costs nothing when nobody needs it and the loop never sleeps on it.
 */
#include "later.h"

#include "worker_net.h"

static void
append(struct tri_later_list *list, struct tri_later *later)
{
    later->next = NULL;
    if (list->first == NULL)
        list->first = later;
    else
        list->last->next = later;
    list->last = later;
}

static bool
remove_from(struct tri_later_list *list, struct tri_later *later)
{
    struct tri_later *before = NULL;
    for (struct tri_later *each = list->first; each != NULL; before = each, each = each->next) {
        if (each != later)
            continue;
        if (before == NULL)
            list->first = later->next;
        else
            before->next = later->next;
        if (list->last == later)
            list->last = before;
        return true;
    }
    return false;
}

/* What comes due meanwhile waits for the next turn. */
static void
run_due(uv_idle_t *idle)
{
    struct tri_net *net = TRI_CONTAINER_OF(idle, struct tri_net, loop_idle);
    uv_idle_stop(idle);
    net->running = net->due;
    net->due.first = NULL;
    while (net->running.first != NULL) {
        struct tri_later *later = net->running.first;
        void (*run)(struct tri_later *) = later->run;
        net->running.first = later->next;
        later->run = NULL;
        run(later);
    }
}

void
tri_later_add(struct tri_net *net, struct tri_later *later, void (*run)(struct tri_later *later))
{
    if (later->run != NULL)
        return;
    later->run = run;
    if (net->due.first == NULL)
        uv_idle_start(&net->loop_idle, run_due);
    append(&net->due, later);
}

void
tri_later_remove(struct tri_net *net, struct tri_later *later)
{
    if (later->run == NULL)
        return;
    later->run = NULL;
    if (!remove_from(&net->due, later))
        remove_from(&net->running, later);
}
