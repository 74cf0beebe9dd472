/*
 * What is due at a server: its events, and when they are given.
 *
 * Events are given after the call that caused them has returned: calls note what is due, and tri_server_settle() gives
 * it, at the end of the server's own callback that runs or else from the worker's list of later work. Each failure and
 * each close is given, in the order in which they were caused; listening comes last, since whatever undoes it makes it
 * void. A close needs no memory, and so cannot be lost: closes are counted, and only errors are stored, each with the
 * number of closes that come before it. The error of a listening that fails at once has its memory before that begins.
 */
#include "due.h"

#include "drain.h"
#include "failures.h"
#include "waiter.h"

#include <assert.h>
#include <ck_pr.h>
#include <stdlib.h>
#include <string.h>

#define COMPLAIN_MS 1000u

static void
emit_listening(tr_server *server)
{
    tri_trace_server_announced(server);
    if (server->events->listening != NULL)
        server->events->listening(server);
}

static void
emit_close(tr_server *server)
{
    tri_trace_server_close(server);
    if (server->events->close != NULL)
        server->events->close(server);
}

static void
emit_error(tr_server *server, const struct tr_error *error)
{
    tri_trace_server_error(server, error->status);
    if (server->events->error != NULL)
        server->events->error(server, error);
}

static struct tr_error
error_of(tr_status status, int system, const char *call)
{
    return (struct tr_error){.status = status, .system = system, .call = call, .code = tr_status_code(status)};
}

/* Clears a flag: was it set? */
static bool
take_due(tr_server *server, enum tri_server_flag flag)
{
    bool due = (server->flags & (uint32_t)flag) != 0;
    tri_server_clear(server, flag);
    return due;
}

/* After its close event the server ends, unless it is to be kept or has tried to listen again. */
static bool
ends_now(const tr_server *server)
{
    if ((server->flags & TRI_SERVER_ENDING) == 0 && (server->deal->options.keep || server->errors_due > 0))
        return false;
    return !tri_server_is_open(server) && server->closes_given == server->closes_caused;
}

static bool
is_due(const tr_server *server)
{
    return (server->flags & TRI_SERVER_LISTENING_DUE) != 0 || server->errors_due > 0 ||
           server->closes_given < server->closes_caused;
}

static void
give_error(tr_server *server)
{
    struct tr_error error = server->errors[0].error;
    server->errors_due--;
    memmove(server->errors, server->errors + 1, server->errors_due * sizeof(*server->errors));
    emit_error(server, &error);
}

static void
give_close(tr_server *server)
{
    server->closes_given++;
    emit_close(server);
    if ((server->flags & TRI_SERVER_GONE) == 0 && ends_now(server))
        tri_actor_end(server->actor);
}

/* Gives the errors and closes that were caused so far, in the order of their causes. */
static void
give_endings(tr_server *server)
{
    uint32_t errors = server->errors_due;
    uint64_t closes = server->closes_caused;
    while ((server->flags & TRI_SERVER_GONE) == 0) {
        if (errors > 0 && server->errors[0].after_closes <= server->closes_given) {
            errors--;
            give_error(server);
        } else if (server->closes_given < closes) {
            give_close(server);
        } else {
            return;
        }
    }
}

void
tri_server_complain(tr_server *server, tr_status status, int system)
{
    if (tri_clock_ms() < server->complain_ms)
        return;
    server->complain_ms = tri_clock_after(COMPLAIN_MS);
    struct tr_error complaint = error_of(status, system, "accept");
    emit_error(server, &complaint);
}

tr_status
tri_server_reserve_error(tr_server *server)
{
    if (server->errors_due < server->errors_room)
        return TR_OK;
    struct tri_server_error *larger = realloc(server->errors, (server->errors_room + 1) * sizeof(*larger));
    if (larger == NULL)
        return TR_ENOMEM;
    server->errors = larger;
    server->errors_room++;
    return TR_OK;
}

void
tri_server_failed(tr_server *server, tr_status status, int system, const char *call)
{
    server->outcome = status;
    if (server->waiter != NULL) {
        tri_server_tell_waiter(server, status);
        tri_actor_end(server->actor);
        return;
    }
    server->errors[server->errors_due++] =
        (struct tri_server_error){.error = error_of(status, system, call), .after_closes = server->closes_caused};
    tri_server_due(server);
}

void
tri_server_refused(tr_server *server, tr_status status, const char *call)
{
    struct tr_error error = error_of(status, 0, call);
    if (tri_server_reserve_error(server) != TR_OK) {
        emit_error(server, &error); /* out of turn, which is better than not at all */
        return;
    }
    server->errors[server->errors_due++] =
        (struct tri_server_error){.error = error, .after_closes = server->closes_caused};
    tri_server_due(server);
}

void
tri_server_count_live(tr_server *server)
{
    bool is = (server->flags & TRI_SERVER_LIVE) != 0;
    bool shall = (server->flags & (TRI_SERVER_GONE | TRI_SERVER_BACKGROUND)) == 0 &&
                 (tri_server_is_open(server) || is_due(server));
    if (is == shall)
        return;
    server->flags ^= TRI_SERVER_LIVE;
    tri_net_add_live(server->net, shall ? 1 : -1);
}

/* Closed, given back by its listener, and no connection is left: the close event is due. */
void
tri_server_check_drained(tr_server *server)
{
    if ((server->flags & TRI_SERVER_CLOSING) == 0)
        return;
    tri_deal_await_ends(server->deal);
    if (server->leaving > 0 || !tri_server_is_drained(server))
        return;
    tri_server_clear(server, TRI_SERVER_CLOSING);
    ck_pr_store_uint(&server->deal->closing, 0);
    tri_drain_closed(server);
    server->closes_caused++;
    tri_server_due(server);
}

static void
emit_what_is_due(tr_server *server)
{
    bool listening = take_due(server, TRI_SERVER_LISTENING_DUE);
    give_endings(server);
    if (listening && server->member != NULL)
        emit_listening(server);
}

static void run_later(struct tri_later *later);

void
tri_server_free_parts(tr_server *server)
{
    ck_pr_store_uint(&server->deal->closing, 0);
    tri_drain_free(server);
    tri_share_close(server->share);
    tri_deal_release(server->deal);
    free(server->errors);
}

/* Gives what is due, and closes the bracket. What that makes due waits for the next turn. */
void
tri_server_settle(tr_server *server)
{
    if ((server->flags & TRI_SERVER_GONE) == 0)
        emit_what_is_due(server);
    tri_server_clear(server, TRI_SERVER_INSIDE);
    if (server->flags & TRI_SERVER_GONE) { /* it was killed meanwhile */
        tri_server_free_parts(server);
        tri_actor_end(server->actor);
    } else {
        if (is_due(server))
            tri_later_add(server->net, &server->later, run_later);
        else if (server->flags & TRI_SERVER_LAST_WORDS)
            tri_actor_end(server->actor);
        tri_server_count_live(server);
    }
}

struct tri_actor_frame
tri_server_enter(tr_server *server, uint32_t tag)
{
    assert((server->flags & TRI_SERVER_INSIDE) == 0);
    server->flags |= TRI_SERVER_INSIDE;
    return tri_actor_enter(server->actor, tag);
}

void
tri_server_leave(tr_server *server, struct tri_actor_frame frame)
{
    tri_server_settle(server);
    tri_actor_leave(server->actor, frame);
}

static void
run_later(struct tri_later *later)
{
    tr_server *server = TRI_CONTAINER_OF(later, tr_server, later);
    struct tri_actor_frame frame = tri_server_enter(server, TRI_TAG_ON_LATER);
    tri_server_leave(server, frame);
}

void
tri_server_due(tr_server *server)
{
    if ((server->flags & TRI_SERVER_INSIDE) == 0)
        tri_later_add(server->net, &server->later, run_later);
}

/* A check of a Debug build: see TRI_CHECK_SELF(). The memory of an actor that has ended is zero in such a build. */

#ifndef NDEBUG

void
tri_server_check(const tr_server *server, const char *function)
{
    if (server != NULL)
        tri_net_check(server->net != NULL ? server->net->worker : NULL, "server", function);
}

#endif
