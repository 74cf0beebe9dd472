/*
 * What one worker takes from all others in a turn, and what senders may have under way: all workers of a runtime played
 * by this one thread, so that everything is counted and nothing is timed.
 */
#include "mail.h"
#include "mail_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IN_FLIGHT_MOST 65536u

static const unsigned crowds[] = {2, 3, 4, 16, 64, 256};
#define CROWDS (sizeof(crowds) / sizeof(crowds[0]))

static size_t
first_of(unsigned sender)
{
    for (size_t i = 0; i < arrived; i++)
        if (arrived_order[i] == sender)
            return i + 1;
    return SIZE_MAX;
}

static size_t
count_of(unsigned sender)
{
    size_t count = 0;
    for (size_t i = 0; i < arrived; i++)
        count += arrived_order[i] == sender;
    return count;
}

/* Fair parts. */

static void
the_first_message_of_the_last_worker_is_at_most_number_sixteen_times_the_workers(void **state)
{
    (void)state;
    for (unsigned c = 0; c < CROWDS; c++) {
        struct cast *cast = cast_open(crowds[c], UINT32_MAX, UINT32_MAX);
        for (unsigned from = 1; from < crowds[c]; from++)
            send_from(cast, from, 900);
        tri_mail_take(cast_receiver(cast));
        for (unsigned from = 1; from < crowds[c]; from++)
            assert_in_range(first_of(from), 1, 16 * crowds[c]);
        cast_close(cast);
    }
}

static void
a_turn_takes_no_more_than_its_whole_or_four_of_each(void **state)
{
    (void)state;
    /* one lane shares with nobody, the inbox comes besides; three ways share what cannot be divided */
    static const unsigned wholes[CROWDS] = {512, 255, 256, 256, 256, 4 * 256};
    for (unsigned c = 0; c < CROWDS; c++) {
        struct cast *cast = cast_open(crowds[c], UINT32_MAX, UINT32_MAX);
        for (unsigned from = 1; from < crowds[c]; from++)
            send_from(cast, from, 900);
        for (unsigned i = 0; i < 900; i++)
            assert_int_equal(post_one(cast), TR_OK);
        for (unsigned turn = 0; turn < 3; turn++)
            assert_int_equal(tri_mail_take(cast_receiver(cast)), wholes[c]);
        cast_close(cast);
    }
}

static void
all_who_send_get_equal_parts_in_the_long_run(void **state)
{
    (void)state;
    for (unsigned c = 1; c < CROWDS; c++) {
        struct cast *cast = cast_open(crowds[c], UINT32_MAX, UINT32_MAX);
        for (unsigned from = 1; from < crowds[c]; from++)
            send_from(cast, from, LANE);
        while (count_of(1) < 400)
            tri_mail_take(cast_receiver(cast));
        for (unsigned from = 1; from < crowds[c]; from++)
            assert_in_range(count_of(from), 400 - 256, 400 + 256);
        cast_close(cast);
    }
}

static void
each_worker_is_the_first_of_a_turn_in_its_time(void **state)
{
    (void)state;
    struct cast *cast = cast_open(16, UINT32_MAX, UINT32_MAX);
    unsigned firsts[16] = {0};
    for (unsigned turn = 0; turn < 17; turn++) {
        for (unsigned from = 1; from < 16; from++)
            send_from(cast, from, 1);
        arrived = 0;
        tri_mail_take(cast_receiver(cast));
        firsts[arrived_order[0]]++;
    }
    for (unsigned from = 1; from < 16; from++)
        assert_in_range(firsts[from], 1, 3);
    cast_close(cast);
}

static void
the_inbox_is_served_beside_lanes_that_are_full(void **state)
{
    (void)state;
    struct cast *cast = cast_open(64, UINT32_MAX, UINT32_MAX);
    for (unsigned from = 1; from < 64; from++)
        send_from(cast, from, 900);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(post_one(cast), TR_OK);
    tri_mail_take(cast_receiver(cast));
    assert_in_range(first_of(64), 1, 16 * 64);
    cast_close(cast);
}

static void
one_busy_sender_among_many_idle_ones_loses_nothing_of_the_turn(void **state)
{
    (void)state;
    struct cast *cast = cast_open(64, UINT32_MAX, UINT32_MAX);
    for (unsigned from = 1; from < 64; from++)
        send_from(cast, from, 1);
    tri_mail_take(cast_receiver(cast));
    send_from(cast, 7, 900);
    assert_int_equal(tri_mail_take(cast_receiver(cast)), 256);
    cast_close(cast);
}

/* Back-pressure. */

/* Everybody sends until it sees a backlog, looking once for `each` messages. Returns how many were sent. */
static size_t
send_until_backlog(struct cast *cast, unsigned each)
{
    size_t sent = 0;
    for (unsigned from = 1; from < cast->runtime.count; from++)
        while (tri_worker_backlog(cast->runtime.workers[from], 0) == 0) {
            send_from(cast, from, each);
            sent += each;
        }
    return sent;
}

static void
senders_that_heed_the_backlog_have_little_under_way_together(void **state)
{
    (void)state;
    static const unsigned workers[] = {2, 4, 16, 64};
    for (unsigned w = 0; w < 4; w++)
        for (unsigned each = 1; each <= 64; each += 63) {
            struct cast *cast = cast_open(workers[w], UINT32_MAX, UINT32_MAX);
            size_t sent = send_until_backlog(cast, each);
            assert_in_range(sent, 1000, IN_FLIGHT_MOST - 4096 - (workers[w] - 1) * 128);
            while (tri_mail_take(cast_receiver(cast)) > 0) {
            }
            for (unsigned from = 1; from < workers[w]; from++)
                assert_int_equal(tri_worker_backlog(cast->runtime.workers[from], 0), 0);
            assert_int_equal(arrived, sent);
            cast_close(cast);
        }
}

static void
what_is_staged_counts_for_the_backlog_as_what_is_sent(void **state)
{
    (void)state;
    struct cast *cast = cast_open(2, UINT32_MAX, UINT32_MAX);
    for (unsigned i = 0; i < LANE; i++) {
        assert_int_equal(tri_worker_backlog(cast->runtime.workers[1], 0), 0);
        assert_int_equal(send_one(cast, 1), TR_OK);
    }
    assert_int_equal(tri_worker_backlog(cast->runtime.workers[1], 0), LANE);
    send_from(cast, 1, 5000);
    assert_int_equal(tri_worker_backlog(cast->runtime.workers[1], 0), LANE + 5000);
    cast_close(cast);
}

/* With so many workers a part is small, but more than a reader keeps before it gives slots back. */
static void
a_backlog_ends_when_its_receiver_takes_its_mail_however_many_workers_there_are(void **state)
{
    (void)state;
    static const unsigned workers[] = {2, 64, 170, 171, 500};
    for (unsigned w = 0; w < sizeof(workers) / sizeof(workers[0]); w++) {
        struct cast *cast = cast_open(workers[w], UINT32_MAX, UINT32_MAX);
        unsigned last = workers[w] - 1, sent = 0;
        for (; tri_worker_backlog(cast->runtime.workers[last], 0) == 0; sent++)
            send_from(cast, last, 1);
        assert_int_equal(sent, workers[w] < 32 ? 1024 : workers[w] < 170 ? 32768 / workers[w] : 192);
        while (tri_mail_take(cast_receiver(cast)) > 0) {
        }
        assert_int_equal(tri_worker_backlog(cast->runtime.workers[last], 0), 0);
        cast_close(cast);
    }
}

/* Staging. */

static void
what_is_staged_goes_out_with_the_sixty_fourth_or_with_the_turn(void **state)
{
    (void)state;
    struct cast *cast = cast_open(2, UINT32_MAX, UINT32_MAX);
    for (unsigned i = 1; i < 64; i++)
        assert_int_equal(send_one(cast, 1), TR_OK);
    assert_false(tri_mail_waits(cast_receiver(cast)));
    assert_int_equal(send_one(cast, 1), TR_OK);
    assert_true(tri_mail_waits(cast_receiver(cast)));
    assert_int_equal(tri_mail_take(cast_receiver(cast)), 64);
    assert_int_equal(send_one(cast, 1), TR_OK);
    assert_false(tri_mail_waits(cast_receiver(cast)));
    tri_mail_send(cast->runtime.workers[1]);
    assert_true(tri_mail_waits(cast_receiver(cast)));
    cast_close(cast);
}

/* Payloads of all sizes that lie in the message, and from a place where each byte is different. */
static void
a_message_arrives_as_it_was_sent_whatever_its_size(void **state)
{
    (void)state;
    unsigned char text[TR_MESSAGE_INLINE];
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = (unsigned char)(i + 1);
    for (unsigned size = 0; size <= sizeof(text); size++) {
        tr_message from = tr_message_copy(7, text, size), to;
        memset(&to, 0xee, sizeof(to));
        tri_message_move(&to, &from);
        assert_int_equal(to.tag, 7);
        assert_int_equal(tr_message_size(&to), size);
        assert_memory_equal(to.payload.bytes, text, size);
        assert_int_equal(to.id, UINT64_C(0xeeeeeeeeeeeeeeee)); /* whose it is the sender of the copy says */
    }
    tr_message from = tr_message_pointer(8, text, 5, free), to;
    tri_message_move(&to, &from);
    assert_memory_equal(&to.payload.pointer, &from.payload.pointer, sizeof(to.payload.pointer));
    assert_int_equal(to.kind, TR_PAYLOAD_POINTER);
}

static void
what_finds_no_memory_comes_again_later(void **state)
{
    (void)state;
    struct cast *cast = cast_open(2, UINT32_MAX, UINT32_MAX);
    send_from(cast, 1, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(post_one(cast), TR_OK);
    for (unsigned turn = 0; turn < 4; turn++) {
        cast_refusals = 2; /* of both ways in */
        assert_int_equal(tri_mail_take(cast_receiver(cast)), 0);
        assert_true(tri_mail_waits(cast_receiver(cast)));
    }
    assert_int_equal(tri_mail_take(cast_receiver(cast)), 10);
    assert_int_equal(arrived, 10);
    assert_false(tri_mail_waits(cast_receiver(cast)));
    cast_close(cast);
}

static void
what_was_taken_out_of_the_inbox_and_not_handed_on_is_mail(void **state)
{
    (void)state;
    struct cast *cast = cast_open(1, UINT32_MAX, UINT32_MAX);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(post_one(cast), TR_OK);
    assert_int_equal(tri_mail_take(cast_receiver(cast)), 256);
    assert_true(tri_mail_waits(cast_receiver(cast)));
    assert_int_equal(tri_mail_take(cast_receiver(cast)), 44);
    assert_false(tri_mail_waits(cast_receiver(cast)));
    cast_close(cast);
}

static void
who_has_a_full_lane_may_not_sleep_when_there_is_room_again(void **state)
{
    (void)state;
    struct cast *cast = cast_open(2, UINT32_MAX, UINT32_MAX);
    send_from(cast, 1, LANE + 10);
    assert_true(tri_mail_starve(cast->runtime.workers[1]));
    while (tri_mail_take(cast_receiver(cast)) > 0) {
    }
    assert_false(tri_mail_starve(cast->runtime.workers[1]));
    tri_mail_send(cast->runtime.workers[1]);
    assert_int_equal(tri_mail_take(cast_receiver(cast)), 10);
    cast_close(cast);
}

/* The end. */

static void
a_sealed_worker_has_buried_all_that_was_its_own_and_sends_nothing(void **state)
{
    (void)state;
    struct cast *cast = cast_open(3, UINT32_MAX, UINT32_MAX);
    struct tri_worker *sender = cast->runtime.workers[1];
    struct tri_envelope *envelope;
    send_from(cast, 1, LANE + 200);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(post_one(cast), TR_OK);
    expected_of[1] = LANE;
    cast_answers = true;
    cast_answered = TR_OK;
    tri_mail_seal(sender);
    assert_int_equal(cast_buried, 200);
    assert_int_equal(cast_answered, TR_ESTOPPING); /* not even what is buried */
    assert_int_equal(tri_worker_stage(sender, 0, true, &envelope), TR_ESTOPPING);
    expected_of[1] = 0; /* those in the lane come now, and were sent before */

    cast_answers = false;
    tri_mail_take(cast_receiver(cast)); /* a part, and the rest waits */
    cast_answers = true;
    cast_answered = TR_OK;
    tri_mail_seal(cast_receiver(cast));
    assert_int_equal(count_of(3), 300);
    assert_int_equal(cast_answered, TR_ESTOPPING);
    assert_int_equal(post_one(cast), TR_ESTOPPING);
    cast_answers = false;
    tri_mail_bury(cast_receiver(cast));
    assert_int_equal(count_of(1), LANE);
    assert_false(tri_mail_waits(cast_receiver(cast)));
    cast_close(cast);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_message_of_the_last_worker_is_at_most_number_sixteen_times_the_workers),
        cmocka_unit_test(a_turn_takes_no_more_than_its_whole_or_four_of_each),
        cmocka_unit_test(all_who_send_get_equal_parts_in_the_long_run),
        cmocka_unit_test(each_worker_is_the_first_of_a_turn_in_its_time),
        cmocka_unit_test(the_inbox_is_served_beside_lanes_that_are_full),
        cmocka_unit_test(one_busy_sender_among_many_idle_ones_loses_nothing_of_the_turn),
        cmocka_unit_test(senders_that_heed_the_backlog_have_little_under_way_together),
        cmocka_unit_test(what_is_staged_counts_for_the_backlog_as_what_is_sent),
        cmocka_unit_test(a_backlog_ends_when_its_receiver_takes_its_mail_however_many_workers_there_are),
        cmocka_unit_test(what_is_staged_goes_out_with_the_sixty_fourth_or_with_the_turn),
        cmocka_unit_test(a_message_arrives_as_it_was_sent_whatever_its_size),
        cmocka_unit_test(what_finds_no_memory_comes_again_later),
        cmocka_unit_test(what_was_taken_out_of_the_inbox_and_not_handed_on_is_mail),
        cmocka_unit_test(who_has_a_full_lane_may_not_sleep_when_there_is_room_again),
        cmocka_unit_test(a_sealed_worker_has_buried_all_that_was_its_own_and_sends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
