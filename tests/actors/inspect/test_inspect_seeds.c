/*
 * Looking inside a runtime under seeds: a crowd that writes letters, bears children and ends in every way, and is
 * looked at when everything rests, and while messages from outside make it move.
 *
 * What must hold
 *   - At rest each of those that live is told once, with its parent, what it has handled and an empty mailbox; nobody
 *     else is.
 *   - While things move, who lives from the beginning to the end of a look is told once, all others once at most. What
 *     is told of somebody lies between what was true at the beginning and what was true at the end.
 */
#include "crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/inspect.h>
#include <troupe/testing.h>

enum { STIR = CROWD_TAGS };

static tr_ref parents[CROWD_MOST];
static uint64_t handled[CROWD_MOST];

/* A look at all. */
static struct {
    unsigned told[CROWD_MOST];
    uint64_t handled_before[CROWD_MOST];
    bool at_rest;
} view;

static void
forget(tr_runtime *runtime)
{
    (void)runtime;
    memset(parents, 0, sizeof(parents));
    memset(handled, 0, sizeof(handled));
}

static void
count(tr_actor *self, void *state, tr_message *message)
{
    handled[crowd_who(state)]++;
    crowd_receive(self, state, message);
}

static void
bear(tr_actor *self)
{
    unsigned child = crowd_born;
    crowd_bear(self, crowd_once_in(5), NULL);
    if (crowd_born > child)
        parents[child] = tr_self(self);
}

static void
act(tr_actor *self, unsigned who)
{
    for (unsigned i = crowd_roll(4); i > 0; i--)
        crowd_write(self, who, crowd_somebody(), 0);
    if (crowd_once_in(6))
        bear(self);
    if (crowd_once_in(12))
        crowd_stop(self, crowd_anybody());
    if (crowd_once_in(12))
        crowd_leave(self, who);
}

/* It was moved from outside. */
static void
stir(tr_actor *self, unsigned who, tr_message *message)
{
    if (message->tag != STIR)
        return;
    if (crowd_once_in(3))
        bear(self);
    if (crowd_once_in(5))
        crowd_leave(self, who);
}

static bool
compare(void *context, const struct tr_actor_info *info)
{
    unsigned who = crowd_number(info->ref);
    (void)context;
    if (who == CROWD_NOBODY)
        return true;
    view.told[who]++;
    assert_true(info->parent == parents[who]);
    assert_in_range(info->handled, view.handled_before[who], handled[who]);
    assert_true(info->waits_for == TR_NOBODY && info->supervisor == TR_NOBODY && info->muted_by == TR_NOBODY);
    if (view.at_rest) {
        assert_int_equal(info->waiting, 0);
        assert_int_equal(info->state, 0);
        assert_string_equal(info->name, "person");
    }
    return true;
}

static void
look(tr_runtime *runtime, bool at_rest)
{
    bool lived[CROWD_MOST];
    for (unsigned who = 0; who < CROWD_MOST; who++)
        lived[who] = who < crowd_born && !crowd[who].may_be_gone && !crowd[who].gone;
    memset(&view, 0, sizeof(view));
    memcpy(view.handled_before, handled, sizeof(handled));
    view.at_rest = at_rest;
    assert_int_equal(tr_inspect_actors(runtime, compare, NULL), TR_OK);
    for (unsigned who = 0; who < crowd_born; who++) {
        bool lives = lived[who] && !crowd[who].may_be_gone && !crowd[who].gone;
        assert_in_range(view.told[who], lives, at_rest ? lives : 1);
    }
}

static void
look_at_rest_and_in_motion(tr_runtime *runtime)
{
    look(runtime, true);
    for (unsigned i = 0; i < 6; i++) {
        tr_message message = tr_message_signal(STIR);
        tr_runtime_send(runtime, crowd[crowd_anybody()].ref, &message);
        tr_message_drop(&message);
    }
    look(runtime, false);
    tr_testing_run(runtime);
    crowd_settle(runtime);
    look(runtime, true);
}

static void
in_a_thousand_orders_each_that_lives_is_told_once_and_as_it_is(void **state)
{
    struct crowd_play play = {.size = 6,
                              .turns = 12,
                              .receive = count,
                              .begin = forget,
                              .act = act,
                              .hear = stir,
                              .rest = look_at_rest_and_in_motion};
    (void)state;
    crowd_under_seeds(&play);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_a_thousand_orders_each_that_lives_is_told_once_and_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
