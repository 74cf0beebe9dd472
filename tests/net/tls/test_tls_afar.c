/*
 * Sockets that an owner on another worker makes secure, and asks: both ends of a connection belong to one actor, which
 * has credit for one event of each.
 */
#include "cast.h"
#include "helpers.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

enum { CALLER, SERVER, SEATS };
enum { SHOWN = 40, RENEWED, INFO, WRITTEN };

struct seat {
    tr_ref ref;
    char log[256];
    bool closed;
    tr_status error;
    char call[16];
    struct tr_secured secured;
};

static struct seat seats[SEATS];
static tr_tls_context *serving, *calling;
static tr_server *server;
static unsigned answers;

/* What the owner does after it has written down an event of a seat, before the credit. */
static void (*act)(tr_actor *self, struct seat *seat, enum tr_event event, const tr_message *message);

/* What was answered. */
static struct tr_socket_info info;
static struct tr_remote_written renewed;
static tr_status shown_status;
static uint64_t shown_token;
static char common_name[64];
static tr_message kept; /* the answer that owns a peer */

static int
reset(void **state)
{
    memset(seats, 0, sizeof(seats));
    memset(&info, 0, sizeof(info));
    memset(&renewed, 0, sizeof(renewed));
    answers = 0;
    common_name[0] = '\0';
    shown_status = TR_OK;
    act = NULL;
    return cast_reset(state);
}

static void
make_contexts(void)
{
    struct tr_tls_context_options of_server = tls_server("server"), of_client = tls_client("ca");
    serving = tls_make(&of_server);
    calling = tls_make(&of_client);
}

/* The owner. */

static const char *const words[TR_EVENTS] = {
    [TR_EVENT_CONNECTION] = "accepted", [TR_EVENT_CONNECT] = "connect", [TR_EVENT_READY] = "ready",
    [TR_EVENT_DATA] = "data",           [TR_EVENT_END] = "end",         [TR_EVENT_DRAIN] = "drain",
    [TR_EVENT_ERROR] = "error",         [TR_EVENT_CLOSE] = "close",     [TR_EVENT_SECURE] = "secure"};

static void
write_down(struct seat *seat, enum tr_event event, const tr_message *message)
{
    size_t used = strlen(seat->log);
    tr_slice data = event == TR_EVENT_DATA ? message->payload.slice : (tr_slice){0};
    snprintf(seat->log + used, sizeof(seat->log) - used, "%s%s%s%.*s", used > 0 ? " " : "", words[event],
             data.size > 0 ? ":" : "", (int)data.size, data.data);
    seat->closed |= event == TR_EVENT_CLOSE;
    if (event == TR_EVENT_SECURE)
        memcpy(&seat->secured, tr_message_data(message), sizeof(seat->secured));
    if (event != TR_EVENT_ERROR)
        return;
    const struct tr_error *error = tr_message_data(message);
    seat->error = error->status;
    snprintf(seat->call, sizeof(seat->call), "%s", error->call);
}

static void
on_event(tr_actor *self, enum tr_event event, const tr_message *message)
{
    if (event == TR_EVENT_CONNECTION)
        seats[SERVER].ref = message->from;
    struct seat *seat = &seats[message->from == seats[SERVER].ref ? SERVER : CALLER];
    write_down(seat, event, message);
    if (act != NULL)
        act(self, seat, event, message);
    tr_remote_credit(self, message->from, 1);
}

static void
on_shown(tr_message *message)
{
    const struct tr_remote_shown *shown = tr_message_data(message);
    assert_int_equal(tr_message_size(message), sizeof(*shown));
    shown_status = shown->status;
    shown_token = shown->token;
    assert_true((shown->peer != NULL) == (shown->status == TR_OK));
    if (shown->peer == NULL)
        return;
    kept = *message; /* with what it owns */
    *message = tr_message_signal(0);
}

static void
hear(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)state;
    if (tr_event_of(message, &event)) {
        on_event(self, event, message);
        return;
    }
    answers++;
    switch (message->tag) {
    case SHOWN: on_shown(message); break;
    case RENEWED: memcpy(&renewed, tr_message_data(message), sizeof(renewed)); break;
    case INFO: memcpy(&info, tr_message_data(message), sizeof(info)); break;
    default: break;
    }
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
    assert_int_equal(tr_remote_socket(self, &options, &there, &seats[CALLER].ref), TR_OK);
    assert_int_equal(tr_remote_connect(self, seats[CALLER].ref, &to), TR_OK);
    return TR_OK;
}

static bool
both_are_closed(void)
{
    return seats[CALLER].closed && seats[SERVER].closed;
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
    assert_int_equal(tr_spawn(director, &owner, NULL, NULL), TR_OK);
    stage_settled_when(both_are_closed, close_server, NULL);
}

static void
play(void)
{
    make_contexts();
    stage_play(2, play_owner);
    tr_tls_context_release(serving);
    tr_tls_context_release(calling);
}

/* Orders. */

static void
order(tr_actor *self, const struct seat *seat, const struct tr_tls_options *options)
{
    assert_int_equal(tr_remote_set_secure(self, seat->ref, options), TR_OK);
}

static void
say_from_afar(tr_actor *self, const struct seat *seat, const char *text)
{
    assert_int_equal(tr_remote_write(self, seat->ref, text_slice(text)), TR_OK);
}

/* All that the options point to is spoilt when the call has returned. */
static void
order_client(tr_actor *self, const struct seat *seat)
{
    char name[] = "server.example", first[] = "h2", second[] = "echo";
    const char *alpn[] = {first, second};
    struct tr_tls_options tls = {.context = tr_tls_context_hold(calling), .server_name = name};
    tls.alpn = alpn;
    tls.alpn_count = 2;
    order(self, seat, &tls);
    tr_tls_context_release(calling);
    memset(name, 'x', sizeof(name) - 1);
    first[0] = second[0] = '\0';
    alpn[0] = alpn[1] = NULL;
}

static void
order_server(tr_actor *self, const struct seat *seat)
{
    order(self, seat, &(struct tr_tls_options){.context = serving});
}

/* In the middle of a stream. */

static bool
brings(enum tr_event event, const tr_message *message, const char *text)
{
    return event == TR_EVENT_DATA && message->payload.slice.size == strlen(text) &&
           memcmp(message->payload.slice.data, text, strlen(text)) == 0;
}

static void
upgrades(tr_actor *self, struct seat *seat, enum tr_event event, const tr_message *message)
{
    if (event == TR_EVENT_READY)
        say_from_afar(self, seat, "STARTTLS");
    if (brings(event, message, "STARTTLS")) {
        say_from_afar(self, seat, "220");
        order_server(self, seat);
        say_from_afar(self, seat, "welcome");
    }
    if (brings(event, message, "220")) {
        order_client(self, seat);
        say_from_afar(self, seat, "secret");
        assert_int_equal(tr_remote_end(self, seat->ref), TR_OK);
    }
}

static void
an_owner_makes_both_ends_secure_in_the_middle_of_a_stream_and_what_it_writes_next_waits(void **state)
{
    (void)state;
    act = upgrades;
    play();
    assert_string_equal(seats[CALLER].log, "connect ready data:220 secure data:welcome end close");
    assert_string_equal(seats[SERVER].log, "accepted data:STARTTLS secure data:secret end close");
    assert_int_equal(seats[CALLER].secured.version, TR_TLS_1_3);
    assert_int_equal(seats[CALLER].secured.result, TR_OK);
}

/* Bytes that the event had brought already. */

static void
upgrades_with_early_bytes(tr_actor *self, struct seat *seat, enum tr_event event, const tr_message *message)
{
    if (event == TR_EVENT_READY) {
        order_client(self, seat);
        assert_int_equal(tr_remote_end_with(self, seat->ref, text_slice("secret")), TR_OK);
    }
    if (event != TR_EVENT_DATA || strcmp(seat->log, "accepted") == 0 || message->payload.slice.data[0] != 0x16)
        return;
    seat->log[strlen("accepted")] = '\0'; /* the first flight is no text */
    order(self, seat, &(struct tr_tls_options){.context = serving, .received = message->payload.slice});
}

static void
bytes_of_the_handshake_that_an_event_brought_go_along(void **state)
{
    (void)state;
    act = upgrades_with_early_bytes;
    play();
    assert_string_equal(seats[CALLER].log, "connect ready secure end close");
    assert_string_equal(seats[SERVER].log, "accepted secure data:secret end close");
}

/* Refusals. */

static void
orders_what_cannot_be(tr_actor *self, struct seat *seat, enum tr_event event, const tr_message *message)
{
    (void)message;
    if (event != TR_EVENT_READY)
        return;
    order(self, seat, &(struct tr_tls_options){.context = calling, .role = TR_TLS_SERVER});
    say_from_afar(self, seat, "secret");
}

static void
a_refusal_destroys_the_socket_and_nothing_that_was_to_be_secret_goes(void **state)
{
    (void)state;
    act = orders_what_cannot_be;
    play();
    assert_string_equal(seats[CALLER].log, "connect ready error close");
    assert_int_equal(seats[CALLER].error, TR_ETLSNOKEY);
    assert_string_equal(seats[CALLER].call, "read");
    assert_null(strstr(seats[SERVER].log, "data"));
}

static void
is_refused_at_once(tr_actor *self, struct seat *seat, enum tr_event event, const tr_message *message)
{
    (void)message;
    if (event != TR_EVENT_READY)
        return;
    struct tr_tls_options good = {.context = calling, .any_name = true}, bad = good;
    bad.context = NULL;
    assert_int_equal(tr_remote_set_secure(self, seat->ref, &bad), TR_EINVAL);
    bad = good;
    bad.role = (enum tr_tls_role)3;
    assert_int_equal(tr_remote_set_secure(self, seat->ref, &bad), TR_EINVAL);
    bad = good;
    bad.received.size = 1;
    assert_int_equal(tr_remote_set_secure(self, seat->ref, &bad), TR_EINVAL);
    bad = good;
    bad.alpn_count = 1;
    assert_int_equal(tr_remote_set_secure(self, seat->ref, &bad), TR_EINVAL);
    bad = good;
    bad.handshake_timeout_ms = 1u << 31;
    assert_int_equal(tr_remote_set_secure(self, seat->ref, &bad), TR_EBADLIMIT);
    assert_int_equal(tr_remote_set_secure(self, TR_NOBODY, &good), TR_EBADREF);
    assert_int_equal(tr_remote_peer(self, seat->ref, TR_TAG_RESERVED, 0), TR_EBADTAG);
    assert_int_equal(tr_remote_update_keys(self, seat->ref, false, TR_TAG_RESERVED, 0), TR_EBADTAG);
    assert_int_equal(tr_remote_end(self, seat->ref), TR_OK);
}

static void
what_can_be_seen_from_afar_is_refused_at_once(void **state)
{
    (void)state;
    act = is_refused_at_once;
    play();
    assert_string_equal(seats[CALLER].log, "connect ready end close");
    assert_string_equal(seats[SERVER].log, "accepted end close");
}

/* Questions. */

static void
serves_at_once(tr_actor *self, struct seat *seat, enum tr_event event)
{
    if (event == TR_EVENT_CONNECTION)
        order_server(self, seat);
    if (event == TR_EVENT_READY)
        order_client(self, seat);
}

static void
asks_for_the_peer(tr_actor *self, struct seat *seat, enum tr_event event, const tr_message *message)
{
    (void)message;
    serves_at_once(self, seat, event);
    if (event != TR_EVENT_SECURE || seat != &seats[CALLER])
        return;
    assert_int_equal(tr_remote_peer(self, seat->ref, SHOWN, 77), TR_OK);
    assert_int_equal(tr_remote_end(self, seat->ref), TR_OK);
}

static void
the_answer_to_who_the_peer_is_owns_what_it_has_shown_also_when_the_socket_is_gone(void **state)
{
    (void)state;
    act = asks_for_the_peer;
    play();
    assert_int_equal(answers, 1);
    assert_int_equal(shown_status, TR_OK);
    assert_int_equal(shown_token, 77);
    const struct tr_remote_shown *shown = tr_message_data(&kept);
    assert_true(shown->socket == seats[CALLER].ref && kept.from == seats[CALLER].ref);
    assert_string_equal(shown->peer->chain[0].subject[0].value, "server.example");
    assert_true(shown->peer->verified);
    tr_message_drop(&kept);
}

static void
asks_a_server(tr_actor *self, struct seat *seat, enum tr_event event, const tr_message *message)
{
    (void)message;
    serves_at_once(self, seat, event);
    if (event == TR_EVENT_SECURE && seat == &seats[SERVER])
        assert_int_equal(tr_remote_peer(self, seat->ref, SHOWN, 1), TR_OK);
    if (event == TR_EVENT_SECURE && seat == &seats[CALLER])
        assert_int_equal(tr_remote_end(self, seat->ref), TR_OK);
}

static void
asks_a_plain_one(tr_actor *self, struct seat *seat, enum tr_event event, const tr_message *message)
{
    (void)message;
    if (event != TR_EVENT_READY)
        return;
    assert_int_equal(tr_remote_peer(self, seat->ref, SHOWN, 1), TR_OK);
    assert_int_equal(tr_remote_update_keys(self, seat->ref, true, RENEWED, 2), TR_OK);
    assert_int_equal(tr_remote_end(self, seat->ref), TR_OK);
}

static void
asks_one_that_is_gone(tr_actor *self, struct seat *seat, enum tr_event event, const tr_message *message)
{
    (void)message;
    if (event != TR_EVENT_READY)
        return;
    assert_int_equal(tr_stop(self, seat->ref, TR_STOP_KILL), TR_OK);
    assert_int_equal(tr_remote_peer(self, seat->ref, SHOWN, 1), TR_OK);
    assert_int_equal(tr_remote_update_keys(self, seat->ref, true, RENEWED, 2), TR_OK);
    seat->closed = true;
}

static void
a_question_about_tls_is_answered_also_by_a_plain_socket_and_for_one_that_is_gone(void **state)
{
    act = asks_a_server;
    play();
    assert_int_equal(shown_status, TR_ENOENT);
    reset(state);
    act = asks_a_plain_one;
    play();
    assert_int_equal(answers, 2);
    assert_int_equal(shown_status, TR_ENOTCONN);
    assert_int_equal(renewed.status, TR_ENOTCONN);
    reset(state);
    act = asks_one_that_is_gone;
    play();
    assert_int_equal(answers, 2);
    assert_int_equal(shown_status, TR_EGONE);
    assert_int_equal(renewed.status, TR_EGONE);
    assert_int_equal(renewed.token, 2);
}

static void
renews(tr_actor *self, struct seat *seat, enum tr_event event, const tr_message *message)
{
    (void)message;
    serves_at_once(self, seat, event);
    if (event != TR_EVENT_SECURE || seat != &seats[CALLER])
        return;
    assert_int_equal(tr_remote_update_keys(self, seat->ref, true, RENEWED, 3), TR_OK);
    assert_int_equal(tr_remote_end_with(self, seat->ref, text_slice("new")), TR_OK);
}

static void
new_keys_are_ordered_from_afar_and_what_is_written_next_has_them(void **state)
{
    (void)state;
    act = renews;
    play();
    assert_int_equal(answers, 1);
    assert_int_equal(renewed.status, TR_OK);
    assert_int_equal(renewed.token, 3);
    assert_string_equal(seats[SERVER].log, "accepted secure data:new end close");
}

static void
renews_after_its_end(tr_actor *self, struct seat *seat, enum tr_event event, const tr_message *message)
{
    (void)message;
    serves_at_once(self, seat, event);
    if (event != TR_EVENT_SECURE || seat != &seats[CALLER])
        return;
    assert_int_equal(tr_remote_end_with(self, seat->ref, text_slice("last")), TR_OK);
    assert_int_equal(tr_remote_update_keys(self, seat->ref, true, RENEWED, 4), TR_OK);
}

static void
new_keys_that_are_ordered_after_the_end_are_refused_as_a_write_is(void **state)
{
    (void)state;
    act = renews_after_its_end;
    play();
    assert_int_equal(answers, 1);
    assert_int_equal(renewed.status, TR_EWRITEAFTEREND);
    assert_string_equal(seats[SERVER].log, "accepted secure data:last end close");
}

/* The peer's FIN without its close_notify. */
static void
breaks_off(tr_actor *self, struct seat *seat, enum tr_event event, const tr_message *message)
{
    (void)message;
    serves_at_once(self, seat, event);
    if (event == TR_EVENT_SECURE && seat == &seats[CALLER])
        say_from_afar(self, seat, "hello");
    if (event == TR_EVENT_DATA && seat == &seats[SERVER])
        assert_int_equal(tr_remote_destroy(self, seat->ref, TR_OK), TR_OK);
    if (event == TR_EVENT_END && seat == &seats[CALLER])
        assert_int_equal(tr_remote_socket_info(self, seat->ref, INFO, 5), TR_OK);
}

static void
the_info_of_a_secure_socket_says_so_and_counts_the_wire_and_tells_an_end_that_was_cut_off(void **state)
{
    (void)state;
    act = breaks_off;
    play();
    assert_string_equal(seats[CALLER].log, "connect ready secure end close");
    assert_true(info.secure && info.truncated);
    assert_int_equal(info.bytes_written, strlen("hello"));
    assert_int_equal(info.bytes_read, 0);
    assert_true(info.wire_written > 200 && info.wire_read > 500); /* flights of a handshake */
}

static void
ends_in_order(tr_actor *self, struct seat *seat, enum tr_event event, const tr_message *message)
{
    (void)message;
    if (event == TR_EVENT_READY)
        assert_int_equal(tr_remote_end(self, seat->ref), TR_OK);
    if (event == TR_EVENT_END && seat == &seats[CALLER])
        assert_int_equal(tr_remote_socket_info(self, seat->ref, INFO, 5), TR_OK);
}

static void
the_info_of_a_plain_socket_has_nothing_of_tls(void **state)
{
    (void)state;
    act = ends_in_order;
    play();
    assert_int_equal(info.token, 5);
    assert_false(info.secure || info.truncated);
    assert_int_equal(info.wire_read + info.wire_written, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, tls_leaves_no_errors)
        TEST(an_owner_makes_both_ends_secure_in_the_middle_of_a_stream_and_what_it_writes_next_waits),
        TEST(bytes_of_the_handshake_that_an_event_brought_go_along),
        TEST(a_refusal_destroys_the_socket_and_nothing_that_was_to_be_secret_goes),
        TEST(what_can_be_seen_from_afar_is_refused_at_once),
        TEST(the_answer_to_who_the_peer_is_owns_what_it_has_shown_also_when_the_socket_is_gone),
        TEST(a_question_about_tls_is_answered_also_by_a_plain_socket_and_for_one_that_is_gone),
        TEST(new_keys_are_ordered_from_afar_and_what_is_written_next_has_them),
        TEST(new_keys_that_are_ordered_after_the_end_are_refused_as_a_write_is),
        TEST(the_info_of_a_secure_socket_says_so_and_counts_the_wire_and_tells_an_end_that_was_cut_off),
        TEST(the_info_of_a_plain_socket_has_nothing_of_tls),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
