/*
 * Having a name, giving it up, and looking one up.
 */
#include "names_play.h"

#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/watch.h>

static void
a_name_is_found_from_each_worker_and_from_outside(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct player has, looks;
    player_start(&has, runtime, 0);
    player_start(&looks, runtime, 1);
    assert_int_equal(player_looks(&looks, "db"), TR_NOBODY);
    assert_int_equal(player_registers(&has, "db"), TR_OK);
    assert_int_equal(player_looks(&has, "db"), has.ref);
    assert_int_equal(player_looks(&looks, "db"), has.ref);
    assert_int_equal(tr_runtime_whereis(runtime, "db"), has.ref);
    assert_int_equal(player_looks(&looks, "d"), TR_NOBODY);
    assert_int_equal(player_looks(&looks, "db2"), TR_NOBODY);
    stage_close(runtime);
}

static void
an_actor_may_have_several_names(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    struct player has;
    player_start(&has, runtime, 0);
    assert_int_equal(player_registers(&has, "a"), TR_OK);
    assert_int_equal(player_registers(&has, "b"), TR_OK);
    assert_int_equal(player_releases(&has, "a"), TR_OK);
    assert_int_equal(tr_runtime_whereis(runtime, "a"), TR_NOBODY);
    assert_int_equal(tr_runtime_whereis(runtime, "b"), has.ref);
    assert_int_equal(player_registers(&has, "a"), TR_OK);
    player_stop(&has, TR_STOP_NOW, "a");
    assert_int_equal(tr_runtime_whereis(runtime, "a"), TR_NOBODY);
    assert_int_equal(tr_runtime_whereis(runtime, "b"), TR_NOBODY);
    stage_close(runtime);
}

/* Each is the beginning of the next, and each has its own holder; so all bytes count, and the end. */
static void
note_name(tr_actor *self, void *argument)
{
    const char *name = tr_name_of(self);
    snprintf(argument, TR_NAME_SIZE, "%s", name != NULL ? name : "none");
}

static void
an_actor_is_called_by_the_name_that_it_has_had_longest(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    struct player has;
    char name[TR_NAME_SIZE];
    player_start(&has, runtime, 0);
    player_does(&has, note_name, name);
    assert_string_equal(name, "none");
    assert_int_equal(player_registers(&has, "first"), TR_OK);
    assert_int_equal(player_registers(&has, "second, which does not fit into a line"), TR_OK);
    assert_int_equal(player_watches(&has, "third"), TR_OK);
    player_does(&has, note_name, name);
    assert_string_equal(name, "first");
    assert_int_equal(player_releases(&has, "first"), TR_OK);
    player_does(&has, note_name, name);
    assert_string_equal(name, "second, which does not fit into a line");
    stage_close(runtime);
}

static void
a_name_is_1_to_127_bytes_and_all_of_them_count(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    static struct player players[2];
    char text[TR_NAME_SIZE + 1] = "";
    player_start(&players[0], runtime, 0);
    player_start(&players[1], runtime, 0);
    assert_int_equal(player_registers(&players[0], ""), TR_EBADNAME);
    for (size_t i = 0; i < TR_NAME_SIZE - 1; i++) {
        text[i] = (char)('a' + i % 26);
        assert_int_equal(player_registers(&players[i % 2], text), TR_OK);
    }
    text[TR_NAME_SIZE - 1] = 'x';
    assert_int_equal(player_registers(&players[0], text), TR_EBADNAME);
    assert_int_equal(player_looks(&players[0], text), TR_NOBODY);
    for (size_t i = TR_NAME_SIZE - 1; i-- > 0;) {
        text[i + 1] = '\0';
        assert_int_equal(tr_runtime_whereis(runtime, text), players[i % 2].ref);
        text[i] = (char)(text[i] - 'a' + 'A');
        assert_int_equal(tr_runtime_whereis(runtime, text), TR_NOBODY);
    }
    stage_close(runtime);
}

static void
bytes_of_any_value_make_a_name(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    struct player has;
    player_start(&has, runtime, 0);
    assert_int_equal(player_registers(&has, "\xff\xfe\x80\x01\xc3\xa4"), TR_OK);
    assert_int_equal(tr_runtime_whereis(runtime, "\xff\xfe\x80\x01\xc3\xa4"), has.ref);
    assert_int_equal(tr_runtime_whereis(runtime, "\xff\xfe\x80\x01\xc3"), TR_NOBODY);
    stage_close(runtime);
}

static void
a_name_that_another_actor_has_is_refused_and_ones_own_is_kept(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct player first, second;
    player_start(&first, runtime, 0);
    player_start(&second, runtime, 1);
    assert_int_equal(player_registers(&first, "db"), TR_OK);
    assert_int_equal(player_registers(&second, "db"), TR_ENAMETAKEN);
    assert_int_equal(player_registers(&first, "db"), TR_OK);
    assert_int_equal(tr_runtime_whereis(runtime, "db"), first.ref);
    assert_int_equal(player_releases(&first, "db"), TR_OK); /* once is enough */
    assert_int_equal(player_registers(&second, "db"), TR_OK);
    assert_int_equal(tr_runtime_whereis(runtime, "db"), second.ref);
    stage_close(runtime);
}

static void
only_who_has_a_name_releases_it(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct player first, second;
    player_start(&first, runtime, 0);
    player_start(&second, runtime, 1);
    assert_int_equal(player_releases(&first, "db"), TR_ENOTNAMED);
    assert_int_equal(player_registers(&first, "db"), TR_OK);
    assert_int_equal(player_releases(&second, "db"), TR_ENOTNAMED);
    assert_int_equal(tr_runtime_whereis(runtime, "db"), first.ref);
    assert_int_equal(player_releases(&first, "db"), TR_OK);
    assert_int_equal(player_releases(&first, "db"), TR_ENOTNAMED);
    assert_int_equal(player_releases(&first, ""), TR_EBADNAME);
    stage_close(runtime);
}

static void
null_is_refused(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    struct player player;
    player_start(&player, runtime, 0);
    assert_int_equal(player_registers(&player, NULL), TR_EINVAL);
    assert_int_equal(player_releases(&player, NULL), TR_EINVAL);
    assert_int_equal(player_looks(&player, NULL), TR_NOBODY);
    assert_int_equal(tr_runtime_whereis(runtime, NULL), TR_NOBODY);
    assert_int_equal(tr_name_register(NULL, "a"), TR_EINVAL);
    assert_int_equal(tr_name_release(NULL, "a"), TR_EINVAL);
    assert_int_equal(tr_whereis(NULL, "a"), TR_NOBODY);
    assert_int_equal(tr_runtime_whereis(NULL, "a"), TR_NOBODY);
    assert_null(tr_name_of(NULL));
    stage_close(runtime);
}

/* -- The end of who has it. -- */

static struct tally downs;
static tr_ref found_at_down;

static tr_status
mourner_init(tr_actor *self, void *state, const void *argument)
{
    tr_ref watched = *(const tr_ref *)argument;
    (void)state;
    return tr_monitor_start(self, watched, NULL);
}

static void
mourner_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    assert_int_equal(message->tag, TR_TAG_DOWN);
    found_at_down = tr_whereis(self, "mortal");
    tally_add(&downs, 1);
}

static void
ends_and_is_told_of(enum tr_stop_mode how, unsigned worker)
{
    static const struct tr_behavior mourner = {.name = "mourner", .init = mourner_init, .receive = mourner_receive};
    tr_runtime *runtime = stage_open(2);
    struct player mortal;
    downs = (struct tally){0};
    player_start(&mortal, runtime, 0);
    assert_int_equal(player_registers(&mortal, "mortal"), TR_OK);
    stage_spawn(runtime, &mourner, worker, &mortal.ref);
    player_catches_up(&mortal);
    found_at_down = mortal.ref;
    assert_int_equal(tr_runtime_stop_actor(runtime, mortal.ref, how), TR_OK);
    tally_await(&downs, 1);
    assert_int_equal(found_at_down, TR_NOBODY);
    stage_close(runtime);
}

static void
a_name_is_gone_before_anybody_is_told_of_the_end(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        ends_and_is_told_of(TR_STOP_DRAIN, worker);
        ends_and_is_told_of(TR_STOP_NOW, worker);
        ends_and_is_told_of(TR_STOP_KILL, worker);
    }
}

static tr_ref seen_in_init;

static tr_status
fails_with_a_name(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    assert_int_equal(tr_name_register(self, "unborn"), TR_OK);
    seen_in_init = tr_whereis(self, "unborn");
    return tr_self(self) == seen_in_init ? TR_EINIT : TR_OK;
}

static void
what_an_init_registers_is_gone_again_if_it_fails(void **state)
{
    static const struct tr_behavior fails = {.name = "fails", .init = fails_with_a_name, .receive = ignore};
    (void)state;
    tr_runtime *runtime = stage_open(1);
    seen_in_init = TR_NOBODY;
    assert_int_equal(tr_runtime_spawn(runtime, &fails, NULL, NULL), TR_EINIT);
    assert_int_not_equal(seen_in_init, TR_NOBODY);
    assert_int_equal(tr_runtime_whereis(runtime, "unborn"), TR_NOBODY);
    stage_close(runtime);
}

static struct {
    tr_ref self, found;
    tr_status registers, watches, releases, releases_again;
} last;

static tr_status
last_words_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    last.self = tr_self(self);
    assert_int_equal(tr_name_register(self, "old"), TR_OK);
    return tr_name_register(self, "older");
}

static void
last_words(tr_actor *self, void *state)
{
    (void)state;
    last.found = tr_whereis(self, "old");
    last.registers = tr_name_register(self, "new");
    last.watches = tr_name_watch(self, "new");
    last.releases = tr_name_release(self, "older");
    last.releases_again = tr_name_release(self, "older");
}

static void
a_stopped_callback_has_its_names_still_and_gets_no_new_ones(void **state)
{
    static const struct tr_behavior ends = {
        .name = "ends", .init = last_words_init, .receive = ignore, .stopped = last_words};
    (void)state;
    for (enum tr_stop_mode how = TR_STOP_DRAIN; how <= TR_STOP_NOW; how++) {
        tr_runtime *runtime = stage_open(1);
        memset(&last, 0, sizeof(last));
        tr_ref ref = stage_spawn(runtime, &ends, 0, NULL);
        assert_int_equal(tr_runtime_stop_actor(runtime, ref, how), TR_OK);
        stage_close(runtime);
        assert_int_equal(last.found, ref);
        assert_int_equal(last.registers, TR_EGONE);
        assert_int_equal(last.watches, TR_EGONE);
        assert_int_equal(last.releases, TR_OK);
        assert_int_equal(last.releases_again, TR_ENOTNAMED);
    }
}

static void
exit_and_register(tr_actor *self, void *argument)
{
    tr_status *statuses = argument;
    tr_exit(self);
    statuses[0] = tr_name_register(self, "late");
    statuses[1] = tr_name_watch(self, "late");
}

static void
one_that_is_ending_gets_no_name_and_watches_none(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    struct player player;
    tr_status statuses[2] = {TR_OK, TR_OK};
    player_start(&player, runtime, 0);
    player_does(&player, exit_and_register, statuses);
    assert_int_equal(statuses[0], TR_EGONE);
    assert_int_equal(statuses[1], TR_EGONE);
    assert_int_equal(tr_runtime_whereis(runtime, "late"), TR_NOBODY);
    stage_close(runtime);
}

/* -- The runtime's end. -- */

static tr_status registers_while_it_drains;
static tr_ref child_at_the_end, found_while_it_drains;

static tr_status
child_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    return tr_name_register(self, "child");
}

static tr_status
parent_init(tr_actor *self, void *state, const void *argument)
{
    static const struct tr_behavior child = {.name = "child", .init = child_init, .receive = ignore};
    (void)state;
    (void)argument;
    return tr_spawn(self, &child, NULL, NULL);
}

/* Says no, and ends when its message has come. */
static bool
parent_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)state;
    (void)how;
    child_at_the_end = tr_whereis(self, "child");
    registers_while_it_drains = tr_name_register(self, "executor");
    found_while_it_drains = tr_whereis(self, "executor");
    assert_int_equal(tr_tell(self, tr_self(self), 1, NULL, 0), TR_OK);
    return false;
}

static void
parent_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    tr_exit(self);
}

static void
while_the_runtime_ends_names_go_with_their_actors_and_who_goes_on_may_get_some(void **state)
{
    static const struct tr_behavior parent = {
        .name = "parent", .init = parent_init, .receive = parent_receive, .stopping = parent_stopping};
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref ref = stage_spawn(runtime, &parent, 1, NULL);
    assert_int_not_equal(tr_runtime_whereis(runtime, "child"), TR_NOBODY);
    stage_close(runtime);
    assert_int_equal(child_at_the_end, TR_NOBODY);
    assert_int_equal(registers_while_it_drains, TR_OK);
    assert_int_equal(found_while_it_drains, ref);
}

static bool
stays(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)self;
    (void)state;
    (void)how;
    return false;
}

static void
names_of_actors_that_are_killed_at_the_end_are_gone_too(void **state)
{
    static const struct tr_behavior stubborn = {
        .name = "stubborn", .init = child_init, .receive = ignore, .stopping = stays};
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct player watcher;
    player_start(&watcher, runtime, 1);
    assert_int_equal(player_watches(&watcher, "child"), TR_OK);
    stage_spawn(runtime, &stubborn, 0, NULL);
    tally_await(&watcher.heard, 1);
    assert_int_equal(tr_runtime_stop(runtime, 0, NULL), TR_ETIMEDOUT_STOP); /* and nothing leaks */
}

/* -- At the same moment. -- */

#define ROUNDS 2000u

static uint64_t round_now;
static uint64_t wins[2], refusals[2], round_of[2];

/* Each registers the name when the round begins; who gets it releases it when the other has tried. */
static void
race(tr_actor *self, void *argument)
{
    unsigned me = *(unsigned *)argument;
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        __atomic_fetch_add(&round_now, 1, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&round_now, __ATOMIC_SEQ_CST) < 2 * i)
            ;
        tr_status status = tr_name_register(self, "prize");
        if (status == TR_OK)
            wins[me] += tr_whereis(self, "prize") == tr_self(self);
        else
            refusals[me] += status == TR_ENAMETAKEN;
        __atomic_store_n(&round_of[me], i, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&round_of[1 - me], __ATOMIC_SEQ_CST) < i)
            ;
        if (status == TR_OK)
            assert_int_equal(tr_name_release(self, "prize"), TR_OK);
    }
}

struct racer {
    unsigned number;
    struct tally *done;
};

static void
racer_receive(tr_actor *self, void *state, tr_message *message)
{
    const struct racer *racer = tr_message_data(message);
    unsigned number = racer->number;
    (void)state;
    race(self, &number);
    tally_add(racer->done, 1);
}

static void
of_two_that_register_a_name_at_the_same_moment_exactly_one_gets_it(void **state)
{
    static const struct tr_behavior behavior = {.name = "racer", .receive = racer_receive};
    (void)state;
    tr_runtime *runtime = stage_open(2);
    struct tally done = {0};
    for (unsigned i = 0; i < 2; i++)
        stage_send(runtime, stage_spawn(runtime, &behavior, i, NULL), 1, &(struct racer){i, &done},
                   sizeof(struct racer));
    tally_await(&done, 2);
    stage_close(runtime);
    assert_int_equal(wins[0] + wins[1], ROUNDS);
    assert_int_equal(refusals[0] + refusals[1], ROUNDS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_found_from_each_worker_and_from_outside),
        cmocka_unit_test(an_actor_may_have_several_names),
        cmocka_unit_test(an_actor_is_called_by_the_name_that_it_has_had_longest),
        cmocka_unit_test(a_name_is_1_to_127_bytes_and_all_of_them_count),
        cmocka_unit_test(bytes_of_any_value_make_a_name),
        cmocka_unit_test(a_name_that_another_actor_has_is_refused_and_ones_own_is_kept),
        cmocka_unit_test(only_who_has_a_name_releases_it),
        cmocka_unit_test(null_is_refused),
        cmocka_unit_test(a_name_is_gone_before_anybody_is_told_of_the_end),
        cmocka_unit_test(what_an_init_registers_is_gone_again_if_it_fails),
        cmocka_unit_test(a_stopped_callback_has_its_names_still_and_gets_no_new_ones),
        cmocka_unit_test(one_that_is_ending_gets_no_name_and_watches_none),
        cmocka_unit_test(while_the_runtime_ends_names_go_with_their_actors_and_who_goes_on_may_get_some),
        cmocka_unit_test(names_of_actors_that_are_killed_at_the_end_are_gone_too),
        cmocka_unit_test(of_two_that_register_a_name_at_the_same_moment_exactly_one_gets_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
