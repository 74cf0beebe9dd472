/*
 * The actor of a share: it receives a server's descriptors on another worker.
 *
 * It ends only on the server's word NO_MORE, and then not before the last descriptor that was sent to it has arrived:
 * the word comes from the server, descriptors from the listener, which may live on different workers, so one may
 * overtake the other. So who sends counts (places[w].sent), and the word says how many there were: when it is given
 * nothing more is sent. So none is lost when the runtime stops.
 *
 * A share that is asked to stop tells the server. If the runtime stops, that stops accepting and gives the word;
 * otherwise somebody asked the share alone, and it gets a successor. Killing does without the word; the server learns
 * of it in the same way.
 *
 * NO_MORE is sent to every share exactly once, as soon as there is memory, also to one that is gone, since it carries
 * the hold on the deal on which the order to spawn the share relies.
 */
#include "handover.h"

#include <stddef.h>
#include <stdlib.h>

struct tri_dismissal {
    struct tri_word word; /* first */
    struct tri_deal *deal;
    uint64_t sent; /* descriptors, to the share that is dismissed */
};

static void
free_dismissal(struct tri_dismissal *dismissal)
{
    tri_deal_release(dismissal->deal);
    free(dismissal);
}

/*
 * A destructor. Where the server's own worker drops the word, unsent, its hold stays: the order to spawn the share,
 * which went the same way before and has no hold of its own, may not have been carried out yet. The runtime's end frees
 * such a deal, as it frees every one, on a thread that is no worker.
 */
static void
drop_dismissal(void *address)
{
    struct tri_dismissal *dismissal = address;
    const struct tri_worker *here = tri_worker_current();
    if (here != NULL && here != dismissal->deal->home->worker)
        free_dismissal(dismissal);
    else
        free(dismissal);
}

struct tri_dismissal *
tri_dismissal_new(struct tri_deal *deal)
{
    struct tri_dismissal *dismissal = calloc(1, sizeof(*dismissal));
    if (dismissal == NULL)
        return NULL;
    dismissal->deal = deal;
    tri_deal_hold(deal);
    return dismissal;
}

void
tri_dismissal_cancel(struct tri_dismissal *dismissal)
{
    free_dismissal(dismissal);
}

void
tri_share_dismiss(struct tri_dismissal *dismissal, tr_ref share, uint64_t sent)
{
    dismissal->sent = sent;
    tri_word_send(dismissal->deal->home->worker, &dismissal->word, TR_NOBODY, share,
                  tr_message_pointer(TRI_TAG_DEAL_NO_MORE, dismissal, sizeof(*dismissal), drop_dismissal));
}

/* The actor. */

struct share_state {
    tr_actor *self;
    struct tri_share *share;
    struct tri_word *stops; /* what the server is told when it is to stop; NULL: it has been */
    uint64_t arrived;       /* descriptors */
    uint64_t awaited;       /* so many will, as NO_MORE has said; until then UINT64_MAX */
};

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    struct share_state *actor = state;
    struct tri_net *net = tri_net_of(tri_actor_worker(self));
    actor->self = self;
    actor->awaited = UINT64_MAX;
    actor->stops = net != NULL ? malloc(sizeof(*actor->stops)) : NULL;
    if (actor->stops != NULL)
        actor->share = tri_share_open((struct tri_deal *)argument, net);
    if (actor->share != NULL)
        return TR_OK;
    free(actor->stops);
    return TR_ENOMEM;
}

static void
hear_no_more(struct share_state *actor, struct tri_dismissal *dismissal)
{
    actor->awaited = dismissal->sent;
    free_dismissal(dismissal);
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    struct share_state *actor = state;
    switch (message->tag) {
    case TRI_TAG_DEAL_CONNECTION:
        actor->arrived++;
        tri_handover_take(message, actor->share, self);
        break;
    case TRI_TAG_DEAL_NO_MORE: hear_no_more(actor, tr_message_take_pointer(message)); break;
    case TRI_TAG_DEAL_DRAIN: tri_share_drain(actor->share); break;
    case TRI_TAG_DEAL_CUT: tri_share_cut(actor->share); break;
    }
    if (actor->arrived >= actor->awaited)
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
