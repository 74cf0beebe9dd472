/*
 * Limits by tag, and what limits never touch, against a model: a list of what should wait. A driver sends at random and
 * keeps the model; the receiver compares what it is given with the model's first.
 */
#include "actor_internal.h"
#include "counting.h"
#include "helpers.h"
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/become.h>
#include <troupe/actors/watch.h>

#include <cmocka.h>

enum { GO = 1, LAST, LAST_OF_THREE, NEWEST, REFUSED, PLAIN, TAGS_END };

#define NOTICE (TRI_TAG_NET + 0x500u)
#define TURNS 60u
#define AT_MOST 4096u

static const struct tr_tag_limit limits[] = {
    {.tag = LAST, .most = 1, .policy = TR_TAG_KEEP_LAST},
    {.tag = LAST_OF_THREE, .most = 3, .policy = TR_TAG_KEEP_LAST},
    {.tag = NEWEST, .most = 2, .policy = TR_TAG_DROP_NEWEST},
    {.tag = REFUSED, .most = 2, .policy = TR_TAG_REFUSE},
};
#define LIMITS (sizeof(limits) / sizeof(limits[0]))

/* The model. */
struct item {
    uint64_t number;
    uint32_t tag;
};

static struct item expected[AT_MOST];
static size_t waiting, most_messages;
static enum tr_mailbox_policy policy;
static uint64_t dead[TR_DEAD_MEMORY + 1], letters[TR_DEAD_MEMORY + 1];
static uint64_t seed, number, turn, wrong;
static struct tally done, destroyed;

static const struct tr_tag_limit *
limit_of(uint32_t tag)
{
    for (size_t i = 0; i < LIMITS; i++)
        if (limits[i].tag == tag)
            return &limits[i];
    return NULL;
}

static void
take_out(size_t place, enum tr_dead_reason reason)
{
    dead[reason]++;
    waiting--;
    memmove(&expected[place], &expected[place + 1], (waiting - place) * sizeof(expected[0]));
}

/* How many with that tag wait; *last: the place of the newest. */
static size_t
count_tag(uint32_t tag, size_t *last)
{
    size_t count = 0;
    for (size_t i = 0; i < waiting; i++)
        if (expected[i].tag == tag) {
            *last = i;
            count++;
        }
    return count;
}

static void
expect(uint32_t tag)
{
    assert_true(waiting < AT_MOST);
    expected[waiting++] = (struct item){number, tag};
}

/* false: none may be dropped. */
static bool
drop_oldest(void)
{
    for (size_t i = 0; i < waiting; i++)
        if (expected[i].tag != NOTICE) {
            take_out(i, TR_DEAD_DROPPED);
            return true;
        }
    return false;
}

/* What a send should return; the model holds what should wait then. */
static tr_status
send_to_model(uint32_t tag)
{
    const struct tr_tag_limit *limit = limit_of(tag);
    size_t last = 0;
    bool full_of_tag = limit != NULL && count_tag(tag, &last) >= limit->most;
    if (full_of_tag && limit->policy == TR_TAG_REFUSE)
        return TR_EFULL;
    if (full_of_tag && limit->policy == TR_TAG_DROP_NEWEST) {
        dead[TR_DEAD_MAILBOX_FULL]++;
        return TR_OK;
    }
    if (waiting - full_of_tag >= most_messages && policy == TR_MAILBOX_REFUSE)
        return TR_EFULL;
    if (waiting - full_of_tag >= most_messages && policy == TR_MAILBOX_DROP_NEWEST) {
        dead[TR_DEAD_MAILBOX_FULL]++;
        return TR_OK;
    }
    if (full_of_tag)
        take_out(last, TR_DEAD_REPLACED);
    while (waiting >= most_messages)
        if (!drop_oldest()) {
            dead[TR_DEAD_DROPPED]++;
            return TR_OK;
        }
    expect(tag);
    return TR_OK;
}

static void
destroy(void *address)
{
    free(address);
    tally_add(&destroyed, 1);
}

static tr_message
numbered(uint32_t tag)
{
    uint64_t *payload = malloc(sizeof(*payload));
    *payload = ++number;
    return tr_message_pointer(tag, payload, sizeof(*payload), destroy);
}

static void
send_one(tr_actor *self, tr_ref to)
{
    uint32_t tag = LAST + (uint32_t)(random_next(&seed) % (TAGS_END - LAST));
    tr_message message = numbered(tag);
    tr_status status = tr_send(self, to, &message);
    wrong += status != send_to_model(tag);
    tr_message_drop(&message);
}

static void
send_notice(tr_actor *self, tr_ref to)
{
    tr_message message = numbered(NOTICE);
    wrong += tri_send_system(tri_actor_worker(self), self, to, &message) != TR_OK;
    expect(NOTICE);
}

/* Between two turns the receiver handles one message. */
static void
driver_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tr_ref to = message->payload.words[0];
    for (uint64_t i = random_next(&seed) % 6; i > 0; i--) {
        if (random_next(&seed) % 5 == 0)
            send_notice(self, to);
        else
            send_one(self, to);
    }
    if (++turn < TURNS)
        assert_int_equal(tr_send(self, tr_self(self), message), TR_OK);
    else
        tally_add(&done, 1);
}

static void
compare_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    bool is_first = waiting > 0 && expected[0].tag == message->tag &&
                    expected[0].number == *(const uint64_t *)tr_message_data(message);
    wrong += !is_first;
    if (waiting > 0)
        memmove(&expected[0], &expected[1], --waiting * sizeof(expected[0]));
}

static void
undertaker_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    const struct tr_dead_letter *letter = tr_message_data(message);
    letters[letter->reason]++;
    wrong += letter->tag == NOTICE;
}

static const struct tr_behavior driver = {.name = "driver", .receive = driver_receive};
static const struct tr_behavior undertaker = {.name = "undertaker", .receive = undertaker_receive};

static void
play(tr_runtime *runtime, const struct tr_behavior *compares, uint64_t with_seed)
{
    seed = with_seed;
    turn = number = 0;
    waiting = 0;
    done = destroyed = (struct tally){0};
    most_messages = compares->mailbox.messages;
    policy = compares->mailbox.policy;
    memset(dead, 0, sizeof(dead));
    memset(letters, 0, sizeof(letters));
    tr_ref to = stage_spawn(runtime, compares, 0, NULL);
    stage_send(runtime, stage_spawn(runtime, &driver, 0, NULL), GO, &to, sizeof(to));
    tally_await(&done, 1);
    tally_await(&destroyed, number); /* every payload, whatever became of its message */
    assert_int_equal(waiting, 0);
}

/* Each seed with its own runtime would take long; the letters have come when the runtime has ended. */
static void
play_seeds(enum tr_mailbox_policy with, uint32_t messages)
{
    struct tr_behavior compares = {
        .name = "compares",
        .receive = compare_receive,
        .mailbox = {.messages = messages, .policy = with, .tags = limits, .tag_count = LIMITS}};
    for (uint64_t i = 1; i <= 350; i++) {
        tr_runtime *runtime = stage_open(1);
        wrong = 0;
        assert_int_equal(tr_dead_letters_subscribe(runtime, stage_spawn(runtime, &undertaker, 0, NULL)), TR_OK);
        play(runtime, &compares, i);
        stage_close(runtime);
        if (wrong != 0 || memcmp(dead, letters, sizeof(dead)) != 0)
            fail_msg("seed %u of policy %d: %u wrong", (unsigned)i, (int)with, (unsigned)wrong);
    }
}

static void
a_mailbox_that_refuses_heeds_the_limits_of_tags(void **state)
{
    (void)state;
    play_seeds(TR_MAILBOX_REFUSE, 12);
}

static void
a_mailbox_that_drops_the_newest_heeds_the_limits_of_tags(void **state)
{
    (void)state;
    play_seeds(TR_MAILBOX_DROP_NEWEST, 9);
}

static void
a_mailbox_that_drops_the_oldest_never_drops_what_the_library_says(void **state)
{
    (void)state;
    play_seeds(TR_MAILBOX_DROP_OLDEST, 4);
}

/* A full mailbox of one, the child's end, and what comes after. */
static struct tally downs, numbers, held, let_go;

static void
watcher_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    static const struct tr_behavior fails = {.name = "fails", .receive = ignore};
    struct tr_spawn_options options = {0};
    tr_monitor monitor;
    tr_ref child;
    if (message->tag == TR_TAG_DOWN) {
        tally_add(&downs, 1);
    } else if (message->tag == PLAIN) {
        tally_add(&numbers, 1);
    } else {
        assert_int_equal(tr_spawn(self, &fails, &options, &child), TR_OK);
        assert_int_equal(tr_monitor_start(self, child, &monitor), TR_OK);
        assert_int_equal(tr_stop(self, child, TR_STOP_NOW), TR_OK);
        tr_tell(self, tr_self(self), PLAIN, NULL, 0);
        tr_tell(self, tr_self(self), PLAIN, NULL, 0);
        tally_add(&held, 1);
    }
}

static void
the_notice_of_a_monitor_outlives_a_mailbox_that_drops_the_oldest(void **state)
{
    (void)state;
    static const struct tr_behavior watcher = {
        .name = "watcher", .receive = watcher_receive, .mailbox = {.messages = 1, .policy = TR_MAILBOX_DROP_OLDEST}};
    tr_runtime *runtime = stage_open(1);
    downs = numbers = held = (struct tally){0};
    stage_send(runtime, stage_spawn(runtime, &watcher, 0, NULL), GO, NULL, 0);
    tally_await(&downs, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&downs), 1);
    assert_int_equal(tally_read(&numbers), 0); /* the mailbox was full of the notice */
}

/* From another worker. */

static void
value_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == GO) {
        tally_add(&held, 1);
        tally_await(&let_go, 1);
    } else if (message->tag == LAST) {
        tally_add(&numbers, 1);
        number = message->payload.words[0];
    } else {
        tally_add(&done, 1);
    }
}

static void
a_tag_that_keeps_the_last_gives_one_value_however_many_came_from_afar(void **state)
{
    (void)state;
    static const struct tr_behavior values = {
        .name = "values", .receive = value_receive, .mailbox = {.tags = limits, .tag_count = LIMITS}};
    struct tr_counters counters;
    tr_runtime *runtime = stage_open(2);
    done = numbers = held = let_go = (struct tally){0};
    tr_ref to = stage_spawn(runtime, &values, 0, NULL);
    stage_send(runtime, to, GO, NULL, 0);
    tally_await(&held, 1);
    for (uint64_t i = 1; i <= 1000; i++)
        stage_send(runtime, to, LAST, &i, sizeof(i));
    stage_send(runtime, to, PLAIN, NULL, 0);
    tally_add(&let_go, 1);
    tally_await(&done, 1);
    tr_runtime_counters(runtime, &counters);
    stage_close(runtime);
    assert_int_equal(number, 1000);
    assert_true(tally_read(&numbers) <= 4); /* one for each turn that took a part of them */
    assert_int_equal(counters.dead_letters, 1000 - tally_read(&numbers));
}

/* Bad limits. */

static tr_status
spawn_with(tr_runtime *runtime, const struct tr_tag_limit *tags, size_t count)
{
    struct tr_behavior behavior = {.name = "limited", .receive = ignore, .mailbox = {.tags = tags, .tag_count = count}};
    return tr_runtime_spawn(runtime, &behavior, NULL, NULL);
}

static void
limits_of_tags_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct tr_tag_limit many[TR_TAG_LIMITS_MAX + 1];
    static const struct tr_tag_limit reserved = {.tag = TR_TAG_RESERVED, .most = 1}, none = {.tag = 1, .most = 0};
    static const struct tr_tag_limit no_policy = {.tag = 1, .most = 1, .policy = (enum tr_tag_policy)3};
    static const struct tr_tag_limit twice[] = {{.tag = 1, .most = 1}, {.tag = 2, .most = 1}, {.tag = 1, .most = 2}};
    tr_runtime *runtime = stage_open(1);
    for (uint32_t i = 0; i <= TR_TAG_LIMITS_MAX; i++)
        many[i] = (struct tr_tag_limit){.tag = i, .most = 1};
    assert_int_equal(spawn_with(runtime, many, TR_TAG_LIMITS_MAX + 1), TR_EBADLIMIT);
    assert_int_equal(spawn_with(runtime, NULL, 1), TR_EINVAL);
    assert_int_equal(spawn_with(runtime, &reserved, 1), TR_EBADTAG);
    assert_int_equal(spawn_with(runtime, twice, 3), TR_EBADTAG);
    assert_int_equal(spawn_with(runtime, &none, 1), TR_EBADLIMIT);
    assert_int_equal(spawn_with(runtime, &no_policy, 1), TR_EBADPOLICY);
    stage_close(runtime);
}

static void
turncoat_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    static const struct tr_behavior fewer = {
        .name = "fewer", .receive = ignore, .mailbox = {.tags = limits, .tag_count = LIMITS - 1}};
    static const struct tr_behavior others = {
        .name = "others", .receive = ignore, .mailbox = {.tags = limits + 1, .tag_count = LIMITS}};
    static const struct tr_behavior same = {
        .name = "same", .receive = ignore, .mailbox = {.tags = limits, .tag_count = LIMITS}};
    wrong += tr_become(self, &fewer) != TR_EBADPOLICY;
    wrong += tr_become(self, &others) != TR_EBADPOLICY;
    wrong += tr_become(self, &same) != TR_OK;
    tally_add(&done, 1);
}

static void
an_actor_does_not_become_one_with_other_limits_of_tags(void **state)
{
    (void)state;
    static const struct tr_behavior turncoat = {
        .name = "turncoat", .receive = turncoat_receive, .mailbox = {.tags = limits, .tag_count = LIMITS}};
    tr_runtime *runtime = stage_open(1);
    wrong = 0;
    done = (struct tally){0};
    stage_send(runtime, stage_spawn(runtime, &turncoat, 0, NULL), GO, NULL, 0);
    tally_await(&done, 1);
    stage_close(runtime);
    assert_int_equal(wrong, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mailbox_that_refuses_heeds_the_limits_of_tags),
        cmocka_unit_test(a_mailbox_that_drops_the_newest_heeds_the_limits_of_tags),
        cmocka_unit_test(a_mailbox_that_drops_the_oldest_never_drops_what_the_library_says),
        cmocka_unit_test(the_notice_of_a_monitor_outlives_a_mailbox_that_drops_the_oldest),
        cmocka_unit_test(a_tag_that_keeps_the_last_gives_one_value_however_many_came_from_afar),
        cmocka_unit_test(limits_of_tags_that_make_no_sense_are_refused),
        cmocka_unit_test(an_actor_does_not_become_one_with_other_limits_of_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
