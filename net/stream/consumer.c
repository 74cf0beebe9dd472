/*
 * The consumer of what a socket reads: an actor to which its data callback sends by tr_send().
 *
 * While that one is crowded the socket is PRESSED: it is not read, so what comes stays in the kernel, and the peer
 * stands still when that is full. The actors' layer says when the mailbox is relieved, on whatever worker (relief.c
 * there). It says the same, without a consumer, of a socket in whose callback somebody sends to an actor whose mailbox
 * mutes its senders.
 *
 * A pressed socket is as one whose pipe is full: it writes, gives all other events, and does not notice that its peer
 * has gone before it reads again, since what lies in the kernel is to be delivered.
 */
#include "consumer.h"

#include "pace.h"
#include "reader.h"
#include "turn.h"

#include <troupe/actors/send.h>

#define READS_UNDER_WAY 16u /* to a consumer of another worker, before that is asked */

/* What is on its way to another worker shows in no mailbox yet: so that is asked now and then, and answers when all
 * that was sent before has arrived. */
static bool
is_to_ask(const tr_socket *socket, struct tri_extra *extra)
{
    if (tr_ref_worker(extra->consumer) == socket->home->worker->index)
        return false;
    extra->reads_under_way = (extra->reads_under_way + 1) % READS_UNDER_WAY;
    return extra->reads_under_way == 0;
}

void
tri_consumer_heed_now(tr_socket *socket)
{
    struct tri_extra *extra = socket->extra;
    if (!tri_socket_has_any(socket, TRI_SOCKET_DESTROYED) &&
        (is_to_ask(socket, extra) || tr_backlog(socket->actor, extra->consumer) > 0))
        tri_actor_await_relief(socket->actor, extra->consumer);
}

/* What came before it was pressed and could not be given then goes first, and the end if that waits behind it. */
static void
go_on(tr_socket *socket)
{
    const struct tri_extra *extra = socket->extra;
    tri_socket_clear(socket, TRI_SOCKET_PRESSED);
    tri_pace_look(socket);
    if (!tri_socket_is_open(socket))
        return;
    if (extra != NULL && (extra->held.first != NULL || extra->held.ends))
        tri_reader_start(socket);
    tri_socket_poll(socket);
}

static void
pressed(tr_actor *actor, bool is_pressed)
{
    const struct tri_net *net = tri_actor_worker(actor)->guest;
    struct tri_sockets *home = TRI_CONTAINER_OF(net->guests[TRI_GUEST_SOCKETS], struct tri_sockets, guest);
    if (!tri_actor_is(actor, home->course->behavior))
        return;
    tr_socket *socket = tr_state(actor);
    if (!is_pressed) {
        go_on(socket);
        return;
    }
    socket->flags |= TRI_SOCKET_PRESSED;
    tri_pace_look(socket);
    if (tri_socket_is_open(socket))
        tri_socket_poll(socket);
}

void
tri_consumer_open(struct tri_worker *worker)
{
    tri_actors_on_pressure(worker, pressed);
}

tr_status
tr_socket_set_consumer(tr_socket *socket, tr_ref consumer)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return TR_EINVAL;
    if (tr_ref_worker(consumer) >= socket->home->worker->runtime->count)
        return TR_EBADREF;
    struct tri_extra *extra = consumer == TR_NOBODY ? socket->extra : tri_socket_extra(socket);
    if (extra == NULL)
        return consumer == TR_NOBODY ? TR_OK : TR_ENOMEM;
    extra->consumer = consumer;
    tri_socket_update_special(socket);
    return TR_OK;
}
