/*
 * Accepting: one server's part in an endpoint.
 *
 *   accepting --descriptors or memory run out--> starved --a timer's try succeeds--> accepting
 *       |                                                                                ^
 *       +-------- tr_server_pause() --------> paused -------- its time, resume() --------+
 *
 * libuv cannot accept for another loop, so the descriptor is polled and accepted from by ourselves: at most
 * ACCEPTS_PER_WAKE at a time, so that a storm of connections does not starve those that are here.
 *
 * What an error of accept() means is in verdict.c. A descriptor that does not listen any more closes the server.
 *
 * When the process is out of descriptors the waiting connection cannot be taken, and the descriptor would stay
 * readable: polling on would spin. So the listener waits and tries again every RETRY_MS, while established connections
 * go on. The first such failure is an error event, further ones at most once in COMPLAIN_MS.
 *
 * A connection that is dealt to the server's own worker begins within the loop that accepts, and its callback may do
 * anything: close the server, pause it, let another one listen in its place. So the loop looks before each step whether
 * it is still its turn.
 */
#include "listener.h"

#include "bind.h"
#include "dealer.h"
#include "due.h"
#include "server_close.h"
#include "tune.h"
#include "verdict.h"

#define ACCEPTS_PER_WAKE 16
#define RETRY_MS 50

static tr_server *
server_of(struct tri_listener *listener)
{
    return TRI_CONTAINER_OF(listener, tr_server, listener);
}

/* As its server wants it; the endpoint may be another server's. */
static void
set_delay(const tr_server *server, int fd)
{
    bool no_delay = server->deal->options.socket.no_delay;
    if (no_delay != server->listener.endpoint->no_delay)
        tri_tune_no_delay(fd, no_delay);
}

/* Takes one connection. false: there is none, or it is lost, and *error is the errno that says why. */
static bool
accept_one(tr_server *server, int *error)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_storage *peer = tri_server_asks_peer(server) ? &storage : NULL;
    int fd = tri_accept(server->listener.endpoint->fd, peer);
    if (fd < 0) {
        *error = -fd;
        return false;
    }
    set_delay(server, fd);
    tri_server_deal(server, fd, (const struct sockaddr *)peer);
    return true;
}

/* Is it still this listener that takes the connections? */
static bool
has_its_turn(const struct tri_listener *listener)
{
    return listener->endpoint != NULL && listener->endpoint->newest == listener && tri_listener_accepts(listener);
}

/* Returns 0, or the errno for which it is of no use to go on at once. */
static int
accept_some(tr_server *server)
{
    int error = 0;
    unsigned lost = 0;
    for (int i = 0; i < ACCEPTS_PER_WAKE && has_its_turn(&server->listener); i++) {
        if (accept_one(server, &error))
            continue;
        enum tri_verdict verdict = tri_verdict(TRI_ON_ACCEPT, error);
        if (verdict == TRI_WAIT)
            return 0;
        if (verdict == TRI_SHORT || verdict == TRI_BROKEN)
            return error;
        lost++; /* the next may be well */
    }
    return lost == ACCEPTS_PER_WAKE ? error : 0; /* none of so many: something takes them all */
}

/* Pausing, for whatever reason. */

static void
stand_still(tr_server *server, tr_status why)
{
    tri_trace_server_paused(server, why);
    tri_endpoint_poll(server->listener.endpoint);
}

static void
go_on(tr_server *server)
{
    tri_trace_server_resumed(server);
    tri_endpoint_poll(server->listener.endpoint);
}

static void on_retry(struct tri_timer *timer);

static void
starve(tr_server *server)
{
    struct tri_listener *listener = &server->listener;
    listener->retry.fire = on_retry;
    /* Without memory for the timer there is nothing left but to go on polling. */
    listener->starved = tri_timer_start(&server->net->worker->timers, &listener->retry, RETRY_MS) == TR_OK;
}

/* Accepting has come to a halt. The user may do anything in the error event. */
static void
halt(tr_server *server, int error)
{
    bool broken = tri_verdict(TRI_ON_ACCEPT, error) == TRI_BROKEN;
    if (!broken)
        starve(server);
    tri_server_complain(server, tri_status_from_errno(error), error);
    if (broken && server->listener.endpoint != NULL)
        tri_server_shut(server);
}

/* What wakes it. */

void
tri_listener_readable(struct tri_listener *listener)
{
    tr_server *server = server_of(listener);
    struct tri_actor_frame frame = tri_server_enter(server, TRI_TAG_ON_ACCEPT);
    if (tri_runtime_phase(server->net->worker->runtime) != TRI_RUNNING) {
        tri_server_shut(server);
    } else {
        int error = accept_some(server);
        tri_server_hear_failures(server);
        if (error != 0 && listener->endpoint != NULL)
            halt(server, error);
        if (listener->starved && listener->endpoint != NULL)
            stand_still(server, tri_status_from_errno(error));
        else if (listener->endpoint != NULL)
            tri_endpoint_poll(listener->endpoint); /* after an error libuv has stopped */
    }
    tri_server_leave(server, frame);
}

static void
on_retry(struct tri_timer *timer)
{
    struct tri_listener *listener = TRI_CONTAINER_OF(timer, struct tri_listener, retry);
    tr_server *server = server_of(listener);
    struct tri_actor_frame frame = tri_server_enter(server, TRI_TAG_ON_ACCEPT);
    listener->starved = false;
    int error = accept_some(server);
    tri_server_hear_failures(server);
    if (error != 0 && listener->endpoint != NULL)
        halt(server, error);
    if (listener->endpoint != NULL && !listener->starved)
        go_on(server);
    tri_server_leave(server, frame);
}

/* Pausing on demand. */

static void
on_pause_over(struct tri_timer *timer)
{
    struct tri_listener *listener = TRI_CONTAINER_OF(timer, struct tri_listener, pause);
    listener->paused = false;
    go_on(server_of(listener));
}

tr_status
tr_server_pause(tr_server *server, uint64_t pause_ms)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL)
        return TR_EINVAL;
    struct tri_listener *listener = &server->listener;
    if (pause_ms > INT32_MAX)
        return TR_EBADLIMIT;
    if (listener->endpoint == NULL)
        return TR_ENOTLISTENING;
    struct tri_timers *timers = &server->net->worker->timers;
    tri_timer_stop(timers, &listener->pause); /* in its place the new one finds room */
    listener->pause.fire = on_pause_over;
    if (pause_ms > 0 && tri_timer_start(timers, &listener->pause, pause_ms) != TR_OK)
        return TR_ENOMEM;
    listener->paused = true;
    stand_still(server, TR_OK);
    return TR_OK;
}

tr_status
tr_server_resume(tr_server *server)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL)
        return TR_EINVAL;
    struct tri_listener *listener = &server->listener;
    if (listener->endpoint == NULL)
        return TR_ENOTLISTENING;
    tri_timer_stop(&server->net->worker->timers, &listener->pause);
    if (listener->paused) {
        listener->paused = false;
        go_on(server);
    }
    return TR_OK;
}
