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
#include <time.h>
#include <troupe/actors/host.h>
#include <troupe/core/status_from.h>
#include <troupe/core/worker.h>
#include <troupe/net/server.h>
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
    unsigned tickets;            /* so many may pass though it is not open */
    unsigned inside, most, slow; /* now, at most at once, ever */
    char name[16];               /* of the last thread that came */
    char host[32];               /* for which */
} gate;

static void
wait_at_the_gate(const char *host)
{
    uv_mutex_lock(&gate.lock);
    pthread_getname_np(pthread_self(), gate.name, sizeof(gate.name));
    gate.slow++;
    gate.inside++;
    if (gate.inside > gate.most)
        gate.most = gate.inside;
    snprintf(gate.host, sizeof(gate.host), "%s", host);
    while (!gate.open && gate.tickets == 0)
        uv_cond_wait(&gate.changed, &gate.lock);
    gate.tickets -= gate.open ? 0 : 1;
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
        wait_at_the_gate(host);
        host = "127.0.0.1";
    }
    return real.call(host, service, hints, out);
}

static void
let_one_pass(void)
{
    uv_mutex_lock(&gate.lock);
    gate.tickets++;
    uv_cond_signal(&gate.changed);
    uv_mutex_unlock(&gate.lock);
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

/* The clock, which stands still for a thread that wishes it. */

static _Thread_local bool clock_stands;
static unsigned looks; /* of such threads */

uint64_t
uv_hrtime(void)
{
    struct timespec now = {0};
    if (clock_stands)
        __atomic_fetch_add(&looks, 1, __ATOMIC_SEQ_CST);
    else
        clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
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

/* Who forgets waits for a moment for threads whose answer is about to come: here for as long as it takes, since the
 * clock stands. */

struct forgetting {
    tr_runtime *runtime;
    unsigned abandoned, over;
};

static void
forget(void *argument)
{
    struct forgetting *forgetting = argument;
    clock_stands = true;
    forgetting->abandoned = tri_resolver_forget(forgetting->runtime);
    clock_stands = false;
    __atomic_store_n(&forgetting->over, 1, __ATOMIC_SEQ_CST);
}

static bool
waits_or_is_over(void *argument)
{
    struct forgetting *forgetting = argument;
    return __atomic_load_n(&looks, __ATOMIC_SEQ_CST) >= 2 || __atomic_load_n(&forgetting->over, __ATOMIC_SEQ_CST) != 0;
}

static void
threads_that_are_about_to_answer_are_not_abandoned(void **state)
{
    struct fixture *f = *state;
    struct forgetting forgetting = {.runtime = stage_open(1)};
    tr_ref its_asker = stage_spawn(forgetting.runtime, &asker, 0, NULL);
    tri_lookup *lookup;
    uv_thread_t thread;
    looks = 0;
    assert_int_equal(tri_resolve(forgetting.runtime, its_asker, TAG_ANSWER, 0, "slow", 0, 0, &lookup), TR_OK);
    await_inside(1);
    assert_int_equal(uv_thread_create(&thread, forget, &forgetting), 0);
    assert_true(tests_wait_until(waits_or_is_over, &forgetting, TESTS_LIMIT_MS));
    set_gate(true);
    uv_thread_join(&thread);
    assert_int_equal(forgetting.abandoned, 0);
    stage_close(forgetting.runtime);
    release_resolver(f);
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
    static const struct tr_behavior with_socket = {.name = "client", .init = begin_socket, .receive = receive};
    static const struct tr_behavior with_server = {.name = "host", .init = begin_server, .receive = receive};
    (void)state;
    ask_twice(&with_socket);
    assert_string_equal(told, " close ENOTFOUND close ");
    ask_twice(&with_server);
    assert_string_equal(told, " close ENOTFOUND");
}

/* A thread outside that waits for a server to listen goes on when the runtime ends. */

static void
listen_from_outside(void *argument)
{
    struct tr_server_options options = {.connection = NULL};
    struct tr_listen_options listen = {.host = "slow"};
    tr_status status = tr_runtime_listen(*(tr_runtime **)argument, &options, &listen, NULL, NULL);
    assert_int_equal(status, TR_ESTOPPING);
}

static void
who_waits_outside_is_told_when_the_runtime_ends(void **state)
{
    struct fixture *f = *state;
    for (unsigned deadline_ms = 0; deadline_ms <= TESTS_LIMIT_MS; deadline_ms += TESTS_LIMIT_MS) {
        tr_runtime *mortal = stage_open(1);
        uv_thread_t thread;
        set_gate(false);
        assert_int_equal(uv_thread_create(&thread, listen_from_outside, &mortal), 0);
        await_inside(1);
        tr_runtime_stop(mortal, deadline_ms, NULL);
        uv_thread_join(&thread);
        set_gate(true);
        assert_true(tests_wait_until(threads_are, &f->threads, TESTS_LIMIT_MS)); /* the one that was abandoned, too */
    }
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
        TEST(those_that_wait_are_asked_in_their_order),
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
        TEST(threads_that_are_about_to_answer_are_not_abandoned),
        TEST(the_answer_to_another_name_is_not_taken),
        TEST(who_waits_outside_is_told_when_the_runtime_ends),
        TEST(abandoned_threads_make_room_for_others),
        TEST(look_ups_that_hang_are_left_behind_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
