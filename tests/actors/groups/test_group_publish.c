/*
 * Publishing: who gets it, in which order, whose memory it is, and what is refused.
 */
#include "counters.h"
#include "helpers.h"
#include "members.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

static struct tally freed, same, got;
static const char *bytes;

static int
forget(void **state)
{
    (void)state;
    puppet_forget();
    freed = same = got = (struct tally){0};
    return 0;
}

static void
count_free(void *address)
{
    free(address);
    tally_add(&freed, 1);
}

static void
publish_outside(tr_runtime *runtime, tr_group *group, uint64_t number)
{
    tr_message message = tr_message_copy(PUPPET_NUMBER, &number, sizeof(number));
    assert_int_equal(tr_runtime_publish(runtime, group, &message), TR_OK);
    assert_int_equal(tr_message_size(&message), 0);
}

static void
each_member_gets_it_once_and_nobody_else_does(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(3);
    tr_group *group = group_new(runtime, NULL, 0);
    tr_ref publisher = puppet_spawn(runtime, 0);
    assert_int_equal(have_publish(runtime, publisher, group, 1), TR_OK); /* to nobody */
    publish_outside(runtime, group, 1);
    for (unsigned i = 0; i < 12; i++) {
        tr_ref puppet = puppet_spawn(runtime, i % 3);
        if (i < 9)
            assert_int_equal(have_join(runtime, puppet, group), TR_OK);
    }
    assert_int_equal(have_publish(runtime, publisher, group, 2), TR_OK);
    for (unsigned i = 0; i < 9; i++) {
        puppet_await(9);
        assert_int_equal(puppet_note(i)->number, 2);
        assert_int_equal(puppet_note(i)->from, publisher);
    }
    publish_outside(runtime, group, 3);
    puppet_await(18);
    for (unsigned i = 9; i < 18; i++) {
        assert_int_equal(puppet_note(i)->number, 3);
        assert_int_equal(puppet_note(i)->from, TR_NOBODY);
    }
    tests_counters_add_up(runtime);
    assert_int_equal(puppet_count(), 18);
    tr_group_release(group);
    stage_close(runtime);
}

static void
a_publisher_that_is_a_member_gets_it_too(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_group *group = group_new(runtime, NULL, 0);
    tr_ref puppet = puppet_spawn(runtime, 0);
    assert_int_equal(have_join(runtime, puppet, group), TR_OK);
    assert_int_equal(have_publish(runtime, puppet, group, 5), TR_OK);
    assert_int_equal(puppet_await(1)->number, 5);
    assert_int_equal(have_leave(runtime, puppet, group), TR_OK);
    assert_int_equal(have_publish(runtime, puppet, group, 6), TR_OK);
    puppet_settle(runtime, puppet, puppet);
    assert_int_equal(puppet_count(), 1);
    tr_group_release(group);
    stage_close(runtime);
}

static void
do_tell_others(tr_actor *self, void *argument)
{
    struct deed *deed = argument;
    deed->status = tr_group_publish_to_others(self, deed->group, deed->message);
}

/* With a slice, of which there is no hold too many. */
static void
all_but_the_publisher_get_what_is_for_the_others(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref puppets[4];
    struct deed deed = {.group = group_new(runtime, NULL, 0)};
    for (unsigned i = 0; i < 4; i++) {
        puppets[i] = puppet_spawn(runtime, i % 2);
        assert_int_equal(have_join(runtime, puppets[i], deed.group), TR_OK);
    }
    for (unsigned i = 0; i < 4; i++) {
        tr_slice slice;
        assert_int_equal(tr_slice_adopt(calloc(1, 100), 100, count_free, &slice), TR_OK);
        tr_message message = tr_message_slice(PUPPET_NUMBER, slice);
        deed.message = &message;
        puppet_do(runtime, puppets[i], do_tell_others, &deed);
        assert_int_equal(deed.status, TR_OK);
        puppet_await(3 * (i + 1));
        tally_await(&freed, i + 1);
    }
    tests_counters_add_up(runtime);
    assert_int_equal(puppet_count(), 12);
    tr_group_release(deed.group);
    stage_close(runtime);
}

/* Order: numbers that are sent and published in turns. */

#define NUMBERS 20000u

struct speaker {
    tr_group *group;
    tr_ref listener[2];
    uint64_t said;
};

static tr_status
speaker_init(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    memcpy(state, argument, sizeof(struct speaker));
    return TR_OK;
}

static void
say_one(tr_actor *self, struct speaker *speaker)
{
    uint64_t number = speaker->said++;
    if (number % 3 == 0) {
        tr_message message = tr_message_copy(1, &number, sizeof(number));
        assert_int_equal(tr_group_publish(self, speaker->group, &message), TR_OK);
        return;
    }
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(tr_tell(self, speaker->listener[i], 1, &number, sizeof(number)), TR_OK);
}

static void
speaker_receive(tr_actor *self, void *state, tr_message *message)
{
    struct speaker *speaker = state;
    (void)message;
    for (unsigned i = 0; i < 100 && speaker->said < NUMBERS; i++)
        say_one(self, speaker);
    if (speaker->said < NUMBERS)
        tr_tell(self, tr_self(self), 0, NULL, 0);
}

static void
listener_receive(tr_actor *self, void *state, tr_message *message)
{
    uint64_t *next = state, number;
    (void)self;
    memcpy(&number, tr_message_data(message), sizeof(number));
    assert_int_equal(number, (*next)++);
    tally_add(&got, 1);
}

static void
what_is_sent_and_published_keeps_its_order_here_and_there(void **state)
{
    (void)state;
    static const struct tr_behavior listens = {
        .name = "listener", .state_size = sizeof(uint64_t), .receive = listener_receive};
    static const struct tr_behavior speaks = {
        .name = "speaker", .state_size = sizeof(struct speaker), .init = speaker_init, .receive = speaker_receive};
    tr_runtime *runtime = stage_open(2);
    struct speaker speaker = {.group = group_new(runtime, NULL, 0)};
    tr_ref helper = puppet_spawn(runtime, 0);
    for (unsigned i = 0; i < 2; i++) {
        speaker.listener[i] = stage_spawn(runtime, &listens, i, NULL);
        assert_int_equal(have_add(runtime, helper, speaker.listener[i], speaker.group), TR_OK);
    }
    puppet_settle(runtime, helper, puppet_spawn(runtime, 1));
    stage_send(runtime, stage_spawn(runtime, &speaks, 0, &speaker), 0, NULL, 0);
    tally_await(&got, 2 * NUMBERS);
    tr_group_release(speaker.group);
    stage_close(runtime);
}

/* The payload. */

static void
look_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    assert_int_equal(tr_message_size(message), 1000);
    if (tr_message_data(message) == bytes)
        tally_add(&same, 1);
    tally_add(&got, 1);
}

static void
publish_slice(tr_runtime *runtime, tr_ref publisher, tr_group *group)
{
    tr_slice slice;
    assert_int_equal(tr_slice_adopt(calloc(1, 1000), 1000, count_free, &slice), TR_OK);
    bytes = slice.data;
    tr_message message = tr_message_slice(1, slice);
    struct deed deed = {.group = group, .message = &message};
    if (publisher != TR_NOBODY)
        puppet_do(runtime, publisher, do_publish, &deed);
    else
        deed.status = tr_runtime_publish(runtime, group, &message);
    assert_int_equal(deed.status, TR_OK);
    assert_int_equal(tr_message_size(&message), 0);
}

static void
all_members_see_the_same_bytes_which_are_freed_once_after_the_last(void **state)
{
    (void)state;
    static const struct tr_behavior looks = {.name = "looks", .receive = look_receive};
    tr_runtime *runtime = stage_open(2);
    tr_group *group = group_new(runtime, NULL, 0);
    tr_ref helper = puppet_spawn(runtime, 0);
    publish_slice(runtime, helper, group); /* nobody is there: freed within the call */
    assert_int_equal(tally_read(&freed), 1);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(have_add(runtime, helper, stage_spawn(runtime, &looks, i % 2, NULL), group), TR_OK);
    puppet_settle(runtime, helper, puppet_spawn(runtime, 1));
    for (unsigned i = 0; i < 10; i++) {
        publish_slice(runtime, i % 2 == 0 ? helper : TR_NOBODY, group);
        tally_await(&got, (i + 1) * 1000);
        tally_await(&freed, i + 2);
    }
    assert_int_equal(tally_read(&same), 10000);
    tests_counters_add_up(runtime);
    tr_group_release(group);
    stage_close(runtime);
}

/* Refusals. */

static void
a_message_that_cannot_be_given_to_many_is_refused_and_stays_the_callers(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_group *group = group_new(runtime, NULL, 0);
    tr_ref puppet = puppet_spawn(runtime, 0);
    tr_message messages[] = {tr_message_pointer(1, malloc(8), 8, count_free), tr_message_signal(TR_TAG_RESERVED),
                             tr_message_copy(1, NULL, 4)};
    static const tr_status statuses[] = {TR_EINVAL, TR_EBADTAG, TR_ENOMEM};
    for (unsigned i = 0; i < 3; i++) {
        struct deed deed = {.group = group, .message = &messages[i]};
        puppet_do(runtime, puppet, do_publish, &deed);
        assert_int_equal(deed.status, statuses[i]);
        assert_int_equal(tr_runtime_publish(runtime, group, &messages[i]), statuses[i]);
    }
    assert_int_equal(tally_read(&freed), 0);
    tr_message_drop(&messages[0]);
    assert_int_equal(tally_read(&freed), 1);
    tr_group_release(group);
    stage_close(runtime);
}

/* A worker that stands still. */
struct held {
    uv_sem_t held, go;
    struct deed deed;
};

static void
hold_worker(tr_actor *self, void *argument)
{
    struct held *held = argument;
    (void)self;
    uv_sem_post(&held->held);
    uv_sem_wait(&held->go);
}

static void
hold_begin(tr_runtime *runtime, tr_ref puppet, struct held *held, void (*act)(tr_actor *self, void *argument))
{
    assert_int_equal(uv_sem_init(&held->held, 0), 0);
    assert_int_equal(uv_sem_init(&held->go, 0), 0);
    puppet_order(runtime, puppet, act, held);
    uv_sem_wait(&held->held);
}

static void
hold_end(struct held *held)
{
    uv_sem_destroy(&held->held);
    uv_sem_destroy(&held->go);
}

static tr_runtime *
open_limited(const struct tr_runtime_options *options)
{
    tr_runtime *runtime;
    assert_int_equal(tr_runtime_start(options, &runtime), TR_OK);
    return runtime;
}

static void
from_outside_a_worker_at_its_limit_refuses_for_all(void **state)
{
    (void)state;
    struct held held;
    tr_runtime *runtime = open_limited(&(struct tr_runtime_options){.workers = 2, .outside_limit = 8});
    tr_group *group = group_new(runtime, NULL, 0);
    tr_ref members[2], holder = puppet_spawn(runtime, 1);
    for (unsigned i = 0; i < 2; i++) {
        members[i] = puppet_spawn(runtime, i);
        assert_int_equal(have_join(runtime, members[i], group), TR_OK);
    }
    hold_begin(runtime, holder, &held, hold_worker);
    tr_status status = TR_OK;
    uint64_t taken = 0;
    for (; taken < 100 && status == TR_OK; taken += status == TR_OK) {
        tr_message message = tr_message_copy(PUPPET_NUMBER, &taken, sizeof(taken));
        do
            status = tr_runtime_publish(runtime, group, &message);
        while (status == TR_EFULL && puppet_count() < taken); /* the other worker has not read its own yet */
    }
    assert_int_equal(status, TR_EFULL);
    assert_int_equal(taken, 8);
    uv_sem_post(&held.go);
    puppet_await(16);
    tests_counters_add_up(runtime);
    assert_int_equal(puppet_count(), 16);
    tr_group_release(group);
    stage_close(runtime);
    hold_end(&held);
}

static void
publish_until_refused(tr_actor *self, void *argument)
{
    struct deed *deed = argument;
    for (deed->status = TR_OK; deed->number < 100000 && deed->status == TR_OK;) {
        tr_message message = tr_message_copy(PUPPET_NUMBER, &deed->number, sizeof(deed->number));
        deed->status = tr_group_publish(self, deed->group, &message);
        deed->number += deed->status == TR_OK;
    }
}

static void
count_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tally_add(&got, 1);
}

static void
a_lane_at_its_limit_refuses_for_all(void **state)
{
    (void)state;
    static const struct tr_behavior counts = {.name = "counts", .receive = count_receive};
    struct held held;
    tr_runtime *runtime = open_limited(&(struct tr_runtime_options){.workers = 2, .lane_limit = 64});
    struct deed deed = {.group = group_new(runtime, NULL, 0)};
    tr_ref publisher = puppet_spawn(runtime, 0), holder = puppet_spawn(runtime, 1);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(have_add(runtime, publisher, stage_spawn(runtime, &counts, i, NULL), deed.group), TR_OK);
    puppet_settle(runtime, publisher, holder);
    hold_begin(runtime, holder, &held, hold_worker);
    puppet_do(runtime, publisher, publish_until_refused, &deed);
    assert_int_equal(deed.status, TR_EFULL);
    assert_true(deed.number >= 64 && deed.number < 100000);
    uv_sem_post(&held.go);
    tally_await(&got, 2 * deed.number);
    tests_counters_add_up(runtime);
    assert_int_equal(tally_read(&got), 2 * deed.number);
    tr_group_release(deed.group);
    stage_close(runtime);
    hold_end(&held);
}

static void
join_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == 0)
        assert_int_equal(tr_group_join(self, *(tr_group *const *)tr_message_data(message)), TR_OK);
    tally_add(&got, 1);
}

static void
do_nothing(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
}

static void
what_a_full_mailbox_refuses_is_a_dead_letter(void **state)
{
    (void)state;
    static const struct tr_behavior behaviors[] = {
        {.name = "refuses", .receive = join_receive, .mailbox = {.messages = 2}},
        {.name = "drops newest", .receive = join_receive, .mailbox = {.messages = 2, .policy = TR_MAILBOX_DROP_NEWEST}},
        {.name = "drops oldest",
         .receive = join_receive,
         .mailbox = {.messages = 2, .policy = TR_MAILBOX_DROP_OLDEST}}};
    struct held held;
    tr_runtime *runtime = stage_open(2);
    tr_group *group = group_new(runtime, NULL, 0);
    tr_ref publisher = puppet_spawn(runtime, 0), holder = puppet_spawn(runtime, 1);
    for (unsigned i = 0; i < 3; i++)
        stage_send(runtime, stage_spawn(runtime, &behaviors[i], 1, NULL), 0, &group, sizeof(group));
    tally_await(&got, 3);
    hold_begin(runtime, holder, &held, hold_worker);
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(have_publish(runtime, publisher, group, i), TR_OK);
    puppet_do(runtime, publisher, do_nothing, NULL); /* in a later turn: by then all have gone out */
    uv_sem_post(&held.go);
    tests_counters_await_dead(runtime, 9);
    tally_await(&got, 3 + 6);
    tests_counters_add_up(runtime);
    tr_group_release(group);
    stage_close(runtime);
    hold_end(&held);
}

/* An old message that is late: its publisher saw members, who have left since. */

static void
change_members(tr_actor *self, void *argument)
{
    struct held *held = argument;
    hold_worker(self, held);
    assert_int_equal(tr_group_leave(self, held->deed.group), TR_OK);
    assert_int_equal(tr_group_add(self, held->deed.other, held->deed.group), TR_OK);
}

static void
a_new_first_member_gets_no_message_of_those_before_it(void **state)
{
    (void)state;
    struct held held;
    tr_runtime *runtime = stage_open(2);
    tr_ref publisher = puppet_spawn(runtime, 0), old = puppet_spawn(runtime, 1), new = puppet_spawn(runtime, 1);
    held.deed = (struct deed){.group = group_new(runtime, NULL, 0), .other = new};
    assert_int_equal(have_join(runtime, old, held.deed.group), TR_OK);
    hold_begin(runtime, old, &held, change_members);
    assert_int_equal(have_publish(runtime, publisher, held.deed.group, 1), TR_OK);
    uv_sem_post(&held.go);
    puppet_settle(runtime, publisher, new);
    assert_int_equal(have_publish(runtime, publisher, held.deed.group, 2), TR_OK);
    assert_int_equal(puppet_await(1)->number, 2);
    tests_counters_add_up(runtime);
    assert_int_equal(puppet_count(), 1);
    tr_group_release(held.deed.group);
    stage_close(runtime);
    hold_end(&held);
}

static void
the_counters_add_up_when_members_end_while_messages_come(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_group *group = group_new(runtime, NULL, 0);
    tr_ref publisher = puppet_spawn(runtime, 0);
    for (unsigned i = 0; i < 300; i++) {
        tr_ref member = puppet_spawn(runtime, i % 2);
        assert_int_equal(have_join(runtime, member, group), TR_OK);
        puppet_order(runtime, member, do_exit, NULL);
        publish_outside(runtime, group, i);
        assert_int_equal(have_publish(runtime, publisher, group, i), TR_OK);
    }
    tests_counters_add_up(runtime);
    tr_group_release(group);
    stage_close(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_member_gets_it_once_and_nobody_else_does, forget),
        cmocka_unit_test_setup(a_publisher_that_is_a_member_gets_it_too, forget),
        cmocka_unit_test_setup(all_but_the_publisher_get_what_is_for_the_others, forget),
        cmocka_unit_test_setup(what_is_sent_and_published_keeps_its_order_here_and_there, forget),
        cmocka_unit_test_setup(all_members_see_the_same_bytes_which_are_freed_once_after_the_last, forget),
        cmocka_unit_test_setup(a_message_that_cannot_be_given_to_many_is_refused_and_stays_the_callers, forget),
        cmocka_unit_test_setup(from_outside_a_worker_at_its_limit_refuses_for_all, forget),
        cmocka_unit_test_setup(a_lane_at_its_limit_refuses_for_all, forget),
        cmocka_unit_test_setup(what_a_full_mailbox_refuses_is_a_dead_letter, forget),
        cmocka_unit_test_setup(a_new_first_member_gets_no_message_of_those_before_it, forget),
        cmocka_unit_test_setup(the_counters_add_up_when_members_end_while_messages_come, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
