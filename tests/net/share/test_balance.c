#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>
#include <troupe/net/balance.h>

#define WORKERS 5

static void
least_loaded_takes_the_least(void **state)
{
    (void)state;
    uint32_t loads[WORKERS] = {9, 4, 7, 3, 8};
    for (uint64_t sequence = 0; sequence < 3 * WORKERS; sequence++) {
        struct tr_balance_view view = {.workers = WORKERS, .loads = loads, .sequence = sequence};
        assert_int_equal(tr_balance_least_loaded(&view), 3);
    }
}

static void
least_loaded_gives_equals_their_turn(void **state)
{
    (void)state;
    uint32_t loads[WORKERS] = {2, 2, 2, 2, 2};
    for (uint64_t sequence = 0; sequence < 3 * WORKERS; sequence++) {
        struct tr_balance_view view = {.workers = WORKERS, .loads = loads, .sequence = sequence};
        assert_int_equal(tr_balance_least_loaded(&view), sequence % WORKERS);
    }
}

static void
round_robin_takes_each_in_its_turn_whatever_the_load(void **state)
{
    (void)state;
    uint32_t loads[WORKERS] = {900, 0, 0, 0, 0};
    for (uint64_t sequence = 0; sequence < 3 * WORKERS; sequence++) {
        struct tr_balance_view view = {.workers = WORKERS, .loads = loads, .sequence = sequence};
        assert_int_equal(tr_balance_round_robin(&view), sequence % WORKERS);
    }
}

/* A worker whose callback does not return gets nothing while there are others, however few connections it has. */
static void
a_stuck_worker_is_passed_over_while_there_are_others(void **state)
{
    (void)state;
    uint32_t loads[3] = {0, 5, 7}, behind_ms[3] = {TR_BALANCE_STUCK_MS, TR_BALANCE_STUCK_MS - 1, 0};
    struct tr_balance_view view = {.workers = 3, .loads = loads, .behind_ms = behind_ms};
    for (view.sequence = 0; view.sequence < 100; view.sequence++) {
        assert_int_equal(tr_balance_least_loaded(&view), 1);
        assert_int_not_equal(tr_balance_two_choices(&view), 0);
    }
    loads[1] = loads[2] = TR_BALANCE_NO_WORKER;
    assert_int_equal(tr_balance_least_loaded(&view), 0);
    assert_int_equal(tr_balance_two_choices(&view), 0);
    loads[1] = 5;
    behind_ms[1] = 4 * TR_BALANCE_STUCK_MS;
    assert_int_equal(tr_balance_least_loaded(&view), 0); /* both are: the one with fewer */
}

static void
one_worker_takes_all(void **state)
{
    (void)state;
    uint32_t load = 3;
    struct tr_balance_view view = {.workers = 1, .loads = &load, .sequence = UINT64_MAX};
    assert_int_equal(tr_balance_least_loaded(&view), 0);
    assert_int_equal(tr_balance_round_robin(&view), 0);
}

/* Connections of mixed length: under round robin the sums would drift apart. */
static void
least_loaded_keeps_workers_even_when_lifetimes_differ(void **state)
{
    (void)state;
    uint32_t loads[2] = {0, 0};
    unsigned owner[4000];
    for (uint64_t i = 0; i < 4000; i++) {
        struct tr_balance_view view = {.workers = 2, .loads = loads, .sequence = i};
        owner[i] = tr_balance_least_loaded(&view);
        loads[owner[i]]++;
        if (i % 2 == 1)
            loads[owner[i - 1]]--; /* every second connection is short */
        uint32_t apart = loads[0] > loads[1] ? loads[0] - loads[1] : loads[1] - loads[0];
        assert_in_range(apart, 0, 2);
    }
}

/* -- Workers that can take none. -- */

static const uint32_t some_loads[WORKERS] = {TR_BALANCE_NO_WORKER, 4, TR_BALANCE_NO_WORKER, 4, 0};

static const tr_balance_policy policies[] = {tr_balance_least_loaded, tr_balance_round_robin, tr_balance_two_choices,
                                             tr_balance_ip_hash, tr_balance_home};

static void
no_policy_chooses_a_worker_that_can_take_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
        for (uint64_t sequence = 0; sequence < 100; sequence++) {
            struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl((uint32_t)sequence)};
            struct tr_balance_view view = {.workers = WORKERS,
                                           .loads = some_loads,
                                           .home = 2,
                                           .sequence = sequence,
                                           .peer = (const struct sockaddr *)&peer};
            assert_int_not_equal(some_loads[policies[i](&view)], TR_BALANCE_NO_WORKER);
        }
}

static void
where_no_worker_can_take_one_it_is_home(void **state)
{
    (void)state;
    static const uint32_t loads[] = {TR_BALANCE_NO_WORKER, TR_BALANCE_NO_WORKER, TR_BALANCE_NO_WORKER};
    struct sockaddr_in peer = {.sin_family = AF_INET};
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
        for (unsigned home = 0; home < 3; home++) {
            struct tr_balance_view view = {
                .workers = 3, .loads = loads, .home = home, .sequence = 7, .peer = (const struct sockaddr *)&peer};
            assert_int_equal(policies[i](&view), home);
        }
}

static void
those_that_can_take_their_turns_evenly(void **state)
{
    (void)state;
    unsigned taken[WORKERS] = {0};
    for (uint64_t sequence = 0; sequence < 300; sequence++) {
        struct tr_balance_view view = {.workers = WORKERS, .loads = some_loads, .sequence = sequence};
        taken[tr_balance_round_robin(&view)]++;
    }
    for (unsigned worker = 0; worker < WORKERS; worker++)
        assert_int_equal(taken[worker], some_loads[worker] == TR_BALANCE_NO_WORKER ? 0 : 100);
}

static void
home_takes_all_as_long_as_it_can(void **state)
{
    (void)state;
    static const uint32_t loads[] = {900, 0, 0};
    struct tr_balance_view view = {.workers = 3, .loads = loads, .home = 0};
    assert_int_equal(tr_balance_home(&view), 0);
}

/* -- Two choices. -- */

/* Each pair of workers comes up, and of a pair never the one with more connections. */
static void
of_two_workers_the_less_loaded_one_is_chosen(void **state)
{
    (void)state;
    unsigned taken[WORKERS] = {0};
    static const uint32_t loads[WORKERS] = {4, 3, 2, 1, 0};
    for (uint64_t sequence = 0; sequence < 1000; sequence++) {
        struct tr_balance_view view = {.workers = WORKERS, .loads = loads, .sequence = sequence};
        taken[tr_balance_two_choices(&view)]++;
    }
    assert_int_equal(taken[0], 0); /* it loses against every other */
    for (unsigned worker = 1; worker < WORKERS; worker++)
        assert_in_range(taken[worker], 100 * worker - 60, 100 * worker + 60); /* it wins against `worker` of 10 pairs */
}

static void
two_choices_keep_workers_even(void **state)
{
    (void)state;
    uint32_t loads[WORKERS] = {0};
    for (uint64_t i = 0; i < 5000; i++) {
        struct tr_balance_view view = {.workers = WORKERS, .loads = loads, .sequence = i};
        loads[tr_balance_two_choices(&view)]++;
    }
    for (unsigned worker = 0; worker < WORKERS; worker++)
        assert_in_range(loads[worker], 990, 1010);
}

/* -- By address. -- */

static unsigned
worker_of(const void *peer, const uint32_t *loads, uint64_t sequence)
{
    struct tr_balance_view view = {.workers = WORKERS, .loads = loads, .sequence = sequence, .peer = peer};
    return tr_balance_ip_hash(&view);
}

static struct sockaddr_in
ipv4(uint32_t address, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
}

static struct sockaddr_in6
ipv6(const char *text, uint16_t port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET6, text, &address.sin6_addr), 1);
    return address;
}

static void
an_address_has_its_worker_whatever_the_port_the_loads_and_the_time(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t loads[WORKERS] = {0, 0, 0, 0, 0}, others[WORKERS] = {i, 7, 0, 900, 3};
        struct sockaddr_in peer = ipv4(0x0a000000 + i, 1000), again = ipv4(0x0a000000 + i, 2000);
        assert_int_equal(worker_of(&peer, loads, i), worker_of(&again, others, 5 * i + 1));
    }
}

static void
of_ipv6_the_first_64_bits_count_and_a_mapped_address_is_the_ipv4_one(void **state)
{
    (void)state;
    static const uint32_t loads[WORKERS] = {0};
    struct sockaddr_in6 one = ipv6("2001:db8:0:1::1", 1), same = ipv6("2001:db8:0:1:ffff::2", 2);
    assert_int_equal(worker_of(&one, loads, 0), worker_of(&same, loads, 1));
    unsigned differ = 0;
    for (unsigned i = 0; i < 100; i++) {
        char text[64];
        snprintf(text, sizeof(text), "2001:db8:0:%x::1", i);
        struct sockaddr_in6 other = ipv6(text, 1);
        differ += worker_of(&one, loads, 0) != worker_of(&other, loads, 0);
        snprintf(text, sizeof(text), "::ffff:10.0.0.%u", i);
        struct sockaddr_in6 mapped = ipv6(text, 1);
        struct sockaddr_in plain = ipv4(0x0a000000 + i, 1);
        assert_int_equal(worker_of(&mapped, loads, 0), worker_of(&plain, loads, 0));
    }
    assert_in_range(differ, 60, 95);
}

static void
addresses_spread_over_all_workers_and_only_those_of_a_missing_one_move(void **state)
{
    (void)state;
    uint32_t all[WORKERS] = {0}, without[WORKERS] = {0};
    unsigned taken[WORKERS] = {0}, moved_to[WORKERS] = {0};
    without[3] = TR_BALANCE_NO_WORKER;
    for (uint32_t i = 0; i < 5000; i++) {
        struct sockaddr_in peer = ipv4(0xc0a80000 + i, 1);
        unsigned worker = worker_of(&peer, all, i), other = worker_of(&peer, without, i);
        taken[worker]++;
        if (worker == 3)
            moved_to[other]++;
        else
            assert_int_equal(other, worker);
    }
    for (unsigned worker = 0; worker < WORKERS; worker++) {
        assert_in_range(taken[worker], 900, 1100);
        assert_in_range(moved_to[worker], worker == 3 ? 0 : 150, worker == 3 ? 0 : 350);
    }
}

static void
without_an_address_the_least_loaded_gets_it(void **state)
{
    (void)state;
    static const uint32_t loads[WORKERS] = {5, 4, 0, 3, 2};
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    assert_int_equal(worker_of(NULL, loads, 1), 2);
    assert_int_equal(worker_of(&path, loads, 1), 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_loaded_takes_the_least),
        cmocka_unit_test(least_loaded_gives_equals_their_turn),
        cmocka_unit_test(round_robin_takes_each_in_its_turn_whatever_the_load),
        cmocka_unit_test(a_stuck_worker_is_passed_over_while_there_are_others),
        cmocka_unit_test(one_worker_takes_all),
        cmocka_unit_test(least_loaded_keeps_workers_even_when_lifetimes_differ),
        cmocka_unit_test(no_policy_chooses_a_worker_that_can_take_none),
        cmocka_unit_test(where_no_worker_can_take_one_it_is_home),
        cmocka_unit_test(those_that_can_take_their_turns_evenly),
        cmocka_unit_test(home_takes_all_as_long_as_it_can),
        cmocka_unit_test(of_two_workers_the_less_loaded_one_is_chosen),
        cmocka_unit_test(two_choices_keep_workers_even),
        cmocka_unit_test(an_address_has_its_worker_whatever_the_port_the_loads_and_the_time),
        cmocka_unit_test(of_ipv6_the_first_64_bits_count_and_a_mapped_address_is_the_ipv4_one),
        cmocka_unit_test(addresses_spread_over_all_workers_and_only_those_of_a_missing_one_move),
        cmocka_unit_test(without_an_address_the_least_loaded_gets_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
