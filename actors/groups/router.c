/*
 * Routing: a sender chooses a member and sends to it. There is nothing between the two, so nothing can lose a message
 * or change the order of what one sends to the other.
 */
#include "choose.h"
#include "group_internal.h"
#include "routes.h"

#include <troupe/actors/router.h>

/* Who sends: an actor, or a thread that is no worker. */
struct sender {
    tr_actor *self; /* NULL: outside */
    tr_runtime *runtime;
    enum tr_group_policy policy;
    const struct tri_route_table *table;
    uint64_t *next;
};

static size_t
load_of(void *self, tr_ref actor)
{
    return tr_backlog(self, actor);
}

/* Where to begin; the size of the table: nobody is there. `below` is for the key. */
static uint32_t
choose(const struct sender *sender, uint64_t key, uint64_t *below)
{
    const struct tri_route_table *table = sender->table;
    if (sender->policy == TR_GROUP_BY_KEY)
        return tri_choose_by_key(table->actors, table->size, key, below);
    if (sender->policy == TR_GROUP_SMALLEST && sender->self != NULL)
        return tri_choose_least(table->actors, table->size, sender->next, load_of, sender->self);
    return tri_choose_next(table->actors, table->size, sender->next);
}

/* One that has left meanwhile is gone. */
static tr_status
send_to(const struct sender *sender, uint32_t place, tr_message *message)
{
    tr_ref actor = ck_pr_load_64(&sender->table->actors[place]);
    if (actor == TR_NOBODY)
        return TR_EGONE;
    return sender->self != NULL ? tr_send(sender->self, actor, message)
                                : tr_runtime_send(sender->runtime, actor, message);
}

/* The first choice, the second if that is gone, and so on. */
static tr_status
route_by_key(const struct sender *sender, uint64_t key, tr_message *message)
{
    tr_status status = TR_EGONE;
    uint64_t below = UINT64_MAX;
    for (uint32_t place; status == TR_EGONE && (place = choose(sender, key, &below)) < sender->table->size;)
        status = send_to(sender, place, message);
    return status;
}

/* From the chosen one on, to whoever takes it. TR_EFULL if somebody is there. */
static tr_status
route_on(const struct sender *sender, tr_message *message)
{
    tr_status refusal = TR_EGONE, status = TR_EGONE;
    uint32_t size = sender->table->size, first = choose(sender, 0, NULL);
    for (uint32_t tried = 0; first < size && tried < size; tried++) {
        status = send_to(sender, (uint32_t)(((uint64_t)first + tried) % size), message);
        if (status != TR_EGONE && status != TR_EFULL)
            return status;
        refusal = status == TR_EFULL ? TR_EFULL : refusal;
    }
    return refusal;
}

static tr_status
route(const struct sender *sender, uint64_t key, tr_message *message)
{
    return sender->policy == TR_GROUP_BY_KEY ? route_by_key(sender, key, message) : route_on(sender, message);
}

static struct sender
sender_of(tr_actor *self, struct tri_routes *routes)
{
    struct tri_route_view *view = tri_routes_view(routes, self->home->worker->index);
    return (struct sender){.self = self, .policy = routes->policy, .table = view->table, .next = &view->next};
}

tr_status
tr_route(tr_actor *self, tr_group *router, uint64_t key, tr_message *message)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || router == NULL || message == NULL)
        return TR_EINVAL;
    if (router->routes == NULL)
        return TR_ENOTSUPPORTED;
    struct sender sender = sender_of(self, router->routes);
    return route(&sender, key, message);
}

tr_ref
tr_route_choose(tr_actor *self, tr_group *router, uint64_t key)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || router == NULL || router->routes == NULL)
        return TR_NOBODY;
    struct sender sender = sender_of(self, router->routes);
    uint64_t below = UINT64_MAX;
    uint32_t place = choose(&sender, key, &below);
    return place < sender.table->size ? ck_pr_load_64(&sender.table->actors[place]) : TR_NOBODY;
}

tr_status
tr_runtime_route(struct tr_runtime *runtime, tr_group *router, uint64_t key, tr_message *message)
{
    if (runtime == NULL || router == NULL || message == NULL)
        return TR_EINVAL;
    struct tri_routes *routes = router->routes;
    if (routes == NULL)
        return TR_ENOTSUPPORTED;
    uv_mutex_lock(&routes->lock);
    struct sender sender = {
        .runtime = runtime, .policy = routes->policy, .table = routes->table, .next = &routes->next};
    tr_status status = route(&sender, key, message);
    uv_mutex_unlock(&routes->lock);
    return status;
}
