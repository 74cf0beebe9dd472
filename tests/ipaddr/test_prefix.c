#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/ipaddr/ip.h>

#include "ip_of.h"
#include "random.h"

#define ROUNDS 200000u

static struct tr_prefix
prefix_of(const char *text)
{
    struct tr_prefix prefix;
    if (tr_prefix_parse(text, &prefix) != TR_OK)
        fail_msg("\"%s\" does not parse", text);
    return prefix;
}

static bool
contains(const char *prefix_text, const char *ip_text)
{
    struct tr_prefix prefix = prefix_of(prefix_text);
    struct tr_ip ip = ip_of(ip_text);
    return tr_prefix_contains(&prefix, &ip);
}

static void
assert_text(const struct tr_prefix *prefix, const char *expected)
{
    char text[TR_PREFIX_TEXT];
    assert_int_equal(tr_prefix_format(prefix, text, sizeof(text)), strlen(expected));
    assert_string_equal(text, expected);
}

static void
a_prefix_is_written_as_it_was_read_and_its_mask_cuts_it(void **state)
{
    (void)state;
    static const char *const examples[][3] = {
        {"10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/8"},
        {"10.1.2.3/8", "10.1.2.3/8", "10.0.0.0/8"},
        {"255.255.255.255/0", "255.255.255.255/0", "0.0.0.0/0"},
        {"255.255.255.255/1", "255.255.255.255/1", "128.0.0.0/1"},
        {"255.255.255.255/31", "255.255.255.255/31", "255.255.255.254/31"},
        {"1.2.3.4/32", "1.2.3.4/32", "1.2.3.4/32"},
        {"FE80::1/10", "fe80::1/10", "fe80::/10"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/0", "::/0"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/63", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/63",
         "ffff:ffff:ffff:fffe::/63"},
        {"1:2:3:4:5:6:7:8/64", "1:2:3:4:5:6:7:8/64", "1:2:3:4::/64"},
        {"1:2:3:4:ffff:6:7:8/65", "1:2:3:4:ffff:6:7:8/65", "1:2:3:4:8000::/65"},
        {"1:2:3:4:5:6:7:8/128", "1:2:3:4:5:6:7:8/128", "1:2:3:4:5:6:7:8/128"},
        {"::ffff:1.2.3.4/120", "::ffff:1.2.3.4/120", "::ffff:1.2.3.0/120"},
    };
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        struct tr_prefix prefix = prefix_of(examples[i][0]), masked = tr_prefix_masked(&prefix);
        assert_text(&prefix, examples[i][1]);
        assert_text(&masked, examples[i][2]);
    }
}

static void
a_text_that_is_no_prefix_is_refused(void **state)
{
    (void)state;
    struct tr_prefix prefix = prefix_of("10.0.0.0/8"), untouched = prefix;
    static const char *const texts[] = {"",           "/",           "10.0.0.0",        "10.0.0.0/",   "/8",
                                        "10.0.0/8",   "1.2.3.4/x",   "1.2.3.4/08",      "1.2.3.4/00",  "1.2.3.4/-1",
                                        "1.2.3.4/+1", "1.2.3.4/ 1",  "1.2.3.4/8 ",      "1.2.3.4/8/8", "1.2.3.4//8",
                                        " 1.2.3.4/8", "::1%eth0/64", "fe80::1/64%eth0", "::g/64",      "1.2.3.4/8.0"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (tr_prefix_parse(texts[i], &prefix) != TR_EBADADDRESS)
            fail_msg("\"%s\" was not refused", texts[i]);
    assert_int_equal(tr_prefix_parse_sized("1.2.3.4/8\0", 10, &prefix), TR_EBADADDRESS);
    assert_int_equal(tr_prefix_parse_sized("1.2.3.4/8", 8, &prefix), TR_EBADADDRESS);
    assert_int_equal(tr_prefix_parse(NULL, &prefix), TR_EINVAL);
    assert_int_equal(tr_prefix_parse_sized(NULL, 0, &prefix), TR_EINVAL);
    assert_int_equal(tr_prefix_parse("1.2.3.4/8", NULL), TR_EINVAL);
    assert_memory_equal(&prefix, &untouched, sizeof(prefix));
}

static void
a_length_beyond_the_address_is_refused(void **state)
{
    (void)state;
    struct tr_prefix prefix = prefix_of("10.0.0.0/8"), untouched = prefix;
    struct tr_ip v4 = ip_of("1.2.3.4"), v6 = ip_of("::"), none = {0};
    assert_int_equal(tr_prefix_parse("1.2.3.4/33", &prefix), TR_EBADLIMIT);
    assert_int_equal(tr_prefix_parse("1.2.3.4/256", &prefix), TR_EBADLIMIT);
    assert_int_equal(tr_prefix_parse("::/129", &prefix), TR_EBADLIMIT);
    assert_int_equal(tr_prefix_parse("::/4294967296", &prefix), TR_EBADLIMIT); /* not the 0 that it is in 32 bits */
    assert_int_equal(tr_prefix_parse("::/18446744073709551616", &prefix), TR_EBADLIMIT);
    assert_int_equal(tr_prefix_make(&v4, 33, &prefix), TR_EBADLIMIT);
    assert_int_equal(tr_prefix_make(&v6, 129, &prefix), TR_EBADLIMIT);
    assert_int_equal(tr_prefix_make(&v6, 256, &prefix), TR_EBADLIMIT);
    assert_int_equal(tr_prefix_make(&none, 0, &prefix), TR_EBADADDRESS);
    assert_int_equal(tr_prefix_make(NULL, 0, &prefix), TR_EINVAL);
    assert_int_equal(tr_prefix_make(&v4, 0, NULL), TR_EINVAL);
    assert_memory_equal(&prefix, &untouched, sizeof(prefix));
}

static void
a_prefix_that_is_made_of_an_address_has_no_zone(void **state)
{
    (void)state;
    struct tr_prefix prefix, plain = prefix_of("fe80::1/64");
    struct tr_ip ip = ip_of("fe80::1%eth0");
    assert_int_equal(tr_prefix_make(&ip, 64, &prefix), TR_OK);
    assert_memory_equal(&prefix, &plain, sizeof(prefix));
}

static void
a_prefix_contains_its_first_and_its_last_and_not_their_neighbours(void **state)
{
    (void)state;
    assert_true(contains("10.9.9.9/8", "10.0.0.0"));
    assert_true(contains("10.9.9.9/8", "10.255.255.255"));
    assert_false(contains("10.9.9.9/8", "9.255.255.255"));
    assert_false(contains("10.9.9.9/8", "11.0.0.0"));
    assert_true(contains("1.2.3.4/32", "1.2.3.4"));
    assert_false(contains("1.2.3.4/32", "1.2.3.5"));
    assert_true(contains("1.2.3.4/0", "255.0.0.1"));
    assert_true(contains("fe80::/10", "fe80::"));
    assert_true(contains("fe80::/10", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert_false(contains("fe80::/10", "fec0::"));
    assert_false(contains("fe80::/10", "fe7f:ffff::"));
    assert_true(contains("1:2:3:4:8000::/65", "1:2:3:4:8000::1"));
    assert_false(contains("1:2:3:4:8000::/65", "1:2:3:4:7fff::1"));
    assert_true(contains("::1/128", "::1"));
    assert_false(contains("::1/128", "::"));
    assert_true(contains("fe80::/64", "fe80::1%eth0"));
}

static void
families_do_not_mix_until_an_address_is_unmapped(void **state)
{
    (void)state;
    struct tr_prefix ten = prefix_of("10.0.0.0/8"), none = {0};
    struct tr_ip mapped = ip_of("::ffff:10.0.0.1"), unmapped = tr_ip_unmap(&mapped), no_address = {0};
    assert_false(tr_prefix_contains(&ten, &mapped));
    assert_true(tr_prefix_contains(&ten, &unmapped));
    assert_false(contains("::/0", "1.2.3.4"));
    assert_false(contains("0.0.0.0/0", "::"));
    assert_false(tr_prefix_contains(&none, &no_address));
}

static void
a_prefix_is_given_whole_or_not_at_all(void **state)
{
    (void)state;
    struct tr_prefix prefix = prefix_of("10.0.0.0/8");
    char text[16];
    assert_int_equal(tr_prefix_format(&prefix, text, 10), 0);
    assert_string_equal(text, "");
    assert_int_equal(tr_prefix_format(&prefix, text, 11), 10);
    prefix.length = 33;
    assert_int_equal(tr_prefix_format(&prefix, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    prefix = (struct tr_prefix){0};
    assert_int_equal(tr_prefix_format(&prefix, text, sizeof(text)), 0);
}

/* Bit by bit, which is slow and hard to get wrong. */
static bool
begins_alike(const struct tr_prefix *prefix, const struct tr_ip *ip)
{
    for (unsigned i = 0; i < prefix->length; i++)
        if ((prefix->ip.bytes[i / 8] ^ ip->bytes[i / 8]) & (0x80 >> i % 8))
            return false;
    return true;
}

static void
any_prefix_contains_what_begins_with_its_bits(void **state)
{
    (void)state;
    uint64_t seed = 632;
    unsigned inside = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct tr_ip a = {.family = random_below(&seed, 2) ? 4 : 6}, b;
        unsigned bits = a.family == 4 ? 32 : 128;
        struct tr_prefix prefix, again;
        for (unsigned k = 0; k < bits / 8; k++)
            a.bytes[k] = (uint8_t)random_below(&seed, 256);
        b = a;
        unsigned flip = random_below(&seed, bits + 1); /* that bit is the first to differ, if there is one */
        for (unsigned k = flip; k < bits; k++)
            if (k == flip || random_below(&seed, 2))
                b.bytes[k / 8] ^= (uint8_t)(0x80 >> k % 8);
        assert_int_equal(tr_prefix_make(&a, random_below(&seed, bits + 1), &prefix), TR_OK);
        bool expected = begins_alike(&prefix, &b);
        assert_int_equal(tr_prefix_contains(&prefix, &b), expected);
        inside += expected;

        struct tr_prefix masked = tr_prefix_masked(&prefix);
        assert_int_equal(tr_prefix_contains(&masked, &b), expected);
        char text[TR_PREFIX_TEXT];
        tr_prefix_format(&masked, text, sizeof(text));
        assert_int_equal(tr_prefix_parse(text, &again), TR_OK);
        assert_memory_equal(&again, &masked, sizeof(again));
    }
    assert_in_range(inside, ROUNDS / 4, ROUNDS * 3 / 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prefix_is_written_as_it_was_read_and_its_mask_cuts_it),
        cmocka_unit_test(a_text_that_is_no_prefix_is_refused),
        cmocka_unit_test(a_length_beyond_the_address_is_refused),
        cmocka_unit_test(a_prefix_that_is_made_of_an_address_has_no_zone),
        cmocka_unit_test(a_prefix_contains_its_first_and_its_last_and_not_their_neighbours),
        cmocka_unit_test(families_do_not_mix_until_an_address_is_unmapped),
        cmocka_unit_test(a_prefix_is_given_whole_or_not_at_all),
        cmocka_unit_test(any_prefix_contains_what_begins_with_its_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
