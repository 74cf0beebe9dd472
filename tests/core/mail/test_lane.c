#include "lane.h"
#include "outbox.h"

#include "helpers.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct tri_envelope
numbered(uint64_t number)
{
    struct tri_envelope envelope = {.to = number + 1, .message = tr_message_copy(7, &number, sizeof(number))};
    return envelope;
}

static void
take_expecting(struct tri_lane *lane, uint64_t number)
{
    struct tri_envelope *slot = tri_lane_peek(lane);
    assert_non_null(slot);
    assert_int_equal(slot->to, number + 1);
    assert_int_equal(slot->message.payload.words[0], number);
    tri_lane_drop(lane);
}

static void
an_empty_lane_shows_nothing(void **state)
{
    (void)state;
    struct tri_lane *lane = tri_lane_new();
    assert_null(tri_lane_peek(lane));
    tri_lane_free(lane);
}

static void
what_is_put_comes_out_in_order_over_many_laps(void **state)
{
    (void)state;
    struct tri_lane *lane = tri_lane_new();
    uint64_t sent = 0, taken = 0;
    while (taken < 10 * TRI_LANE_SLOTS) {
        struct tri_envelope batch[37];
        for (unsigned i = 0; i < 37; i++)
            batch[i] = numbered(sent + i);
        sent += tri_lane_put(lane, batch, 37);
        for (unsigned i = 0; i < 30 && taken < sent; i++)
            take_expecting(lane, taken++);
    }
    tri_lane_free(lane);
}

/* A slot is shown by its stamp alone, which is stored last: what is copied into it carries another. */
static void
what_is_copied_into_a_slot_does_not_show_it(void **state)
{
    (void)state;
    struct tri_lane *lane = tri_lane_new();
    for (uint64_t i = 0; i < 3 * TRI_LANE_SLOTS; i++) {
        struct tri_envelope one = numbered(i);
        one.message.lap = tri_lane_lap(i);
        assert_int_equal(tri_lane_put(lane, &one, 1), 1);
        assert_int_not_equal(one.message.lap, tri_lane_lap(i));
        take_expecting(lane, i);
    }
    tri_lane_free(lane);
}

static void
the_stamp_counter_wraps_without_showing_old_slots(void **state)
{
    (void)state;
    struct tri_lane *lane = tri_lane_new();
    uint64_t start = (uint64_t)UINT16_MAX * TRI_LANE_SLOTS - 2 * TRI_LANE_SLOTS;
    lane->tail = lane->head = lane->released = lane->released_seen = lane->released_shown = start;
    for (unsigned i = 0; i < TRI_LANE_SLOTS; i++)
        lane->slots[i].message.lap = tri_lane_lap(start - 1);
    for (uint64_t i = 0; i < 5 * TRI_LANE_SLOTS; i++) {
        assert_null(tri_lane_peek(lane));
        struct tri_envelope one = numbered(i);
        assert_int_equal(tri_lane_put(lane, &one, 1), 1);
        take_expecting(lane, i);
    }
    tri_lane_free(lane);
}

static void
a_full_lane_takes_no_more_and_tells_when_there_is_room(void **state)
{
    (void)state;
    struct tri_lane *lane = tri_lane_new();
    uint64_t sent = 0;
    for (struct tri_envelope one = numbered(0); tri_lane_put(lane, &one, 1) == 1;)
        one = numbered(++sent);
    assert_int_equal(sent, TRI_LANE_SLOTS);
    assert_false(tri_lane_starve(lane));
    for (uint64_t i = 1; i <= TRI_LANE_SLOTS;
         i++) { /* an eighth of the lane is given back at a time: that rings, once */
        assert_non_null(tri_lane_peek(lane));
        assert_int_equal(tri_lane_drop(lane), i == TRI_LANE_SLOTS / 8);
    }
    assert_true(tri_lane_starve(lane));
    tri_lane_free(lane);
}

/* The producer knows of what was given back when it needs to: with room for all but one of what it puts, too. */
static void
what_was_given_back_is_room(void **state)
{
    (void)state;
    static struct tri_envelope batch[TRI_LANE_SLOTS];
    for (unsigned wanted = 1; wanted <= TRI_LANE_SLOTS; wanted *= 2) {
        struct tri_lane *lane = tri_lane_new();
        unsigned first = TRI_LANE_SLOTS - wanted + 1;
        assert_int_equal(tri_lane_put(lane, batch, first), first);
        for (unsigned i = 0; i < first; i++)
            tri_lane_drop(lane);
        unsigned shown = first / (TRI_LANE_SLOTS / 8) * (TRI_LANE_SLOTS / 8);
        unsigned room = TRI_LANE_SLOTS - first + shown;
        assert_int_equal(tri_lane_put(lane, batch, wanted), wanted < room ? wanted : room);
        tri_lane_free(lane);
    }
}

static void
an_outbox_gives_back_what_was_not_sent_in_order_and_says_how_much_was(void **state)
{
    (void)state;
    struct tri_outbox outbox = {.lane = tri_lane_new()};
    uint64_t total = TRI_LANE_SLOTS + 5 * TRI_OUTBOX_CHUNK / 2, taken = 0;
    for (uint64_t i = 0; i < TRI_OUTBOX_CHUNK; i++)
        *tri_outbox_append(&outbox) = numbered(i);
    assert_int_equal(tri_outbox_flush(&outbox), TRI_OUTBOX_CHUNK);
    for (uint64_t i = TRI_OUTBOX_CHUNK; i < total; i++)
        *tri_outbox_append(&outbox) = numbered(i);
    assert_int_equal(tri_outbox_flush(&outbox), TRI_LANE_SLOTS - TRI_OUTBOX_CHUNK);
    assert_int_equal(tri_outbox_flush(&outbox), 0);
    while (tri_lane_peek(outbox.lane) != NULL)
        take_expecting(outbox.lane, taken++);
    assert_int_equal(taken, TRI_LANE_SLOTS);
    for (struct tri_envelope *left; (left = tri_outbox_take(&outbox)) != NULL; taken++)
        assert_int_equal(left->message.payload.words[0], taken);
    assert_int_equal(taken, total);
    tri_lane_free(outbox.lane);
    tri_outbox_fini(&outbox);
}

static void
an_outbox_keeps_what_finds_no_room_in_order(void **state)
{
    (void)state;
    struct tri_outbox outbox = {.lane = tri_lane_new()};
    uint64_t total = 3 * TRI_LANE_SLOTS + 11, taken = 0;
    for (uint64_t i = 0; i < total; i++)
        *tri_outbox_append(&outbox) = numbered(i);
    while (taken < total) {
        tri_outbox_flush(&outbox);
        assert_int_equal(outbox.full, outbox.waiting > 0);
        while (tri_lane_peek(outbox.lane) != NULL)
            take_expecting(outbox.lane, taken++);
    }
    assert_null(tri_outbox_take(&outbox));
    tri_lane_free(outbox.lane);
    tri_outbox_fini(&outbox);
}

/* Producer and consumer at full speed, the ring as full and as empty as it gets: batches of all sizes. TROUPE_STRESS=n:
 * n times as many. */
#define STREAM (UINT64_C(300000) * tests_stress())

static void *
produce(void *argument)
{
    struct tri_outbox *outbox = argument;
    for (uint64_t i = 0; i < STREAM; i++) {
        *tri_outbox_append(outbox) = numbered(i);
        if (i % (1 + i / 64 % 64) == 0)
            tri_outbox_flush(outbox);
        while (outbox->waiting > 4096) {
            sched_yield();
            tri_outbox_flush(outbox);
        }
    }
    while (outbox->waiting > 0)
        tri_outbox_flush(outbox);
    return NULL;
}

static void
two_threads_agree_on_every_envelope(void **state)
{
    (void)state;
    struct tri_outbox outbox = {.lane = tri_lane_new()};
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce, &outbox), 0);
    for (uint64_t taken = 0; taken < STREAM;) {
        struct tri_envelope *slot = tri_lane_peek(outbox.lane);
        if (slot == NULL) {
            sched_yield();
            continue;
        }
        if (slot->to != taken + 1 || slot->message.payload.words[0] != taken)
            fail_msg("envelope %llu came as %llu", (unsigned long long)taken, (unsigned long long)slot->to - 1);
        tri_lane_drop(outbox.lane);
        taken++;
    }
    pthread_join(producer, NULL);
    tri_lane_free(outbox.lane);
    tri_outbox_fini(&outbox);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_lane_shows_nothing),
        cmocka_unit_test(what_is_put_comes_out_in_order_over_many_laps),
        cmocka_unit_test(what_is_copied_into_a_slot_does_not_show_it),
        cmocka_unit_test(the_stamp_counter_wraps_without_showing_old_slots),
        cmocka_unit_test(a_full_lane_takes_no_more_and_tells_when_there_is_room),
        cmocka_unit_test(what_was_given_back_is_room),
        cmocka_unit_test(an_outbox_keeps_what_finds_no_room_in_order),
        cmocka_unit_test(an_outbox_gives_back_what_was_not_sent_in_order_and_says_how_much_was),
        cmocka_unit_test(two_threads_agree_on_every_envelope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
