/*
 * The resolver: how many questions are asked at once, in which order, and what is answered.
 *
 * The system's look-up is the gate of resolver_gate.h.
 */
#include "resolver_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <netdb.h>
#include <troupe/actors/host.h>
#include <troupe/core/status_from.h>
#include <troupe/core/worker.h>
#include <troupe/net/server.h>
#include <troupe/net/socket.h>

#include "helpers.h"

static void
let_one_pass(void)
{
    uv_mutex_lock(&gate.lock);
    gate.tickets++;
    uv_cond_signal(&gate.changed);
    uv_mutex_unlock(&gate.lock);
}

/* Many at once. */

#define EACH 100u

struct crowd {
    uint64_t first_token;
    tri_lookup *lookups[EACH];
};

static tr_status
crowd_init(tr_actor *self, void *state, const void *argument)
{
    const struct fixture *f = argument;
    struct crowd *crowd = state;
    crowd->first_token = tr_ref_worker(tr_self(self)) * EACH;
    for (unsigned i = 0; i < EACH; i++)
        assert_int_equal(tri_resolve(f->runtime, tr_self(self), TAG_ANSWER, crowd->first_token + i, "localhost",
                                     AF_UNSPEC, 0, &crowd->lookups[i]),
                         TR_OK);
    return TR_OK;
}

static void
crowd_receive(tr_actor *self, void *state, tr_message *message)
{
    struct crowd *crowd = state;
    const struct tri_resolver_answer *answer = tr_message_data(message);
    tri_lookup_cancel(crowd->lookups[answer->token - crowd->first_token]);
    asker_receive(self, state, message);
}

static void
two_hundred_questions_of_two_workers_are_each_answered_once(void **state)
{
    static const struct tr_behavior behavior = {
        .name = "crowd", .state_size = sizeof(struct crowd), .init = crowd_init, .receive = crowd_receive};
    struct fixture *f = *state;
    stage_spawn(f->runtime, &behavior, 0, f);
    stage_spawn(f->runtime, &behavior, 1, f);
    tally_await(&answers, 2 * EACH);
    for (unsigned i = 0; i < 2 * EACH; i++) {
        assert_int_equal(heard_of[i].times, 1);
        assert_int_equal(heard_of[i].error, 0);
        assert_true(heard_of[i].family == AF_INET || heard_of[i].family == AF_INET6);
    }
}

static void
slow_questions_do_not_delay_others(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 10; i++)
        ask(f, i, "slow");
    for (unsigned i = 10; i < 60; i++)
        ask(f, i, "localhost");
    tally_await(&answers, 50);
    await_inside(10);
    set_gate(true);
    tally_await(&answers, 60);
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(heard_of[i].times, 1);
}

static void
no_more_than_the_limit_are_asked_at_once_and_the_rest_waits(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 200; i++)
        ask(f, i, "slow");
    await_inside(TRI_RESOLVER_THREADS);
    assert_int_equal(tests_threads(), f->threads + (int)TRI_RESOLVER_THREADS);
    set_gate(true);
    tally_await(&answers, 200);
    assert_int_equal(gate.most, TRI_RESOLVER_THREADS);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(heard_of[i].times, 1);
}

static bool
came_to_the_gate(void *argument)
{
    uv_mutex_lock(&gate.lock);
    bool came = gate.slow == *(unsigned *)argument;
    uv_mutex_unlock(&gate.lock);
    return came;
}

static void
those_that_wait_are_asked_in_their_order(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < TRI_RESOLVER_THREADS; i++)
        ask(f, i, "slow");
    await_inside(TRI_RESOLVER_THREADS);
    for (unsigned i = 0; i < 4; i++) {
        char host[] = {'s', 'l', 'o', 'w', (char)('0' + i), '\0'};
        ask(f, TRI_RESOLVER_THREADS + i, host);
    }
    for (unsigned i = 0; i < 4; i++) {
        unsigned came = TRI_RESOLVER_THREADS + i + 1;
        let_one_pass(); /* whose thread takes the next */
        assert_true(tests_wait_until(came_to_the_gate, &came, TESTS_LIMIT_MS));
        assert_int_equal(gate.host[4], '0' + (int)i);
    }
    set_gate(true);
    tally_await(&answers, TRI_RESOLVER_THREADS + 4);
}

static void
one_thread_serves_one_question_after_the_other_and_leaves_when_idle(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 20; i++) {
        ask(f, i, "127.0.0.1");
        tally_await(&answers, i + 1);
    }
    assert_in_range(tests_threads(), f->threads + 1, f->threads + 2); /* 2: one was slow to become idle */
    assert_true(tests_wait_until(threads_are, &f->threads, TESTS_LIMIT_MS));
    ask(f, 20, "127.0.0.1");
    tally_await(&answers, 21);
}

static void
a_thread_that_asks_says_so_by_its_name(void **state)
{
    struct fixture *f = *state;
    ask(f, 0, "slow");
    await_inside(1);
    set_gate(true);
    tally_await(&answers, 1);
    assert_string_equal(gate.name, "troupe/lookup");
}

/* Answers. */

static void
errors_have_libuvs_numbers_and_nodes_names(void **state)
{
    static const struct {
        int system, uv;
        tr_status status;
    } table[] = {
        {EAI_NONAME, UV_EAI_NONAME, TR_ENOTFOUND},    {EAI_AGAIN, UV_EAI_AGAIN, TR_EAI_AGAIN},
        {EAI_FAIL, UV_EAI_FAIL, TR_EAI_FAIL},         {EAI_FAMILY, UV_EAI_FAMILY, TR_EAI_FAMILY},
        {EAI_MEMORY, UV_EAI_MEMORY, TR_ENOMEM},       {EAI_SYSTEM, UV_EIO, TR_EIO},
        {EAI_NODATA, UV_EAI_NODATA, TR_ENOTFOUND},    {EAI_OVERFLOW, UV_EAI_OVERFLOW, TR_EUNKNOWN},
        {EAI_SERVICE, UV_EAI_SERVICE, TR_ENOTFOUND},  {EAI_BADFLAGS, UV_EAI_BADFLAGS, TR_EUNKNOWN},
        {EAI_SOCKTYPE, UV_EAI_SOCKTYPE, TR_EUNKNOWN}, {-4711, UV_UNKNOWN, TR_EUNKNOWN},
    };
    enum { ROWS = sizeof(table) / sizeof(table[0]) };
    struct fixture *f = *state;
    for (unsigned i = 0; i < ROWS; i++) {
        char host[32];
        snprintf(host, sizeof(host), "error %d", table[i].system);
        ask(f, i, host);
    }
    ask(f, ROWS, "nothing");
    tally_await(&answers, ROWS + 1);
    for (unsigned i = 0; i < ROWS; i++) {
        assert_int_equal(heard_of[i].error, table[i].uv);
        assert_int_equal(tri_status_from_uv(heard_of[i].error), table[i].status);
    }
    assert_int_equal(tri_status_from_uv(heard_of[ROWS].error), TR_ENOTFOUND);
}

static void
family_and_hints_reach_the_system(void **state)
{
    struct fixture *f = *state;
    ask_about(f, 0, "127.0.0.1", AF_INET, 0);
    ask_about(f, 1, "127.0.0.1", AF_INET6, 0);
    ask_about(f, 2, "127.0.0.1", AF_INET6, AI_V4MAPPED);
    ask_about(f, 3, "::1", AF_UNSPEC, 0);
    ask_about(f, 4, "localhost", AF_UNSPEC, AI_NUMERICHOST);
    tally_await(&answers, 5);
    assert_int_equal(heard_of[0].family, AF_INET);
    assert_int_not_equal(heard_of[1].error, 0);
    assert_int_equal(heard_of[2].family, AF_INET6);
    assert_int_equal(heard_of[3].family, AF_INET6);
    assert_int_equal(heard_of[4].error, UV_EAI_NONAME);
}

static void
hosts_and_actors_that_cannot_be_are_refused(void **state)
{
    struct fixture *f = *state;
    tri_lookup *lookup;
    char host[TRI_RESOLVER_HOST_BYTES + 2];
    memset(host, 'w', sizeof(host));
    memcpy(host, "slow", 4);
    host[TRI_RESOLVER_HOST_BYTES + 1] = '\0';
    assert_int_equal(tri_resolve(f->runtime, f->asker, TAG_ANSWER, 0, NULL, 0, 0, &lookup), TR_EBADHOST);
    assert_int_equal(tri_resolve(f->runtime, f->asker, TAG_ANSWER, 0, "", 0, 0, &lookup), TR_EBADHOST);
    assert_int_equal(tri_resolve(f->runtime, f->asker, TAG_ANSWER, 0, host, 0, 0, &lookup), TR_EBADHOST);
    assert_int_equal(tri_resolve(f->runtime, TR_NOBODY, TAG_ANSWER, 0, "localhost", 0, 0, &lookup), TR_EBADREF);
    tr_ref elsewhere = f->asker | (tr_ref)7 << 24; /* a worker that there is not */
    assert_int_equal(tri_resolve(f->runtime, elsewhere, TAG_ANSWER, 0, "localhost", 0, 0, &lookup), TR_EBADREF);
    set_gate(true);
    host[TRI_RESOLVER_HOST_BYTES] = '\0';
    ask(f, 0, host);
    tally_await(&answers, 1);
    assert_int_equal(heard_of[0].error, 0);
}

static void
an_answer_for_an_actor_that_is_gone_is_freed(void **state)
{
    struct fixture *f = *state;
    tr_ref gone = stage_spawn(f->runtime, &asker, 1, NULL);
    tri_lookup *lookup;
    assert_int_equal(tri_resolve(f->runtime, gone, TAG_ANSWER, 0, "slow", 0, 0, &lookup), TR_OK);
    assert_int_equal(tr_runtime_stop_actor(f->runtime, gone, TR_STOP_NOW), TR_OK);
    await_inside(1);
    release_resolver(f);
    tri_lookup_cancel(lookup);
    assert_int_equal(tally_read(&answers), 0);
    tri_resolver_hold();
}

/* Answers that have been sent when their question is cancelled, and come to somebody who has asked anew. */

bool tri_mail_waits(struct tri_worker *worker); /* core/loop/mail.h */

static bool
answer_is_here(void *argument)
{
    return tri_mail_waits(argument);
}

/* Within a callback, so that it stays there. */
static void
await_answer_of(tr_actor *self)
{
    set_gate(true);
    assert_true(tests_wait_until(answer_is_here, tri_actor_worker(self), TESTS_LIMIT_MS));
    tests_hold(1); /* longer than a busy worker goes without polling: so what this callback makes due comes first */
}

static char told[64];
static struct tally endings;

static void
tell(const char *word)
{
    strncat(told, word, sizeof(told) - 1 - strlen(told));
}

static void
leave_and_ask_anew(tr_socket *socket, tr_message *message)
{
    (void)message;
    await_answer_of(tr_socket_actor(socket));
    tr_socket_destroy(socket, TR_OK);
}

static void
on_socket_error(tr_socket *socket, const struct tr_error *error)
{
    (void)socket;
    tell(error->code);
}

static void
on_socket_connect(tr_socket *socket)
{
    (void)socket;
    tell("connect");
}

static void
on_socket_close(tr_socket *socket, bool had_error)
{
    static const struct tr_connect_options again = {.host = "nothing", .port = 1};
    if (tally_read(&endings) == 0 && !had_error)
        assert_int_equal(tr_socket_connect(socket, &again), TR_OK);
    tell(" close ");
    tally_add(&endings, 1);
}

static tr_ref begun; /* atomic: the socket, or the server */

static tr_status
begin_socket(tr_actor *self, void *state, const void *argument)
{
    static const struct tr_socket_events events = {.message = leave_and_ask_anew,
                                                   .error = on_socket_error,
                                                   .connect = on_socket_connect,
                                                   .close = on_socket_close};
    static const struct tr_connect_options connect = {.host = "slow", .port = 1};
    struct tr_socket_options options = {.events = &events};
    tr_socket *socket;
    (void)state;
    (void)argument;
    assert_int_equal(tr_connect(self, &options, &connect, &socket), TR_OK);
    __atomic_store_n(&begun, tr_socket_ref(socket), __ATOMIC_SEQ_CST);
    return TR_OK;
}

static void
close_and_listen_anew(tr_server *server, tr_message *message)
{
    (void)message;
    await_answer_of(tr_server_actor(server));
    assert_int_equal(tr_server_close(server), TR_OK);
    assert_int_equal(tr_server_listen(server, &(struct tr_listen_options){.host = "nothing"}), TR_OK);
}

static void
on_server_error(tr_server *server, const struct tr_error *error)
{
    (void)server;
    tell(error->code);
    tally_add(&endings, 1);
}

static void
on_server_close(tr_server *server)
{
    (void)server;
    tell(" close ");
    tally_add(&endings, 1);
}

static void
on_listening(tr_server *server)
{
    (void)server;
    tell("listening");
}

static tr_status
begin_server(tr_actor *self, void *state, const void *argument)
{
    static const struct tr_server_events events = {.message = close_and_listen_anew,
                                                   .error = on_server_error,
                                                   .close = on_server_close,
                                                   .listening = on_listening};
    struct tr_server_options options = {.events = &events, .keep = true};
    tr_server *server;
    (void)state;
    (void)argument;
    assert_int_equal(tr_server_spawn(self, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &(struct tr_listen_options){.host = "slow"}), TR_OK);
    __atomic_store_n(&begun, tr_server_ref(server), __ATOMIC_SEQ_CST);
    return TR_OK;
}

/* Begins with a name that is slow to be found, and asks for another one when its answer is already there. */
static void
ask_twice(const struct tr_behavior *parent)
{
    tr_runtime *runtime = stage_open(1);
    memset(told, 0, sizeof(told));
    endings.count = 0;
    set_gate(false);
    stage_spawn(runtime, parent, 0, NULL);
    await_inside(1);
    stage_send(runtime, __atomic_load_n(&begun, __ATOMIC_SEQ_CST), 1, NULL, 0);
    tally_await(&endings, 2);
    stage_close(runtime);
}

static void
the_answer_to_another_name_is_not_taken(void **state)
{
    static const struct tr_behavior with_socket = {.name = "client", .init = begin_socket, .receive = asker_receive};
    static const struct tr_behavior with_server = {.name = "host", .init = begin_server, .receive = asker_receive};
    (void)state;
    ask_twice(&with_socket);
    assert_string_equal(told, " close ENOTFOUND close ");
    ask_twice(&with_server);
    assert_string_equal(told, " close ENOTFOUND");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, resolver_set_up, resolver_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(two_hundred_questions_of_two_workers_are_each_answered_once),
        TEST(slow_questions_do_not_delay_others),
        TEST(no_more_than_the_limit_are_asked_at_once_and_the_rest_waits),
        TEST(those_that_wait_are_asked_in_their_order),
        TEST(one_thread_serves_one_question_after_the_other_and_leaves_when_idle),
        TEST(a_thread_that_asks_says_so_by_its_name),
        TEST(errors_have_libuvs_numbers_and_nodes_names),
        TEST(family_and_hints_reach_the_system),
        TEST(hosts_and_actors_that_cannot_be_are_refused),
        TEST(an_answer_for_an_actor_that_is_gone_is_freed),
        TEST(the_answer_to_another_name_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
