/*
 * The longest that connecting may take: it covers the look-up and all attempts, and nothing after them.
 */
#include "cast.h"
#include "helpers.h"
#include "lookups.h"
#include "socket_state.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

#define LIMIT_MS 40u
#define FAR_MS 1000000u
#define FILLERS 16

static uint64_t began_ms;

static void
connect_within(struct tr_connect_options options)
{
    began_ms = tr_now(director);
    stage_connect_with(&client, options);
    end_when_closed();
}

static void
expect_given_up(const char *log)
{
    assert_string_equal(client.log, log);
    assert_int_equal(client.error, TR_ETIMEDOUT);
    assert_string_equal(client.call, "connect");
    assert_string_equal(client.code, "ETIMEDOUT");
    assert_true(tr_now(NULL) - began_ms >= LIMIT_MS);
}

/* A listener on 127.0.0.1 with no room in its queue: the system drops what asks for a connection. */
static int silent[1 + FILLERS];

static void
open_silence(void)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    silent[0] = tests_peer_refuse(&stage_port);
    there.sin_port = htons(stage_port);
    assert_int_equal(listen(silent[0], 0), 0);
    for (int i = 1; i <= FILLERS; i++) {
        silent[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(silent[i], (struct sockaddr *)&there, sizeof(there));
    }
}

static void
close_silence(void)
{
    for (int i = 0; i <= FILLERS; i++)
        close(silent[i]);
}

static void
ends_silence(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "close"))
        close_silence();
}

static void
play_silent_peer(void)
{
    open_silence();
    client.hook = ends_silence;
    connect_within((struct tr_connect_options){.connect_timeout_ms = LIMIT_MS});
}

static void
a_peer_that_does_not_answer_in_time_is_given_up(void **state)
{
    (void)state;
    stage_play(1, play_silent_peer);
    expect_given_up("ETIMEDOUT close!");
}

/* Look-ups. */

static void
play_silent_lookup(void)
{
    stage_port = 1;
    connect_within(
        (struct tr_connect_options){.host = "some.where", .lookup = never_answers, .connect_timeout_ms = LIMIT_MS});
}

static void
a_lookup_that_does_not_answer_in_time_is_given_up(void **state)
{
    (void)state;
    stage_play(1, play_silent_lookup);
    expect_given_up("ETIMEDOUT close!");
}

/* The first address refuses, the second is silent, the third would take the connection if it were asked. */
static void
finds_three(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    static const struct tr_address three[] = {{.family = TR_FAMILY_IPV4, .text = "127.0.0.9"},
                                              {.family = TR_FAMILY_IPV4, .text = "127.0.0.1"},
                                              {.family = TR_FAMILY_IPV4, .text = "127.0.0.1"}};
    (void)host;
    (void)family;
    (void)lookup_data;
    assert_int_equal(tr_socket_looked_up(socket, NULL, three, 3), TR_OK);
}

static bool races;

static void
play_several(void)
{
    open_silence();
    client.hook = ends_silence;
    connect_within((struct tr_connect_options){.host = "some.where",
                                               .lookup = finds_three,
                                               .race = races,
                                               .race_delay_ms = 1,
                                               .connect_timeout_ms = LIMIT_MS});
}

static void
all_attempts_share_the_time_one_after_the_other_or_in_a_race(void **state)
{
    for (int turn = 0; turn < 2; turn++) {
        cast_reset(state);
        races = turn == 1;
        stage_play(1, play_several);
        expect_given_up("lookup:some.where:127.0.0.9 lookup:some.where:127.0.0.1 lookup:some.where:127.0.0.1 "
                        "ETIMEDOUT close!");
    }
}

/* Without a delay of one's own the next of a race begins after 250 ms. */

#define PORTS_TRIED 16 /* they belong to the machine */

static int second_listener;
static uint64_t asked_ns, took_ns;

static void
finds_silence_first(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    static const struct tr_address two[] = {{.family = TR_FAMILY_IPV4, .text = "127.0.0.1"},
                                            {.family = TR_FAMILY_IPV4, .text = "127.0.0.2"}};
    (void)host;
    (void)family;
    (void)lookup_data;
    asked_ns = tests_now_ns();
    assert_int_equal(tr_socket_looked_up(socket, NULL, two, 2), TR_OK);
}

static void
destroys_in_ready(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        took_ns = tests_now_ns() - asked_ns;
    if (is(event, "ready"))
        tr_socket_destroy(self->socket, TR_OK);
    if (is(event, "close"))
        close(second_listener);
    ends_silence(self, event);
}

/* The port of the silent listener, at another address; false: another program has it there. */
static bool
open_second_listener(void)
{
    struct sockaddr_in there = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1), .sin_port = htons(stage_port)};
    second_listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(second_listener, (struct sockaddr *)&there, sizeof(there)) == 0 && listen(second_listener, 1) == 0;
}

static void
play_default_delay(void)
{
    bool open = false;
    for (unsigned i = 0; i < PORTS_TRIED && !open; i++) {
        if (i > 0) {
            close(second_listener);
            close_silence();
        }
        open_silence();
        open = open_second_listener();
    }
    assert_true(open);
    client.hook = destroys_in_ready;
    stage_connect_with(&client,
                       (struct tr_connect_options){.host = "some.where", .lookup = finds_silence_first, .race = true});
    end_when_closed();
}

static void
the_next_of_a_race_begins_after_250_ms_by_default(void **state)
{
    (void)state;
    stage_play(1, play_default_delay);
    assert_string_equal(client.log, "lookup:some.where:127.0.0.1 lookup:some.where:127.0.0.2 connect ready close");
    assert_true(took_ns >= UINT64_C(250) * 1000000);
}

/* In time. */

static tr_socket *watched;
static size_t timers_before;

static size_t
timers(const tr_socket *socket)
{
    return socket->home->worker->timers.count;
}

static void
looks_for_the_timer(struct endpoint *self, const char *event)
{
    if (!is(event, "ready"))
        return;
    assert_int_equal(timers(self->socket), timers_before);
    tr_socket_end(self->socket);
    end_when_closed(); /* which has a timer of its own */
}

static void
play_in_time(void)
{
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client};
    client.hook = looks_for_the_timer;
    stage_serve((struct tr_server_options){0});
    assert_int_equal(tr_socket_spawn(director, &options, &client.socket), TR_OK);
    watched = client.socket;
    timers_before = timers(watched);
    struct tr_connect_options connect = {.host = "127.0.0.1", .port = stage_port, .connect_timeout_ms = FAR_MS};
    assert_int_equal(tr_socket_connect(watched, &connect), TR_OK);
    assert_int_equal(timers(watched), timers_before + 1);
}

static void
a_connection_that_is_made_in_time_has_no_limit_any_more(void **state)
{
    (void)state;
    stage_play(1, play_in_time);
    assert_string_equal(client.log, "connect ready end close");
}

/* Beside the timeout of a quiet connection, which tells and goes on. */
static void
play_both(void)
{
    stage_port = 1;
    connect_within((struct tr_connect_options){
        .host = "some.where", .lookup = never_answers, .timeout_ms = 1, .connect_timeout_ms = LIMIT_MS});
}

static void
the_idle_timeout_is_another_and_may_come_before(void **state)
{
    (void)state;
    stage_play(1, play_both);
    expect_given_up("timeout ETIMEDOUT close!");
}

/* Another life. */

static void
tries_again(struct endpoint *self, const char *event)
{
    struct tr_connect_options again = {.host = "127.0.0.1", .port = stage_port};
    if (is(event, "close") && self->error == TR_ETIMEDOUT) {
        self->error = TR_OK;
        assert_int_equal(tr_socket_connect(self->socket, &again), TR_OK);
        watched = self->socket;
    }
    if (is(event, "ready"))
        tr_socket_end(watched);
}

static bool
has_ended_twice(void)
{
    return strstr(client.log, "end close") != NULL;
}

static void
play_again(void)
{
    client.hook = tries_again;
    stage_serve((struct tr_server_options){0});
    stage_connect_with(&client, (struct tr_connect_options){
                                    .host = "some.where", .lookup = never_answers, .connect_timeout_ms = LIMIT_MS});
    stage_settled_when(has_ended_twice, end_play, NULL);
}

static void
a_socket_that_was_given_up_may_connect_again_without_the_limit(void **state)
{
    (void)state;
    stage_play(1, play_again);
    assert_string_equal(client.log, "ETIMEDOUT close! connect ready end close");
}

/* From afar. */

static unsigned error_is_right; /* atomic: the events come on another worker */

static void
note_error(tr_socket *socket, const struct tr_error *error)
{
    (void)socket;
    __atomic_store_n(&error_is_right, error->status == TR_ETIMEDOUT && strcmp(error->call, "connect") == 0,
                     __ATOMIC_SEQ_CST);
}

static bool
error_came(void)
{
    return __atomic_load_n(&error_is_right, __ATOMIC_SEQ_CST) != 0;
}

static void
play_remote(void)
{
    static const struct tr_socket_events events = {.error = note_error};
    struct tr_socket_options socket = {.events = &events};
    struct tr_spawn_options there = {.placement = TR_PLACE_WORKER, .worker = 1};
    struct tr_connect_options connect = {
        .host = "some.where", .port = 1, .lookup = never_answers, .connect_timeout_ms = LIMIT_MS};
    tr_ref ref;
    error_is_right = 0;
    assert_int_equal(tr_remote_socket(director, &socket, &there, &ref), TR_OK);
    assert_int_equal(tr_remote_connect(director, ref, &connect), TR_OK);
    stage_settled_when(error_came, end_play, NULL);
}

static void
an_order_from_afar_has_the_same_limit(void **state)
{
    (void)state;
    stage_play(2, play_remote);
}

static void
play_too_long(void)
{
    struct tr_connect_options connect = {.port = 1, .connect_timeout_ms = (uint64_t)INT32_MAX + 1};
    struct tr_connect_options slow = {.port = 1, .race_delay_ms = (unsigned)INT32_MAX + 1};
    tr_socket *socket;
    tr_ref ref;
    assert_int_equal(tr_connect(director, NULL, &slow, &socket), TR_EBADLIMIT);
    assert_int_equal(tr_connect(director, NULL, &connect, &socket), TR_EBADLIMIT);
    assert_int_equal(tr_remote_socket(director, NULL, NULL, &ref), TR_OK);
    assert_int_equal(tr_remote_connect(director, ref, &connect), TR_EBADLIMIT);
    assert_int_equal(tr_stop(director, ref, TR_STOP_NOW), TR_OK);
    stage_end();
}

static void
a_limit_that_is_too_long_is_refused(void **state)
{
    (void)state;
    stage_play(1, play_too_long);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_peer_that_does_not_answer_in_time_is_given_up, cast_reset),
        cmocka_unit_test_setup(a_lookup_that_does_not_answer_in_time_is_given_up, cast_reset),
        cmocka_unit_test_setup(all_attempts_share_the_time_one_after_the_other_or_in_a_race, cast_reset),
        cmocka_unit_test_setup(the_next_of_a_race_begins_after_250_ms_by_default, cast_reset),
        cmocka_unit_test_setup(a_connection_that_is_made_in_time_has_no_limit_any_more, cast_reset),
        cmocka_unit_test_setup(the_idle_timeout_is_another_and_may_come_before, cast_reset),
        cmocka_unit_test_setup(a_socket_that_was_given_up_may_connect_again_without_the_limit, cast_reset),
        cmocka_unit_test_setup(an_order_from_afar_has_the_same_limit, cast_reset),
        cmocka_unit_test_setup(a_limit_that_is_too_long_is_refused, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
