/*
 * What one worker takes from all others in a turn, what senders may have under way, and what limits count: all workers
 * of a runtime played by this one thread, so that everything is counted and nothing is timed.
 */
#include "mail.h"

#include "inbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LANE 1024u /* what a lane holds */
#define IN_FLIGHT_MOST 65536u

static const unsigned crowds[] = {2, 3, 4, 16, 64, 256};
#define CROWDS (sizeof(crowds) / sizeof(crowds[0]))

/* What has come to worker 0: numbers of senders in their order, the outside as count. */
static uint32_t *order;
static size_t arrived, room;
static uint64_t expected[1024];
static unsigned disorder;

static bool
deliver(struct tri_worker *worker, tr_ref to, tr_message *message)
{
    uint64_t sender = message->payload.words[0], number = message->payload.words[1];
    (void)worker;
    (void)to;
    disorder += number != expected[sender]++;
    if (arrived == room) {
        room = room > 0 ? 2 * room : 1024;
        order = realloc(order, room * sizeof(*order));
        assert_non_null(order);
    }
    order[arrived++] = (uint32_t)sender;
    return true;
}

static const struct tri_layer layer = {.deliver = deliver};

struct cast {
    struct tri_runtime runtime;
    uint64_t sent[1024];
};

static struct cast *
cast_open(unsigned count, uint32_t lane_limit, uint32_t outside_limit)
{
    struct cast *cast = aligned_alloc(alignof(struct cast), sizeof(*cast));
    assert_non_null(cast);
    memset(cast, 0, sizeof(*cast));
    cast->runtime.count = count;
    cast->runtime.options.lane_limit = lane_limit;
    cast->runtime.options.outside_limit = outside_limit;
    cast->runtime.workers = calloc(count, sizeof(struct tri_worker *));
    for (unsigned i = 0; i < count; i++) {
        struct tri_worker *worker = aligned_alloc(alignof(struct tri_worker), sizeof(*worker));
        memset(worker, 0, sizeof(*worker));
        worker->runtime = &cast->runtime;
        worker->layer = &layer;
        worker->index = i;
        cast->runtime.workers[i] = worker;
        assert_int_equal(tri_mail_open(worker), TR_OK);
    }
    arrived = disorder = 0;
    memset(expected, 0, sizeof(expected));
    return cast;
}

static void
cast_close(struct cast *cast)
{
    while (tri_mail_take(cast->runtime.workers[0]) > 0) {
    }
    for (unsigned i = 0; i < cast->runtime.count; i++) {
        tri_mail_close(cast->runtime.workers[i]);
        free(cast->runtime.workers[i]);
    }
    free(cast->runtime.workers);
    free(cast);
    free(order);
    order = NULL;
    room = 0;
    assert_int_equal(disorder, 0);
}

static struct tri_worker *
receiver(struct cast *cast)
{
    return cast->runtime.workers[0];
}

static tr_status
send_one(struct cast *cast, unsigned from)
{
    struct tri_worker *worker = cast->runtime.workers[from];
    struct tri_envelope *envelope;
    tr_status status = tri_worker_stage(worker, 0, false, &envelope);
    if (status != TR_OK)
        return status;
    uint64_t words[2] = {from, cast->sent[from]++};
    tr_message message = tr_message_copy(1, words, sizeof(words));
    envelope->to = 1;
    envelope->message.id = 0;
    envelope->message.from = 1;
    tri_message_move(&envelope->message, &message);
    tri_worker_commit(worker, 0);
    return TR_OK;
}

static void
send_from(struct cast *cast, unsigned from, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(send_one(cast, from), TR_OK);
    tri_mail_send(cast->runtime.workers[from]);
}

static tr_status
post_one(struct cast *cast)
{
    unsigned outside = cast->runtime.count;
    uint64_t words[2] = {outside, cast->sent[outside]};
    tr_message message = tr_message_copy(1, words, sizeof(words));
    tr_status status = tri_worker_post(receiver(cast), 1, &message, false);
    cast->sent[outside] += status == TR_OK;
    return status;
}

static size_t
first_of(unsigned sender)
{
    for (size_t i = 0; i < arrived; i++)
        if (order[i] == sender)
            return i + 1;
    return SIZE_MAX;
}

static size_t
count_of(unsigned sender)
{
    size_t count = 0;
    for (size_t i = 0; i < arrived; i++)
        count += order[i] == sender;
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
        tri_mail_take(receiver(cast));
        for (unsigned from = 1; from < crowds[c]; from++)
            assert_in_range(first_of(from), 1, 16 * crowds[c]);
        cast_close(cast);
    }
}

static void
a_turn_takes_no_more_than_its_whole_or_four_of_each(void **state)
{
    (void)state;
    for (unsigned c = 0; c < CROWDS; c++) {
        struct cast *cast = cast_open(crowds[c], UINT32_MAX, UINT32_MAX);
        for (unsigned from = 1; from < crowds[c]; from++)
            send_from(cast, from, 900);
        for (unsigned i = 0; i < 900; i++)
            assert_int_equal(post_one(cast), TR_OK);
        for (unsigned turn = 0; turn < 3; turn++)
            assert_in_range(tri_mail_take(receiver(cast)), 200, 512 + 4 * crowds[c]);
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
            tri_mail_take(receiver(cast));
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
        tri_mail_take(receiver(cast));
        firsts[order[0]]++;
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
    tri_mail_take(receiver(cast));
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
    tri_mail_take(receiver(cast));
    send_from(cast, 7, 900);
    assert_int_equal(tri_mail_take(receiver(cast)), 256);
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
            while (tri_mail_take(receiver(cast)) > 0) {
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

/* Limits. */

#define LIMIT 1000u

static void
the_limit_of_lanes_is_the_receivers_and_not_each_senders(void **state)
{
    (void)state;
    static const unsigned workers[] = {2, 4, 16, 64};
    for (unsigned w = 0; w < 4; w++) {
        struct cast *cast = cast_open(workers[w], LIMIT, UINT32_MAX);
        size_t sent = 0, senders = workers[w] - 1;
        for (unsigned round = 0; round < 40; round++) /* by turns, a batch each */
            for (unsigned from = 1; from <= senders; from++) {
                for (unsigned i = 0; i < 64 && send_one(cast, from) == TR_OK; i++)
                    sent++;
                tri_mail_send(cast->runtime.workers[from]);
            }
        assert_in_range(sent, senders * LANE + LIMIT, senders * LANE + LIMIT + senders * 64);
        for (unsigned from = 1; from <= senders; from++)
            assert_int_equal(send_one(cast, from), TR_EFULL);
        while (arrived < sent) {
            tri_mail_take(receiver(cast));
            for (unsigned from = 1; from <= senders; from++)
                tri_mail_send(cast->runtime.workers[from]);
        }
        assert_int_equal(receiver(cast)->held, 0);
        for (unsigned from = 1; from <= senders; from++)
            assert_int_equal(send_one(cast, from), TR_OK);
        cast_close(cast);
    }
}

static void
urgent_messages_pass_a_limit_that_is_reached(void **state)
{
    (void)state;
    struct cast *cast = cast_open(2, 1, 1);
    struct tri_envelope *envelope;
    while (send_one(cast, 1) == TR_OK) {
    }
    assert_false(tri_worker_has_room(cast->runtime.workers[1], 0));
    assert_int_equal(tri_worker_stage(cast->runtime.workers[1], 0, true, &envelope), TR_OK);
    uint64_t words[2] = {1, cast->sent[1]++};
    envelope->message = tr_message_copy(1, words, sizeof(words));
    tri_worker_commit(cast->runtime.workers[1], 0);
    assert_int_equal(post_one(cast), TR_OK);
    assert_int_equal(post_one(cast), TR_EFULL);
    uint64_t more[2] = {2, cast->sent[2]++};
    tr_message message = tr_message_copy(1, more, sizeof(more));
    assert_int_equal(tri_worker_post(receiver(cast), 1, &message, true), TR_OK);
    for (unsigned turn = 0; turn < 100; turn++) {
        tri_mail_take(receiver(cast));
        tri_mail_send(cast->runtime.workers[1]);
    }
    assert_int_equal(arrived, cast->sent[1] + cast->sent[2]);
    cast_close(cast);
}

static void
what_came_from_outside_counts_until_it_is_read(void **state)
{
    (void)state;
    struct cast *cast = cast_open(1, UINT32_MAX, LIMIT);
    unsigned taken = 0;
    while (post_one(cast) == TR_OK)
        taken++;
    assert_int_equal(taken, LIMIT);
    while (tri_mail_take(receiver(cast)) > 0) {
    }
    assert_int_equal(arrived, LIMIT);
    assert_int_equal(post_one(cast), TR_EFULL); /* filed is not read */
    for (unsigned i = 0; i < 10; i++)
        tri_worker_outside_read(receiver(cast));
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(post_one(cast), TR_OK);
    assert_int_equal(post_one(cast), TR_EFULL);
    assert_int_equal(tri_worker_posted(receiver(cast)), LIMIT + 10);
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
        cmocka_unit_test(the_limit_of_lanes_is_the_receivers_and_not_each_senders),
        cmocka_unit_test(urgent_messages_pass_a_limit_that_is_reached),
        cmocka_unit_test(what_came_from_outside_counts_until_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
