#include "inbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <sched.h>
#include <uv.h>

#define THREADS 3
#define ROUNDS 100
#define LIMIT 64u

static unsigned
free_batch(struct tri_inbox_entry *entry)
{
    unsigned count = 0;
    while (entry != NULL) {
        struct tri_inbox_entry *next = tri_inbox_next(entry);
        free(entry);
        entry = next;
        count++;
    }
    return count;
}

static void
a_batch_has_the_order_of_pushing(void **state)
{
    (void)state;
    struct tri_inbox *inbox = tri_inbox_new();
    for (uint64_t i = 1; i <= 5; i++) {
        tr_message message = tr_message_signal((uint32_t)i);
        assert_int_equal(tri_inbox_push(inbox, i, &message, 5), TR_OK);
    }
    tr_message more = tr_message_signal(6);
    assert_int_equal(tri_inbox_push(inbox, 6, &more, 5), TR_EFULL);
    struct tri_inbox_entry *first = tri_inbox_take(inbox), *entry = first;
    for (uint64_t i = 1; i <= 5; i++, entry = tri_inbox_next(entry))
        assert_int_equal(entry->to, i);
    assert_null(entry);
    free_batch(first);
    tri_inbox_free(inbox);
}

static void
an_inbox_at_its_limit_says_that_it_is_sealed(void **state)
{
    (void)state;
    struct tri_inbox *inbox = tri_inbox_new();
    tr_message message = tr_message_signal(1);
    assert_int_equal(tri_inbox_push(inbox, 1, &message, 1), TR_OK);
    assert_int_equal(tri_inbox_push(inbox, 1, &message, 1), TR_EFULL);
    free_batch(tri_inbox_seal(inbox));
    assert_int_equal(tri_inbox_push(inbox, 1, &message, 1), TR_ESTOPPING);
    assert_int_equal(tri_inbox_push_urgent(inbox, 1, &message), TR_ESTOPPING);
    tri_inbox_free(inbox);
}

static void
what_is_prepared_counts_until_it_is_pushed_and_read_or_let_go(void **state)
{
    (void)state;
    struct tri_inbox *inbox = tri_inbox_new();
    struct tri_inbox_entry *first, *second;
    tr_message message = tr_message_signal(1);
    assert_int_equal(tri_inbox_prepare(inbox, 2, &first), TR_OK);
    assert_int_equal(tri_inbox_prepare(inbox, 2, &second), TR_OK);
    assert_int_equal(tri_inbox_push(inbox, 1, &message, 2), TR_EFULL);
    tri_inbox_let_go(inbox, second);
    assert_int_equal(tri_inbox_prepare(inbox, 2, &second), TR_OK);
    assert_int_equal(tri_inbox_push_prepared(inbox, first, 7, &message), TR_OK);
    tri_inbox_recount(inbox, 3); /* that one message is three */
    assert_int_equal(tri_inbox_pushed(inbox), 4);
    assert_int_equal(tri_inbox_prepare(inbox, 4, &first), TR_EFULL);
    for (unsigned i = 0; i < 3; i++)
        tri_inbox_read(inbox);
    struct tri_inbox_entry *taken = tri_inbox_seal(inbox);
    assert_int_equal(taken->to, 7);
    assert_int_equal(free_batch(taken), 1);
    assert_int_equal(tri_inbox_push_prepared(inbox, second, 7, &message), TR_ESTOPPING);
    tri_inbox_let_go(inbox, second);
    assert_int_equal(tri_inbox_prepare(inbox, 0, &first), TR_ESTOPPING);
    assert_int_equal(tri_inbox_pushed(inbox), 3);
    tri_inbox_free(inbox);
}

static void
a_sealed_inbox_is_empty_and_refuses(void **state)
{
    (void)state;
    struct tri_inbox *inbox = tri_inbox_new();
    tr_message message = tr_message_signal(1);
    assert_int_equal(tri_inbox_push(inbox, 1, &message, 2), TR_OK);
    assert_int_equal(free_batch(tri_inbox_seal(inbox)), 1);
    for (unsigned i = 0; i < 5; i++) /* what is refused does not count towards the limit */
        assert_int_equal(tri_inbox_push(inbox, 1, &message, 2), TR_ESTOPPING);
    assert_int_equal(tri_inbox_pushed(inbox), 1); /* nor is it counted */
    assert_true(tri_inbox_empty(inbox));
    tri_inbox_free(inbox);
}

/* Whatever the seal comes between, an entry is in a batch or was refused. */
static struct tri_inbox *shared;
static uint64_t pushed, late; /* atomic; late: pushes that were not refused, though the seal was there before */
static unsigned is_sealed;    /* atomic */

/* As free_batch(), by the receiver: what is read makes room. */
static unsigned
read_batch(struct tri_inbox_entry *entry)
{
    unsigned count = free_batch(entry);
    for (unsigned i = 0; i < count; i++)
        tri_inbox_read(shared);
    return count;
}

static void
push_until_refused(void *argument)
{
    (void)argument;
    tr_message message = tr_message_signal(1);
    for (bool over = false; !over;) {
        over = ck_pr_load_uint(&is_sealed) != 0;
        tr_status status = tri_inbox_push(shared, 1, &message, LIMIT);
        if (status == TR_ESTOPPING)
            return;
        if (status == TR_OK)
            ck_pr_inc_64(&pushed);
        else
            sched_yield();
    }
    ck_pr_inc_64(&late);
}

static void
nothing_comes_after_the_last_batch(void **state)
{
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uv_thread_t threads[THREADS];
        uint64_t taken = 0;
        pushed = late = is_sealed = 0;
        shared = tri_inbox_new();
        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(uv_thread_create(&threads[i], push_until_refused, NULL), 0);
        while (taken < round)
            if (tri_inbox_empty(shared))
                sched_yield();
            else
                taken += read_batch(tri_inbox_take(shared));
        taken += free_batch(tri_inbox_seal(shared));
        ck_pr_store_uint(&is_sealed, 1);
        for (unsigned i = 0; i < THREADS; i++)
            uv_thread_join(&threads[i]);
        assert_int_equal(late, 0);
        assert_int_equal(taken, pushed);
        assert_true(tri_inbox_empty(shared));
        tri_inbox_free(shared);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_has_the_order_of_pushing),
        cmocka_unit_test(an_inbox_at_its_limit_says_that_it_is_sealed),
        cmocka_unit_test(what_is_prepared_counts_until_it_is_pushed_and_read_or_let_go),
        cmocka_unit_test(a_sealed_inbox_is_empty_and_refuses),
        cmocka_unit_test(nothing_comes_after_the_last_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
