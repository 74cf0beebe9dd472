/*
 * Rules of a block list: what each blocks, and how rules are read and told.
 */
#include "listed.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sys/un.h>
#include <troupe/ipaddr/block_list.h>

#include "ip_of.h"

/* What a list of one rule says before it is frozen, which is the same afterwards. */
static bool
rule_matches(const char *rule, const char *address)
{
    const char *const rules[] = {rule, NULL};
    tr_block_list *list = list_of(rules);
    bool blocked = says(list, address);
    assert_int_equal(tr_block_list_freeze(list), TR_OK);
    assert_int_equal(says(list, address), blocked);
    tr_block_list_release(list);
    return blocked;
}

static void
an_address_blocks_itself_alone(void **state)
{
    (void)state;
    assert_true(rule_matches("192.0.2.1", "192.0.2.1"));
    assert_false(rule_matches("192.0.2.1", "192.0.2.0"));
    assert_false(rule_matches("192.0.2.1", "192.0.2.2"));
    assert_true(rule_matches("2001:db8::1", "2001:db8::1"));
    assert_false(rule_matches("2001:db8::1", "2001:db8::"));
    assert_false(rule_matches("2001:db8::1", "2001:db8::2"));
    assert_false(rule_matches("2001:db8::1", "2001:db8:0:1::1"));
}

static void
a_range_blocks_from_its_first_to_its_last(void **state)
{
    (void)state;
    static const char *const v4 = "192.0.2.5-192.0.3.9", *const v6 = "::ffff:ffff:ffff:ffff-0:0:0:1::4";
    assert_true(rule_matches(v4, "192.0.2.5"));
    assert_true(rule_matches(v4, "192.0.2.255"));
    assert_true(rule_matches(v4, "192.0.3.9"));
    assert_false(rule_matches(v4, "192.0.2.4"));
    assert_false(rule_matches(v4, "192.0.3.10"));
    assert_true(rule_matches(v6, "::ffff:ffff:ffff:ffff"));
    assert_true(rule_matches(v6, "0:0:0:1::"));
    assert_true(rule_matches(v6, "0:0:0:1::4"));
    assert_false(rule_matches(v6, "::ffff:ffff:ffff:fffe"));
    assert_false(rule_matches(v6, "0:0:0:1::5"));
    assert_true(rule_matches("1.2.3.4-1.2.3.4", "1.2.3.4"));
}

static void
a_subnet_blocks_what_begins_with_its_bits(void **state)
{
    (void)state;
    assert_true(rule_matches("10.1.2.3/8", "10.0.0.0"));
    assert_true(rule_matches("10.1.2.3/8", "10.255.255.255"));
    assert_false(rule_matches("10.1.2.3/8", "9.255.255.255"));
    assert_false(rule_matches("10.1.2.3/8", "11.0.0.0"));
    assert_true(rule_matches("1.2.3.4/0", "0.0.0.0"));
    assert_true(rule_matches("1.2.3.4/0", "255.255.255.255"));
    assert_false(rule_matches("1.2.3.4/0", "::"));
    assert_false(rule_matches("1.2.3.4/0", "::1:0:0:0"));
    assert_false(rule_matches("1.2.3.4/0", "::fffe:ffff:ffff"));
    assert_true(rule_matches("::1/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert_true(rule_matches("fe80::1/10", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert_false(rule_matches("fe80::1/10", "fec0::"));
    assert_true(rule_matches("1.2.3.4/32", "1.2.3.4"));
    assert_false(rule_matches("1.2.3.4/32", "1.2.3.5"));
}

/* As Node's BlockList: a peer that comes in over a dual-stack socket is the same peer. */
static void
an_ipv4_address_and_its_mapped_one_are_the_same(void **state)
{
    (void)state;
    assert_true(rule_matches("123.123.123.123", "::ffff:7b7b:7b7b"));
    assert_true(rule_matches("1.0.0.0-2.0.0.0", "::ffff:1.2.3.4"));
    assert_true(rule_matches("10.0.0.0/8", "::ffff:10.1.2.3"));
    assert_false(rule_matches("10.0.0.0/8", "::ffff:11.1.2.3"));
    assert_false(rule_matches("10.0.0.0/8", "::10.1.2.3"));
    assert_true(rule_matches("::ffff:1.2.3.4", "1.2.3.4"));
    assert_true(rule_matches("::ffff:1.2.3.0/120", "1.2.3.255"));
    assert_false(rule_matches("::ffff:1.2.3.0/120", "1.2.4.0"));
    assert_true(rule_matches("::/0", "1.2.3.4"));
    assert_true(rule_matches("::/0", "::ffff:1.2.3.4"));
}

static void
a_range_of_ipv6_that_reaches_into_the_mapped_ones_blocks_ipv4(void **state)
{
    (void)state;
    static const char *const in = "::5-::ffff:2.0.0.0", *const out = "::ffff:2.0.0.0-1::", *const over = "::-1::";
    assert_true(rule_matches(in, "0.0.0.0"));
    assert_true(rule_matches(in, "2.0.0.0"));
    assert_true(rule_matches(in, "::5"));
    assert_false(rule_matches(in, "2.0.0.1"));
    assert_false(rule_matches(in, "::4"));
    assert_true(rule_matches(out, "2.0.0.0"));
    assert_true(rule_matches(out, "255.255.255.255"));
    assert_true(rule_matches(out, "1::"));
    assert_false(rule_matches(out, "1.255.255.255"));
    assert_true(rule_matches(over, "1.2.3.4"));
}

static void
zones_count_for_nothing(void **state)
{
    (void)state;
    assert_true(rule_matches("fe80::1", "fe80::1%7"));
    tr_block_list *list = new_list();
    struct tr_ip zoned = ip_of("fe80::1%7"), plain = ip_of("fe80::1");
    assert_int_equal(tr_block_list_add_address(list, &zoned), TR_OK);
    assert_true(tr_block_list_check(list, &plain));
    tr_block_list_release(list);
}

static void
a_list_without_rules_blocks_nothing(void **state)
{
    (void)state;
    tr_block_list *list = new_list();
    for (unsigned i = 0; i < 2; i++) {
        assert_false(says(list, "0.0.0.0"));
        assert_false(says(list, "::"));
        assert_false(says(list, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
        assert_int_equal(tr_block_list_freeze(list), TR_OK);
    }
    tr_block_list_release(list);
}

static void
what_is_no_address_is_not_blocked(void **state)
{
    (void)state;
    static const char *const rules[] = {"::/0", NULL};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct tr_ip none = {0}, ip = ip_of("1.2.3.4");
    tr_block_list *list = list_of(rules);
    for (unsigned i = 0; i < 2; i++) {
        assert_false(tr_block_list_check(list, &none));
        assert_false(tr_block_list_check(list, NULL));
        assert_false(tr_block_list_check_sockaddr(list, NULL));
        assert_false(tr_block_list_check_sockaddr(list, (struct sockaddr *)&local));
        assert_int_equal(tr_block_list_freeze(list), TR_OK);
    }
    assert_false(tr_block_list_check(NULL, &ip));
    assert_false(tr_block_list_check_sockaddr(NULL, (struct sockaddr *)&local));
    tr_block_list_release(list);
}

static void
a_bad_rule_is_refused_and_adds_nothing(void **state)
{
    (void)state;
    tr_block_list *list = new_list();
    struct tr_ip low = ip_of("1.2.3.4"), high = ip_of("1.2.3.5"), v6 = ip_of("::ffff:1.2.3.9"), none = {0},
                 odd = {.family = 5};
    struct tr_prefix v4_long = {.ip = low, .length = 33}, v6_long = {.ip = v6, .length = 129}, no_prefix = {0};
    assert_int_equal(tr_block_list_add_address(list, &none), TR_EBADADDRESS);
    assert_int_equal(tr_block_list_add_address(list, &odd), TR_EBADADDRESS);
    assert_int_equal(tr_block_list_add_address(list, NULL), TR_EINVAL);
    assert_int_equal(tr_block_list_add_address(NULL, &low), TR_EINVAL);
    assert_int_equal(tr_block_list_add_range(list, &high, &low), TR_EBADLIMIT);
    assert_int_equal(tr_block_list_add_range(list, &low, &v6), TR_EBADADDRESS);
    assert_int_equal(tr_block_list_add_range(list, &v6, &low), TR_EBADADDRESS);
    assert_int_equal(tr_block_list_add_range(list, &none, &none), TR_EBADADDRESS);
    assert_int_equal(tr_block_list_add_range(list, NULL, &low), TR_EINVAL);
    assert_int_equal(tr_block_list_add_range(list, &low, NULL), TR_EINVAL);
    assert_int_equal(tr_block_list_add_range(NULL, &low, &high), TR_EINVAL);
    assert_int_equal(tr_block_list_add_subnet(list, &v4_long), TR_EBADLIMIT);
    assert_int_equal(tr_block_list_add_subnet(list, &v6_long), TR_EBADLIMIT);
    assert_int_equal(tr_block_list_add_subnet(list, &no_prefix), TR_EBADADDRESS);
    assert_int_equal(tr_block_list_add_subnet(list, NULL), TR_EINVAL);
    assert_int_equal(tr_block_list_add_subnet(NULL, &v4_long), TR_EINVAL);
    assert_int_equal(tr_block_list_count(list), 0);
    tr_block_list_release(list);
}

static void
a_bad_text_is_refused_and_adds_nothing(void **state)
{
    (void)state;
    tr_block_list *list = new_list();
    static const char *const texts[] = {
        "",         "x",         " 1.2.3.4",          "1.2.3.4 ",    "1.2.3",
        "1.2.3.4-", "-1.2.3.4",  "1.2.3.4 - 1.2.3.5", "1.2.3.4-x",   "1.2.3.4-1.2.3.5-1.2.3.6",
        "1.2.3.4/", "/8",        "1.2.3.4/8-9",       "1.2.3.4-::1", "::1-1.2.3.4",
        "::1%eth0", "::1%a-::2", "::1-::2%a",         "::1%a/64",    "::1%abcdefghijklmnopq"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (tr_block_list_add_text(list, texts[i]) != TR_EBADADDRESS)
            fail_msg("\"%s\" was not refused", texts[i]);
    assert_int_equal(tr_block_list_add_text(list, "1.2.3.4-1.2.3.3"), TR_EBADLIMIT);
    assert_int_equal(tr_block_list_add_text(list, "1::-::"), TR_EBADLIMIT);
    assert_int_equal(tr_block_list_add_text(list, "1.2.3.4/33"), TR_EBADLIMIT);
    assert_int_equal(tr_block_list_add_text(list, NULL), TR_EINVAL);
    assert_int_equal(tr_block_list_add_text(NULL, "::1"), TR_EINVAL);
    assert_int_equal(tr_block_list_count(list), 0);
    tr_block_list_release(list);
}

static void
a_frozen_list_cannot_be_changed(void **state)
{
    (void)state;
    tr_block_list *list = new_list();
    struct tr_ip ip = ip_of("1.2.3.4");
    struct tr_prefix subnet = {.ip = ip, .length = 8};
    assert_int_equal(tr_block_list_add_address(list, &ip), TR_OK);
    assert_false(tr_block_list_is_frozen(list));
    assert_int_equal(tr_block_list_freeze(list), TR_OK);
    assert_true(tr_block_list_is_frozen(list));
    assert_int_equal(tr_block_list_add_address(list, &ip), TR_EINVAL);
    assert_int_equal(tr_block_list_add_range(list, &ip, &ip), TR_EINVAL);
    assert_int_equal(tr_block_list_add_subnet(list, &subnet), TR_EINVAL);
    assert_int_equal(tr_block_list_add_text(list, "::1"), TR_EINVAL);
    assert_int_equal(tr_block_list_clear(list), TR_EINVAL);
    assert_int_equal(tr_block_list_freeze(list), TR_OK);
    assert_int_equal(tr_block_list_count(list), 1);
    assert_true(says(list, "1.2.3.4"));
    tr_block_list_release(list);
}

static void
nothing_in_the_place_of_a_list_is_refused(void **state)
{
    (void)state;
    struct tr_block_rule rule;
    assert_int_equal(tr_block_list_new(NULL), TR_EINVAL);
    assert_int_equal(tr_block_list_freeze(NULL), TR_EINVAL);
    assert_int_equal(tr_block_list_clear(NULL), TR_EINVAL);
    assert_int_equal(tr_block_list_rule(NULL, 0, &rule), TR_EINVAL);
    assert_int_equal(tr_block_list_count(NULL), 0);
    assert_false(tr_block_list_is_frozen(NULL));
    tr_block_list_hold(NULL);
    tr_block_list_release(NULL);
}

static void
a_list_that_is_cleared_begins_anew(void **state)
{
    (void)state;
    static const char *const rules[] = {"1.2.3.4", "::/0", NULL};
    tr_block_list *list = list_of(rules);
    assert_int_equal(tr_block_list_count(list), 2);
    assert_int_equal(tr_block_list_clear(list), TR_OK);
    assert_int_equal(tr_block_list_count(list), 0);
    assert_false(says(list, "1.2.3.4"));
    assert_int_equal(tr_block_list_add_text(list, "5.6.7.8"), TR_OK);
    assert_int_equal(tr_block_list_freeze(list), TR_OK);
    assert_false(says(list, "1.2.3.4"));
    assert_true(says(list, "5.6.7.8"));
    tr_block_list_release(list);
}

static void
rules_are_told_in_the_order_in_which_they_were_added(void **state)
{
    (void)state;
    static const char *const rules[] = {"9.9.9.9",        "10.1.2.3/8", "1.1.1.1-2.2.2.2",
                                        "fe80::1/10",     "9.9.9.9",    "2001:db8::1-2001:db8::ffff",
                                        "::ffff:1.2.3.4", NULL};
    tr_block_list *list = list_of(rules);
    for (unsigned again = 0; again < 2; again++) {
        struct tr_block_rule rule;
        size_t count = tr_block_list_count(list);
        assert_int_equal(count, 7);
        for (size_t i = 0; i < count; i++) {
            char text[TR_BLOCK_RULE_TEXT];
            assert_int_equal(tr_block_list_rule(list, i, &rule), TR_OK);
            assert_int_equal(tr_block_rule_format(&rule, text, sizeof(text)), strlen(rules[i]));
            assert_string_equal(text, rules[i]);
        }
        assert_int_equal(tr_block_list_rule(list, count, &rule), TR_EINVAL);
        assert_int_equal(tr_block_list_rule(list, 0, NULL), TR_EINVAL);
        assert_int_equal(tr_block_list_freeze(list), TR_OK);
    }
    tr_block_list_release(list);
}

static void
a_rule_is_told_whole(void **state)
{
    (void)state;
    static const char *const rules[] = {"1.1.1.1-2.2.2.2", "10.1.2.3/8", "::1", NULL};
    tr_block_list *list = list_of(rules);
    struct tr_block_rule rule;
    assert_int_equal(tr_block_list_rule(list, 0, &rule), TR_OK);
    struct tr_ip from = ip_of("1.1.1.1"), to = ip_of("2.2.2.2");
    assert_int_equal(rule.kind, TR_BLOCK_RANGE);
    assert_true(tr_ip_equal(&rule.from, &from));
    assert_true(tr_ip_equal(&rule.to, &to));
    assert_int_equal(tr_block_list_rule(list, 1, &rule), TR_OK);
    from = ip_of("10.1.2.3");
    assert_int_equal(rule.kind, TR_BLOCK_SUBNET);
    assert_true(tr_ip_equal(&rule.from, &from));
    assert_int_equal(rule.length, 8);
    assert_int_equal(tr_block_list_rule(list, 2, &rule), TR_OK);
    from = ip_of("::1");
    assert_int_equal(rule.kind, TR_BLOCK_ADDRESS);
    assert_true(tr_ip_equal(&rule.from, &from));
    assert_int_equal(rule.length, 0);
    tr_block_list_release(list);
}

static void
the_text_of_a_rule_is_given_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char expected[] = "1.1.1.1-22.2.2.2";
    struct tr_block_rule rule = {.kind = TR_BLOCK_RANGE, .from = ip_of("1.1.1.1"), .to = ip_of("22.2.2.2")};
    char text[TR_BLOCK_RULE_TEXT];
    assert_int_equal(tr_block_rule_format(&rule, text, 0), 0);
    for (size_t size = 1; size <= sizeof(expected); size++) {
        memset(text, '#', sizeof(text));
        size_t length = tr_block_rule_format(&rule, text, size);
        assert_int_equal(length, size == sizeof(expected) ? size - 1 : 0);
        assert_string_equal(text, size == sizeof(expected) ? expected : "");
        assert_int_equal(text[size], '#');
    }
    rule.kind = (enum tr_block_kind)3;
    for (size_t size = 1; size <= sizeof(text); size += sizeof(text) - 1) {
        text[0] = '#';
        assert_int_equal(tr_block_rule_format(&rule, text, size), 0);
        assert_string_equal(text, "");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_blocks_itself_alone),
        cmocka_unit_test(a_range_blocks_from_its_first_to_its_last),
        cmocka_unit_test(a_subnet_blocks_what_begins_with_its_bits),
        cmocka_unit_test(an_ipv4_address_and_its_mapped_one_are_the_same),
        cmocka_unit_test(a_range_of_ipv6_that_reaches_into_the_mapped_ones_blocks_ipv4),
        cmocka_unit_test(zones_count_for_nothing),
        cmocka_unit_test(a_list_without_rules_blocks_nothing),
        cmocka_unit_test(what_is_no_address_is_not_blocked),
        cmocka_unit_test(a_bad_rule_is_refused_and_adds_nothing),
        cmocka_unit_test(a_bad_text_is_refused_and_adds_nothing),
        cmocka_unit_test(a_frozen_list_cannot_be_changed),
        cmocka_unit_test(nothing_in_the_place_of_a_list_is_refused),
        cmocka_unit_test(a_list_that_is_cleared_begins_anew),
        cmocka_unit_test(rules_are_told_in_the_order_in_which_they_were_added),
        cmocka_unit_test(a_rule_is_told_whole),
        cmocka_unit_test(the_text_of_a_rule_is_given_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
