/*
 * A descriptor that listens, and the servers that share it.
 *
 * A server may listen on what another one listens on. Then both stand in a row: the newest gets every connection, the
 * older ones wait behind it, and when it closes the next one goes on; whoever closes, in whatever order, the others do
 * not notice but for that. They share one descriptor, one poll handle and, if we bound a path, its file; all of it goes
 * with the last of them. So sharing costs no descriptor and cannot fail.
 *
 * Closing is in order: the file first, since the open socket is what makes sure that the file is ours (unix_path.c);
 * then the poll handle, since the loop must forget the descriptor before it goes; then the descriptor. The memory
 * follows when libuv has let go of the handle: a listener may close while it accepts.
 */
#include "endpoint.h"

#include <stdlib.h>
#include <troupe/core/descriptors.h>
#include <troupe/core/status_from.h>

static struct tri_endpoint *
endpoint_of(void *poll)
{
    return TRI_CONTAINER_OF(poll, struct tri_endpoint, poll);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    struct tri_endpoint *endpoint = endpoint_of(poll);
    (void)events;
    if (status < 0)
        endpoint->polled = false; /* libuv has stopped; the error shows in accept4() */
    endpoint->newest->readable(endpoint->newest);
}

static void
on_closed(uv_handle_t *handle)
{
    free(endpoint_of(handle));
}

tr_status
tri_endpoint_open(struct tri_net *net, int fd, struct tri_unix_path *path, struct tri_endpoint **out)
{
    tr_status status = tri_net_claim(net, fd);
    if (status != TR_OK)
        return status;
    struct tri_endpoint *endpoint = calloc(1, sizeof(*endpoint));
    int error = endpoint != NULL ? uv_poll_init(&net->worker->loop, &endpoint->poll, fd) : UV_ENOMEM;
    if (error != 0) {
        tri_net_disclaim(net, fd);
        free(endpoint);
        return tri_status_from_uv(error);
    }
    endpoint->net = net;
    endpoint->path = path;
    endpoint->fd = fd;
    *out = endpoint;
    return TR_OK;
}

void
tri_endpoint_close(struct tri_endpoint *endpoint)
{
    tri_net_disclaim(endpoint->net, endpoint->fd);
    tri_unix_path_remove(endpoint->path);
    endpoint->path = NULL;
    uv_close((uv_handle_t *)&endpoint->poll, on_closed);
    tri_close(endpoint->fd);
}

void
tri_endpoint_poll(struct tri_endpoint *endpoint)
{
    bool wanted = tri_listener_accepts(endpoint->newest);
    if (wanted == endpoint->polled)
        return;
    endpoint->polled = wanted;
    if (wanted)
        uv_poll_start(&endpoint->poll, UV_READABLE, on_readable);
    else
        uv_poll_stop(&endpoint->poll);
}

void
tri_endpoint_join(struct tri_endpoint *endpoint, struct tri_listener *listener)
{
    *listener = (struct tri_listener){.readable = listener->readable};
    listener->endpoint = endpoint;
    listener->older = endpoint->newest;
    if (listener->older != NULL)
        listener->older->newer = listener;
    endpoint->newest = listener;
    tri_endpoint_poll(endpoint);
}

void
tri_endpoint_leave(struct tri_listener *listener)
{
    struct tri_endpoint *endpoint = listener->endpoint;
    if (endpoint == NULL)
        return;
    tri_timer_stop(&endpoint->net->worker->timers, &listener->retry);
    tri_timer_stop(&endpoint->net->worker->timers, &listener->pause);
    if (listener->newer != NULL)
        listener->newer->older = listener->older;
    else
        endpoint->newest = listener->older;
    if (listener->older != NULL)
        listener->older->newer = listener->newer;
    listener->endpoint = NULL;
    listener->older = listener->newer = NULL;
    if (endpoint->newest != NULL)
        tri_endpoint_poll(endpoint);
    else
        tri_endpoint_close(endpoint);
}
