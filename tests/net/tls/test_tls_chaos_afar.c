/*
 * Secure sockets of another worker, which their owner orders about at random: become secure, as either side and twice,
 * write, ask, end, renew keys, pause, destroy, in each order, with credit that comes late.
 *
 * What holds all the same: each question has one answer; of a stream a beginning arrives, in order; behind the order to
 * become secure, given before the credit, `secure` comes before data; `close` comes once, and last. All write the same
 * stream, so it does not matter who is whose peer.
 */
#include "cast.h"
#include "helpers.h"
#include "random.h"
#include "tls_play.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

#define SEEDS 15u
#define CALLERS 20u
#define BEINGS (2 * CALLERS)
#define TICKS 60u
#define LARGEST 40000u
#define STREAM (8u << 20) /* more than one writes */

enum { ANSWER = 40, TICK };

struct being {
    tr_ref ref;
    bool accepted, asked, destroyed, closed, secured, owes_credit;
    bool ordered; /* to be secure, by its owner's last answer to an event: data may not come before `secure` */
    uint64_t written, received;
};

static struct being beings[BEINGS];
static unsigned count, ticks, asks, answers, secure;
static uint64_t seed, numbers;
static tr_tls_context *serving, *calling;
static tr_server *server;

#define CHECK(being, condition)                                                                                        \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "seed %llu, being %d, tick %u: %s\n", (unsigned long long)seed, (int)((being)-beings),     \
                    ticks, #condition);                                                                                \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static unsigned
below(unsigned limit)
{
    return random_below(&numbers, limit);
}

/* Orders. */

static void
order_secure(tr_actor *self, struct being *being)
{
    bool serves = being->accepted == (below(16) != 0);
    const struct tr_tls_options options = {
        .context = serves ? serving : calling,
        .role = serves ? TR_TLS_SERVER : TR_TLS_CLIENT,
        .server_name = "server.example",
        .truncation_fails = below(2) == 0,
        .handshake_timeout_ms = below(8) == 0 ? 1 : 0,
    };
    CHECK(being, tr_remote_set_secure(self, being->ref, &options) == TR_OK);
    being->asked = true;
}

static void
write_some(tr_actor *self, struct being *being)
{
    size_t size = below(below(2) == 0 ? LARGEST : 100);
    tr_slice slice = tr_slice_constant(pattern(STREAM).data + being->written, size);
    being->written += size;
    switch (below(12)) {
    case 0: asks += tr_remote_end_ask(self, being->ref, slice, ANSWER, 0) == TR_OK; break;
    case 1:
    case 2:
    case 3: asks += tr_remote_write_ask(self, being->ref, slice, ANSWER, 0) == TR_OK; break;
    default: CHECK(being, tr_remote_write(self, being->ref, slice) == TR_OK); break;
    }
}

static void
destroy(tr_actor *self, struct being *being)
{
    being->destroyed = true;
    CHECK(being, tr_remote_destroy(self, being->ref, below(2) == 0 ? TR_OK : TR_EUSER) == TR_OK);
}

static void
give_credit(tr_actor *self, struct being *being)
{
    if (being->owes_credit)
        tr_remote_credit(self, being->ref, 1);
    being->owes_credit = false;
}

static void
act(tr_actor *self, struct being *being)
{
    switch (below(32)) {
    case 0: tr_remote_cork(self, being->ref); break;
    case 1:
    case 2: tr_remote_uncork(self, being->ref); break;
    case 3: tr_remote_pause(self, being->ref); break;
    case 4:
    case 5: tr_remote_resume(self, being->ref); break;
    case 6:
    case 7:
    case 8: asks += tr_remote_update_keys(self, being->ref, below(2) == 0, ANSWER, 0) == TR_OK; break;
    case 9: asks += tr_remote_peer(self, being->ref, ANSWER, 0) == TR_OK; break;
    case 10: asks += tr_remote_socket_info(self, being->ref, ANSWER, 0) == TR_OK; break;
    case 11:
        if (below(4) == 0)
            tr_remote_end(self, being->ref);
        break;
    case 12:
        if (below(6) == 0)
            destroy(self, being);
        break;
    default: write_some(self, being); break;
    }
}

/* The owner. */

static struct being *
being_of(tr_ref ref)
{
    for (unsigned i = 0; i < count; i++)
        if (beings[i].ref == ref)
            return &beings[i];
    assert(count < BEINGS);
    beings[count] = (struct being){.ref = ref, .accepted = true};
    return &beings[count++];
}

static void
on_data(struct being *being, tr_slice data)
{
    CHECK(being, !being->ordered);
    bool is_next = memcmp(data.data, pattern(STREAM).data + being->received, data.size) == 0;
    CHECK(being, is_next || !being->secured); /* records of a peer that has turned before, then */
    being->received += is_next ? data.size : 0;
}

static void
on_event(tr_actor *self, struct being *being, enum tr_event event, const tr_message *message)
{
    CHECK(being, !being->closed);
    bool begins = event == TR_EVENT_CONNECTION || event == TR_EVENT_CONNECT;
    being->closed = event == TR_EVENT_CLOSE;
    if (event == TR_EVENT_DATA)
        on_data(being, message->payload.slice);
    if (event == TR_EVENT_SECURE) {
        CHECK(being, being->asked && !being->secured);
        being->secured = true;
        being->ordered = false;
        secure++;
    }
    being->owes_credit = true;
    if (begins ? below(8) != 0 : below(16) == 0) {
        order_secure(self, being);
        being->ordered = !being->secured;
    }
    for (unsigned left = below(4); left > 0 && ticks < TICKS; left--)
        act(self, being);
    if (below(4) != 0 || ticks >= TICKS)
        give_credit(self, being);
}

static void
tick(tr_actor *self)
{
    tr_message next = tr_message_signal(TICK);
    ticks++;
    for (unsigned i = 0; i < count; i++) {
        if (ticks < TICKS && below(4) == 0)
            act(self, &beings[i]);
        if (ticks >= TICKS && !beings[i].destroyed)
            destroy(self, &beings[i]);
        if (below(2) == 0 || ticks >= TICKS)
            give_credit(self, &beings[i]);
    }
    assert_int_equal(tr_send_after(self, tr_self(self), 1, &next, NULL), TR_OK);
}

static void
hear(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)state;
    if (tr_event_of(message, &event))
        on_event(self, being_of(message->from), event, message);
    else if (message->tag == TICK)
        tick(self);
    else
        answers++;
}

static unsigned
away(const struct tr_balance_view *view)
{
    return view->workers - 1;
}

static tr_status
begin(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    struct tr_socket_options options = {.owner = {.actor = tr_self(self), .credit = 1}};
    struct tr_spawn_options there = {.placement = TR_PLACE_WORKER, .worker = 1};
    server = stage_serve((struct tr_server_options){.balance = away, .socket = options});
    struct tr_connect_options to = {.host = "127.0.0.1", .port = stage_port};
    for (count = 0; count < CALLERS; count++) {
        beings[count] = (struct being){0};
        assert_int_equal(tr_remote_socket(self, &options, &there, &beings[count].ref), TR_OK);
        assert_int_equal(tr_remote_connect(self, beings[count].ref, &to), TR_OK);
    }
    tick(self);
    return TR_OK;
}

static bool
all_is_over(void)
{
    for (unsigned i = 0; i < count; i++)
        if (!beings[i].closed)
            return false;
    return ticks > TICKS && answers == asks;
}

static void
close_server(void *argument)
{
    (void)argument;
    tr_server_close(server);
    stage_end();
}

static void
play_owner(void)
{
    static const struct tr_behavior owner = {.name = "owner", .init = begin, .receive = hear};
    ticks = asks = answers = 0;
    assert_int_equal(tr_spawn(director, &owner, NULL, NULL), TR_OK);
    stage_settled_when(all_is_over, close_server, NULL);
}

static void
whatever_an_owner_orders_the_promises_of_a_secure_socket_hold(void **state)
{
    struct tr_tls_context_options of_server = tls_server("server"), of_client = tls_client("ca");
    (void)state;
    serving = tls_make(&of_server);
    calling = tls_make(&of_client);
    secure = 0;
    for (seed = 1; seed <= SEEDS * tests_stress(); seed++) {
        numbers = seed;
        stage_play(2, play_owner);
        assert_int_equal(answers, asks);
    }
    assert_true(secure > SEEDS * CALLERS / 4);
    tr_tls_context_release(serving);
    tr_tls_context_release(calling);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(whatever_an_owner_orders_the_promises_of_a_secure_socket_hold),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
