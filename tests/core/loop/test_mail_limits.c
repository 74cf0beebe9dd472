/*
 * What limits of lanes count: all workers of a runtime played by this one thread, so that everything is counted and
 * nothing is timed.
 */
#include "mail.h"
#include "mail_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <troupe/core/trace_format.h>
#include <unistd.h>

#include "helpers.h"

/* How often the trace says that a lane was full. */
static unsigned
count_full_lanes(const char *directory)
{
    char path[400];
    static struct tri_trace_record records[1000];
    struct tri_trace_packet packet;
    snprintf(path, sizeof(path), "%s/worker-1.00000000", directory);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, &packet, sizeof(packet)), sizeof(packet));
    assert_true(read(fd, records, sizeof(records)) > 0);
    close(fd);
    unsigned found = 0, count = (unsigned)((packet.content_size / 8 - sizeof(packet)) / TRI_TRACE_STEP);
    for (unsigned i = 0; i < count; i++)
        found += records[i].id == TRI_TRACE_CORE_lane_full && records[i].arg == 0;
    return found;
}

static void
that_a_lane_is_full_is_recorded_when_it_becomes_so(void **state)
{
    (void)state;
    char directory[256], path[300];
    struct cast *cast = cast_open(2, UINT32_MAX, UINT32_MAX);
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(path, sizeof(path), "%s/trace", directory);
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = path};
    assert_int_equal(tri_trace_open(&options, 2, &cast->runtime.trace), TR_OK);
    cast->runtime.workers[1]->trace = tri_trace_stream_of(cast->runtime.trace, 1);
    for (unsigned round = 1; round <= 2; round++) {
        for (unsigned i = 0; i < 20; i++)
            send_from(cast, 1, 100);
        assert_int_equal(count_full_lanes(path), round);
        while (tri_mail_take(cast_receiver(cast)) > 0)
            tri_mail_send(cast->runtime.workers[1]);
    }
    tri_trace_close(cast->runtime.trace);
    tests_directory_remove(path);
    tests_directory_remove(directory);
    cast_close(cast);
}

/* Limits. */

#define LIMIT 1000u

static void
one_sender_is_refused_exactly_at_the_limit_of_lanes(void **state)
{
    (void)state;
    struct cast *cast = cast_open(2, LIMIT, UINT32_MAX);
    unsigned sent = 0;
    while (send_one(cast, 1) == TR_OK)
        sent++;
    assert_int_equal(sent, LANE + LIMIT);
    cast_close(cast);
}

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
            tri_mail_take(cast_receiver(cast));
            for (unsigned from = 1; from <= senders; from++)
                tri_mail_send(cast->runtime.workers[from]);
        }
        assert_int_equal(cast_receiver(cast)->held, 0);
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
    assert_int_equal(tri_worker_post(cast_receiver(cast), 1, &message, true), TR_OK);
    assert_int_equal(tri_worker_posted(cast_receiver(cast)), 1); /* and count for none */
    for (unsigned turn = 0; turn < 100; turn++) {
        tri_mail_take(cast_receiver(cast));
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
    while (tri_mail_take(cast_receiver(cast)) > 0) {
    }
    assert_int_equal(arrived, LIMIT);
    assert_int_equal(post_one(cast), TR_EFULL); /* filed is not read */
    for (unsigned i = 0; i < 10; i++)
        tri_worker_outside_read(cast_receiver(cast));
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(post_one(cast), TR_OK);
    assert_int_equal(post_one(cast), TR_EFULL);
    assert_int_equal(tri_worker_posted(cast_receiver(cast)), LIMIT + 10);
    cast_close(cast);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(that_a_lane_is_full_is_recorded_when_it_becomes_so),
        cmocka_unit_test(one_sender_is_refused_exactly_at_the_limit_of_lanes),
        cmocka_unit_test(the_limit_of_lanes_is_the_receivers_and_not_each_senders),
        cmocka_unit_test(urgent_messages_pass_a_limit_that_is_reached),
        cmocka_unit_test(what_came_from_outside_counts_until_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
