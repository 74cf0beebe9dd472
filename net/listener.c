/*
 * The descriptor that accepts.
 *
 *   polling --descriptors or memory run out--> paused --a timer's try succeeds--> polling
 *      +------------------------ tri_listener_close() ------------------------> closed
 *
 * libuv cannot accept for another loop, so the descriptor is polled and accepted from by ourselves: at most
 * ACCEPTS_PER_WAKE at a time, so that a storm of connections does not starve those that are here.
 *
 * When the process is out of descriptors the waiting connection cannot be taken, and the descriptor would stay
 * readable: polling on would spin. So the listener pauses and tries again every RETRY_MS, while established connections
 * go on. The first such failure is an error event, further ones at most once in COMPLAIN_MS.
 */
#include "server_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define ACCEPTS_PER_WAKE 16
#define RETRY_MS 50

struct tri_listener {
    uv_poll_t poll;
    struct tri_timer retry;
    tr_server *server; /* NULL: closed */
    int fd;
    bool paused;
};

static struct tri_listener *
listener_of_poll(void *poll)
{
    return (struct tri_listener *)((char *)poll - offsetof(struct tri_listener, poll));
}

static void on_readable(uv_poll_t *poll, int status, int events);
static void on_retry(struct tri_timer *timer);

static void
pause_accepting(struct tri_listener *listener, int error)
{
    tr_server *server = listener->server;
    if (!listener->paused)
        tri_server_trace(server, TRI_TRACE_NET_server_paused, (uint32_t)tri_status_from_errno(error), 0);
    listener->paused = true;
    uv_poll_stop(&listener->poll);
    listener->retry.fire = on_retry;
    /* Without memory for the timer there is nothing left but to go on polling. */
    if (tri_timer_start(&server->net->worker->timers, &listener->retry, RETRY_MS) != TR_OK)
        uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    tri_server_complain(server, error);
}

enum outcome {
    ACCEPTED,
    NOTHING_THERE,
    TRY_NEXT, /* that one is lost, the next may be well */
    OUT_OF_RESOURCES,
};

static enum outcome
sort_error(int error)
{
    switch (error) {
    case EAGAIN: return NOTHING_THERE;
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
#ifdef ENONET
    case ENONET:
#endif
        return TRY_NEXT;
    default: return OUT_OF_RESOURCES;
    }
}

static enum outcome
accept_one(struct tri_listener *listener, int *error)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        *error = errno;
        return sort_error(errno);
    }
    tri_server_deal(listener->server, fd);
    return ACCEPTED;
}

/* false: it is paused now. A callback of the user may have closed it. */
static bool
accept_some(struct tri_listener *listener)
{
    for (int i = 0; i < ACCEPTS_PER_WAKE && listener->server != NULL; i++) {
        int error;
        enum outcome outcome = accept_one(listener, &error);
        if (outcome == NOTHING_THERE)
            break;
        if (outcome == OUT_OF_RESOURCES) {
            pause_accepting(listener, error);
            return false;
        }
    }
    return true;
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
    struct tri_listener *listener = listener_of_poll(poll);
    tr_server *server = listener->server;
    (void)status; /* an error shows in accept4() */
    (void)events;
    struct tri_actor_frame frame = tri_server_enter(server, TRI_TAG_ON_ACCEPT);
    if (tri_runtime_phase(server->net->worker->runtime) != TRI_RUNNING)
        tri_server_shut(server);
    else
        accept_some(listener);
    tri_server_leave(server, frame);
}

static void
on_retry(struct tri_timer *timer)
{
    struct tri_listener *listener = (struct tri_listener *)((char *)timer - offsetof(struct tri_listener, retry));
    tr_server *server = listener->server;
    struct tri_actor_frame frame = tri_server_enter(server, TRI_TAG_ON_ACCEPT);
    if (accept_some(listener) && listener->server != NULL) {
        listener->paused = false;
        tri_server_trace(server, TRI_TRACE_NET_server_resumed, 0, 0);
        uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    }
    tri_server_leave(server, frame);
}

static void
on_closed(uv_handle_t *handle)
{
    free(listener_of_poll(handle));
}

struct tri_listener *
tri_listener_open(tr_server *server, int fd)
{
    struct tri_listener *listener = calloc(1, sizeof(*listener));
    if (listener == NULL)
        return NULL;
    if (uv_poll_init(&server->net->worker->loop, &listener->poll, fd) != 0) {
        free(listener);
        return NULL;
    }
    listener->server = server;
    listener->fd = fd;
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    return listener;
}

void
tri_listener_close(struct tri_listener *listener)
{
    tri_timer_stop(&listener->server->net->worker->timers, &listener->retry);
    listener->server = NULL;
    uv_close((uv_handle_t *)&listener->poll, on_closed); /* first: the loop must forget the descriptor before it goes */
    close(listener->fd);
}
