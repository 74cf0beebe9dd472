/*
 * How a block list finds what matches: against rules gone through one by one, in tables of any size, without memory,
 * and from several threads.
 */
#include "listed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <troupe/ipaddr/block_list.h>
#include <uv.h>

#include "ip_of.h"
#include "random.h"

#define THREADS 4
#define ROUNDS 20000

/*
 * The allocator, in front of the real one: how many more calls are granted, and how many were made.
 */
static unsigned granted = UINT32_MAX, asked;

void *__real_malloc(size_t size);
void *__real_realloc(void *memory, size_t size);
int __real_posix_memalign(void **memory, size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *memory, size_t size);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);

static bool
grant(void)
{
    if (granted == UINT32_MAX)
        return true;
    asked++;
    if (granted == 0)
        return false;
    granted--;
    return true;
}

void *
__wrap_malloc(size_t size)
{
    return grant() ? __real_malloc(size) : NULL;
}

void *
__wrap_realloc(void *memory, size_t size)
{
    return grant() ? __real_realloc(memory, size) : NULL;
}

int
__wrap_posix_memalign(void **memory, size_t alignment, size_t size)
{
    return grant() ? __real_posix_memalign(memory, alignment, size) : ENOMEM;
}

/*
 * Against a list of rules that is gone through one by one, with another notion of a range: byte strings in the order of
 * memcmp().
 */

#define RULES 600u
#define QUESTIONS 6000u

struct plain_rule {
    uint8_t first[16], last[16];
};

static void
mapped_bytes(const struct tr_ip *ip, uint8_t bytes[16])
{
    memcpy(bytes, ip->bytes, 16);
    if (ip->family == 4) {
        memcpy(bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
        memcpy(bytes + 12, ip->bytes, 4);
    }
}

/*
 * Addresses come close together, so that rules overlap, touch and leave small holes, and some are the outermost ones.
 */
static struct tr_ip
close_ip(uint64_t *seed, unsigned family)
{
    struct tr_ip ip = {.family = (uint8_t)family};
    unsigned size = family == 4 ? 4 : 16, kind = random_below(seed, 20), half = random_below(seed, 8);
    if (family == 6 && random_below(seed, 4) == 0)
        memcpy(ip.bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
    else if (family == 6)
        ip.bytes[7] = (uint8_t)random_below(seed, 3);
    ip.bytes[size - 3] = (uint8_t)random_below(seed, 2);
    ip.bytes[size - 2] = (uint8_t)random_below(seed, 16);
    ip.bytes[size - 1] = (uint8_t)random_below(seed, 256);
    if (family == 6 && half < 2) /* where what the look-up takes apart is cut */
        memset(ip.bytes + 8, half == 0 ? 0 : 0xff, 8);
    if (kind == 0)
        memset(ip.bytes, 0xff, size);
    else if (kind == 1)
        memset(ip.bytes, 0, size);
    return ip;
}

static struct plain_rule
add_random_rule(uint64_t *seed, tr_block_list *list)
{
    unsigned family = random_below(seed, 2) ? 4 : 6, bits = family == 4 ? 32 : 128;
    struct tr_ip from = close_ip(seed, family), to = close_ip(seed, family);
    struct plain_rule rule;
    mapped_bytes(&from, rule.first);
    memcpy(rule.last, rule.first, 16);
    switch (random_below(seed, 8)) {
    case 0:
        if (tr_ip_compare(&from, &to) <= 0 && to.bytes[0] == from.bytes[0]) { /* few that cover nearly everything */
            mapped_bytes(&to, rule.last);
            assert_int_equal(tr_block_list_add_range(list, &from, &to), TR_OK);
            break;
        } /* fall through */
    case 1:
    case 2: {
        struct tr_prefix subnet;
        unsigned length = bits - random_below(seed, 7);
        if (family == 6 && random_below(seed, 16) == 0)
            length = 62 + random_below(seed, 5);
        assert_int_equal(tr_prefix_make(&from, length, &subnet), TR_OK);
        assert_int_equal(tr_block_list_add_subnet(list, &subnet), TR_OK);
        for (unsigned i = 128 - (bits - length); i < 128; i++) {
            rule.first[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
            rule.last[i / 8] |= (uint8_t)(0x80 >> i % 8);
        }
        break;
    }
    default: assert_int_equal(tr_block_list_add_address(list, &from), TR_OK);
    }
    return rule;
}

static bool
any_rule_matches(const struct plain_rule *rules, unsigned count, const struct tr_ip *ip)
{
    uint8_t bytes[16];
    mapped_bytes(ip, bytes);
    for (unsigned i = 0; i < count; i++)
        if (memcmp(rules[i].first, bytes, 16) <= 0 && memcmp(bytes, rules[i].last, 16) <= 0)
            return true;
    return false;
}

static void
compare_with_plain_rules(uint64_t *seed, unsigned count, unsigned *hits)
{
    static struct plain_rule rules[RULES];
    tr_block_list *list = new_list();
    for (unsigned i = 0; i < count; i++)
        rules[i] = add_random_rule(seed, list);
    for (unsigned frozen = 0; frozen < 2; frozen++) {
        for (unsigned i = 0; i < QUESTIONS / 10; i++) {
            struct tr_ip ip = close_ip(seed, random_below(seed, 2) ? 4 : 6);
            bool expected = any_rule_matches(rules, count, &ip);
            char text[TR_IP_TEXT];
            tr_ip_format(&ip, text, sizeof(text));
            if (tr_block_list_check(list, &ip) != expected)
                fail_msg("%s: %s by %u rules, frozen: %u", text, expected ? "blocked" : "not blocked", count, frozen);
            *hits += expected;
        }
        assert_int_equal(tr_block_list_freeze(list), TR_OK);
    }
    tr_block_list_release(list);
}

static void
random_rules_match_what_they_match_one_by_one(void **state)
{
    (void)state;
    uint64_t seed = 2024;
    unsigned hits = 0, lists = 0;
    for (unsigned count = 1; count <= RULES; count = count < 40 ? count + 1 : count * 3 / 2, lists++)
        compare_with_plain_rules(&seed, count, &hits);
    assert_in_range(hits, lists * QUESTIONS / 5 / 20, lists * QUESTIONS / 5 * 19 / 20);
}

static void
a_rule_within_another_makes_no_hole(void **state)
{
    (void)state;
    static const char *const rules[][6] = {
        {"::/0", "1.2.3.4", "2001:db8::1", "2001:db8:1::/48", "::", NULL},
        {"2001:db8::1", "1.2.3.4", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
        {"0.0.0.0/0", "2000::/3", "255.255.255.255", "10.0.0.0/8", "2001:db8::1-2001:db8::5", NULL},
    };
    static const char *const in[] = {"0.0.0.0",         "1.2.3.3",
                                     "1.2.3.4",         "1.2.3.5",
                                     "10.0.0.1",        "11.0.0.0",
                                     "255.255.255.255", "2000::",
                                     "2001:db8::",      "2001:db8::1",
                                     "2001:db8::6",     "2001:db8:1:1::",
                                     "2001:db8:2::",    "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};
    for (unsigned i = 0; i < 3; i++) {
        tr_block_list *list = list_of(rules[i]);
        assert_int_equal(tr_block_list_freeze(list), TR_OK);
        for (unsigned k = 0; k < sizeof(in) / sizeof(in[0]); k++)
            if (!says(list, in[k]))
                fail_msg("%s is let through by list %u", in[k], i);
        assert_int_equal(says(list, "4000::"), i < 2);
        assert_int_equal(says(list, "::"), i < 2);
        tr_block_list_release(list);
    }
}

/* A look-up takes an IPv6 address apart into halves: rules begin, end and meet at every side of the cut. */
static void
ranges_are_exact_where_the_halves_of_an_address_meet(void **state)
{
    (void)state;
    static const char *const rules[] = {"0:0:0:3::-0:0:0:3:ffff:ffff:ffff:ffff",
                                        "0:0:0:5::8-0:0:0:6::7",
                                        "0:0:0:6::9-0:0:0:9::1",
                                        "0:0:0:9::3-0:0:0:9::4",
                                        "0:0:0:b::-0:0:0:c:ffff:ffff:ffff:fffe",
                                        "0:0:0:e::1-0:0:0:f:ffff:ffff:ffff:ffff",
                                        "0:0:0:11::/64",
                                        "0:0:0:12::/63",
                                        "ffff:ffff:ffff:ffff::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                                        NULL};
    static const char *const in[] = {"0:0:0:3::",
                                     "0:0:0:3:ffff:ffff:ffff:ffff",
                                     "0:0:0:5::8",
                                     "0:0:0:5:ffff:ffff:ffff:ffff",
                                     "0:0:0:6::",
                                     "0:0:0:6::7",
                                     "0:0:0:6::9",
                                     "0:0:0:7::",
                                     "0:0:0:8:ffff:ffff:ffff:ffff",
                                     "0:0:0:9::1",
                                     "0:0:0:9::3",
                                     "0:0:0:b::",
                                     "0:0:0:c:ffff:ffff:ffff:fffe",
                                     "0:0:0:e::1",
                                     "0:0:0:f:ffff:ffff:ffff:ffff",
                                     "0:0:0:11::",
                                     "0:0:0:13:ffff:ffff:ffff:ffff",
                                     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                                     NULL};
    static const char *const out[] = {"0:0:0:2:ffff:ffff:ffff:ffff",
                                      "0:0:0:4::",
                                      "0:0:0:5::7",
                                      "0:0:0:6::8",
                                      "0:0:0:9::2",
                                      "0:0:0:9::5",
                                      "0:0:0:a:ffff:ffff:ffff:ffff",
                                      "0:0:0:c:ffff:ffff:ffff:ffff",
                                      "0:0:0:d::",
                                      "0:0:0:e::",
                                      "0:0:0:10::",
                                      "0:0:0:10:ffff:ffff:ffff:ffff",
                                      "0:0:0:14::",
                                      "ffff:ffff:ffff:ffff::",
                                      "::",
                                      NULL};
    tr_block_list *list = list_of(rules);
    for (unsigned frozen = 0; frozen < 2; frozen++) {
        for (unsigned i = 0; in[i] != NULL; i++)
            if (!says(list, in[i]))
                fail_msg("%s is let through, frozen: %u", in[i], frozen);
        for (unsigned i = 0; out[i] != NULL; i++)
            if (says(list, out[i]))
                fail_msg("%s is blocked, frozen: %u", out[i], frozen);
        assert_int_equal(tr_block_list_freeze(list), TR_OK);
    }
    tr_block_list_release(list);
}

/* Trees of every size, full and not: each beginning and each end is found, and so is each hole. */
static void
every_interval_is_found_in_tables_of_any_size(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= 70; count++) {
        tr_block_list *list = new_list();
        for (unsigned i = 0; i < count; i++) {
            struct tr_ip v4 = {.family = 4, .bytes = {0, 0, (uint8_t)i, 0x10}}, v4_last = v4;
            struct tr_ip v6 = {.family = 6, .bytes = {0x20, 0, 0, 0, 0, 0, 0, (uint8_t)i, 0x10}}, v6_last = v6;
            struct tr_ip one_network = {.family = 6, .bytes = {[7] = 1, [14] = (uint8_t)i, [15] = 0x10}},
                         one_last = one_network;
            v4_last.bytes[3] = 0x12;
            v6_last.bytes[8] = 0x12;
            one_last.bytes[15] = 0x12;
            assert_int_equal(tr_block_list_add_range(list, &v4, &v4_last), TR_OK);
            assert_int_equal(tr_block_list_add_range(list, &v6, &v6_last), TR_OK);
            assert_int_equal(tr_block_list_add_range(list, &one_network, &one_last), TR_OK);
        }
        assert_int_equal(tr_block_list_freeze(list), TR_OK);
        for (unsigned i = 0; i < count; i++)
            for (unsigned k = 0x0f; k <= 0x13; k++) {
                struct tr_ip v4 = {.family = 4, .bytes = {0, 0, (uint8_t)i, (uint8_t)k}};
                struct tr_ip v6 = {.family = 6, .bytes = {0x20, 0, 0, 0, 0, 0, 0, (uint8_t)i, (uint8_t)k}};
                struct tr_ip one_network = {.family = 6, .bytes = {[7] = 1, [14] = (uint8_t)i, [15] = (uint8_t)k}};
                assert_int_equal(tr_block_list_check(list, &v4), k >= 0x10 && k <= 0x12);
                assert_int_equal(tr_block_list_check(list, &one_network), k >= 0x10 && k <= 0x12);
                v6.bytes[15] = k == 0x0f ? 0xff : 0;
                assert_int_equal(tr_block_list_check(list, &v6), k >= 0x10 && k <= 0x12);
            }
        tr_block_list_release(list);
    }
}

static void
without_memory_nothing_changes_and_the_call_can_be_made_again(void **state)
{
    (void)state;
    tr_block_list *list;
    granted = 0;
    assert_int_equal(tr_block_list_new(&list), TR_ENOMEM);
    granted = UINT32_MAX;
    list = new_list();
    granted = 0;
    assert_int_equal(tr_block_list_add_text(list, "1.2.3.4"), TR_ENOMEM);
    granted = UINT32_MAX;
    assert_int_equal(tr_block_list_count(list), 0);
    assert_int_equal(tr_block_list_add_text(list, "1.2.3.4"), TR_OK);
    assert_int_equal(tr_block_list_add_text(list, "::1"), TR_OK);

    unsigned refused = 0;
    for (;; refused++) {
        granted = refused;
        asked = 0;
        tr_status status = tr_block_list_freeze(list);
        granted = UINT32_MAX;
        if (status == TR_OK)
            break;
        assert_int_equal(status, TR_ENOMEM);
        assert_true(asked > refused);
        assert_false(tr_block_list_is_frozen(list));
        assert_true(says(list, "1.2.3.4"));
    }
    assert_true(refused >= 3);
    assert_true(says(list, "1.2.3.4"));
    assert_true(says(list, "::1"));
    assert_false(says(list, "::2"));
    tr_block_list_release(list);
}

/* Each thread has one hold, takes and gives more of them, and looks up meanwhile; whoever is last frees the list. */
static void
hold_look_and_release(void *argument)
{
    tr_block_list *list = argument;
    struct tr_ip in = {.family = 4, .bytes = {10, 1, 2, 3}}, out = {.family = 6, .bytes = {0x20, 1}};
    for (int i = 0; i < ROUNDS; i++) {
        tr_block_list_hold(list);
        if (!tr_block_list_check(list, &in) || tr_block_list_check(list, &out))
            abort();
        tr_block_list_release(list);
    }
    tr_block_list_release(list);
}

static void
threads_that_share_a_list_free_it_once_and_after_all_have_looked(void **state)
{
    (void)state;
    static const char *const rules[] = {"10.0.0.0/8", "2001:db8::-2001:db8::5", "192.0.2.1", NULL};
    uv_thread_t threads[THREADS];
    tr_block_list *list = list_of(rules);
    assert_int_equal(tr_block_list_freeze(list), TR_OK);
    for (int i = 0; i < THREADS; i++) {
        tr_block_list_hold(list);
        assert_int_equal(uv_thread_create(&threads[i], hold_look_and_release, list), 0);
    }
    tr_block_list_release(list); /* as one that has put another in its place */
    for (int i = 0; i < THREADS; i++)
        uv_thread_join(&threads[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_rules_match_what_they_match_one_by_one),
        cmocka_unit_test(a_rule_within_another_makes_no_hole),
        cmocka_unit_test(ranges_are_exact_where_the_halves_of_an_address_meet),
        cmocka_unit_test(every_interval_is_found_in_tables_of_any_size),
        cmocka_unit_test(without_memory_nothing_changes_and_the_call_can_be_made_again),
        cmocka_unit_test(threads_that_share_a_list_free_it_once_and_after_all_have_looked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
