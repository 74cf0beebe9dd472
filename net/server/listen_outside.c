/*
 * Listening from a thread outside the runtime: it makes a server, and waits until that listens or has failed.
 *
 * The server knows of the waiting thread until it has told it the outcome; whatever becomes of it before, it tells. So
 * the thread goes on in any case, and what it waits with lies on its own stack.
 */
#include "listening.h"

#include "server_actor.h"
#include "waiter.h"

#include <stdlib.h>
#include <troupe/core/descriptors.h>
#include <troupe/ipaddr/block_list.h>

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
        status = tri_waiter_init(&waiter);
    if (status != TR_OK)
        return status;
    struct tri_server_order order = {.options = server, .listen = listen, .waiter = &waiter};
    struct tr_spawn_options spawn = {.placement = TR_PLACE_LEAST_LOADED, .argument = &order};
    tr_ref ref;
    status = tr_runtime_spawn(runtime, &tri_server_behavior, &spawn, &ref);
    if (status == TR_OK)
        status = tri_waiter_wait(&waiter);
    tri_waiter_fini(&waiter);
    if (status != TR_OK)
        return status;
    if (listen->from_fd)
        tri_close(listen->fd); /* the server has a duplicate */
    if (out != NULL)
        *out = ref;
    if (bound != NULL)
        *bound = waiter.address;
    return TR_OK;
}
