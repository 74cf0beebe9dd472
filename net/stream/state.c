/*
 * What every part of a socket needs: what all of a worker share, the memory that few have, the origin, the name.
 */
#include "socket_state.h"

#include "consumer.h"
#include "halt.h"
#include "queue.h"
#include "secure.h"

#include <stdlib.h>

const struct tr_socket_events tri_no_events;

/* What sockets keep on each worker. */

static void
close_sockets(struct tri_guest *guest)
{
    struct tri_sockets *sockets = TRI_CONTAINER_OF(guest, struct tri_sockets, guest);
    tri_slabs_fini(&sockets->slabs);
    tri_pool_fini(&sockets->writers);
    tri_pool_fini(&sockets->writes);
    free(sockets);
}

struct tri_sockets *
tri_sockets_open(struct tri_worker *worker, const struct tri_course *course)
{
    struct tri_net *net = tri_net_of(worker);
    struct tri_sockets *sockets = net != NULL ? calloc(1, sizeof(*sockets)) : NULL;
    if (sockets == NULL)
        return NULL;
    sockets->guest.close = close_sockets;
    sockets->course = course;
    sockets->net = net;
    sockets->worker = net->worker;
    sockets->files_foreseen = TRI_FILES_FORESEEN;
    tri_pool_init(&sockets->writers, sizeof(struct tri_writer));
    tri_pool_init(&sockets->writes, sizeof(struct tri_write));
    net->guests[TRI_GUEST_SOCKETS] = &sockets->guest;
    tri_consumer_open(worker);
    tri_halt_open(worker);
    return sockets;
}

/* A socket. */

struct tri_extra *
tri_socket_new_extra(tr_socket *socket, size_t state_size)
{
    socket->extra = calloc(1, state_size > 0 ? TRI_EXTRA_STATE + state_size : sizeof(*socket->extra));
    if (socket->extra != NULL) {
        socket->extra->socket = socket;
        socket->extra->has_state = state_size > 0;
    }
    return socket->extra;
}

struct tri_extra *
tri_socket_extra(tr_socket *socket)
{
    if (socket->extra != NULL || tri_socket_has_any(socket, TRI_SOCKET_GONE))
        return socket->extra;
    return tri_socket_new_extra(socket, 0);
}

void
tri_socket_update_special(tr_socket *socket)
{
    const struct tri_extra *extra = socket->extra;
    tri_socket_clear(socket, TRI_SOCKET_SPECIAL);
    if (extra != NULL && (extra->owner != TR_NOBODY || extra->consumer != TR_NOBODY || extra->pipe != NULL ||
                          extra->drops || extra->encoding != TR_ENCODING_NONE || extra->high_water != 0 ||
                          extra->write_limit != 0 || extra->held.first != NULL))
        socket->flags |= TRI_SOCKET_SPECIAL;
}

void
tri_socket_count_live(tr_socket *socket)
{
    bool is = tri_socket_has_any(socket, TRI_SOCKET_LIVE);
    bool shall = tri_socket_has_any(socket, TRI_SOCKET_CONNECTING) ||
                 (tri_socket_has_any(socket, TRI_SOCKET_CONNECTED) && !tri_socket_has_any(socket, TRI_SOCKET_CLOSED) &&
                  !tri_socket_wishes(socket, TRI_WISH_BACKGROUND));
    if (is == shall)
        return;
    socket->flags ^= TRI_SOCKET_LIVE;
    tri_net_add_live(socket->home->net, shall ? 1 : -1);
}

void
tri_socket_leave_origin(tr_socket *socket)
{
    struct tri_origin *origin = socket->origin;
    if (origin == NULL || origin->calls->over == NULL)
        return;
    socket->origin = NULL;
    origin->calls->over(origin);
}

void
tri_socket_reopen(tr_socket *socket)
{
    tri_trace_socket_again(socket);
    tri_socket_leave_origin(socket);
    tri_secure_free(socket);
    tri_socket_clear(socket, TRI_SOCKET_CONNECTED | TRI_SOCKET_PEER_ENDED | TRI_SOCKET_ENDING | TRI_SOCKET_ENDED |
                                 TRI_SOCKET_DESTROYED | TRI_SOCKET_FAILED | TRI_SOCKET_OWES_DRAIN | TRI_SOCKET_CLOSED |
                                 TRI_SOCKET_RESETS | TRI_SOCKET_DRAINING);
    socket->begun = socket->end_told = socket->ends_first = socket->unreadable = 0;
    socket->error = TR_OK;
    socket->bytes_read = socket->bytes_written = 0;
    if (socket->extra == NULL)
        return;
    tr_decoder_init(&socket->extra->decoder, socket->extra->encoding);
    socket->extra->code = NULL;
    free(socket->extra->proxy);
    socket->extra->proxy = NULL;
    socket->extra->holds_end = false;
}

tr_socket *
tri_socket_reach(struct tri_sockets *home, tr_ref ref)
{
    tr_actor *actor = tri_actor_reach(home->worker, ref, home->course->behavior);
    return actor != NULL ? tr_state(actor) : NULL;
}

/* A check of a Debug build: see TRI_CHECK_SELF(). The memory of an actor that has ended is zero in such a build. */

#ifndef NDEBUG

void
tri_socket_check(const tr_socket *socket, const char *function)
{
    if (socket != NULL)
        tri_net_check(socket->home != NULL ? socket->home->worker : NULL, "socket", function);
}

#endif
