/*
 * Groups without memory: each allocation in turn fails, once, and many in a row.
 */
#include "counters.h"
#include "fault.h"
#include "helpers.h"
#include "members.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 60u

static struct tally got;

static int
forget(void **state)
{
    (void)state;
    puppet_forget();
    got = (struct tally){0};
    fault_clear();
    return 0;
}

/* The plan counts from here on, for the next so many. */
static void
plan(tr_actor *self, void *argument)
{
    const unsigned *nth = argument;
    (void)self;
    fault_plan(FAULT_MEMORY, nth[0], nth[1], ENOMEM);
}

struct attempt {
    struct deed deed;
    unsigned nth[2];
    char text[100];
};

static void
try_publish(tr_actor *self, void *argument)
{
    struct attempt *attempt = argument;
    tr_message message = tr_message_copy(1, attempt->text, sizeof(attempt->text));
    plan(self, attempt->nth);
    attempt->deed.status = tr_group_publish(self, attempt->deed.group, &message);
    fault_clear();
    if (attempt->deed.status != TR_OK)
        tr_message_drop(&message);
}

static void
count_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tally_add(&got, 1);
}

static const struct tr_behavior counts = {.name = "counts", .receive = count_receive};

static void
fill(tr_runtime *runtime, tr_ref helper, tr_group *group, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(have_add(runtime, helper, stage_spawn(runtime, &counts, i % 2, NULL), group), TR_OK);
    puppet_settle(runtime, helper, puppet_spawn(runtime, 1));
}

/* So many members that there is no node left for them without a new slab, here or there. */
static void
a_publish_without_memory_reaches_all_or_nobody(void **state)
{
    (void)state;
    enum { MEMBERS = 6000 };
    unsigned published = 0, refused = 0;
    tr_runtime *runtime = stage_open(2);
    struct attempt attempt = {.deed.group = group_new(runtime, NULL, 0)};
    tr_ref helper = puppet_spawn(runtime, 0);
    fill(runtime, helper, attempt.deed.group, MEMBERS);
    for (unsigned i = 0; i < ROUNDS; i++) {
        attempt.nth[0] = i % 12 + 1;
        attempt.nth[1] = i < ROUNDS / 2 ? 1 : 5;
        puppet_do(runtime, helper, try_publish, &attempt);
        published += attempt.deed.status == TR_OK;
        refused += attempt.deed.status == TR_ENOMEM;
        assert_int_equal(published + refused, i + 1);
        tally_await(&got, (uint64_t)published * MEMBERS);
    }
    assert_true(published > 0 && refused > 3);
    tests_counters_add_up(runtime);
    assert_int_equal(tally_read(&got), (uint64_t)published * MEMBERS);
    tr_group_release(attempt.deed.group);
    stage_close(runtime);
}

/* The worker of the members has no memory when the order comes. */
static void
an_order_that_finds_no_memory_is_carried_out_later(void **state)
{
    (void)state;
    enum { MEMBERS = 8000 };
    unsigned nth[2] = {1, 40};
    tr_runtime *runtime = stage_open(2);
    tr_group *group = group_new(runtime, NULL, 0);
    tr_ref helper = puppet_spawn(runtime, 0), there = puppet_spawn(runtime, 1);
    for (unsigned i = 0; i < MEMBERS; i++)
        assert_int_equal(have_add(runtime, helper, stage_spawn(runtime, &counts, 1, NULL), group), TR_OK);
    puppet_settle(runtime, helper, there);
    uint64_t number = 1;
    fault_spare_me(true);
    tr_message message = tr_message_copy(1, &number, sizeof(number));
    assert_int_equal(tr_runtime_publish(runtime, group, &message), TR_OK); /* the nodes that there are */
    tally_await(&got, MEMBERS);
    for (unsigned i = 0; i < MEMBERS; i++) /* more of them than before: none is in reserve */
        assert_int_equal(have_add(runtime, helper, stage_spawn(runtime, &counts, 1, NULL), group), TR_OK);
    puppet_settle(runtime, helper, there);
    plan(NULL, nth);
    message = tr_message_copy(1, &number, sizeof(number));
    assert_int_equal(tr_runtime_publish(runtime, group, &message), TR_OK);
    tally_await(&got, 3 * MEMBERS);
    assert_true(fault_met(FAULT_MEMORY) > 0);
    fault_clear();
    fault_spare_me(false);
    tests_counters_add_up(runtime);
    tr_group_release(group);
    stage_close(runtime);
}

static void
try_join(tr_actor *self, void *argument)
{
    struct attempt *attempt = argument;
    plan(self, attempt->nth);
    attempt->deed.status = tr_group_join(self, attempt->deed.group);
    fault_clear();
}

static void
watch_it(tr_actor *self, void *argument)
{
    struct deed *deed = argument;
    assert_int_equal(tr_group_watch_start(self, deed->group, &deed->watch), TR_OK);
}

static void
a_joining_without_memory_changes_nothing_and_is_not_told(void **state)
{
    (void)state;
    unsigned joined = 0;
    tr_runtime *runtime = stage_open(2);
    struct attempt attempt = {.deed.group = group_new(runtime, NULL, 0)};
    tr_ref watcher = puppet_spawn(runtime, 1);
    puppet_do(runtime, watcher, watch_it, &attempt.deed);
    for (unsigned i = 0; i < 8; i++) {
        tr_ref puppet = puppet_spawn(runtime, 0);
        attempt.nth[0] = i / 2 + 1;
        attempt.nth[1] = i % 2 == 0 ? 1 : 9;
        puppet_do(runtime, puppet, try_join, &attempt);
        joined += attempt.deed.status == TR_OK;
        assert_true(attempt.deed.status == TR_OK || attempt.deed.status == TR_ENOMEM);
        assert_int_equal(tr_group_count(attempt.deed.group), joined);
        puppet_settle(runtime, puppet, watcher);
        assert_int_equal(puppet_count(), joined);
    }
    assert_true(joined > 0 && joined < 8);
    tr_group_release(attempt.deed.group);
    stage_close(runtime);
}

/* So much mail on its way that each message of that worker to the other needs memory of its own. */
static void
leave_without_memory(tr_actor *self, void *argument)
{
    struct attempt *attempt = argument;
    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(tr_tell(self, attempt->deed.other, 1, &i, sizeof(i)), TR_OK);
    plan(self, attempt->nth);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(tr_group_leave(self, attempt->deed.group), TR_OK);
        if (tr_group_join(self, attempt->deed.group) != TR_OK)
            break;
        attempt->deed.number++;
    }
}

static struct tally events, order_kept;

static void
watcher_receive(tr_actor *self, void *state, tr_message *message)
{
    uint32_t *last = state;
    struct deed *deed;
    if (message->tag == TR_TAG_GROUP) {
        const struct tr_group_event *event = tr_message_data(message);
        tally_add(&order_kept, event->change != *last);
        *last = event->change;
        tally_add(&events, 1);
        return;
    }
    memcpy(&deed, tr_message_data(message), sizeof(deed));
    watch_it(self, deed);
    *last = TR_GROUP_LEFT;
    tally_add(&got, 1);
}

static void
a_leaving_is_told_as_soon_as_there_is_memory_and_in_its_order(void **state)
{
    (void)state;
    static const struct tr_behavior watches = {
        .name = "watches", .state_size = sizeof(uint32_t), .receive = watcher_receive};
    tr_runtime *runtime = stage_open(2);
    struct attempt attempt = {.deed.group = group_new(runtime, NULL, 0), .nth = {1, 200}};
    struct deed *deed = &attempt.deed;
    tr_ref member = puppet_spawn(runtime, 0), watcher = stage_spawn(runtime, &watches, 1, NULL);
    attempt.deed.other = stage_spawn(runtime, &counts, 1, NULL);
    events = order_kept = (struct tally){0};
    stage_send(runtime, watcher, 1, &deed, sizeof(deed));
    tally_await(&got, 1);
    assert_int_equal(have_join(runtime, member, attempt.deed.group), TR_OK);
    puppet_do(runtime, member, leave_without_memory, &attempt);
    tally_await(&events, 2 + 2 * attempt.deed.number);
    fault_clear();
    tests_counters_add_up(runtime);
    assert_int_equal(tally_read(&events), tally_read(&order_kept));
    tr_group_release(attempt.deed.group);
    stage_close(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_publish_without_memory_reaches_all_or_nobody, forget),
        cmocka_unit_test_setup(an_order_that_finds_no_memory_is_carried_out_later, forget),
        cmocka_unit_test_setup(a_joining_without_memory_changes_nothing_and_is_not_told, forget),
        cmocka_unit_test_setup(a_leaving_is_told_as_soon_as_there_is_memory_and_in_its_order, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
