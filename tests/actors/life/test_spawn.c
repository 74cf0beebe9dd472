#include "actor_internal.h"
#include "helpers.h"
#include "spawning.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SPAWN = 1, HELLO, REPORT };

static struct tally born, greeted, ended, failures;
static tr_ref newest, spawner;

static tr_status
born_init(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(((const char *)state)[i], 0);
    if (argument != NULL && strcmp(argument, "fail") == 0)
        return TR_EACCES;
    spawner = tr_parent(self);
    tally_add(&born, 1);
    return TR_OK;
}

static void
child_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == HELLO)
        tally_add(&greeted, 1);
}

static void
child_stopped(tr_actor *self, void *state)
{
    (void)self;
    (void)state;
    tally_add(&ended, 1);
}

static const struct tr_behavior child = {
    .name = "child", .state_size = 64, .init = born_init, .receive = child_receive, .stopped = child_stopped};

struct order {
    unsigned worker;
    char argument[16];
};

/* Spawns a child as ordered and greets it at once. */
static void
parent_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == TR_TAG_SPAWN_FAILED) {
        const struct tr_spawn_failed *failed = tr_message_data(message);
        assert_int_equal(failed->status, TR_EACCES);
        assert_int_equal(failed->actor, newest);
        tally_add(&failures, 1);
        return;
    }
    struct order order;
    memcpy(&order, tr_message_data(message), sizeof(order));
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER,
                                       .worker = order.worker,
                                       .argument = order.argument,
                                       .argument_size = sizeof(order.argument)};
    tr_status status = tr_spawn(self, &child, &options, &newest);
    memset(&order, 'x', sizeof(order)); /* nobody needs it any more */
    if (status == TR_OK)
        tr_tell(self, newest, HELLO, NULL, 0);
    else if (status == TR_EACCES)
        tally_add(&failures, 1);
}

static const struct tr_behavior parent = {.name = "parent", .receive = parent_receive};

static int
reset(void **state)
{
    (void)state;
    born = greeted = ended = failures = (struct tally){0};
    newest = TR_NOBODY;
    return 0;
}

static void
spawn_by_order(unsigned target, const char *argument)
{
    tr_runtime *runtime = stage_open(2);
    tr_ref ref = stage_spawn(runtime, &parent, 0, NULL);
    struct order order = {.worker = target};
    strcpy(order.argument, argument);
    stage_send(runtime, ref, SPAWN, &order, sizeof(order));
    if (strcmp(argument, "fail") == 0) {
        tally_await(&failures, 1);
        stage_close(runtime);
        assert_int_equal(tally_read(&born), 0);
        assert_int_equal(tally_read(&ended), 0);
        return;
    }
    tally_await(&greeted, 1);
    assert_int_equal(tr_ref_worker(newest), target);
    stage_close(runtime);
    assert_int_equal(tally_read(&ended), 1);
    assert_int_equal(spawner, ref);
}

static void
an_actor_spawned_here_is_there_at_once(void **state)
{
    (void)state;
    spawn_by_order(0, "here");
}

static void
an_actor_spawned_on_another_worker_has_its_name_at_once(void **state)
{
    (void)state;
    spawn_by_order(1, "there");
}

static void
an_init_that_fails_here_is_told_by_the_spawn(void **state)
{
    (void)state;
    spawn_by_order(0, "fail");
}

static void
an_init_that_fails_there_is_told_by_a_message(void **state)
{
    (void)state;
    spawn_by_order(1, "fail");
}

static void
spawning_from_outside_waits_for_init_and_tells_its_status(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct tr_spawn_options options = {.argument = "fail"};
    tr_ref ref = TR_NOBODY;
    assert_int_equal(tr_runtime_spawn(runtime, &child, &options, &ref), TR_EACCES);
    assert_int_equal(ref, TR_NOBODY);
    assert_int_equal(tr_runtime_spawn(runtime, &child, NULL, &ref), TR_OK);
    assert_int_equal(tally_read(&born), 1);
    assert_int_equal(spawner, TR_NOBODY);
    stage_close(runtime);
}

static void
the_least_loaded_worker_takes_its_turn(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(3);
    unsigned on_worker[3] = {0};
    for (unsigned i = 0; i < 300; i++) {
        tr_ref ref;
        assert_int_equal(tr_runtime_spawn(runtime, &child, NULL, &ref), TR_OK);
        on_worker[tr_ref_worker(ref)]++;
    }
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(on_worker[i], 99, 101);
    stage_close(runtime);
}

/* A hundred within one callback: nobody has arrived on the other worker by its end. */
#define BURST 100u

static unsigned burst_on[2];

static void
burst_receive(tr_actor *self, void *state, tr_message *message)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_LEAST_LOADED};
    (void)state;
    (void)message;
    for (unsigned i = 0; i < BURST; i++) {
        tr_ref ref;
        assert_int_equal(tr_spawn(self, &child, &options, &ref), TR_OK);
        burst_on[tr_ref_worker(ref)]++;
    }
}

static void
those_on_their_way_count_as_load_and_once(void **state)
{
    static const struct tr_behavior bursts = {.name = "bursts", .receive = burst_receive};
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref from = stage_spawn(runtime, &bursts, 0, NULL);
    for (unsigned round = 1; round <= 3; round++) {
        burst_on[0] = burst_on[1] = 0;
        stage_send(runtime, from, SPAWN, NULL, 0);
        tally_await(&born, round * BURST);
        assert_in_range(burst_on[0], BURST / 2 - 1, BURST / 2 + 1);
    }
    stage_close(runtime);
}

static tr_status
look_at_alignment(tr_actor *self, void *state, const void *argument)
{
    (void)self, (void)state;
    return (uintptr_t)argument % _Alignof(max_align_t) == 0 ? TR_OK : TR_EINIT;
}

static void
an_argument_that_is_copied_is_aligned_for_any_type(void **state)
{
    (void)state;
    static const struct tr_behavior careful = {.name = "careful", .init = look_at_alignment, .receive = child_receive};
    static const char bytes[7] = {0};
    struct tr_spawn_options options = {.argument = bytes, .argument_size = sizeof(bytes)};
    tr_runtime *runtime = stage_open(1);
    assert_int_equal(tr_runtime_spawn(runtime, &careful, &options, NULL), TR_OK);
    stage_close(runtime);
}

static void
wrong_arguments_are_refused_by_name(void **state)
{
    (void)state;
    static const struct tr_behavior deaf = {.name = "deaf"};
    static const struct tr_behavior nameless = {.receive = child_receive};
    static const struct tr_behavior unnamed = {.name = "", .receive = child_receive};
    static const struct tr_behavior huge = {.name = "huge", .receive = child_receive, .state_size = SIZE_MAX - 8};
    tr_runtime *runtime = stage_open(1);
    tr_ref ref;
    assert_int_equal(tr_runtime_spawn(NULL, &child, NULL, &ref), TR_EINVAL);
    assert_int_equal(tr_runtime_spawn(runtime, NULL, NULL, &ref), TR_EINVAL);
    assert_int_equal(tr_runtime_spawn(runtime, &deaf, NULL, &ref), TR_EBADBEHAVIOR);
    assert_int_equal(tr_runtime_spawn(runtime, &nameless, NULL, &ref), TR_ENONAME);
    assert_int_equal(tr_runtime_spawn(runtime, &unnamed, NULL, &ref), TR_ENONAME);
    assert_int_equal(tr_runtime_spawn(runtime, &huge, NULL, &ref), TR_EBADSTATE);
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = 1};
    assert_int_equal(tr_runtime_spawn(runtime, &child, &options, &ref), TR_EBADWORKER);
    options.worker = UINT32_MAX;
    assert_int_equal(tr_runtime_spawn(runtime, &child, &options, &ref), TR_EBADWORKER);
    options = (struct tr_spawn_options){.argument_size = 1};
    assert_int_equal(tr_runtime_spawn(runtime, &child, &options, &ref), TR_EINVAL);
    options = (struct tr_spawn_options){.placement = (enum tr_placement)(TR_PLACE_BY_KEY + 1)};
    assert_int_equal(tr_runtime_spawn(runtime, &child, &options, &ref), TR_EINVAL);
    static const struct tr_behavior odd = {
        .name = "odd", .receive = child_receive, .mailbox.policy = (enum tr_mailbox_policy)(TR_MAILBOX_MUTE + 1)};
    assert_int_equal(tr_runtime_spawn(runtime, &odd, NULL, &ref), TR_EBADPOLICY);
    stage_close(runtime);
}

/* Asked of what a spawn asks, so that nobody gets a state of that size. */
static void
a_state_and_an_argument_may_have_a_gigabyte_and_no_byte_more(void **state)
{
    enum { GIGABYTE = 1 << 30 };
    (void)state;
    tr_runtime *runtime = stage_open(1);
    for (size_t more = 0; more < 2; more++) {
        struct tr_behavior tall = {.name = "tall", .receive = child_receive, .state_size = GIGABYTE + more};
        struct tr_spawn_options options = {.argument = &tall, .argument_size = GIGABYTE + more};
        assert_int_equal(tri_spawn_check(runtime->core, &tall, NULL), more == 0 ? TR_OK : TR_EBADSTATE);
        assert_int_equal(tri_spawn_check(runtime->core, &child, &options), more == 0 ? TR_OK : TR_EBADLIMIT);
    }
    stage_close(runtime);
}

static tr_status
exit_in_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    tr_exit(self);
    return TR_OK;
}

static void
an_actor_may_end_within_its_init(void **state)
{
    (void)state;
    static const struct tr_behavior brief = {
        .name = "brief", .init = exit_in_init, .receive = child_receive, .stopped = child_stopped};
    tr_runtime *runtime = stage_open(1);
    tr_ref ref;
    assert_int_equal(tr_runtime_spawn(runtime, &brief, NULL, &ref), TR_OK);
    assert_int_equal(tally_read(&ended), 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&ended), 1);
}

/* A third party hears of an actor from its spawner and writes to it before the order to spawn has arrived. */
enum { MEET = 10, GREET };

static void
introducer_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_ref friend_of_mine = message->payload.words[0], child_ref;
    (void)state;
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = 2};
    assert_int_equal(tr_spawn(self, &child, &options, &child_ref), TR_OK);
    tr_tell(self, friend_of_mine, GREET, &child_ref, sizeof(child_ref));
}

static void
friend_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tr_tell(self, message->payload.words[0], HELLO, NULL, 0);
}

static void
mail_that_overtakes_the_birth_is_held(void **state)
{
    (void)state;
    static const struct tr_behavior introducer = {.name = "introducer", .receive = introducer_receive};
    static const struct tr_behavior friendly = {.name = "friend", .receive = friend_receive};
    tr_runtime *runtime = stage_open(3);
    tr_ref first = stage_spawn(runtime, &introducer, 0, NULL), second = stage_spawn(runtime, &friendly, 1, NULL);
    for (unsigned i = 1; i <= 500; i++) {
        stage_send(runtime, first, MEET, &second, sizeof(second));
        tally_await(&greeted, i);
    }
    stage_close(runtime);
    assert_int_equal(tally_read(&born), 500);
    assert_int_equal(tally_read(&ended), 500);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_actor_spawned_here_is_there_at_once, reset),
        cmocka_unit_test_setup(an_actor_spawned_on_another_worker_has_its_name_at_once, reset),
        cmocka_unit_test_setup(an_init_that_fails_here_is_told_by_the_spawn, reset),
        cmocka_unit_test_setup(an_init_that_fails_there_is_told_by_a_message, reset),
        cmocka_unit_test_setup(spawning_from_outside_waits_for_init_and_tells_its_status, reset),
        cmocka_unit_test_setup(the_least_loaded_worker_takes_its_turn, reset),
        cmocka_unit_test_setup(those_on_their_way_count_as_load_and_once, reset),
        cmocka_unit_test_setup(an_argument_that_is_copied_is_aligned_for_any_type, reset),
        cmocka_unit_test_setup(wrong_arguments_are_refused_by_name, reset),
        cmocka_unit_test_setup(a_state_and_an_argument_may_have_a_gigabyte_and_no_byte_more, reset),
        cmocka_unit_test_setup(an_actor_may_end_within_its_init, reset),
        cmocka_unit_test_setup(mail_that_overtakes_the_birth_is_held, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
