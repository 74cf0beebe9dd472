/*
 * Links: actors that fail together, and those that hear of it instead; and failing itself.
 */
#include "helpers.h"
#include "puppet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/failure.h>

#define CHAIN 20000u

static int
forget(void **state)
{
    (void)state;
    puppet_forget();
    return 0;
}

static void
link_with(tr_actor *self, void *argument)
{
    assert_int_equal(tr_link(self, *(const tr_ref *)argument), TR_OK);
}

static void
unlink_from(tr_actor *self, void *argument)
{
    assert_int_equal(tr_unlink(self, *(const tr_ref *)argument), TR_OK);
}

static void
trap(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_link_trap(self, true), TR_OK);
}

static void
watch(tr_actor *self, void *argument)
{
    assert_int_equal(tr_monitor_start(self, *(const tr_ref *)argument, NULL), TR_OK);
}

static void
fail_now(tr_actor *self, void *argument)
{
    tr_fail(self, TR_EPROTO, "%s", (const char *)argument);
}

static void
exit_now(tr_actor *self, void *argument)
{
    (void)argument;
    tr_exit(self);
}

/* And waits until it is so. */
static void
have(tr_runtime *runtime, tr_ref puppet, void (*act)(tr_actor *self, void *argument), const tr_ref *other)
{
    tr_ref to = *other;
    puppet_do(runtime, puppet, act, &to);
    puppet_settle(runtime, puppet, to);
}

static void
expect(const struct puppet_note *note, uint32_t tag, tr_ref from, tr_status status, const char *text)
{
    assert_int_equal(note->tag, tag);
    assert_int_equal(note->from, from);
    assert_int_equal(note->status, status);
    assert_string_equal(note->text, text);
}

static void
when_one_fails_so_does_the_other_with_the_same_reason(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref watcher = puppet_spawn(runtime, 0);
    for (unsigned i = 0; i < 4; i++) { /* here and there; who began the link fails, and the other */
        tr_ref pair[2] = {puppet_spawn(runtime, 0), puppet_spawn(runtime, i % 2)};
        have(runtime, pair[0], link_with, &pair[1]);
        have(runtime, watcher, watch, &pair[1 - i / 2]);
        puppet_order(runtime, pair[i / 2], fail_now, "as one");
        expect(puppet_await(i + 1), TR_TAG_DOWN, pair[1 - i / 2], TR_EPROTO, "as one");
        tally_await(&puppet_stopped, 2 * i + 2);
    }
    stage_close(runtime);
}

static void
an_end_that_is_no_failure_only_ends_the_link(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref pair[2] = {puppet_spawn(runtime, 0), puppet_spawn(runtime, 1)};
    have(runtime, pair[0], link_with, &pair[1]);
    have(runtime, pair[0], watch, &pair[1]);
    puppet_order(runtime, pair[1], exit_now, NULL);
    expect(puppet_await(1), TR_TAG_DOWN, pair[1], TR_OK, "");
    puppet_do(runtime, pair[0], unlink_from, &pair[1]); /* it lives, and has no link any more */
    assert_int_equal(tally_read(&puppet_stopped), 1);
    stage_close(runtime);
}

static void
who_asked_for_messages_gets_one_for_every_end(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref self = puppet_spawn(runtime, 0);
    puppet_do(runtime, self, trap, NULL);
    for (unsigned i = 0; i < 4; i++) {
        tr_ref other = puppet_spawn(runtime, i % 2);
        have(runtime, i < 2 ? self : other, link_with, i < 2 ? &other : &self);
        puppet_order(runtime, other, i % 2 != 0 ? exit_now : fail_now, "once");
        expect(puppet_await(i + 1), TR_TAG_LINK_DOWN, other, i % 2 != 0 ? TR_OK : TR_EPROTO, i % 2 != 0 ? "" : "once");
        assert_int_equal(puppet_note(i)->monitor, 0);
    }
    stage_close(runtime);
    assert_int_equal(puppet_count(), 4);
}

static void
after_unlinking_the_end_of_the_other_is_nothing(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    for (unsigned i = 0; i < 2; i++) {
        tr_ref pair[2] = {puppet_spawn(runtime, 0), puppet_spawn(runtime, i)};
        have(runtime, pair[0], link_with, &pair[1]);
        have(runtime, pair[1], link_with, &pair[0]);
        have(runtime, pair[0], watch, &pair[1]);
        have(runtime, pair[0], unlink_from, &pair[1]);
        puppet_order(runtime, pair[1], fail_now, "alone");
        expect(puppet_await(i + 1), TR_TAG_DOWN, pair[1], TR_EPROTO, "alone");
        puppet_do(runtime, pair[0], unlink_from, &pair[1]); /* it lives */
    }
    stage_close(runtime);
}

/* The other ends while the handler runs, so that its notice waits in the mailbox. */
static void
trap_and_end_and_unlink(tr_actor *self, void *argument)
{
    const tr_ref *other = argument;
    trap(self, NULL);
    link_with(self, argument);
    assert_int_equal(tr_stop(self, *other, TR_STOP_KILL), TR_OK);
    unlink_from(self, argument);
    tr_tell(self, tr_self(self), PUPPET_NUMBER, &(uint64_t){1}, sizeof(uint64_t));
}

static void
no_notice_comes_after_unlinking_not_even_one_in_the_mailbox(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref self = puppet_spawn(runtime, 0), other = puppet_spawn(runtime, 0);
    puppet_do(runtime, self, trap_and_end_and_unlink, &other);
    assert_int_equal(puppet_await(1)->tag, PUPPET_NUMBER);
    stage_close(runtime);
    assert_int_equal(puppet_count(), 1);
}

static void
a_link_with_nobody_fails_who_wants_it(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref watcher = puppet_spawn(runtime, 0);
    for (unsigned i = 0; i < 2; i++) {
        tr_ref self = puppet_spawn(runtime, 0), gone = puppet_spawn(runtime, i);
        have(runtime, watcher, watch, &gone);
        puppet_order(runtime, gone, exit_now, NULL);
        puppet_await(2 * i + 1);
        have(runtime, watcher, watch, &self);
        puppet_order(runtime, self, link_with, &gone);
        expect(puppet_await(2 * i + 2), TR_TAG_DOWN, self, TR_EGONE, "");
    }
    stage_close(runtime);
}

static void
actors_that_are_linked_in_a_circle_all_end_each_once(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    tr_ref circle[5];
    for (unsigned i = 0; i < 5; i++)
        circle[i] = puppet_spawn(runtime, i % 2);
    for (unsigned i = 0; i < 5; i++)
        have(runtime, circle[i], link_with, &circle[(i + 1) % 5]);
    puppet_order(runtime, circle[3], fail_now, "round");
    tally_await(&puppet_stopped, 5);
    stage_close(runtime);
    assert_int_equal(tally_read(&puppet_stopped), 5);
}

static void
exit_and_kill(tr_actor *self, void *argument)
{
    tr_exit(self);
    assert_int_equal(tr_stop(self, *(const tr_ref *)argument, TR_STOP_KILL), TR_OK);
}

static void
who_has_ended_by_its_own_will_does_not_fail_by_a_link(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref watcher = puppet_spawn(runtime, 0), pair[2] = {puppet_spawn(runtime, 0), puppet_spawn(runtime, 0)};
    have(runtime, pair[0], link_with, &pair[1]);
    have(runtime, watcher, watch, &pair[0]);
    puppet_order(runtime, pair[0], exit_and_kill, &pair[1]);
    expect(puppet_await(1), TR_TAG_DOWN, pair[0], TR_OK, "");
    stage_close(runtime);
}

/* The end of one half's actor comes back to an actor that is in the middle of its own. */
static void
actors_that_linked_with_each_other_both_end_each_once(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    for (unsigned i = 0; i < 4; i++) { /* here and there; whoever of the two fails */
        tr_ref pair[2] = {puppet_spawn(runtime, 0), puppet_spawn(runtime, i % 2)};
        have(runtime, pair[0], link_with, &pair[1]);
        have(runtime, pair[1], link_with, &pair[0]);
        have(runtime, pair[0], link_with, &pair[1]);
        puppet_order(runtime, pair[i / 2], fail_now, "twice");
        tally_await(&puppet_stopped, 2 * i + 2);
    }
    stage_close(runtime);
    assert_int_equal(tally_read(&puppet_stopped), 8);
}

static tr_ref chain[CHAIN];

static void
make_chain(tr_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < CHAIN; i++)
        assert_int_equal(tr_spawn(self, &puppet_behavior, NULL, &chain[i]), TR_OK);
}

static void
a_chain_of_links_may_have_any_length(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    puppet_do(runtime, puppet_spawn(runtime, 0), make_chain, NULL);
    for (unsigned i = 0; i + 1 < CHAIN; i++)
        puppet_order(runtime, chain[i], link_with, &chain[i + 1]);
    puppet_order(runtime, chain[0], fail_now, "far");
    tally_await(&puppet_stopped, CHAIN);
    stage_close(runtime);
}

/* Failing. */

static void
fail_without_a_reason(tr_actor *self, void *argument)
{
    (void)argument;
    tr_fail(NULL, TR_EIO, NULL);
    tr_fail(self, TR_OK, NULL);
}

static void
exit_and_fail(tr_actor *self, void *argument)
{
    (void)argument;
    tr_exit(self);
    tr_fail(self, TR_EIO, "too late");
}

static void
a_failure_has_a_reason_and_the_first_counts(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref watcher = puppet_spawn(runtime, 0), first = puppet_spawn(runtime, 0), second = puppet_spawn(runtime, 0);
    have(runtime, watcher, watch, &first);
    puppet_order(runtime, first, fail_without_a_reason, NULL);
    expect(puppet_await(1), TR_TAG_DOWN, first, TR_EUSER, "");
    have(runtime, watcher, watch, &second);
    puppet_order(runtime, second, exit_and_fail, NULL);
    expect(puppet_await(2), TR_TAG_DOWN, second, TR_OK, "");
    stage_close(runtime);
}

static void
take_memory(tr_actor *self, void *argument)
{
    static const unsigned char zero[100000];
    (void)argument;
    for (size_t size = 1; size < 100000; size += size / 2 + 1) {
        unsigned char *memory = tr_alloc(self, size);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
        assert_memory_equal(memory, zero, size);
        memset(memory, 1, size);
    }
    assert_null(tr_alloc(NULL, 1));
    assert_null(tr_alloc(self, 0));
    assert_null(tr_alloc(self, SIZE_MAX));
}

static void
memory_of_an_actor_goes_with_it(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref watcher = puppet_spawn(runtime, 0);
    size_t before = 0;
    for (unsigned i = 0; i < 20; i++) {
        tr_ref actor = puppet_spawn(runtime, 0);
        have(runtime, watcher, watch, &actor);
        puppet_do(runtime, actor, take_memory, NULL);
        puppet_order(runtime, actor, exit_now, NULL);
        puppet_await(i + 1);
        if (i == 9)
            before = tests_allocated();
    }
    assert_true(tests_allocated() < before + 200000);
    stage_close(runtime);
}

/* Mistakes. */

static void
try_mistakes(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_link(NULL, tr_self(self)), TR_EINVAL);
    assert_int_equal(tr_link(self, TR_NOBODY), TR_EBADREF);
    assert_int_equal(tr_link(self, UINT64_MAX), TR_EBADREF);
    assert_int_equal(tr_link(self, tr_self(self)), TR_ESELF);
    assert_int_equal(tr_unlink(NULL, tr_self(self)), TR_EINVAL);
    assert_int_equal(tr_unlink(self, tr_self(self)), TR_OK);
    assert_int_equal(tr_link_trap(NULL, true), TR_EINVAL);
}

static void
what_cannot_be_linked_is_refused(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    puppet_do(runtime, puppet_spawn(runtime, 0), try_mistakes, NULL);
    stage_close(runtime);
}

#define TEST(name) cmocka_unit_test_setup(name, forget)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(when_one_fails_so_does_the_other_with_the_same_reason),
        TEST(an_end_that_is_no_failure_only_ends_the_link),
        TEST(who_asked_for_messages_gets_one_for_every_end),
        TEST(after_unlinking_the_end_of_the_other_is_nothing),
        TEST(no_notice_comes_after_unlinking_not_even_one_in_the_mailbox),
        TEST(a_link_with_nobody_fails_who_wants_it),
        TEST(actors_that_are_linked_in_a_circle_all_end_each_once),
        TEST(who_has_ended_by_its_own_will_does_not_fail_by_a_link),
        TEST(actors_that_linked_with_each_other_both_end_each_once),
        TEST(a_chain_of_links_may_have_any_length),
        TEST(a_failure_has_a_reason_and_the_first_counts),
        TEST(memory_of_an_actor_goes_with_it),
        TEST(what_cannot_be_linked_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
