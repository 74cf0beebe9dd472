/*
 * Groups under seeds: a crowd whose members join and leave one group, make each other members, publish, watch it, and
 * end in all ways.
 *
 * What must hold
 *   - Who hears what one publishes hears each message at most once, in the order in which they were published.
 *   - Who joins hears everything from some message on: while it stays it misses nothing. Who has left hears nothing
 *     that was published afterwards. On the publisher's own worker exactly those hear it that are members at the
 *     moment.
 *   - What is published by who knows of a member reaches that: by the member, by who has added it, and by who has been
 *     told by it; and before the publisher's later letter.
 *   - Who watches hears of each member by turns that it has joined and has left. With a list that was asked for
 *     afterwards it knows who is a member.
 *   - At rest everybody is a member, once, that has joined and not left; the count says so; a limit was never exceeded.
 *
 * Orders to make another a member, or none, act when they arrive. Until everything rests it is not known whether that
 * one is a member.
 */
#include "crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/group.h>
#include <troupe/testing.h>

enum { NEWS = CROWD_TAGS, ROLL };

#define NEWS_MOST 256u /* of one */
#define LIMIT 5u       /* of members, in some programs */
#define HAS_JOINED (UINT64_C(1) << 63)

struct news {
    uint32_t from, number;
    uint64_t padding[4]; /* so that it has a buffer, which the members share */
};

struct member {
    bool is, vague, ever;
    bool may_go; /* somebody takes it away: until all rests no membership is sure */
    uint32_t joins;
    uint32_t present; /* times that it has answered the roll call */
};

/* What one hears of another. */
struct subscription {
    uint32_t last;              /* the latest news */
    uint32_t at_join, at_leave; /* so many had been published */
    unsigned gaps;              /* it may miss something as often: before it was a member */
    bool is_sure;               /* what that one publishes must come */
    uint64_t due[NEWS_MOST / 64 + 1];
};

enum sight { UNSEEN, IN, OUT };

struct view {
    tr_group_watch watch; /* 0: none */
    bool has_list;
    bool listed[CROWD_MOST];
    enum sight seen[CROWD_MOST];
};

static tr_group *group;
static uint32_t limit;
static bool is_shy;
static struct member members[CROWD_MOST];
static struct subscription subscriptions[CROWD_MOST][CROWD_MOST]; /* [publisher][member] */
static uint32_t published[CROWD_MOST];
static struct view views[CROWD_MOST];

/* Membership. */

static void
has_come(unsigned who)
{
    members[who].is = members[who].ever = true;
    members[who].joins++;
    for (unsigned from = 0; from < CROWD_MOST; from++) {
        subscriptions[from][who].gaps++;
        subscriptions[from][who].at_join = published[from];
    }
    subscriptions[who][who].is_sure = !members[who].may_go;
}

/* Nothing is due any more. */
static void
has_gone(unsigned who)
{
    members[who].is = false;
    for (unsigned from = 0; from < CROWD_MOST; from++) {
        struct subscription *subscription = &subscriptions[from][who];
        subscription->is_sure = false;
        subscription->at_leave = published[from];
        memset(subscription->due, 0, sizeof(subscription->due));
    }
}

static bool
is_known(unsigned who)
{
    return !members[who].vague && !crowd[who].may_be_gone;
}

static bool
is_full(tr_status status)
{
    if (status == TR_EFULL)
        assert_true(limit != 0 && tr_group_count(group) == limit);
    return status == TR_EFULL;
}

/* Turns. */

static void
tell_of_joining(tr_actor *self, unsigned who)
{
    for (unsigned i = 0; i < 2; i++)
        crowd_write(self, who, crowd_somebody(), HAS_JOINED | members[who].joins);
}

static void
join(tr_actor *self, unsigned who)
{
    if (is_full(tr_group_join(self, group))) {
        assert_false(is_known(who) && members[who].is);
        return;
    }
    if (members[who].vague || !members[who].is)
        has_come(who);
    tell_of_joining(self, who);
}

static void
leave(tr_actor *self, unsigned who)
{
    tr_status status = tr_group_leave(self, group);
    if (!members[who].vague)
        assert_int_equal(status, members[who].is ? TR_OK : TR_EGONE);
    has_gone(who);
}

static void
add(tr_actor *self, unsigned who, unsigned whom)
{
    if (is_full(tr_group_add(self, crowd[whom].ref, group)))
        return;
    members[whom].vague = members[whom].ever = true;
    subscriptions[who][whom].is_sure |= !members[whom].may_go;
}

static void
take_away(tr_actor *self, unsigned whom)
{
    assert_int_equal(tr_group_remove(self, crowd[whom].ref, group), TR_OK);
    has_gone(whom);
    members[whom].vague = members[whom].may_go = true;
}

/* On the publisher's own worker it is filed within the call. */
static void
becomes_due(unsigned who, unsigned whom, bool to_others)
{
    struct subscription *subscription = &subscriptions[who][whom];
    bool is_here = tr_ref_worker(crowd[who].ref) == tr_ref_worker(crowd[whom].ref);
    bool is_member = subscription->is_sure || (is_here && members[whom].is && !members[whom].vague);
    uint32_t number = published[who];
    if (is_member && !(to_others && who == whom))
        subscription->due[number / 64] |= UINT64_C(1) << number % 64;
}

static void
publish(tr_actor *self, unsigned who)
{
    bool to_others = crowd_once_in(3);
    if (published[who] + 1 == NEWS_MOST)
        return;
    struct news news = {.from = who, .number = ++published[who]};
    tr_message message = tr_message_copy(NEWS, &news, sizeof(news));
    for (unsigned whom = 0; whom < crowd_born; whom++)
        becomes_due(who, whom, to_others);
    assert_int_equal(
        to_others ? tr_group_publish_to_others(self, group, &message) : tr_group_publish(self, group, &message), TR_OK);
    crowd_write(self, who, crowd_somebody(), published[who]);
}

static void
watch(tr_actor *self, unsigned who)
{
    struct view *view = &views[who];
    if (view->watch != 0) {
        assert_int_equal(tr_group_watch_stop(self, view->watch), TR_OK);
        assert_int_equal(tr_group_watch_stop(self, view->watch), TR_EGONE);
        *view = (struct view){0};
        return;
    }
    assert_int_equal(tr_group_watch_start(self, group, &view->watch), TR_OK);
    assert_int_equal(tr_group_list(self, group, view->watch), TR_OK);
}

/* In some programs nobody stays for long: then there are moments without any member, or any watch, on a worker. */
static bool
goes_home(tr_actor *self, unsigned who)
{
    if (!is_shy || crowd_once_in(2))
        return false;
    if (views[who].watch != 0)
        watch(self, who);
    else if (members[who].is)
        leave(self, who);
    else
        return false;
    return true;
}

static void
act(tr_actor *self, unsigned who)
{
    if (goes_home(self, who))
        return;
    switch (crowd_roll(20)) {
    case 0: crowd_leave(self, who); break;
    case 1: crowd_stop(self, crowd_somebody()); break;
    case 2:
    case 3:
    case 4:
    case 5: join(self, who); break;
    case 6:
    case 7: leave(self, who); break;
    case 8:
    case 9:
    case 10:
    case 11: watch(self, who); break;
    case 12: add(self, who, crowd_anybody()); break;
    case 13:
        if (crowd_once_in(2))
            take_away(self, crowd_anybody());
        break;
    default: publish(self, who); break;
    }
    if (limit != 0)
        assert_in_range(tr_group_count(group), 0, limit);
}

/* What is heard. */

/* true: something that was due up to that number has not come. */
static bool
misses(const struct subscription *subscription, uint32_t number)
{
    for (uint32_t i = 1; i <= number; i++)
        if (subscription->due[i / 64] >> i % 64 & 1)
            return true;
    return false;
}

static void
may_miss_some(unsigned who, struct subscription *subscription, uint32_t number, bool own)
{
    if (number == subscription->last + 1 || members[who].vague || own)
        return;
    assert_true(subscription->gaps > 0);
    subscription->gaps--;
}

static void
hear_news(unsigned who, const struct news *news)
{
    struct subscription *subscription = &subscriptions[news->from][who];
    assert_true(members[who].ever);
    assert_in_range(news->number, subscription->last + 1, published[news->from]);
    assert_false(misses(subscription, news->number - 1));
    may_miss_some(who, subscription, news->number, news->from == who);
    if (!members[who].vague && !members[who].is)
        assert_in_range(news->number, 1, subscription->at_leave);
    if (!members[who].vague && tr_ref_worker(crowd[who].ref) == tr_ref_worker(crowd[news->from].ref))
        assert_false(news->number > subscription->at_leave && news->number <= subscription->at_join);
    subscription->last = news->number;
    subscription->due[news->number / 64] &= ~(UINT64_C(1) << news->number % 64);
}

static void
hear_list(unsigned who, const struct tr_group_members *list)
{
    struct view *view = &views[who];
    if (list->token != view->watch)
        return;
    view->has_list = true;
    for (size_t i = 0; i < list->count; i++) {
        unsigned member = crowd_number(list->members[i]);
        assert_false(view->listed[member]);
        view->listed[member] = true;
    }
}

static void
hear_event(unsigned who, const struct tr_group_event *event)
{
    struct view *view = &views[who];
    enum sight seen = event->change == TR_GROUP_JOINED ? IN : OUT;
    unsigned member = crowd_number(event->member);
    assert_int_equal(event->watch, view->watch);
    assert_ptr_equal(event->group, group);
    assert_int_not_equal(seen, view->seen[member]);
    view->seen[member] = seen;
}

static void
hear(tr_actor *self, unsigned who, tr_message *message)
{
    const void *data = tr_message_data(message);
    (void)self;
    switch (message->tag) {
    case NEWS: hear_news(who, data); break;
    case ROLL: members[who].present++; break;
    case TR_TAG_GROUP: hear_event(who, data); break;
    case TR_TAG_GROUP_MEMBERS: hear_list(who, data); break;
    default: fail_msg("nobody has sent a message with the tag %u", (unsigned)message->tag);
    }
}

static void
read_letter(unsigned from, unsigned who, uint64_t word)
{
    if ((word & HAS_JOINED) == 0)
        assert_false(misses(&subscriptions[from][who], (uint32_t)word));
    else if (members[from].is && members[from].joins == (uint32_t)word)
        subscriptions[who][from].is_sure = !members[from].may_go;
}

/* At rest. */

static void
call_the_roll(tr_runtime *runtime)
{
    tr_message message = tr_message_signal(ROLL);
    for (unsigned who = 0; who < crowd_born; who++)
        members[who].present = 0;
    assert_int_equal(tr_runtime_publish(runtime, group, &message), TR_OK);
    tr_testing_run(runtime);
}

static void
compare_member(unsigned who)
{
    struct member *member = &members[who];
    assert_in_range(member->present, 0, 1);
    member->may_go = false;
    if (crowd[who].gone)
        has_gone(who);
    else if (!member->vague)
        assert_int_equal(member->present, member->is);
    else if (member->present && !member->is)
        has_come(who);
    else if (!member->present)
        has_gone(who);
    member->is = member->present;
    member->vague = false;
}

static void
nothing_is_due(unsigned who)
{
    for (unsigned from = 0; from < crowd_born; from++)
        assert_false(misses(&subscriptions[from][who], NEWS_MOST - 1));
}

static void
compare_view(const struct view *view)
{
    assert_true(view->has_list);
    for (unsigned member = 0; member < crowd_born; member++)
        assert_int_equal(view->seen[member] != UNSEEN ? view->seen[member] == IN : view->listed[member],
                         members[member].is);
}

static void
rest(tr_runtime *runtime)
{
    size_t count = 0;
    call_the_roll(runtime);
    for (unsigned who = 0; who < crowd_born; who++) {
        if (!crowd[who].gone)
            nothing_is_due(who);
        compare_member(who);
        count += members[who].is;
    }
    assert_int_equal(tr_group_count(group), count);
    for (unsigned who = 0; who < crowd_born; who++)
        if (!crowd[who].gone && views[who].watch != 0)
            compare_view(&views[who]);
}

static void
begin(tr_runtime *runtime)
{
    memset(members, 0, sizeof(members));
    memset(subscriptions, 0, sizeof(subscriptions));
    memset(published, 0, sizeof(published));
    memset(views, 0, sizeof(views));
    limit = crowd_once_in(3) ? LIMIT : 0;
    is_shy = crowd_once_in(2);
    assert_int_equal(tr_group_open(runtime, "room", &(struct tr_group_options){.members = limit}, &group), TR_OK);
}

static void
each_member_hears_what_is_published_once_and_misses_nothing_while_it_stays_under_every_seed(void **state)
{
    (void)state;
    crowd_under_seeds(&(struct crowd_play){
        .size = 8, .turns = 160, .begin = begin, .act = act, .hear = hear, .read = read_letter, .rest = rest});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_member_hears_what_is_published_once_and_misses_nothing_while_it_stays_under_every_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
