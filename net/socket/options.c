/*
 * The options of a socket: whether they are in order, and what they make of a new socket.
 */
#include "options.h"

#include "encoding_internal.h"
#include "events_internal.h"
#include "idle.h"
#include "pace.h"
#include "tune.h"

#include <stdlib.h>

tr_status
tri_socket_check_options(const struct tr_runtime *runtime, const struct tr_socket_options *options)
{
    if (options == NULL)
        return TR_OK;
    if (options->timeout_ms > INT32_MAX || options->keep_alive_delay_ms > TRI_KEEP_ALIVE_LIMIT_MS)
        return TR_EBADLIMIT;
    if (!tri_pace_is_possible(options) || options->linger_quiet_ms > INT32_MAX ||
        (options->linger_ms > INT32_MAX && options->linger_ms != TR_NO_LINGER))
        return TR_EBADLIMIT;
    if (!tri_encoding_exists(options->encoding))
        return TR_EBADENCODING;
    if (options->type > TR_SOCKET_UNIX)
        return TR_EINVAL;
    if (options->state_size > TRI_STATE_LIMIT)
        return TR_EBADSTATE;
    if (tr_ref_worker(options->consumer) >= tr_runtime_workers(runtime))
        return TR_EBADREF;
    return tri_events_check_owner(runtime, &options->owner);
}

void
tri_socket_free_extra(tr_socket *socket)
{
    if (socket->extra == NULL)
        return;
    tri_events_end(socket);
    tri_pace_free(socket);
    tri_timer_let_go(&socket->home->worker->timers, &socket->extra->idle);
    free(socket->extra->proxy);
    free(socket->extra);
    socket->extra = NULL;
}

static bool
needs_extra(const struct tr_socket_options *options)
{
    return options->owner.actor != TR_NOBODY || options->consumer != TR_NOBODY || options->keep_alive_delay_ms != 0 ||
           options->timeout_ms != 0 || options->encoding != TR_ENCODING_NONE || options->type != TR_SOCKET_ANY ||
           options->write_limit != 0 || options->high_water != 0 || options->report_resets ||
           options->state_size != 0 || tri_pace_is_wanted(options) || options->linger_ms != 0 ||
           options->linger_quiet_ms != 0;
}

static tr_status
fill_extra(tr_socket *socket, const struct tr_socket_options *options)
{
    struct tri_extra *extra = tri_socket_new_extra(socket, options->state_size);
    if (extra == NULL || tri_events_set_owner(socket, &options->owner) != TR_OK ||
        tri_socket_idle_set(socket, options->timeout_ms) != TR_OK ||
        (tri_pace_is_wanted(options) && tri_pace_new(socket, options) != TR_OK))
        return TR_ENOMEM;
    extra->keep_alive_delay_ms = options->keep_alive_delay_ms;
    extra->encoding = options->encoding;
    tr_decoder_init(&extra->decoder, options->encoding);
    extra->consumer = options->consumer;
    extra->type = options->type;
    extra->write_limit = options->write_limit;
    extra->high_water = options->high_water;
    extra->reports_resets = options->report_resets;
    extra->linger_ms = options->linger_ms;
    extra->linger_quiet_ms = options->linger_quiet_ms;
    return TR_OK;
}

static uint32_t
flags_of(const struct tr_socket_options *options)
{
    return (options->receive_fds ? TRI_SOCKET_RECEIVES : 0) | (options->timeout_ms > 0 ? TRI_SOCKET_TIMED : 0);
}

static uint8_t
wishes_of(const struct tr_socket_options *options)
{
    return (uint8_t)((options->allow_half_open ? TRI_WISH_HALF_OPEN : 0) | (options->keep ? TRI_WISH_KEEP : 0) |
                     (options->no_delay ? TRI_WISH_NO_DELAY : 0) | (options->keep_alive ? TRI_WISH_KEEP_ALIVE : 0));
}

tr_status
tri_socket_init(tr_socket *socket, tr_actor *actor, const struct tr_socket_options *options,
                const struct tri_course *course)
{
    socket->home = tri_sockets_of(tri_actor_worker(actor), course);
    if (socket->home == NULL)
        return TR_ENOMEM;
    if (needs_extra(options) && fill_extra(socket, options) != TR_OK) {
        tri_socket_free_extra(socket);
        return TR_ENOMEM;
    }
    tri_actor_host(actor);
    socket->actor = actor;
    socket->events = options->events != NULL ? options->events : &tri_no_events;
    socket->data = options->data;
    socket->flags = flags_of(options);
    socket->wishes = wishes_of(options) & 0x1f; /* as wide as the field */
    tri_socket_update_special(socket);
    socket->fd = -1;
    return TR_OK;
}
