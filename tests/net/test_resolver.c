/*
 * The resolver, with a getaddrinfo() of this program's own in the place of the system's, so that a test decides when an
 * answer comes. It leads to the real one in the end.
 *
 * Its hosts: "slow..." waits until the gate is open and is 127.0.0.1 then; "error N" fails with the number N, in errno
 * EIO; "nothing" is known and has no address; all others are the system's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <troupe/actors/host.h>
#include <troupe/core/status_from.h>
#include <troupe/net/socket.h>

#include "../support/stage.h" /* the actors' stage, not the sockets' */
#include "helpers.h"
#include "resolver.h"

#define TOKENS 1024u
#define TAG_ANSWER (TRI_TAG_NET + 0x800u)

enum { TAG_CANCELLED = 1 };

/* The seam. */

static struct {
    uv_mutex_t lock;
    uv_cond_t changed;
    bool open;
    unsigned inside, most, slow; /* now, at most at once, ever */
    char name[16];               /* of the last thread that came */
} gate;

static void
wait_at_the_gate(void)
{
    uv_mutex_lock(&gate.lock);
    pthread_getname_np(pthread_self(), gate.name, sizeof(gate.name));
    gate.slow++;
    gate.inside++;
    if (gate.inside > gate.most)
        gate.most = gate.inside;
    while (!gate.open)
        uv_cond_wait(&gate.changed, &gate.lock);
    gate.inside--;
    uv_mutex_unlock(&gate.lock);
}

int
getaddrinfo(const char *restrict host, const char *restrict service, const struct addrinfo *restrict hints,
            struct addrinfo **restrict out)
{
    union {
        void *address;
        int (*call)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    } real = {dlsym(RTLD_NEXT, "getaddrinfo")};
    if (strncmp(host, "error ", 6) == 0) {
        errno = EIO;
        return atoi(host + 6);
    }
    if (strcmp(host, "nothing") == 0)
        return 0;
    if (strncmp(host, "slow", 4) == 0) {
        wait_at_the_gate();
        host = "127.0.0.1";
    }
    return real.call(host, service, hints, out);
}

static void
set_gate(bool open)
{
    uv_mutex_lock(&gate.lock);
    gate.open = open;
    uv_cond_broadcast(&gate.changed);
    uv_mutex_unlock(&gate.lock);
}

static bool
holds_inside(void *argument)
{
    uv_mutex_lock(&gate.lock);
    bool reached = gate.inside == *(unsigned *)argument;
    uv_mutex_unlock(&gate.lock);
    return reached;
}

static void
await_inside(unsigned n)
{
    assert_true(tests_wait_until(holds_inside, &n, TESTS_LIMIT_MS));
}

/* The asker: an actor that writes down what it hears. */

static struct {
    int error;
    int family; /* of the first address */
    unsigned times;
    bool cancelled; /* the test has cancelled it */
    bool late;      /* its answer was sent after that */
} heard[TOKENS];
static struct tally answers, cancels;

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == TAG_CANCELLED) {
        heard[message->payload.words[0]].cancelled = true;
        tally_add(&cancels, 1);
        return;
    }
    assert_int_equal(message->tag, TAG_ANSWER);
    const struct tri_resolver_answer *answer = tr_message_data(message);
    assert_true(answer->token < TOKENS);
    assert_true((answer->error == 0) == (answer->addresses != NULL));
    heard[answer->token].error = answer->error;
    heard[answer->token].family = answer->error == 0 ? answer->addresses->ai_addr->sa_family : AF_UNSPEC;
    heard[answer->token].times++;
    heard[answer->token].late |= heard[answer->token].cancelled;
    tally_add(&answers, 1);
}

static const struct tr_behavior asker = {.name = "asker", .receive = receive};

struct fixture {
    tr_runtime *runtime;
    tr_ref asker;
    int threads, fds;
    tri_lookup *lookups[TOKENS];
};

static int
open_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    memset(heard, 0, sizeof(heard));
    answers.count = cancels.count = 0;
    memset(&gate, 0, sizeof(gate));
    uv_mutex_init(&gate.lock);
    uv_cond_init(&gate.changed);
    f->runtime = stage_open(2);
    f->asker = stage_spawn(f->runtime, &asker, 0, NULL);
    f->threads = tests_threads();
    tri_resolver_hold();
    *state = f;
    return 0;
}

/* The kernel lists a thread for a moment after it was joined. */
static bool
threads_are(void *argument)
{
    return tests_threads() == *(int *)argument;
}

/* After it no answer is on its way any more, and each that was sent has been received. */
static void
release_resolver(struct fixture *f)
{
    set_gate(true);
    tri_resolver_release();
    await_inside(0);                                               /* at once, but for threads that were abandoned */
    assert_true(tests_wait_until(threads_are, &f->threads, 1000)); /* less than IDLE_MS: none leaves by itself */
    uint64_t before = tally_read(&cancels);
    stage_send(f->runtime, f->asker, TAG_CANCELLED, &(uint64_t){TOKENS - 1}, sizeof(uint64_t));
    tally_await(&cancels, before + 1);
}

static int
close_fixture(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < TOKENS; i++)
        tri_lookup_cancel(f->lookups[i]);
    release_resolver(f);
    stage_close(f->runtime);
    uv_cond_destroy(&gate.changed);
    uv_mutex_destroy(&gate.lock);
    free(f);
    return 0;
}

static void
ask_about(struct fixture *f, uint64_t token, const char *host, int family, int hints)
{
    tri_lookup *lookup;
    assert_int_equal(tri_resolve(f->runtime, f->asker, TAG_ANSWER, token, host, family, hints, &lookup), TR_OK);
    f->lookups[token] = lookup;
}

static void
ask(struct fixture *f, uint64_t token, const char *host)
{
    ask_about(f, token, host, AF_UNSPEC, 0);
}

static void
cancel(struct fixture *f, uint64_t token)
{
    tri_lookup_cancel(f->lookups[token]);
    f->lookups[token] = NULL;
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
    receive(self, state, message);
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
        assert_int_equal(heard[i].times, 1);
        assert_int_equal(heard[i].error, 0);
        assert_true(heard[i].family == AF_INET || heard[i].family == AF_INET6);
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
        assert_int_equal(heard[i].times, 1);
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
        assert_int_equal(heard[i].times, 1);
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

/* Cancelling. */

static void
a_question_that_is_cancelled_while_it_waits_is_never_asked(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < TRI_RESOLVER_THREADS; i++)
        ask(f, i, "slow");
    await_inside(TRI_RESOLVER_THREADS);
    for (unsigned i = 100; i < 103; i++)
        ask(f, i, "slow");
    cancel(f, 101);
    set_gate(true);
    tally_await(&answers, TRI_RESOLVER_THREADS + 2);
    release_resolver(f);
    assert_int_equal(gate.slow, TRI_RESOLVER_THREADS + 2);
    assert_int_equal(heard[101].times, 0);
    tri_resolver_hold();
}

static void
a_question_that_is_cancelled_while_it_is_asked_has_no_answer(void **state)
{
    struct fixture *f = *state;
    ask(f, 0, "slow");
    ask(f, 1, "slow");
    await_inside(2);
    cancel(f, 0);
    set_gate(true);
    tally_await(&answers, 1);
    release_resolver(f);
    assert_int_equal(heard[0].times, 0);
    assert_int_equal(heard[1].times, 1);
    tri_resolver_hold();
}

static void
cancelling_after_the_answer_or_nothing_does_no_harm(void **state)
{
    struct fixture *f = *state;
    ask(f, 0, "localhost");
    tally_await(&answers, 1);
    cancel(f, 0);
    tri_lookup_cancel(NULL);
    tri_resolver_answer_free(NULL);
    assert_int_equal(heard[0].times, 1);
}

/* Cancels race with answers: what the test sends after a cancel must not be overtaken by that question's answer. */
static void
no_answer_is_sent_once_cancel_has_returned(void **state)
{
    struct fixture *f = *state;
    uint64_t sent = 0;
    for (unsigned i = 0; i < TOKENS - 1; i++) {
        ask(f, i, "error -2");
        if (i % 8 == 7)
            for (unsigned k = 0; k < 8; k++, sent++) {
                uint64_t token = i - k;
                cancel(f, token);
                stage_send(f->runtime, f->asker, TAG_CANCELLED, &token, sizeof(token));
            }
    }
    release_resolver(f); /* all answers have been sent: they are heard before what is sent now */
    stage_send(f->runtime, f->asker, TAG_CANCELLED, &(uint64_t){TOKENS - 1}, sizeof(uint64_t));
    tally_await(&cancels, sent + 1);
    for (unsigned i = 0; i < TOKENS - 1; i++)
        assert_false(heard[i].late);
    tri_resolver_hold();
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
        assert_int_equal(heard[i].error, table[i].uv);
        assert_int_equal(tri_status_from_uv(heard[i].error), table[i].status);
    }
    assert_int_equal(tri_status_from_uv(heard[ROWS].error), TR_ENOTFOUND);
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
    assert_int_equal(heard[0].family, AF_INET);
    assert_int_not_equal(heard[1].error, 0);
    assert_int_equal(heard[2].family, AF_INET6);
    assert_int_equal(heard[3].family, AF_INET6);
    assert_int_equal(heard[4].error, UV_EAI_NONAME);
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
    assert_int_equal(heard[0].error, 0);
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

/* Holders, and runtimes that end. */

static void
threads_stay_while_one_holder_is_left_and_come_back_after_the_last(void **state)
{
    struct fixture *f = *state;
    tri_resolver_hold();
    ask(f, 0, "slow");
    await_inside(1);
    tri_resolver_release(); /* does not wait */
    assert_int_equal(tests_threads(), f->threads + 1);
    release_resolver(f);
    assert_int_equal(tally_read(&answers), 1);
    tri_resolver_hold();
    ask(f, 1, "localhost");
    tally_await(&answers, 2);
}

#define STUCK (TRI_RESOLVER_THREADS + 20u) /* some are asked, some wait */

struct stuck {
    bool cancels;
    tri_lookup *lookups[STUCK];
};

struct stuck_argument {
    tr_runtime *runtime;
    bool cancels;
};

static tr_status
stuck_init(tr_actor *self, void *state, const void *argument)
{
    const struct stuck_argument *options = argument;
    struct stuck *stuck = state;
    stuck->cancels = options->cancels;
    for (unsigned i = 0; i < STUCK; i++)
        assert_int_equal(
            tri_resolve(options->runtime, tr_self(self), TAG_ANSWER, i, "slow", AF_UNSPEC, 0, &stuck->lookups[i]),
            TR_OK);
    return TR_OK;
}

static bool
stuck_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    struct stuck *stuck = state;
    (void)self;
    if (how != TR_STOP_KILL)
        return false;
    for (unsigned i = 0; i < STUCK && stuck->cancels; i++)
        tri_lookup_cancel(stuck->lookups[i]);
    return true;
}

static const struct tr_behavior stuck_behavior = {.name = "stuck",
                                                  .state_size = sizeof(struct stuck),
                                                  .init = stuck_init,
                                                  .receive = receive,
                                                  .stopping = stuck_stopping};

/* Lets a runtime die with its questions unanswered; then they are answered, and nobody must hear it. */
static void
runtime_dies_with_questions(struct fixture *f, bool actor_cancels)
{
    tr_runtime *mortal = stage_open(1);
    struct stuck_argument argument = {mortal, actor_cancels};
    stage_spawn(mortal, &stuck_behavior, 0, &argument);
    await_inside(TRI_RESOLVER_THREADS);
    struct tr_stop_report report;
    assert_int_equal(tr_runtime_stop(mortal, 0, &report), TR_ETIMEDOUT_STOP);
    assert_int_equal(report.killed, 1);
    assert_int_equal(tri_resolver_forget(mortal), TRI_RESOLVER_THREADS);
    assert_int_equal(tri_resolver_forget(mortal), 0);
    await_inside(TRI_RESOLVER_THREADS); /* they hang, and nobody waits for them */
    release_resolver(f);
    assert_int_equal(tally_read(&answers), 0);
    assert_int_equal(gate.slow, TRI_RESOLVER_THREADS); /* those that waited were not asked */
    tri_resolver_hold();
}

static void
a_runtime_may_end_while_its_killed_actors_questions_are_asked(void **state)
{
    runtime_dies_with_questions(*state, true);
}

static void
what_killed_actors_did_not_cancel_can_be_forgotten(void **state)
{
    runtime_dies_with_questions(*state, false);
}

static void
forgetting_one_runtime_spares_the_others(void **state)
{
    struct fixture *f = *state;
    tr_runtime *other = stage_open(1);
    tr_ref its_asker = stage_spawn(other, &asker, 0, NULL);
    tri_lookup *lookup;
    ask(f, 0, "slow");
    assert_int_equal(tri_resolve(other, its_asker, TAG_ANSWER, 1, "slow", 0, 0, &lookup), TR_OK);
    await_inside(2);
    assert_int_equal(tri_resolver_forget(other), 1);
    stage_close(other);
    release_resolver(f);
    assert_int_equal(heard[0].times, 1);
    assert_int_equal(heard[1].times, 0);
    tri_resolver_hold();
}

/* Hanging threads do not take the places of those that a later runtime needs. */
static void
abandoned_threads_make_room_for_others(void **state)
{
    struct fixture *f = *state;
    tr_runtime *mortal = stage_open(1);
    stage_spawn(mortal, &stuck_behavior, 0, &(struct stuck_argument){mortal, true});
    await_inside(TRI_RESOLVER_THREADS);
    ask(f, 0, "localhost"); /* waits for a thread */
    tr_runtime_stop(mortal, 0, NULL);
    assert_int_equal(tri_resolver_forget(mortal), TRI_RESOLVER_THREADS);
    tally_await(&answers, 1);
    ask(f, 1, "localhost");
    tally_await(&answers, 2);
    await_inside(TRI_RESOLVER_THREADS);
}

/* The whole library: sockets that wait for a name do not hold the end of their runtime up. */
static void
connector_receive(tr_actor *self, void *state, tr_message *message)
{
    static const struct tr_connect_options options = {.host = "slow.example", .port = 1};
    (void)state;
    (void)message;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(tr_connect(self, NULL, &options, NULL), TR_OK);
}

static void
stop_while_names_are_looked_up(unsigned deadline_ms)
{
    static const struct tr_behavior connector = {.name = "connector", .receive = connector_receive};
    tr_runtime *mortal = stage_open(2);
    for (unsigned worker = 0; worker < 2; worker++)
        stage_send(mortal, stage_spawn(mortal, &connector, worker, NULL), 1, NULL, 0);
    await_inside(6);
    int fds = tests_open_fds();
    struct tr_stop_report report;
    tr_runtime_stop(mortal, deadline_ms, &report);
    assert_int_equal(report.left_behind, 6);
    assert_true(tests_open_fds() < fds); /* the loops' */
    await_inside(6);
}

static void
look_ups_that_hang_are_left_behind_and_counted(void **state)
{
    (void)state;
    stop_while_names_are_looked_up(TESTS_LIMIT_MS); /* its actors agree at once */
    set_gate(true);
    await_inside(0);
    set_gate(false);
    stop_while_names_are_looked_up(0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        TEST(two_hundred_questions_of_two_workers_are_each_answered_once),
        TEST(slow_questions_do_not_delay_others),
        TEST(no_more_than_the_limit_are_asked_at_once_and_the_rest_waits),
        TEST(one_thread_serves_one_question_after_the_other_and_leaves_when_idle),
        TEST(a_thread_that_asks_says_so_by_its_name),
        TEST(a_question_that_is_cancelled_while_it_waits_is_never_asked),
        TEST(a_question_that_is_cancelled_while_it_is_asked_has_no_answer),
        TEST(cancelling_after_the_answer_or_nothing_does_no_harm),
        TEST(no_answer_is_sent_once_cancel_has_returned),
        TEST(errors_have_libuvs_numbers_and_nodes_names),
        TEST(family_and_hints_reach_the_system),
        TEST(hosts_and_actors_that_cannot_be_are_refused),
        TEST(an_answer_for_an_actor_that_is_gone_is_freed),
        TEST(threads_stay_while_one_holder_is_left_and_come_back_after_the_last),
        TEST(a_runtime_may_end_while_its_killed_actors_questions_are_asked),
        TEST(what_killed_actors_did_not_cancel_can_be_forgotten),
        TEST(forgetting_one_runtime_spares_the_others),
        TEST(abandoned_threads_make_room_for_others),
        TEST(look_ups_that_hang_are_left_behind_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
