/*
 * Turns: when a socket does what is due, and in which order.
 *
 * No event may come before the call that caused it has returned, and with an owner none before it has answered the one
 * before (events.h). So everything that gives an event is a step that is noted as due and done by tri_socket_settle(),
 * in the order of enum tri_socket_step: at the end of the socket's own callback that runs (between enter and leave), or
 * else from the worker's list of later work. While the socket waits for its owner nothing is done, and libuv polls
 * nothing; the owner's answer continues where it stopped. What the steps do only the course knows.
 *
 * Invariants
 *   - a step is due only while a callback runs (INSIDE), `later` stands on the worker's list, or the socket waits for
 *     its owner;
 *   - after DESTROYED no event is given but those of steps that were due before, error and close, and write callbacks.
 */
#include "turn.h"

#include "secure.h"
#include "transport.h"

static void run_later(struct tri_later *later);

void
tri_socket_do_steps(tr_socket *socket)
{
    const tri_step_function *steps = socket->home->course->steps;
    socket->turns = 0;
    uint32_t left;
    for (unsigned step = 0; (left = (socket->due & TRI_ALL_STEPS) >> step) != 0; step++) {
        step += (unsigned)__builtin_ctz(left);
        if (tri_socket_lacks_credit(socket))
            return;
        socket->due &= ~(1u << step);
        steps[step](socket);
    }
    if ((socket->due & TRI_ALL_STEPS) != 0 && !tri_socket_has_any(socket, TRI_SOCKET_GONE))
        tri_socket_later(socket); /* in the next turn, so that the loop lives */
}

void
tri_socket_later(tr_socket *socket)
{
    tri_later_add(socket->home->net, &socket->later, run_later);
}

static void
run_later(struct tri_later *later)
{
    tr_socket *socket = TRI_CONTAINER_OF(later, tr_socket, later);
    if (tri_socket_has_any(socket, TRI_SOCKET_GONE)) {
        tri_actor_end(socket->actor); /* which has waited for this: close.c */
        return;
    }
    if (tri_socket_has_any(socket, TRI_SOCKET_SILENT))
        return;
    if (tri_socket_waits_for_mail(socket)) {
        socket->turns++;
        tri_socket_later(socket);
        return;
    }
    if (tri_socket_has_any(socket, TRI_SOCKET_STARTS)) {
        tri_socket_clear(socket, TRI_SOCKET_STARTS);
        socket->due |= TRI_STEP(START);
    }
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_LATER);
    tri_socket_leave(socket, frame);
}

void
tri_socket_start_later(tr_socket *socket)
{
    socket->flags |= TRI_SOCKET_STARTS;
    tri_socket_later(socket);
}

void
tri_socket_due(tr_socket *socket, uint32_t due)
{
    socket->due |= due;
    if (!tri_socket_has_any(socket, TRI_SOCKET_INSIDE))
        tri_socket_later(socket);
}

void
tri_socket_step_now(tr_socket *socket, uint32_t due, uint32_t tag)
{
    socket->due |= due;
    if (tri_socket_has_any(socket, TRI_SOCKET_INSIDE))
        return;
    if (tri_actor_has_mail(socket->actor)) { /* what was sent to the socket before comes before */
        tri_socket_later(socket);
        return;
    }
    struct tri_actor_frame frame = tri_socket_enter(socket, tag);
    tri_socket_leave(socket, frame);
}

void
tri_writer_push(tr_socket *socket)
{
    if ((socket->due & TRI_DUE_PUSH) == 0)
        return;
    tri_transport_push(socket);
    if (socket->home->files_foreseen > 0)
        socket->home->files_foreseen--;
}

/* It is paused and holds all that it may: only the peer's disappearance is waited for. */
static bool
looks_for_peer(const tr_socket *socket)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_READING) || !tri_socket_has_any(socket, TRI_SOCKET_PAUSED) ||
        !tri_socket_holds(socket))
        return false;
    return !socket->extra->held.ends && !socket->extra->held.gone;
}

/* What only a few sockets have to do with it. */
TRI_NOINLINE static unsigned
special_wants(tr_socket *socket, unsigned wanted, uv_poll_cb *ready)
{
    if (tri_socket_lacks_credit(socket))
        return 0;
    return tri_socket_is_secure(socket) ? tri_secure_wants(socket, wanted, ready) : wanted;
}

void
tri_socket_poll(tr_socket *socket)
{
    uv_poll_cb ready = socket->home->course->ready;
    unsigned reads = socket->flags & (TRI_SOCKET_READING | TRI_SOCKET_PRESSED | TRI_SOCKET_HALTED);
    unsigned wanted = (reads == TRI_SOCKET_READING ? UV_READABLE : 0u) |
                      (tri_socket_has_any(socket, TRI_SOCKET_WRITING) ? UV_WRITABLE : 0u) |
                      (looks_for_peer(socket) ? UV_DISCONNECT : 0u);
    if (TRI_UNLIKELY(tri_socket_has_any(socket, TRI_SOCKET_SPECIAL | TRI_SOCKET_SECURE)))
        wanted = special_wants(socket, wanted, &ready);
    if (wanted == socket->polled)
        return;
    socket->polled = (uint8_t)wanted;
    if (wanted != 0)
        uv_poll_start(&socket->poll, (int)wanted, ready);
    else
        uv_poll_stop(&socket->poll);
}

void
tri_transmit_want_room(tr_socket *socket, bool wanted)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_WRITING) == wanted)
        return;
    socket->flags ^= TRI_SOCKET_WRITING;
    tri_socket_poll(socket);
}
