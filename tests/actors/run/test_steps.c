/*
 * Steps: the parts of dispatch that a simulated runtime takes one at a time, with mailboxes of each kind.
 */
#include "actor_internal.h"
#include "helpers.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <troupe/core/steps.h>
#include <troupe/testing.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBER 1u

#define SEEDS 1000u
#define FLOOD 200u /* more than an actor may have in its worker's queue */

/* What an actor is like: how long each of its messages takes. */
struct member {
    uint64_t takes_ms;
    uint64_t last;
};

static uint64_t handled;

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    struct member *member = state;
    (void)self;
    memcpy(&member->takes_ms, argument, sizeof(member->takes_ms));
    return TR_OK;
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    struct member *member = state;
    assert_int_equal(message->payload.words[0], ++member->last);
    assert_int_equal(tr_testing_advance(tr_actor_runtime(self), member->takes_ms), TR_OK);
    handled++;
}

static const struct tr_behavior plain = {
    .name = "plain", .state_size = sizeof(struct member), .init = init, .receive = receive};
static const struct tr_behavior limited = {.name = "limited",
                                           .state_size = sizeof(struct member),
                                           .init = init,
                                           .receive = receive,
                                           .mailbox = {.messages = FLOOD}};

static tr_runtime *
open_simulated(uint64_t seed)
{
    tr_runtime *runtime = NULL;
    struct tr_testing_options options = {.seed = seed, .workers = 1};
    assert_int_equal(tr_testing_start(&options, &runtime), TR_OK);
    return runtime;
}

static bool
is_slow(const tr_runtime *runtime, tr_ref ref)
{
    const struct tri_actors *home = tri_actors_of(runtime->core->workers[0]);
    return (tri_slots_find(&home->slots, ref)->flags & TRI_ACTOR_SLOW) != 0;
}

static void
an_actor_whose_messages_take_long_is_slow(void **state)
{
    (void)state;
    tr_runtime *runtime = open_simulated(1);
    uint64_t nothing = 0, long_ms = 1, one = 1;
    tr_ref quick = stage_spawn(runtime, &plain, 0, &nothing), slow = stage_spawn(runtime, &plain, 0, &long_ms);
    stage_send(runtime, quick, NUMBER, &one, sizeof(one));
    stage_send(runtime, slow, NUMBER, &one, sizeof(one));
    tr_testing_run(runtime);
    assert_false(is_slow(runtime, quick));
    assert_true(is_slow(runtime, slow));
    stage_close(runtime);
}

/* Floods actors with mailboxes of all kinds, which are handled in any order of the actors. */
static int
play_floods(uint64_t seed, void *context)
{
    tr_runtime *runtime = open_simulated(seed);
    tr_ref actors[6];
    (void)context;
    handled = 0;
    for (uint64_t i = 0; i < 6; i++)
        actors[i] = stage_spawn(runtime, i % 2 == 0 ? &plain : &limited, 0, &(uint64_t){i / 4});
    for (uint64_t number = 1; number <= FLOOD; number++)
        for (unsigned i = 0; i < 6; i++)
            stage_send(runtime, actors[i], NUMBER, &number, sizeof(number));
    tr_testing_run(runtime);
    assert_int_equal(handled, 6 * FLOOD);
    stage_close(runtime);
    return 0;
}

static void
flooded_mailboxes_of_every_kind_keep_their_order_under_a_thousand_seeds(void **state)
{
    (void)state;
    assert_true(tr_testing_seeds(0, tests_seeds(SEEDS), play_floods, NULL));
}

/* Waits, in a process of its own, for what no step will bring. */
static _Noreturn void
wait_for_nothing(void)
{
    uv_sem_t never;
    tr_runtime *runtime = open_simulated(1);
    close(STDERR_FILENO);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    uv_sem_init(&never, 0);
    tri_steps_await(runtime->core->stepper, &never);
    _exit(0);
}

static void
waiting_for_what_no_step_can_bring_is_a_mistake(void **state)
{
    int status = 0;
    (void)state;
    pid_t child = fork();
    if (child == 0)
        wait_for_nothing();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_for_what_no_step_can_bring_is_a_mistake),
        cmocka_unit_test(an_actor_whose_messages_take_long_is_slow),
        cmocka_unit_test(flooded_mailboxes_of_every_kind_keep_their_order_under_a_thousand_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
