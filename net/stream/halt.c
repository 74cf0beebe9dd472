/*
 * Reading at the memory limit.
 *
 * A socket that is about to be read while the runtime is at its limit is HALTED instead: its bytes stay in the kernel,
 * and the peer stands still when that is full. When the limit is over all sockets of the worker are looked at, and
 * those go on. So a socket to which nothing comes pays nothing, none needs a place in a list, and nothing of it can
 * fail for lack of memory.
 *
 * A halted socket is as one that is PRESSED (consumer.c): it writes, gives all other events, and what was read before
 * is given. So an echo and a pipe at the limit give their bytes to the kernel, and thereby the memory back.
 */
#include "halt.h"

#include "pace.h"
#include "turn.h"

void
tri_halt_now(tr_socket *socket)
{
    if (!tri_socket_is_open(socket))
        return;
    socket->flags |= TRI_SOCKET_HALTED;
    socket->home->has_halted = true;
    tri_pace_look(socket);
    tri_socket_poll(socket);
}

static void
go_on(tr_actor *actor, void *argument)
{
    tr_socket *socket = tr_state(actor);
    (void)argument;
    if (!tri_socket_has_any(socket, TRI_SOCKET_HALTED))
        return;
    tri_socket_clear(socket, TRI_SOCKET_HALTED);
    if (!tri_socket_is_open(socket))
        return;
    tri_pace_look(socket);
    tri_socket_poll(socket);
}

static void
memory_free(struct tri_worker *worker)
{
    const struct tri_net *net = worker->guest;
    struct tri_sockets *home = TRI_CONTAINER_OF(net->guests[TRI_GUEST_SOCKETS], struct tri_sockets, guest);
    if (!home->has_halted)
        return;
    home->has_halted = false;
    tri_actors_visit(worker, home->course->behavior, go_on, NULL);
}

void
tri_halt_open(struct tri_worker *worker)
{
    tri_actors_on_memory(worker, memory_free);
}
