/*
 * The rule of sockets.
 *
 *     accepted -----------------------.
 *                                      v
 *     connecting --> lookup --> connect --> data, drain, end --> error --> close
 *
 * Writes, the own end and timeouts may stand anywhere in between; data, drain and the peer's end, which comes once and
 * ends the data, need the connection. An error may come at any time, and then close is next. A drain answers a write
 * that was queued.
 */
#include "check.h"

struct socket {
    bool begun;     /* accepted or connecting was seen, or is known to be missing */
    bool connected; /* or accepted */
    bool queued;    /* a write since the last drain */
    bool ended;     /* by the peer */
    bool failed;
    bool closed;
    bool killed; /* its actor was: then it has no close of its own */
};

void
check_sockets_init(struct check *check)
{
    table_init(&check->sockets, sizeof(struct socket));
}

/* Events are missing before this one: whatever it needs may have been among them. */
static void
assume(struct socket *socket)
{
    socket->begun = true;
    socket->connected = true;
}

static void
check_begin(struct check *check, struct socket *socket, const struct step *step)
{
    if (socket->begun)
        check_failed(check, RULE_socket, step, "it begins although it has begun");
    socket->begun = true;
    socket->connected = step->role == ROLE_socket_accepted;
}

static void
check_connected(struct check *check, struct socket *socket, const struct step *step)
{
    if (!socket->connected)
        check_missing(check, RULE_socket, step, "it is not connected");
}

static void
check_connect(struct check *check, struct socket *socket, const struct step *step)
{
    if (socket->connected && !step->gap)
        check_failed(check, RULE_socket, step, "it connects although it is connected");
    socket->connected = true;
}

static void
check_peer_end(struct check *check, struct socket *socket, const struct step *step)
{
    check_connected(check, socket, step);
    if (socket->ended)
        check_failed(check, RULE_socket, step, "the peer ends a second time");
    socket->ended = true;
}

static void
check_data(struct check *check, struct socket *socket, const struct step *step)
{
    check_connected(check, socket, step);
    if (socket->ended)
        check_failed(check, RULE_socket, step, "data after the peer's end");
}

static void
check_drain(struct check *check, struct socket *socket, const struct step *step)
{
    check_connected(check, socket, step);
    if (!socket->queued)
        check_missing(check, RULE_socket, step, "no write was queued before it");
    socket->queued = false;
}

static void
check_close(struct check *check, struct socket *socket, const struct step *step)
{
    if (socket->failed != (step->record->arg != 0))
        check_missing(check, RULE_socket, step, "it and the error before it contradict each other");
    socket->closed = true;
}

static void
check_order(struct check *check, struct socket *socket, const struct step *step)
{
    switch (step->role) {
    case ROLE_socket_accepted:
    case ROLE_socket_connecting: check_begin(check, socket, step); break;
    case ROLE_socket_connect: check_connect(check, socket, step); break;
    case ROLE_socket_data: check_data(check, socket, step); break;
    case ROLE_socket_write: socket->queued |= (step->record->flags & 1) != 0; break;
    case ROLE_socket_drain: check_drain(check, socket, step); break;
    case ROLE_socket_end: check_peer_end(check, socket, step); break;
    case ROLE_socket_error: socket->failed = true; break;
    case ROLE_socket_close: check_close(check, socket, step); break;
    default: break;
    }
}

static void
check_event(struct check *check, const struct step *step)
{
    struct socket *socket = table_put(&check->sockets, step->record->actor, 0);
    bool begins = step->role == ROLE_socket_accepted || step->role == ROLE_socket_connecting;
    check->findings[RULE_socket].looked++;
    if (!socket->begun && !begins) {
        check_missing(check, RULE_socket, step, "it has not begun");
        assume(socket);
    }
    if (socket->closed)
        check_failed(check, RULE_socket, step, "it comes after close");
    else if (socket->failed && step->role != ROLE_socket_close)
        check_failed(check, RULE_socket, step, "it comes between an error and close");
    check_order(check, socket, step);
}

/* The actor of a socket ends: only one that was killed has not closed. */
static void
check_stopped(struct check *check, const struct step *step)
{
    const struct socket *socket = table_get(&check->sockets, step->record->actor, 0);
    if (socket != NULL && !socket->closed && !socket->killed)
        check_missing(check, RULE_socket, step, "its socket was not closed");
}

static void
note_kill(struct check *check, const struct step *step)
{
    struct socket *socket = table_get(&check->sockets, step->record->actor, 0);
    if (socket != NULL && step->record->arg == 2)
        socket->killed = true;
}

void
check_sockets(struct check *check, const struct step *step)
{
    if (step->role >= ROLE_socket_accepted && step->role <= ROLE_socket_close)
        check_event(check, step);
    else if (step->role == ROLE_stopped)
        check_stopped(check, step);
    else if (step->role == ROLE_stop)
        note_kill(check, step);
}
