#include "waiter.h"

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

tr_status
tri_waiter_wait(struct tri_listen_waiter *waiter)
{
    uv_mutex_lock(&waiter->lock);
    while (!waiter->over)
        uv_cond_wait(&waiter->changed, &waiter->lock);
    uv_mutex_unlock(&waiter->lock);
    return waiter->status;
}

tr_status
tri_waiter_init(struct tri_listen_waiter *waiter)
{
    *waiter = (struct tri_listen_waiter){.over = false};
    if (uv_mutex_init(&waiter->lock) != 0)
        return TR_ENOMEM;
    if (uv_cond_init(&waiter->changed) == 0)
        return TR_OK;
    uv_mutex_destroy(&waiter->lock);
    return TR_ENOMEM;
}

void
tri_waiter_fini(struct tri_listen_waiter *waiter)
{
    uv_cond_destroy(&waiter->changed);
    uv_mutex_destroy(&waiter->lock);
}
