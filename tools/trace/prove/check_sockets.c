/*
 * The rule of sockets: a table of the lives that one can have.
 *
 * A socket begins without a connection (spawned), with one that a server accepted, or without one and gets a descriptor
 * that is connected (adopted). What has not connected can be written to, can end its side, time out, fail and close;
 * data, drain and the peer's end need the connection. A closed socket may begin again. An accepted one records its
 * connect only if it said so.
 *
 * Beside the table: an error is followed by close and nothing else; each side ends once, and no data comes after the
 * peer's end; a drain answers a write that was queued; a look-up that failed is the last, and
 * no connection follows; what comes after a handshake that failed is its error; a connection is ready once; the code of
 * an error stands directly before it. The bytes that close tells were received; not all of them need have been given as
 * data.
 */
#include "rules.h"

enum { TO_DECODER = 3 }; /* of socket_data: as its sentence says */

enum life {
    NONE,       /* not there; of the table: not allowed */
    SPAWNED,    /* has no connection, and does not try to get one */
    CONNECTING, /* tries */
    ACCEPTED,   /* has one, and will tell so */
    CONNECTED,  /* has one */
    CLOSED,
    LIVES,
};

/* An event in a life: the life after it. `usual` is that life where it is not known what was before. */
struct row {
    unsigned char in[LIVES];
    unsigned char usual;
};

/* Allowed in each life between the first event and close; the life stays what it was. */
#define STAYS [SPAWNED] = SPAWNED, [CONNECTING] = CONNECTING, [ACCEPTED] = ACCEPTED, [CONNECTED] = CONNECTED

static const struct row rows[] = {
    [ROLE_socket_spawned] = {{[NONE] = SPAWNED}, SPAWNED},
    [ROLE_socket_accepted] = {{[NONE] = CONNECTED}, CONNECTED}, /* or ACCEPTED */
    [ROLE_socket_adopted] = {{[SPAWNED] = CONNECTED}, CONNECTED},
    [ROLE_socket_connecting] = {{[SPAWNED] = CONNECTING}, CONNECTING},
    [ROLE_socket_lookup] = {{[CONNECTING] = CONNECTING}, CONNECTING},
    [ROLE_socket_connect] = {{[CONNECTING] = CONNECTED, [ACCEPTED] = CONNECTED}, CONNECTED},
    [ROLE_socket_data] = {{[CONNECTED] = CONNECTED}, CONNECTED},
    [ROLE_socket_drain] = {{[CONNECTED] = CONNECTED}, CONNECTED},
    [ROLE_socket_end] = {{[CONNECTED] = CONNECTED}, CONNECTED},
    [ROLE_socket_write] = {{STAYS}, CONNECTED},
    [ROLE_socket_shutdown] = {{STAYS}, CONNECTED},
    [ROLE_socket_timeout] = {{STAYS}, CONNECTED},
    [ROLE_socket_error] = {{STAYS}, CONNECTED},
    [ROLE_socket_close] = {{[SPAWNED] = CLOSED, [CONNECTING] = CLOSED, [ACCEPTED] = CLOSED, [CONNECTED] = CLOSED},
                           CLOSED},
    [ROLE_socket_handshake] = {{[ACCEPTED] = ACCEPTED, [CONNECTED] = CONNECTED}, CONNECTED},
    [ROLE_socket_secure] = {{[ACCEPTED] = ACCEPTED, [CONNECTED] = CONNECTED}, CONNECTED},
    [ROLE_socket_ready] = {{[CONNECTED] = CONNECTED}, CONNECTED},
    [ROLE_socket_text] = {{[CONNECTED] = CONNECTED}, CONNECTED},
    [ROLE_socket_fd] = {{[CONNECTED] = CONNECTED}, CONNECTED},
    [ROLE_socket_goaway] = {{[ACCEPTED] = ACCEPTED, [CONNECTED] = CONNECTED}, CONNECTED},
    [ROLE_socket_written] = {{STAYS, [CLOSED] = CLOSED}, CONNECTED},
    [ROLE_socket_code] = {{STAYS}, CONNECTED},
    [ROLE_socket_again] = {{[CLOSED] = SPAWNED}, SPAWNED},
};

/* Why an event is not allowed in a life. */
static const char *const reasons[LIVES] = {
    [NONE] = "it has not begun",
    [SPAWNED] = "it has not begun to connect",
    [CONNECTING] = "it is not connected yet",
    [ACCEPTED] = "it has not told of its connection yet",
    [CONNECTED] = "it is connected already",
    [CLOSED] = "it comes after close",
};

struct socket {
    uint64_t ref;
    unsigned char life;
    bool queued;    /* a write since the last drain */
    bool ended;     /* by the peer */
    bool shut;      /* by this side */
    bool shakes;    /* hands, in a handshake that is not over */
    bool unsafe;    /* its handshake has failed */
    bool unfound;   /* its address was not found */
    uint64_t bytes; /* of all data */
    bool failed;
    bool readies;    /* its connect or its handshake was told, and ready was not */
    bool decodes;    /* data came that was to be decoded */
    bool has_code;   /* of the error that it tells next */
    bool closes_not; /* its actor was killed, or its init failed: it has no close of its own */
};

void
check_sockets_init(struct check *check)
{
    table_init(&check->sockets, sizeof(struct socket));
}

static void
check_life(struct check *check, struct socket *socket, const struct step *step)
{
    const struct row *row = &rows[step->role];
    unsigned char next = row->in[socket->life];
    if (next == NONE) {
        check_missing(check, RULE_socket, step, reasons[socket->life]);
        next = row->usual;
    }
    if (step->role == ROLE_socket_accepted && (step->record->flags & 1) != 0)
        next = ACCEPTED;
    socket->life = next;
}

static void
check_peer_end(struct check *check, struct socket *socket, const struct step *step)
{
    if (socket->ended)
        check_missing(check, RULE_socket, step, "the peer ends a second time");
    socket->ended = true;
}

static void
check_drain(struct check *check, struct socket *socket, const struct step *step)
{
    if (!socket->queued)
        check_missing(check, RULE_socket, step, "no write was queued before it");
    socket->queued = false;
}

static void
check_handshake(struct check *check, struct socket *socket, const struct step *step)
{
    bool begins = step->role == ROLE_socket_handshake;
    if (socket->shakes == begins)
        check_missing(check, RULE_socket, step,
                      begins ? "a handshake before the one before is over" : "no handshake has begun before it");
    socket->shakes = begins;
    socket->unsafe = !begins && step->record->arg != 0;
}

static void
check_lookup(struct check *check, struct socket *socket, const struct step *step)
{
    if (socket->unfound)
        check_missing(check, RULE_socket, step, "its address was not found");
    socket->unfound = step->record->arg != 0;
}

static void
check_shutdown(struct check *check, struct socket *socket, const struct step *step)
{
    if (socket->shut)
        check_missing(check, RULE_socket, step, "it ends its side a second time");
    socket->shut = true;
}

static void
check_text(struct check *check, const struct socket *socket, const struct step *step)
{
    if (!socket->decodes)
        check_missing(check, RULE_socket, step, "no data that was to be decoded comes before it");
    if (socket->ended)
        check_missing(check, RULE_socket, step, "text after the peer's end");
}

/* Once for a connection that it made. */
static void
check_ready(struct check *check, struct socket *socket, const struct step *step)
{
    if (!socket->readies)
        check_missing(check, RULE_socket, step, "nothing that it was to be ready for comes before it");
    socket->readies = false;
}

/* An error, or a look-up that failed. */
static bool
tells_error(const struct step *step)
{
    return (step->role == ROLE_socket_error || step->role == ROLE_socket_lookup) && step->record->arg != 0;
}

static void
check_code(struct check *check, struct socket *socket, const struct step *step)
{
    if (socket->has_code && !tells_error(step))
        check_missing(check, RULE_socket, step, "the error whose code was told does not follow");
    socket->has_code = step->role == ROLE_socket_code;
}

static void
check_close(struct check *check, const struct socket *socket, const struct step *step)
{
    if (socket->shakes)
        check_missing(check, RULE_socket, step, "its handshake is not over");
    if (step->record->message != 0 && socket->bytes > step->record->message) /* 0: of an older library, too */
        check_missing(check, RULE_socket, step, "its data were more bytes than it has received");
    if (socket->failed != (step->record->arg != 0))
        check_missing(check, RULE_socket, step, "it and the error before it contradict each other");
}

/* Also the end of a handshake, and what became of writes. */
static bool
may_follow_error(enum role role)
{
    return role == ROLE_socket_close || role == ROLE_socket_secure || role == ROLE_socket_written;
}

/* What the table does not say. */
static void
check_rest(struct check *check, struct socket *socket, const struct step *step)
{
    if (socket->failed && !may_follow_error(step->role))
        check_missing(check, RULE_socket, step, "it comes between an error and close");
    switch (step->role) {
    case ROLE_socket_data:
        socket->bytes += step->record->arg;
        socket->decodes |= step->record->flags == TO_DECODER;
        if (socket->ended)
            check_missing(check, RULE_socket, step, "data after the peer's end");
        if (socket->unsafe)
            check_missing(check, RULE_socket, step, "data after a handshake that failed");
        break;
    case ROLE_socket_lookup: check_lookup(check, socket, step); break;
    case ROLE_socket_connect:
        if (socket->unfound)
            check_missing(check, RULE_socket, step, "it is connected although its address was not found");
        socket->readies = true;
        break;
    case ROLE_socket_ready: check_ready(check, socket, step); break;
    case ROLE_socket_text: check_text(check, socket, step); break;
    case ROLE_socket_fd:
        if (socket->ended)
            check_missing(check, RULE_socket, step, "a descriptor after the peer's end");
        break;
    case ROLE_socket_shutdown: check_shutdown(check, socket, step); break;
    case ROLE_socket_write: socket->queued |= (step->record->flags & 1) != 0; break;
    case ROLE_socket_drain: check_drain(check, socket, step); break;
    case ROLE_socket_handshake:
    case ROLE_socket_secure: check_handshake(check, socket, step); break;
    case ROLE_socket_end: check_peer_end(check, socket, step); break;
    case ROLE_socket_error: socket->failed = true; break;
    case ROLE_socket_close: check_close(check, socket, step); break;
    default: break;
    }
}

/* A new one, if another one has its place: that has ended. */
static struct socket *
socket_of(struct check *check, uint64_t ref)
{
    struct socket *socket = table_put(&check->sockets, SLOT_OF(ref), 0);
    if (socket->ref != ref)
        *socket = (struct socket){.ref = ref};
    return socket;
}

/* NULL: nothing is known of it. */
static struct socket *
known_socket(const struct check *check, uint64_t ref)
{
    struct socket *socket = table_get(&check->sockets, SLOT_OF(ref), 0);
    return socket != NULL && socket->ref == ref ? socket : NULL;
}

static void
check_event(struct check *check, const struct step *step)
{
    struct socket *socket = socket_of(check, step->record->actor);
    check->findings[RULE_socket].looked++;
    if (step->role == ROLE_socket_again && socket->life == CLOSED)
        *socket = (struct socket){.ref = socket->ref, .life = CLOSED}; /* nothing of the life before counts */
    check_life(check, socket, step);
    check_code(check, socket, step);
    check_rest(check, socket, step);
}

/* The actor of a socket ends: it has closed, unless it was killed or never came to life. */
static void
check_stopped(struct check *check, const struct step *step)
{
    const struct socket *socket = known_socket(check, step->record->actor);
    if (socket != NULL && socket->life != CLOSED && !socket->closes_not)
        check_missing(check, RULE_socket, step, "its socket was not closed");
}

static void
note_end(struct check *check, const struct step *step)
{
    struct socket *socket = known_socket(check, step->record->actor);
    if (socket != NULL && (step->role == ROLE_init_failed || step->record->arg == 2))
        socket->closes_not = true;
}

void
check_sockets(struct check *check, const struct step *step)
{
    check_event(check, step);
}

void
check_sockets_actor(struct check *check, const struct step *step)
{
    if (step->role == ROLE_stopped)
        check_stopped(check, step);
    else
        note_end(check, step);
}
