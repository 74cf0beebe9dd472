#include "routes.h"

#include <ck_pr.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/compiler.h>
#include <troupe/core/refcount.h>

#define FIRST_SIZE 4u

static struct tri_route_table *
table_new(uint32_t size)
{
    struct tri_route_table *table = calloc(1, sizeof(*table) + size * sizeof(table->actors[0]));
    if (table == NULL)
        return NULL;
    table->holds = 1;
    table->size = size;
    return table;
}

static void
table_release(struct tri_route_table *table)
{
    if (table != NULL && tri_refcount_release(&table->holds))
        free(table);
}

struct tri_routes *
tri_routes_new(unsigned workers, enum tr_group_policy policy)
{
    struct tri_routes *routes = calloc(1, sizeof(*routes) + workers * sizeof(routes->views[0]));
    if (routes == NULL)
        return NULL;
    routes->table = table_new(FIRST_SIZE);
    if (routes->table == NULL || uv_mutex_init(&routes->lock) != 0) {
        free(routes->table);
        free(routes);
        return NULL;
    }
    routes->policy = policy;
    routes->workers = workers;
    routes->version = 1;
    for (unsigned i = 0; i < workers; i++)
        routes->views[i].next = i; /* so that they do not all begin with the same one */
    return routes;
}

void
tri_routes_free(struct tri_routes *routes)
{
    if (routes == NULL)
        return;
    for (unsigned i = 0; i < routes->workers; i++)
        table_release(routes->views[i].table);
    table_release(routes->table);
    uv_mutex_destroy(&routes->lock);
    free(routes);
}

/* Under the lock. false: without memory. */
static bool
grow(struct tri_routes *routes)
{
    struct tri_route_table *old = routes->table, *table = NULL;
    if (old->size <= UINT32_MAX / 2)
        table = table_new(2 * old->size);
    if (table == NULL)
        return false;
    memcpy(table->actors, old->actors, old->size * sizeof(old->actors[0]));
    routes->table = table;
    ck_pr_store_64(&routes->version, routes->version + 1); /* who sees it takes the lock: no order is needed */
    table_release(old);
    return true;
}

/* Under the lock. The size of the table: there is none. */
static uint32_t
free_place(const struct tri_route_table *table)
{
    uint32_t place = 0;
    while (place < table->size && table->actors[place] != TR_NOBODY)
        place++;
    return place;
}

static void
set(struct tri_routes *routes, uint32_t place, tr_ref actor)
{
    ck_pr_store_64(&routes->table->actors[place], actor);
}

bool
tri_routes_add(struct tri_routes *routes, tr_ref actor, uint32_t *place)
{
    uv_mutex_lock(&routes->lock);
    *place = free_place(routes->table);
    bool has_room = *place < routes->table->size || grow(routes);
    if (has_room)
        set(routes, *place, actor);
    uv_mutex_unlock(&routes->lock);
    return has_room;
}

void
tri_routes_remove(struct tri_routes *routes, uint32_t place)
{
    uv_mutex_lock(&routes->lock);
    set(routes, place, TR_NOBODY);
    uv_mutex_unlock(&routes->lock);
}

struct tri_route_view *
tri_routes_view(struct tri_routes *routes, unsigned worker)
{
    struct tri_route_view *view = &routes->views[worker];
    if (TRI_LIKELY(view->version == ck_pr_load_64(&routes->version)))
        return view;
    table_release(view->table);
    uv_mutex_lock(&routes->lock);
    view->table = routes->table;
    view->version = routes->version;
    tri_refcount_hold(&view->table->holds);
    uv_mutex_unlock(&routes->lock);
    return view;
}
