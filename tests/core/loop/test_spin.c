/*
 * Looking around before sleeping: what is found, and when it is tried. Everything is played on the worker's own thread,
 * inside of a turn: nobody else looks at its mail or its descriptors meanwhile.
 */
#include "mail.h"
#include "spin.h"
#include "turns_layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SPIN_US 100

static void (*play)(struct tri_worker *worker);
static struct tally played;

static void
check(bool right)
{
    tally_add(&wrong, !right);
}

static bool
run(struct tri_worker *worker)
{
    if (play == NULL || tally_read(&delivered) == 0)
        return false;
    uv_run(&worker->loop, UV_RUN_NOWAIT);       /* the system knows its descriptors, and none is ready */
    worker->runtime->options.spin_us = SPIN_US; /* however many CPUs there are */
    worker->turn_ended = tri_ticks();
    worker->spin_paid = 0;
    worker->naps = 0;
    play(worker);
    worker->runtime->options.spin_us = -1;
    play = NULL;
    tally_add(&played, 1);
    return false;
}

static void
play_on_worker(void (*what)(struct tri_worker *worker))
{
    play = what;
    played = (struct tally){0};
    layer_play.run = run;
    struct tri_runtime *runtime = start_workers(1);
    post(runtime->workers[0], GO, false);
    tally_await(&played, 1);
    end_workers(runtime);
}

static void
find_mail(struct tri_worker *worker)
{
    post(worker, OTHER, false);
    check(tri_spin(worker) == TRI_FOUND_MAIL);
    check(worker->spin_paid == 2);
    for (unsigned i = 0; i < 20; i++)
        check(tri_spin(worker) == TRI_FOUND_MAIL && worker->spin_paid <= 16);
    check(worker->spin_paid == 16);
}

static void
messages_are_found_and_buy_two_spins_each_up_to_sixteen(void **state)
{
    (void)state;
    play_on_worker(find_mail);
}

static void
find_descriptors(struct tri_worker *worker)
{
    uv_async_send(&worker->wakeup);
    check(tri_spin(worker) == TRI_FOUND_DESCRIPTORS);
    check(worker->spin_paid == 1);
    for (unsigned i = 0; i < 20; i++)
        check(tri_spin(worker) == TRI_FOUND_DESCRIPTORS && worker->spin_paid <= 16);
    check(worker->spin_paid == 16);
}

static void
ready_descriptors_are_found_and_buy_one_spin_each_up_to_sixteen(void **state)
{
    (void)state;
    play_on_worker(find_descriptors);
}

static void
find_nothing(struct tri_worker *worker)
{
    worker->spin_paid = 1;
    check(tri_spin(worker) == TRI_FOUND_NOTHING);
    uint64_t took = tri_ticks() - worker->turn_ended;
    check(took >= SPIN_US * worker->runtime->ticks_per_ms / 1000);
    check(worker->spin_paid == 0);
    worker->turn_ended = 0;
    check(tri_spin(worker) == TRI_FOUND_NOTHING);
    check(worker->spin_paid == 0);
}

static void
a_spin_that_finds_nothing_takes_its_time_and_costs_one(void **state)
{
    (void)state;
    play_on_worker(find_nothing);
}

static void
look_late(struct tri_worker *worker)
{
    worker->turn_ended = 0;
    uv_async_send(&worker->wakeup);
    check(tri_spin(worker) == TRI_FOUND_DESCRIPTORS);
}

static void
who_was_kept_from_its_cpu_beyond_the_time_looks_once_more(void **state)
{
    (void)state;
    play_on_worker(look_late);
}

static void
learn(struct tri_worker *worker)
{
    uint64_t spin = SPIN_US * worker->runtime->ticks_per_ms / 1000;
    check(!tri_spin_pays(worker));
    for (unsigned i = 0; i < 100; i++)
        tri_spin_learn(worker, spin + 1, false);
    check(worker->naps == 0);
    for (unsigned i = 0; i < 7; i++)
        tri_spin_learn(worker, i % 2 == 0 ? spin : UINT64_MAX, i % 2 == 1);
    check(!tri_spin_pays(worker));
    tri_spin_learn(worker, spin, false);
    check(tri_spin_pays(worker));
    check(!tri_spin_pays(worker) && worker->naps == 0);
    worker->spin_paid = 1;
    check(tri_spin_pays(worker) && worker->naps == 0);
}

static void
one_in_eight_sleeps_that_were_short_or_that_a_message_ended_is_replaced_and_others_teach_nothing(void **state)
{
    (void)state;
    play_on_worker(learn);
}

static void
never(struct tri_worker *worker)
{
    worker->runtime->options.spin_us = -1;
    worker->spin_paid = 1;
    check(!tri_spin_pays(worker));
    worker->naps = 0;
    tri_spin_learn(worker, 0, false);
    check(worker->naps == 0);
}

static void
without_a_time_for_it_no_worker_spins(void **state)
{
    (void)state;
    play_on_worker(never);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_are_found_and_buy_two_spins_each_up_to_sixteen),
        TEST(ready_descriptors_are_found_and_buy_one_spin_each_up_to_sixteen),
        TEST(a_spin_that_finds_nothing_takes_its_time_and_costs_one),
        TEST(who_was_kept_from_its_cpu_beyond_the_time_looks_once_more),
        TEST(one_in_eight_sleeps_that_were_short_or_that_a_message_ended_is_replaced_and_others_teach_nothing),
        TEST(without_a_time_for_it_no_worker_spins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
