/*
 * What the network layer keeps for each worker.
 */
#include "worker_net.h"

#include "tags.h"

#include <stdlib.h>
#include <string.h>
#include <troupe/core/mistake.h>
#include <troupe/core/recording.h>
#include <troupe/net/events.h>
#include <troupe/net/trace.h>

static const struct tri_trace_event events[] = {TRI_TRACE_NET_EVENTS(TRI_TRACE_DESCRIPTION)};

#define TAG(name) {TRI_TAG_##name, #name},
static const struct tri_trace_tag tags[] = {
    TRI_NET_TAGS(TAG) TRI_PIPE_TAGS(TAG) /* and the events that an owner gets: */
    {TR_TAG_SOCKET_EVENT + TR_EVENT_CONNECTION, "EVENT_CONNECTION"},
    {TR_TAG_SOCKET_EVENT + TR_EVENT_LOOKUP, "EVENT_LOOKUP"},
    {TR_TAG_SOCKET_EVENT + TR_EVENT_CONNECT, "EVENT_CONNECT"},
    {TR_TAG_SOCKET_EVENT + TR_EVENT_READY, "EVENT_READY"},
    {TR_TAG_SOCKET_EVENT + TR_EVENT_DATA, "EVENT_DATA"},
    {TR_TAG_SOCKET_EVENT + TR_EVENT_FD, "EVENT_FD"},
    {TR_TAG_SOCKET_EVENT + TR_EVENT_END, "EVENT_END"},
    {TR_TAG_SOCKET_EVENT + TR_EVENT_DRAIN, "EVENT_DRAIN"},
    {TR_TAG_SOCKET_EVENT + TR_EVENT_TIMEOUT, "EVENT_TIMEOUT"},
    {TR_TAG_SOCKET_EVENT + TR_EVENT_ERROR, "EVENT_ERROR"},
    {TR_TAG_SOCKET_EVENT + TR_EVENT_CLOSE, "EVENT_CLOSE"},
    {TR_TAG_SOCKET_EVENT + TR_EVENT_GOAWAY, "EVENT_GOAWAY"},
    {TR_TAG_SOCKET_EVENT + TR_EVENT_SECURE, "EVENT_SECURE"},
};
#undef TAG

static const struct tri_trace_table table = {
    .events = events,
    .event_count = sizeof(events) / sizeof(events[0]),
    .tags = tags,
    .tag_count = sizeof(tags) / sizeof(tags[0]),
};

static void
close_net(struct tri_worker *worker)
{
    struct tri_net *net = worker->guest;
    for (unsigned place = TRI_GUESTS; place-- > 0;)
        if (net->guests[place] != NULL)
            net->guests[place]->close(net->guests[place]);
    free(net->fds);
    free(net);
    worker->guest = NULL;
}

void
tri_net_describe(struct tri_trace *trace, unsigned worker)
{
    tri_trace_declare(trace, worker, &table);
}

static struct tri_net *
open_net(struct tri_worker *worker)
{
    struct tri_net *net = calloc(1, sizeof(*net));
    if (net == NULL)
        return NULL;
    net->worker = worker;
    uv_idle_init(&worker->loop, &net->loop_idle); /* the worker's end closes it */
    worker->guest = net;
    worker->guest_close = close_net;
    tri_worker_declare(worker, &table);
    return net;
}

struct tri_net *
tri_net_of(struct tri_worker *worker)
{
    return TRI_LIKELY(worker->guest != NULL) ? worker->guest : open_net(worker);
}

/*
 * The runtime counts workers, so that what comes and goes on one of them does not touch what all share. That nothing is
 * left is told in the next turn: a callback may close the last one and open another.
 */

static void
tell_over(struct tri_later *later)
{
    struct tri_net *net = TRI_CONTAINER_OF(later, struct tri_net, over);
    if (net->live > 0 || !net->is_live)
        return;
    net->is_live = false;
    tri_runtime_add_live(net->worker->runtime->host, -1);
}

void
tri_net_add_live(struct tri_net *net, int change)
{
    net->live += (uint64_t)(int64_t)change;
    if (net->live == 0) {
        tri_later_add(net, &net->over, tell_over);
    } else if (!net->is_live) {
        net->is_live = true;
        tri_runtime_add_live(net->worker->runtime->host, 1);
    }
}

/* Whose descriptors are whose. */

static tr_status
make_room(struct tri_net *net, size_t words)
{
    if (words <= net->fd_words)
        return TR_OK;
    size_t room = words > 2 * net->fd_words ? words : 2 * net->fd_words;
    uint64_t *fds = realloc(net->fds, room * sizeof(*fds));
    if (fds == NULL)
        return TR_ENOMEM;
    memset(fds + net->fd_words, 0, (room - net->fd_words) * sizeof(*fds));
    net->fds = fds;
    net->fd_words = room;
    return TR_OK;
}

tr_status
tri_net_claim(struct tri_net *net, int fd)
{
    size_t word = (size_t)fd / 64;
    uint64_t bit = UINT64_C(1) << fd % 64;
    tr_status status = make_room(net, word + 1);
    if (status == TR_OK && (net->fds[word] & bit) != 0)
        status = TR_EEXIST;
    if (status == TR_OK)
        net->fds[word] |= bit;
    return status;
}

void
tri_net_disclaim(struct tri_net *net, int fd)
{
    net->fds[(size_t)fd / 64] &= ~(UINT64_C(1) << fd % 64);
}

#ifndef NDEBUG

void
tri_net_check(const struct tri_worker *worker, const char *what, const char *function)
{
    if (worker == NULL)
        tri_mistake("%s() was called with a %s that has ended", function, what);
    tri_mistake_unless_owner(worker, function);
}

#endif
