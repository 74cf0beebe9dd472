/*
 * Accepted descriptors on their way to another worker.
 *
 * A connection counts from the moment in which it is assigned. So whatever becomes of the message that carries it,
 * somebody must count its end or take it back: the socket, or else the message's destructor, which runs on the worker
 * that finds nobody to receive it.
 *
 *   listener --> share --> socket
 *      ^           |
 *      +-----------+   the server does not listen any more, or the share is gone
 *
 * What has not begun goes back to the listener, which has other servers. If it has none, or is gone itself, somebody
 * insists: then the connection begins where it was assigned, as long as that share lives. Until it is decided the
 * connection counts where it was, so that server waits.
 */
#include "handover.h"

#include "admission.h"

#include <stdlib.h>
#include <troupe/core/descriptors.h>

#define RETURNS 16u /* so often in vain, and it is closed */

static void drop(void *address);

static bool
is_running(const struct tri_worker *worker)
{
    return tri_runtime_phase(worker->runtime) == TRI_RUNNING;
}

/* There is nobody to take it, such as a share that was not born for lack of memory. */
static void
close_it(struct tri_handover *handover, struct tri_worker *here)
{
    tri_close(handover->arrival.fd);
    if (is_running(here))
        tri_deal_failed(handover->deal, here, TR_ENOMEM);
    tri_deal_take_back(handover->deal, here, &handover->arrival);
    tri_handover_free(handover);
}

void
tri_handover_free(struct tri_handover *handover)
{
    struct tr_runtime *runtime = handover->runtime;
    tri_deal_release(handover->deal);
    free(handover);
    tri_runtime_add_live(runtime, -1);
}

/* Sends it, with what it holds. A failure leaves it to the caller. */
static tr_status
send_it(struct tri_worker *worker, tr_actor *self, tr_ref to, uint32_t tag, struct tri_handover *handover)
{
    tr_message message = tr_message_pointer(tag, handover, sizeof(*handover), drop);
    return tri_send_system_or_keep(worker, self, to, &message);
}

/* To the listener. false: there is none any more, and it is still the caller's. */
static bool
give_back(struct tri_handover *handover, struct tri_worker *here)
{
    if (handover->listener == TR_NOBODY || handover->returns == RETURNS || !is_running(here))
        return false;
    handover->returns++;
    return send_it(here, NULL, handover->listener, TRI_TAG_LISTENER_BACK, handover) == TR_OK;
}

/* A destructor. At the runtime's end, which frees every deal, it runs on a thread that is no worker. */
static void
drop(void *address)
{
    struct tri_handover *handover = address;
    struct tri_worker *here = tri_worker_current();
    if (here == NULL) {
        tri_close(handover->arrival.fd);
        tri_runtime_add_live(handover->runtime, -1);
        free(handover);
        return;
    }
    if (give_back(handover, here))
        return;
    if (handover->listener != TR_NOBODY && is_running(here))
        tri_handover_insist(handover, here);
    else
        close_it(handover, here);
}

/* Under the lock, so that a share which is dismissed knows how many were sent to it. */
static tr_status
send_to_share(struct tri_worker *worker, tr_actor *self, struct tri_handover *handover)
{
    struct tri_deal *deal = handover->deal;
    tr_status status = TR_EGONE;
    tri_deal_lock(deal);
    struct tri_deal_place *place = &deal->places[handover->arrival.worker];
    if (tri_deal_reaches(deal, handover->arrival.worker))
        status = send_it(worker, self, place->share, TRI_TAG_DEAL_CONNECTION, handover);
    if (status == TR_OK)
        place->sent++;
    tri_deal_unlock(deal);
    return status;
}

tr_status
tri_handover_send(struct tri_worker *worker, tr_actor *self, struct tri_deal *deal, const struct tri_arrival *arrival,
                  tr_ref listener)
{
    struct tri_handover *handover = malloc(sizeof(*handover));
    if (handover == NULL)
        return TR_ENOMEM;
    *handover = (struct tri_handover){
        .runtime = worker->runtime->host, .deal = deal, .arrival = *arrival, .listener = listener};
    tri_deal_hold(deal);
    tri_runtime_add_live(handover->runtime, 1);
    tr_status status = send_to_share(worker, self, handover);
    if (status != TR_OK)
        tri_handover_free(handover);
    return status;
}

void
tri_handover_insist(struct tri_handover *handover, struct tri_worker *worker)
{
    handover->listener = TR_NOBODY;
    if (send_to_share(worker, NULL, handover) != TR_OK)
        close_it(handover, worker);
}

/* Has the server stopped to listen since? */
static bool
has_left(struct tri_deal *deal)
{
    tri_deal_lock(deal);
    bool open = deal->open;
    tri_deal_unlock(deal);
    return !open;
}

void
tri_handover_take(tr_message *message, struct tri_share *share, tr_actor *parent)
{
    struct tri_handover *handover = tr_message_take_pointer(message);
    struct tri_deal *deal = handover->deal;
    struct tri_worker *here = share->net->worker;
    if (has_left(deal) && give_back(handover, here))
        return;
    tr_status status = tri_share_accept(share, parent, &handover->arrival);
    if (status != TR_OK) {
        tri_deal_failed(deal, here, status);
        tri_deal_take_back(deal, here, &handover->arrival);
    }
    tri_handover_free(handover);
}
