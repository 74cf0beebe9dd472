/*
 * The actor of a share: it receives a server's descriptors on another worker.
 *
 * A connection counts from the moment in which the server assigns it. So whatever becomes of the message that carries
 * it, somebody must count its end: the socket, or else the message's destructor, which runs on the share's worker when
 * the share was killed, or was never born, and the message is a dead letter there. Only a message that did not leave
 * the server's own worker does not count: there the server itself knows that it could not be sent.
 *
 * A share's actor ends only on the server's word NO_MORE, which comes the same way as the descriptors and thus after
 * the last of them: so none is lost when the runtime stops. A share that is asked to stop tells the server. If the
 * runtime stops, that stops accepting and gives the word; otherwise somebody asked the share alone, and it gets a
 * successor. Killing does without the word; the server learns of it in the same way.
 *
 * NO_MORE is sent to every share exactly once, as soon as there is memory, also to one that is gone, since it carries
 * the hold on the deal on which all messages before it rely. Where the server's own worker drops it, unsent, that hold
 * stays: what was sent before may be on its way. The runtime's end frees such a deal.
 */
#include "deal.h"

#include <stddef.h>
#include <stdlib.h>
#include <troupe/core/descriptors.h>

/* Descriptors on their way. */

struct tri_handover {
    struct tr_runtime *runtime; /* held: the server may close before the socket is there */
    struct tri_deal *deal;      /* held: a NO_MORE that follows may be dropped before this is */
    struct tri_limit_key place;
    uint64_t number; /* tr_socket_number() */
    unsigned worker;
    int fd;
    bool has_place;
    struct tri_owed owed; /* the server does not know yet that its place is free */
};

static struct tr_runtime *
runtime_of(const struct tri_deal *deal)
{
    return deal->home->worker->runtime->host;
}

static struct tri_handover *
handover_of(struct tri_owed *owed)
{
    return TRI_CONTAINER_OF(owed, struct tri_handover, owed);
}

static void
free_handover(struct tri_handover *handover)
{
    tri_deal_release(handover->deal);
    free(handover);
}

static bool
tell_place_again(struct tri_worker *worker, struct tri_owed *owed)
{
    struct tri_handover *handover = handover_of(owed);
    if (!tri_deal_tell_place(handover->deal, worker, &handover->place))
        return false;
    free_handover(handover);
    return true;
}

static void
forget_place(struct tri_owed *owed)
{
    free(handover_of(owed));
}

/* It never came to life on the worker that it was for. Takes the handover, which carries the word if need be. */
static void
lose(struct tri_handover *handover, struct tri_worker *worker)
{
    tri_deal_lost(handover->deal, worker);
    if (!handover->has_place || tri_deal_tell_place(handover->deal, worker, &handover->place)) {
        free_handover(handover);
        return;
    }
    handover->owed = (struct tri_owed){.send = tell_place_again, .forget = forget_place, .to = handover->deal->server};
    tri_owe(worker, &handover->owed);
}

/* On the server's worker its sender gives the hold back, unless the runtime has ended, which frees every deal. */
static void
drop_handover(void *address)
{
    struct tri_handover *handover = address;
    struct tri_worker *here = tri_worker_current();
    struct tr_runtime *runtime = handover->runtime;
    tri_close(handover->fd);
    if (here != NULL && here->index == handover->worker)
        lose(handover, here);
    else
        free(handover);
    tri_runtime_add_live(runtime, -1);
}

bool
tri_share_message(struct tri_deal *deal, unsigned worker, const struct tri_arrival *arrival, tr_message *out)
{
    struct tri_handover *handover = malloc(sizeof(*handover));
    if (handover == NULL)
        return false;
    *handover = (struct tri_handover){.deal = deal, .worker = worker, .fd = arrival->fd, .number = arrival->number};
    handover->has_place = arrival->place != NULL;
    handover->runtime = runtime_of(deal);
    tri_deal_hold(deal);
    tri_runtime_add_live(handover->runtime, 1);
    if (arrival->place != NULL)
        handover->place = *arrival->place;
    *out = tr_message_pointer(TRI_TAG_DEAL_CONNECTION, handover, sizeof(*handover), drop_handover);
    return true;
}

static void
give_hold_back(void *address)
{
    struct tri_deal *deal = address;
    struct tri_worker *here = tri_worker_current();
    if (here != NULL && here != deal->home->worker)
        tri_deal_release(deal);
}

struct tri_dismissal {
    struct tri_word word; /* first */
    struct tri_deal *deal;
};

struct tri_dismissal *
tri_dismissal_new(struct tri_deal *deal)
{
    struct tri_dismissal *dismissal = malloc(sizeof(*dismissal));
    if (dismissal == NULL)
        return NULL;
    dismissal->deal = deal;
    tri_deal_hold(deal);
    return dismissal;
}

void
tri_dismissal_cancel(struct tri_dismissal *dismissal)
{
    tri_deal_release(dismissal->deal);
    free(dismissal);
}

void
tri_share_dismiss(struct tri_dismissal *dismissal, tr_ref share)
{
    struct tri_deal *deal = dismissal->deal;
    dismissal->word.done = tri_word_free;
    tri_word_send(deal->home->worker, &dismissal->word, TR_NOBODY, share,
                  tr_message_pointer(TRI_TAG_DEAL_NO_MORE, deal, sizeof(*deal), give_hold_back));
}

/* The actor. */

struct share_state {
    tr_actor *self;
    struct tri_share *share;
    struct tri_word *stops; /* what the server is told when it is to stop; NULL: it has been */
};

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    struct share_state *actor = state;
    struct tri_net *net = tri_net_of(tri_actor_worker(self));
    actor->self = self;
    actor->stops = net != NULL ? malloc(sizeof(*actor->stops)) : NULL;
    if (actor->stops != NULL)
        actor->share = tri_share_open((struct tri_deal *)argument, net);
    if (actor->share != NULL)
        return TR_OK;
    free(actor->stops);
    return TR_ENOMEM;
}

static void
take(tr_actor *self, struct tri_share *share, struct tri_handover *handover)
{
    struct tr_runtime *runtime = handover->runtime;
    struct tri_arrival arrival = {.fd = handover->fd, .number = handover->number};
    arrival.place = handover->has_place ? &handover->place : NULL;
    tr_status status = tri_share_accept(share, self, &arrival);
    if (status == TR_OK) {
        free_handover(handover);
    } else {
        tri_deal_failed(share->deal, share->net->worker, status);
        lose(handover, share->net->worker);
    }
    tri_runtime_add_live(runtime, -1);
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    struct share_state *actor = state;
    if (message->tag == TRI_TAG_DEAL_CONNECTION)
        take(self, actor->share, tr_message_take_pointer(message));
    else if (message->tag == TRI_TAG_DEAL_NO_MORE)
        tr_exit(self);
}

static void
stopped(tr_actor *self, void *state)
{
    struct share_state *actor = state;
    (void)self;
    free(actor->stops);
    tri_share_close(actor->share);
}

/* Without this word the share would wait for the server's for ever, and the server for one that was killed. */
static void
tell_stops(struct share_state *actor)
{
    struct tri_word *word = actor->stops;
    if (word == NULL)
        return;
    actor->stops = NULL;
    word->done = tri_word_free;
    tri_word_send(tri_actor_worker(actor->self), word, tr_self(actor->self), actor->share->deal->server,
                  tr_message_signal(TRI_TAG_DEAL_SHARE_STOPS));
}

static bool
stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    struct share_state *actor = state;
    tell_stops(actor);
    if (how != TR_STOP_KILL)
        return false;
    stopped(self, state);
    return true;
}

const struct tr_behavior tri_share_behavior = {
    .name = "share",
    .state_size = sizeof(struct share_state),
    .init = init,
    .receive = receive,
    .stopping = stopping,
    .stopped = stopped,
};
