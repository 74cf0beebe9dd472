/*
 * The last connection of a server ends on one worker while the server begins to wait for it on another: at least one of
 * the two sees the other. The two halves alone, at once, again and again, with nothing else that could heal it.
 */
#include "deal.h"
#include "helpers.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 100000u
#define SOON_NS 2000u         /* so long after they have met the two begin */
#define SPINS 200000u         /* longer than it takes if the other one runs, too */
#define ENOUGH_NS 1000000000u /* on a machine with other work the rounds take long: it is no matter how many they are */

enum { WORKER, SERVER };

static struct tri_deal *deal;
static struct {
    alignas(TRI_CACHE_PAIR) unsigned came; /* to the meetings so far */
} halves[2];
static unsigned rounds; /* that there are at most; the server may make them fewer */
static unsigned told;   /* of a round: the worker has seen that the server waits */
static uint64_t start_ns;

static void
meet(unsigned me)
{
    unsigned mine = halves[me].came + 1;
    __atomic_store_n(&halves[me].came, mine, __ATOMIC_SEQ_CST);
    for (unsigned spins = 0; __atomic_load_n(&halves[1 - me].came, __ATOMIC_SEQ_CST) < mine; spins++)
        if (spins % SPINS == SPINS - 1)
            sched_yield();
}

/* Both go on at the same time, or as nearly as it can be had, and have at hand what they look at: who looks before his
 * own word is out must have seen nothing. */
static void
begin_together(void)
{
    (void)ck_pr_load_64(&deal->ends[0].ended);
    (void)ck_pr_load_uint(&deal->closing);
    uint64_t start = __atomic_load_n(&start_ns, __ATOMIC_SEQ_CST);
    while (tests_now_ns() < start) {
    }
}

static void
end_connections(void *argument)
{
    (void)argument;
    for (unsigned round = 0; round < __atomic_load_n(&rounds, __ATOMIC_SEQ_CST); round++) {
        meet(WORKER);
        begin_together();
        bool sees = tri_deal_count_ended(deal, &deal->ends[0]);
        __atomic_store_n(&told, sees, __ATOMIC_RELAXED);
        meet(WORKER);
        meet(WORKER); /* the server has looked at it */
    }
}

static void
an_end_is_seen_by_the_server_or_its_worker_sees_that_the_server_waits(void **state)
{
    (void)state;
    uint64_t began_ns = tests_now_ns(), missed = 0, seen_by[2] = {0};
    static struct tri_deal_ends ends;
    uv_thread_t thread;
    deal = aligned_alloc(alignof(struct tri_deal), sizeof(*deal));
    assert_non_null(deal);
    memset(deal, 0, sizeof(*deal));
    deal->ends = &ends;
    rounds = ROUNDS;
    assert_int_equal(uv_thread_create(&thread, end_connections, NULL), 0);
    for (unsigned round = 0; round < rounds; round++) {
        __atomic_store_n(&start_ns, tests_now_ns() + SOON_NS, __ATOMIC_SEQ_CST);
        meet(SERVER);
        begin_together();
        tri_deal_await_ends(deal);
        bool sees = ck_pr_load_64(&deal->ends[0].ended) == round + 1;
        meet(SERVER);
        bool worker_sees = __atomic_load_n(&told, __ATOMIC_RELAXED) != 0;
        missed += !sees && !worker_sees;
        seen_by[SERVER] += sees;
        seen_by[WORKER] += worker_sees;
        ck_pr_store_uint(&deal->closing, 0);
        if (round % 1024 == 0 && tests_now_ns() - began_ns > ENOUGH_NS)
            __atomic_store_n(&rounds, round + 1, __ATOMIC_SEQ_CST);
        meet(SERVER);
    }
    uv_thread_join(&thread);
    free(deal);
    print_message("%u ends, %llu seen by the server and %llu by the worker\n", rounds,
                  (unsigned long long)seen_by[SERVER], (unsigned long long)seen_by[WORKER]);
    assert_int_equal(missed, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_is_seen_by_the_server_or_its_worker_sees_that_the_server_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
