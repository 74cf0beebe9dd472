/*
 * Draining: a server takes leave of its connections.
 *
 *   tr_server_drain() -> accepts nothing -> each share tells its sockets: goaway -> they end by themselves
 *                                        -> deadline -> each share cuts what is left -> `close`
 *
 * A share is told by a message. What was dealt to it before and comes later gets the same when it begins: farewell.c.
 * The words have their memory before anything happens, so none is missing later.
 *
 * How many were cut the workers count, each its own, before these connections count as ended; so when all have ended
 * the server knows, without a message. All others of those that were there have ended by themselves.
 */
#include "drain.h"

#include "failures.h"
#include "server_close.h"

#include <ck_pr.h>
#include <stdlib.h>

struct tri_drain {
    tr_server *server;
    struct tri_timer timer; /* until the deadline */
    bool is_on;             /* connections were told, and the server is not closed yet */
    uint64_t were;          /* connections, when it began */
    uint64_t cut_before;    /* in drains before */
    struct tr_server_drained outcome;
    struct tri_word *words[]; /* to each share: that it is to tell, and that it is to cut; NULL: said, or no share */
};

static uint64_t
sum_of_cut(const tr_server *server)
{
    uint64_t sum = 0;
    for (unsigned worker = 0; worker < server->deal->workers; worker++)
        sum += ck_pr_load_64(&server->deal->ends[worker].cut);
    return sum;
}

/* Connections whose last event is not over. */
static uint64_t
count_alive(const tr_server *server)
{
    uint64_t sum = 0;
    tri_deal_lock(server->deal);
    for (unsigned worker = 0; worker < server->deal->workers; worker++)
        sum += server->deal->places[worker].dealt - ck_pr_load_64(&server->deal->ends[worker].ended);
    tri_deal_unlock(server->deal);
    return sum;
}

static void
say(tr_server *server, unsigned worker, unsigned which, uint32_t tag)
{
    struct tri_word **word = &server->drain->words[2 * worker + which];
    if (*word == NULL)
        return;
    (*word)->done = tri_word_free;
    tri_word_send(server->net->worker, *word, tr_self(server->actor), server->deal->places[worker].share,
                  tr_message_signal(tag));
    *word = NULL;
}

static void
say_to_all(tr_server *server, unsigned which, uint32_t tag)
{
    for (unsigned worker = 0; worker < server->deal->workers; worker++)
        say(server, worker, which, tag);
}

static void
cut(tr_server *server)
{
    tri_timer_stop(&server->net->worker->timers, &server->drain->timer);
    tri_share_cut(server->share);
    say_to_all(server, 1, TRI_TAG_DEAL_CUT);
}

static void
on_deadline(struct tri_timer *timer)
{
    cut(TRI_CONTAINER_OF(timer, struct tri_drain, timer)->server);
}

static void
free_words(tr_server *server)
{
    for (unsigned i = 0; i < 2 * server->deal->workers; i++) {
        free(server->drain->words[i]);
        server->drain->words[i] = NULL;
    }
}

void
tri_drain_free(tr_server *server)
{
    if (server->drain == NULL)
        return;
    tri_timer_let_go(&server->net->worker->timers, &server->drain->timer);
    free_words(server);
    free(server->drain);
    server->drain = NULL;
}

/* On another worker. */
static bool
has_share(const tr_server *server, unsigned worker)
{
    tr_ref share = server->deal->places[worker].share;
    return share != TR_NOBODY && share != server->deal->server;
}

/* false: without memory. */
static bool
make_words(tr_server *server)
{
    for (unsigned i = 0; i < 2 * server->deal->workers; i++)
        if (has_share(server, i / 2) && (server->drain->words[i] = malloc(sizeof(*server->drain->words[i]))) == NULL)
            return false;
    return true;
}

/* TR_OK; TR_ENOMEM: nothing has changed. */
static tr_status
prepare(tr_server *server)
{
    size_t size = sizeof(*server->drain) + 2 * server->deal->workers * sizeof(server->drain->words[0]);
    if (server->drain == NULL)
        server->drain = calloc(1, size);
    if (server->drain == NULL)
        return TR_ENOMEM;
    server->drain->server = server;
    server->drain->timer.fire = on_deadline;
    if (make_words(server) && tri_timer_keep(&server->net->worker->timers, &server->drain->timer) == TR_OK)
        return TR_OK;
    free_words(server);
    return TR_ENOMEM;
}

/* Its place is kept. */
static void
set_deadline(tr_server *server, uint64_t deadline_ms)
{
    struct tri_timers *timers = &server->net->worker->timers;
    struct tri_timer *timer = &server->drain->timer;
    uint64_t due_ms = tri_clock_after(deadline_ms);
    if (timer->place > 0 && timer->due_ms <= due_ms)
        return;
    tri_timer_stop(timers, timer);
    (void)tri_timer_start_at(timers, timer, due_ms);
}

/* Nothing more is dealt to it, so that those that are counted are all. */
static void
accept_no_more(tr_server *server)
{
    tri_deal_lock(server->deal);
    server->deal->open = false;
    tri_deal_unlock(server->deal);
}

static void
begin(tr_server *server)
{
    accept_no_more(server);
    server->drain->is_on = true;
    server->drain->were = count_alive(server);
    server->drain->cut_before = sum_of_cut(server);
    server->drain->outcome = (struct tr_server_drained){0};
    ck_pr_store_uint(&server->deal->draining, 1);
    tri_trace_server_drain(server, (uint32_t)server->drain->were);
    tri_share_drain(server->share);
    say_to_all(server, 0, TRI_TAG_DEAL_DRAIN);
}

tr_status
tr_server_drain(tr_server *server, uint64_t deadline_ms)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL)
        return TR_EINVAL;
    if (deadline_ms > INT32_MAX)
        return TR_EBADLIMIT;
    if (!tri_server_is_open(server) && (server->flags & TRI_SERVER_CLOSING) == 0)
        return tr_server_close(server);
    bool is_on = server->drain != NULL && server->drain->is_on;
    if (!is_on && prepare(server) != TR_OK)
        return TR_ENOMEM;
    if (!is_on)
        begin(server);
    tri_server_shut(server);
    if (!server->drain->is_on)
        return TR_OK;
    if (deadline_ms > 0)
        set_deadline(server, deadline_ms);
    else
        cut(server);
    return TR_OK;
}

static void
settle(tr_server *server)
{
    struct tri_drain *drain = server->drain;
    drain->outcome.cut = sum_of_cut(server) - drain->cut_before;
    drain->outcome.ended = drain->were - count_alive(server) - drain->outcome.cut;
}

static void
finish(tr_server *server)
{
    settle(server);
    server->drain->is_on = false;
    ck_pr_store_uint(&server->deal->draining, 0);
    tri_timer_stop(&server->net->worker->timers, &server->drain->timer);
    free_words(server);
}

void
tri_drain_end(tr_server *server)
{
    if (server->drain != NULL && server->drain->is_on)
        finish(server);
}

void
tri_drain_closed(tr_server *server)
{
    if (server->drain == NULL || !server->drain->is_on)
        return;
    finish(server);
    tri_trace_server_drained(server, (uint32_t)server->drain->outcome.cut, server->drain->outcome.ended);
}

void
tr_server_drained(const tr_server *server, struct tr_server_drained *out)
{
    TRI_CHECK_SERVER(server);
    if (out == NULL)
        return;
    *out = server != NULL && server->drain != NULL ? server->drain->outcome : (struct tr_server_drained){0};
}
