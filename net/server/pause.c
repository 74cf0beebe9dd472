/*
 * Pausing on demand: the server takes no connections for a time. Its listener looks whether anybody still does.
 */
#include "server_state.h"

static void
set_paused(tr_server *server, bool paused)
{
    struct tri_deal *deal = server->deal;
    tri_deal_lock(deal);
    bool before = deal->paused;
    deal->paused = paused;
    tri_deal_unlock(deal);
    if (paused)
        tri_trace_server_paused(server, TR_OK);
    else if (before)
        tri_trace_server_resumed(server);
    tri_member_ring(server->member, server->net);
}

static void
on_pause_over(struct tri_timer *timer)
{
    set_paused(TRI_CONTAINER_OF(timer, tr_server, pause), false);
}

tr_status
tr_server_pause(tr_server *server, uint64_t pause_ms)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL)
        return TR_EINVAL;
    if (pause_ms > INT32_MAX)
        return TR_EBADLIMIT;
    if (server->member == NULL)
        return TR_ENOTLISTENING;
    struct tri_timers *timers = &server->net->worker->timers;
    tri_timer_stop(timers, &server->pause); /* in its place the new one finds room */
    server->pause.fire = on_pause_over;
    if (pause_ms > 0 && tri_timer_start(timers, &server->pause, pause_ms) != TR_OK)
        return TR_ENOMEM;
    set_paused(server, true);
    return TR_OK;
}

tr_status
tr_server_resume(tr_server *server)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL)
        return TR_EINVAL;
    if (server->member == NULL)
        return TR_ENOTLISTENING;
    tri_timer_stop(&server->net->worker->timers, &server->pause);
    set_paused(server, false);
    return TR_OK;
}
