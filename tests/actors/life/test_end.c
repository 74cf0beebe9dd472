/*
 * Every way to end an actor, times every answer of its stopping callback, times states that come from the pools and
 * from malloc: what waits for the actor is freed, its name is void where it must be, and all memory is back at the
 * latest when the runtime has stopped (the leak checker of the sanitized build sees that).
 *
 * And chains of actors that end each other, longer than any stack is deep: workers have a small one here.
 */
#include "counting.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/resource.h>
#include <uv.h>

enum { GO = 1, LOAD };

enum way {
    EXIT_IN_RECEIVE,
    EXIT_IN_INIT,
    INIT_FAILS,
    EXIT_IN_HANDLE, /* a callback of libuv's */
    STOP_SELF,
    STOP_HERE, /* by an actor of the same worker */
    STOP_THERE,
    STOP_OUTSIDE,
    RUNTIME_STOPS,
    WAYS
};

enum answer {
    ASKS_NOT, /* no callback */
    AGREES,
    REFUSES,      /* and never ends by itself */
    LATER,        /* refuses, and calls tr_exit() in a callback of libuv's */
    EXITS_INSIDE, /* calls tr_exit() and refuses */
    ANSWERS
};

static const size_t sizes[] = {0, 1, 1024, 1936, 1952, 1968, 2048, 4096, 1u << 20};

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))
#define LOADS 3u

/* The case that is played. Set while no runtime is there. */
static enum way way;
static enum answer answer;
static enum tr_stop_mode mode;
static struct tally made, began;

/* Timers that call tr_exit(), one for each actor. Their memory outlives the runtime; they must not outlive the
 * actor. */
static struct {
    uv_timer_t handle;
    tr_ref actor; /* memory is used again, a ref is not */
} exits[2 * SIZES];
static unsigned exits_used;

static void
on_exit_due(uv_timer_t *handle)
{
    uv_close((uv_handle_t *)handle, NULL);
    tr_exit(handle->data);
}

static void
exit_soon(tr_actor *self)
{
    for (unsigned i = 0; i < exits_used; i++)
        if (exits[i].actor == tr_self(self))
            return;
    assert_true(exits_used < sizeof(exits) / sizeof(exits[0]));
    exits[exits_used].actor = tr_self(self);
    uv_timer_t *handle = &exits[exits_used++].handle;
    assert_int_equal(uv_timer_init(tr_actor_loop(self), handle), 0);
    handle->data = self;
    uv_timer_start(handle, on_exit_due, 0, 0);
}

/* What ends an actor otherwise closes its timer, as a user's would: the memory that it names goes with the actor. */
static void
forget_exit(tr_actor *self)
{
    for (unsigned i = 0; i < exits_used; i++)
        if (exits[i].actor == tr_self(self) && !uv_is_closing((uv_handle_t *)&exits[i].handle))
            uv_close((uv_handle_t *)&exits[i].handle, NULL);
}

static tr_status
subject_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    tally_add(&began, 1);
    if (way == EXIT_IN_INIT)
        tr_exit(self);
    return way == INIT_FAILS ? TR_EINVAL : TR_OK;
}

static void
subject_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag != GO)
        return;
    if (way == EXIT_IN_RECEIVE)
        tr_exit(self);
    if (way == EXIT_IN_HANDLE)
        exit_soon(self);
    if (way == STOP_SELF)
        assert_int_equal(tr_stop(self, tr_self(self), mode), TR_OK);
}

static bool
subject_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)state;
    if (answer == LATER)
        exit_soon(self);
    if (how == TR_STOP_KILL && (answer == AGREES || answer == EXITS_INSIDE))
        forget_exit(self);
    if (answer == EXITS_INSIDE)
        tr_exit(self);
    return answer == AGREES;
}

static void
subject_stopped(tr_actor *self, void *state)
{
    (void)state;
    forget_exit(self);
}

static void
stopper_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    assert_int_equal(tr_stop(self, message->payload.words[0], mode), TR_OK);
}

static const struct tr_behavior stopper = {.name = "stopper", .receive = stopper_receive};

static void
load(tr_runtime *runtime, tr_ref to)
{
    tr_message message = tr_message_pointer(LOAD, malloc(10), 10, count_freed);
    tally_add(&made, 1);
    if (tr_runtime_send(runtime, to, &message) != TR_OK)
        tr_message_drop(&message);
}

static void
end_it(tr_runtime *runtime, tr_ref subject, const tr_ref stoppers[2])
{
    stage_send(runtime, subject, GO, NULL, 0);
    if (way == STOP_HERE || way == STOP_THERE)
        stage_send(runtime, stoppers[way == STOP_THERE], GO, &subject, sizeof(subject));
    if (way == STOP_OUTSIDE)
        assert_int_equal(tr_runtime_stop_actor(runtime, subject, mode), TR_OK);
}

static bool
ends_by_itself(void)
{
    bool is_stopped = way >= STOP_SELF && way <= STOP_OUTSIDE;
    return way != RUNTIME_STOPS && (!is_stopped || mode == TR_STOP_KILL || answer != REFUSES);
}

static bool
only_stoppers_live(void *runtime)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    return counters.actors == 2;
}

/* settled: the subjects that end by themselves have done so before the runtime stops. */
static void
play(bool settled)
{
    struct tr_behavior behaviors[SIZES];
    tr_runtime *runtime = stage_open(2);
    tr_ref stoppers[] = {stage_spawn(runtime, &stopper, 0, NULL), stage_spawn(runtime, &stopper, 1, NULL)};
    made = freed = began = (struct tally){0};
    exits_used = 0;
    for (unsigned i = 0; i < SIZES; i++) {
        behaviors[i] = (struct tr_behavior){.name = "subject",
                                            .state_size = sizes[i],
                                            .init = subject_init,
                                            .receive = subject_receive,
                                            .stopping = answer != ASKS_NOT ? subject_stopping : NULL,
                                            .stopped = subject_stopped};
        struct tr_spawn_options here = {.placement = TR_PLACE_WORKER, .worker = 0};
        tr_ref subject;
        tr_status status = tr_runtime_spawn(runtime, &behaviors[i], &here, &subject);
        assert_int_equal(status, way == INIT_FAILS ? TR_EINVAL : TR_OK);
        if (status != TR_OK)
            continue;
        end_it(runtime, subject, stoppers);
        for (unsigned n = 0; n < LOADS; n++)
            load(runtime, subject);
    }
    if (settled && ends_by_itself())
        assert_true(tests_wait_until(only_stoppers_live, runtime, TESTS_LIMIT_MS));
    struct tr_stop_report report;
    tr_runtime_stop(runtime, 0, &report);
    assert_int_equal(tally_read(&began), SIZES);
    assert_int_equal(tally_read(&freed), tally_read(&made));
}

/* A kill takes the memory of an actor that is not asked: one with a handle must have ended before. */
static void
play_in_both_times(void)
{
    play(true);
    if (way != EXIT_IN_HANDLE || answer != ASKS_NOT)
        play(false);
}

static void
every_way_to_end_gives_everything_back_whatever_the_actor_answers(void **state)
{
    (void)state;
    for (unsigned w = 0; w < WAYS; w++)
        for (unsigned a = 0; a < ANSWERS; a++) {
            way = (enum way)w;
            answer = (enum answer)a;
            bool has_modes = way >= STOP_SELF && way <= STOP_OUTSIDE;
            for (unsigned m = TR_STOP_DRAIN; m <= (has_modes ? TR_STOP_KILL : TR_STOP_DRAIN); m++) {
                mode = (enum tr_stop_mode)m;
                play_in_both_times();
            }
        }
}

/* A killed actor that lingers ends with its tr_exit(), in whatever order many of them do. */
static tr_actor *lingerers[5];

static void
lingerer_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    lingerers[message->payload.words[0]] = self;
    tally_add(&began, 1);
}

static bool
linger(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)self;
    (void)state;
    return how != TR_STOP_KILL;
}

static void
releaser_receive(tr_actor *self, void *state, tr_message *message)
{
    static const unsigned order[] = {2, 1, 4}; /* the middle, the one beside it, the last; two stay */
    (void)self;
    (void)state;
    (void)message;
    for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        tr_exit(lingerers[order[i]]);
    tally_add(&began, 1);
}

static void
those_that_linger_are_freed_by_their_exit_or_by_the_runtimes_end(void **state)
{
    static const struct tr_behavior lingerer = {
        .name = "lingerer", .state_size = 4096, .receive = lingerer_receive, .stopping = linger};
    static const struct tr_behavior releaser = {.name = "releaser", .receive = releaser_receive};
    (void)state;
    began = (struct tally){0};
    tr_runtime *runtime = stage_open(1);
    for (uint64_t i = 0; i < 5; i++) {
        tr_ref ref = stage_spawn(runtime, &lingerer, 0, NULL);
        stage_send(runtime, ref, GO, &i, sizeof(i));
        tally_await(&began, i + 1);
        assert_int_equal(tr_runtime_stop_actor(runtime, ref, TR_STOP_KILL), TR_OK);
    }
    stage_send(runtime, stage_spawn(runtime, &releaser, 0, NULL), GO, NULL, 0);
    tally_await(&began, 6);
    stage_close(runtime);
}

/* Memory of one that is killed is kept as long as its answer says. */
#define LARGE (1u << 20)

static tr_actor *large;

static bool
large_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)state;
    large = self;
    if (how == TR_STOP_KILL && answer == EXITS_INSIDE)
        tr_exit(self);
    tally_add(&began, 1);
    return answer == AGREES;
}

static void
exit_large_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tr_exit(large);
    tally_add(&began, 1);
}

static bool
is_within(void *most)
{
    return tests_allocated() < *(const size_t *)most;
}

static void
the_memory_of_a_killed_actor_is_kept_if_it_says_so_and_until_its_exit(void **state)
{
    static const struct tr_behavior behavior = {
        .name = "large", .state_size = LARGE, .receive = subject_receive, .stopping = large_stopping};
    static const struct tr_behavior exits_large = {.name = "exits large", .receive = exit_large_receive};
    static const enum answer answers[] = {AGREES, EXITS_INSIDE, LATER};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        answer = answers[i];
        began = (struct tally){0};
        tr_runtime *runtime = stage_open(1);
        tr_ref last = stage_spawn(runtime, &exits_large, 0, NULL);
        size_t most = tests_allocated() + LARGE / 2;
        tr_ref ref = stage_spawn(runtime, &behavior, 0, NULL);
        assert_false(is_within(&most));
        assert_int_equal(tr_runtime_stop_actor(runtime, ref, TR_STOP_KILL), TR_OK);
        tally_await(&began, 1);
        if (answer == LATER) {
            assert_false(is_within(&most));
            stage_send(runtime, last, GO, NULL, 0);
        }
        assert_true(tests_wait_until(is_within, &most, TESTS_LIMIT_MS));
        stage_close(runtime);
    }
}

/* Chains. */

#define CHAIN 100000u

struct link {
    tr_ref next;
};

static bool in_stopping;
static struct tally linked, ended;
static unsigned depth, deepest; /* the worker's */
static unsigned otherwise;      /* asked in another mode than their stop said; the worker's */

static void
stop_next(tr_actor *self, const struct link *link)
{
    depth++;
    deepest = depth > deepest ? depth : deepest;
    assert_int_equal(tr_stop(self, link->next, mode), TR_OK);
    depth--;
}

static bool
link_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    const struct link *link = state;
    otherwise += how != mode;
    if ((in_stopping || how == TR_STOP_KILL) && link->next != TR_NOBODY)
        stop_next(self, link);
    tally_add(&ended, how == TR_STOP_KILL);
    return true;
}

static void
link_stopped(tr_actor *self, void *state)
{
    const struct link *link = state;
    if (!in_stopping && link->next != TR_NOBODY)
        stop_next(self, link);
    tally_add(&ended, 1);
}

static tr_status
link_init(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    memcpy(state, argument, sizeof(struct link));
    return TR_OK;
}

static void
link_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
}

static const struct tr_behavior link_behavior = {.name = "link",
                                                 .state_size = sizeof(struct link),
                                                 .init = link_init,
                                                 .receive = link_receive,
                                                 .stopping = link_stopping,
                                                 .stopped = link_stopped};

/* Makes the chain, then stops its first link. */
static void
chain_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    struct link link = {TR_NOBODY};
    for (unsigned i = 0; i < CHAIN; i++) {
        struct tr_spawn_options options = {.argument = &link};
        tr_ref ref;
        assert_int_equal(tr_spawn(self, &link_behavior, &options, &ref), TR_OK);
        link.next = ref;
    }
    tally_add(&linked, 1);
    assert_int_equal(tr_stop(self, link.next, mode), TR_OK);
}

static void
actors_that_stop_the_next_may_be_in_chains_of_any_length(void **state)
{
    static const struct tr_behavior chain = {.name = "chain", .receive = chain_receive};
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        in_stopping = i % 2 == 1;
        mode = (enum tr_stop_mode)(i / 2);
        linked = ended = (struct tally){0};
        deepest = otherwise = 0;
        tr_runtime *runtime = stage_open(1);
        stage_send(runtime, stage_spawn(runtime, &chain, 0, NULL), GO, NULL, 0);
        tally_await(&ended, CHAIN);
        stage_close(runtime);
        assert_int_equal(tally_read(&ended), CHAIN);
        assert_int_equal(deepest, 16);
        assert_int_equal(otherwise, 0);
    }
}

/* libuv gives threads the stack that the limit says. */
static void
make_stacks_small(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = 256u * 1024u;
    setrlimit(RLIMIT_STACK, &limit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_end_gives_everything_back_whatever_the_actor_answers),
        cmocka_unit_test(those_that_linger_are_freed_by_their_exit_or_by_the_runtimes_end),
        cmocka_unit_test(the_memory_of_a_killed_actor_is_kept_if_it_says_so_and_until_its_exit),
        cmocka_unit_test(actors_that_stop_the_next_may_be_in_chains_of_any_length),
    };
    make_stacks_small();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
