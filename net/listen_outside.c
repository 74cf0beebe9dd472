/*
 * Listening from a thread outside the runtime: it makes a server, and waits until that listens or has failed.
 *
 * The server knows of the waiting thread until it has told it the outcome; whatever becomes of it before, it tells. So
 * the thread goes on in any case, and what it waits with lies on its own stack.
 */
#include "server_internal.h"

#include <stdlib.h>
#include <troupe/ipaddr/block_list.h>
#include <unistd.h>

struct tri_listen_waiter {
    uv_mutex_t lock;
    uv_cond_t changed;
    bool over;
    tr_status status;
    struct tr_address address;
};

void
tri_server_tell_waiter(tr_server *server, tr_status status)
{
    struct tri_listen_waiter *waiter = server->waiter;
    if (waiter == NULL)
        return;
    server->waiter = NULL; /* it is the thread's own, and gone when that goes on */
    uv_mutex_lock(&waiter->lock);
    waiter->over = true;
    waiter->status = status;
    waiter->address = server->address;
    uv_cond_signal(&waiter->changed);
    uv_mutex_unlock(&waiter->lock);
}

static tr_status
wait_until_over(struct tri_listen_waiter *waiter)
{
    uv_mutex_lock(&waiter->lock);
    while (!waiter->over)
        uv_cond_wait(&waiter->changed, &waiter->lock);
    uv_mutex_unlock(&waiter->lock);
    return waiter->status;
}

static tr_status
waiter_init(struct tri_listen_waiter *waiter)
{
    *waiter = (struct tri_listen_waiter){.over = false};
    if (uv_mutex_init(&waiter->lock) != 0)
        return TR_ENOMEM;
    if (uv_cond_init(&waiter->changed) == 0)
        return TR_OK;
    uv_mutex_destroy(&waiter->lock);
    return TR_ENOMEM;
}

static void
waiter_fini(struct tri_listen_waiter *waiter)
{
    uv_cond_destroy(&waiter->changed);
    uv_mutex_destroy(&waiter->lock);
}

/* A list that may still change belongs to the thread that builds it, and the server will live on another. */
static tr_status
check(const struct tr_runtime *runtime, const struct tr_server_options *server, const struct tr_listen_options *listen)
{
    if (listen->server != NULL || (server->block_list != NULL && !tr_block_list_is_frozen(server->block_list)))
        return TR_EINVAL;
    tr_status status = tri_server_check_options(runtime, server);
    return status == TR_OK ? tri_listen_check_options(listen) : status;
}

tr_status
tr_runtime_listen(struct tr_runtime *runtime, const struct tr_server_options *server,
                  const struct tr_listen_options *listen, tr_ref *out, struct tr_address *bound)
{
    if (runtime == NULL || server == NULL || listen == NULL)
        return TR_EINVAL;
    tr_status status = check(runtime, server, listen);
    struct tri_listen_waiter waiter;
    if (status == TR_OK)
        status = waiter_init(&waiter);
    if (status != TR_OK)
        return status;
    struct tri_server_order order = {.options = server, .listen = listen, .waiter = &waiter};
    struct tr_spawn_options spawn = {.placement = TR_PLACE_LEAST_LOADED, .argument = &order};
    tr_ref ref;
    status = tr_runtime_spawn(runtime, &tri_server_behavior, &spawn, &ref);
    if (status == TR_OK)
        status = wait_until_over(&waiter);
    waiter_fini(&waiter);
    if (status != TR_OK)
        return status;
    if (listen->from_fd)
        close(listen->fd); /* the server has a duplicate */
    if (out != NULL)
        *out = ref;
    if (bound != NULL)
        *bound = waiter.address;
    return TR_OK;
}
