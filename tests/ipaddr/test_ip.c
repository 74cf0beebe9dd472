#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <net/if.h>
#include <sys/un.h>
#include <troupe/ipaddr/ip.h>

#include "ip_of.h"
#include "random.h"

#define ROUNDS 200000u

static void
assert_text(const struct tr_ip *ip, const char *expected)
{
    char text[TR_IP_TEXT];
    assert_int_equal(tr_ip_format(ip, text, sizeof(text)), strlen(expected));
    assert_string_equal(text, expected);
}

static void
an_ipv4_address_has_four_bytes_in_the_order_of_the_network(void **state)
{
    (void)state;
    struct tr_ip ip = ip_of("192.0.2.255");
    static const uint8_t bytes[16] = {192, 0, 2, 255};
    assert_int_equal(ip.family, 4);
    assert_memory_equal(ip.bytes, bytes, 16);
    assert_string_equal(ip.zone, "");
}

static void
an_ipv6_address_has_sixteen_and_its_zone(void **state)
{
    (void)state;
    struct tr_ip ip = ip_of("FE80::0102:1.2.3.4%eth0.100");
    static const uint8_t bytes[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 1, 2, 3, 4};
    assert_int_equal(ip.family, 6);
    assert_memory_equal(ip.bytes, bytes, 16);
    assert_string_equal(ip.zone, "eth0.100");
}

static void
a_zone_is_kept_up_to_the_length_of_an_interfaces_name(void **state)
{
    (void)state;
    struct tr_ip ip = ip_of("fe80::1%abcdefghijklmno"), untouched = ip;
    assert_string_equal(ip.zone, "abcdefghijklmno");
    assert_text(&ip, "fe80::1%abcdefghijklmno");
    assert_int_equal(tr_is_ip("fe80::1%abcdefghijklmnop"), 6);
    assert_int_equal(tr_ip_parse("fe80::1%abcdefghijklmnop", &ip), TR_ENAMETOOLONG);
    assert_memory_equal(&ip, &untouched, sizeof(ip));
}

static void
a_parse_that_fails_changes_nothing(void **state)
{
    (void)state;
    struct tr_ip ip = ip_of("1.2.3.4"), untouched = ip;
    static const char *const texts[] = {"",        "1.2.3",     "1.2.3.04", "::1::",  "::1%",
                                        "::1%a_b", "1.2.3.4%a", "::1 ",     "12345::"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(tr_ip_parse(texts[i], &ip), TR_EBADADDRESS);
    assert_int_equal(tr_ip_parse_sized("::1\0", 4, &ip), TR_EBADADDRESS);
    assert_int_equal(tr_ip_parse(NULL, &ip), TR_EINVAL);
    assert_int_equal(tr_ip_parse("::1", NULL), TR_EINVAL);
    assert_int_equal(tr_ip_parse_sized(NULL, 0, &ip), TR_EINVAL);
    assert_memory_equal(&ip, &untouched, sizeof(ip));
}

/* Sections 1, 2 and 4 of the RFC: what may be read, and the one form in which it is written. */
static void
the_examples_of_rfc_5952_are_written_in_its_form(void **state)
{
    (void)state;
    static const char *const examples[][2] = {
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8::1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8::0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:0db8::1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8:0:0:1::1", "2001:db8::1:0:0:1"},
        {"2001:DB8:0:0:1::1", "2001:db8::1:0:0:1"},
        {"2001:db8:aaaa:bbbb:cccc:dddd:eeee:0001", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1"},
        {"2001:db8:aaaa:bbbb:cccc:dddd:0:1", "2001:db8:aaaa:bbbb:cccc:dddd:0:1"},
        {"2001:db8:aaaa:bbbb:cccc:dddd::1", "2001:db8:aaaa:bbbb:cccc:dddd:0:1"},
        {"2001:db8:0:0:0::1", "2001:db8::1"},
        {"2001:db8:0:0::1", "2001:db8::1"},
        {"2001:db8:0::1", "2001:db8::1"},
        {"2001:db8::aaaa:0:0:1", "2001:db8::aaaa:0:0:1"},
        {"2001:db8:0:0:aaaa::1", "2001:db8::aaaa:0:0:1"},
        {"2001:db8:aaaa:bbbb:cccc:dddd:eeee:AAAA", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:aaaa"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"2001:0db8:0:0:0:0:0002:0001", "2001:db8::2:1"},
        {"0:0:0:0:0:ffff:192.0.2.1", "::ffff:192.0.2.1"},
    };
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        struct tr_ip ip = ip_of(examples[i][0]);
        assert_text(&ip, examples[i][1]);
    }
}

static void
other_edges_are_written_in_that_form_too(void **state)
{
    (void)state;
    static const char *const examples[][2] = {
        {"0:0:0:0:0:0:0:0", "::"},
        {"0:0:0:0:0:0:0:1", "::1"},
        {"1:0:0:0:0:0:0:0", "1::"},
        {"0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"1:2:3:4:5:6::", "1:2:3:4:5:6::"},
        {"0:0:1:0:0:1:0:0", "::1:0:0:1:0:0"},
        {"1:0:0:2:2:0:0:0", "1:0:0:2:2::"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"::ffff:0:0", "::ffff:0.0.0.0"},
        {"::ffff:0", "::ffff:0"},
        {"::fffe:1.2.3.4", "::fffe:102:304"},
        {"1::ffff:1.2.3.4", "1::ffff:102:304"},
        {"::1.2.3.4", "::102:304"}, /* "IPv4-compatible" is obsolete, RFC 4291 section 2.5.5.1 */
        {"::ffff:1.2.3.4%2", "::ffff:1.2.3.4%2"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"10.99.100.9", "10.99.100.9"},
    };
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        struct tr_ip ip = ip_of(examples[i][0]);
        assert_text(&ip, examples[i][1]);
    }
}

static void
no_text_is_longer_than_its_limit(void **state)
{
    (void)state;
    struct tr_ip ip = ip_of("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%abcdefghijklmno");
    assert_text(&ip, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%abcdefghijklmno");
    memset(ip.zone, 'z', sizeof(ip.zone)); /* no NUL */
    assert_text(&ip, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%zzzzzzzzzzzzzzz");
}

static void
a_text_is_given_whole_or_not_at_all(void **state)
{
    (void)state;
    struct tr_ip ip = ip_of("192.0.2.1");
    char text[16];
    memset(text, '#', sizeof(text));
    assert_int_equal(tr_ip_format(&ip, text, 0), 0);
    assert_int_equal(text[0], '#');
    for (size_t size = 1; size < 10; size++) {
        memset(text, '#', sizeof(text));
        assert_int_equal(tr_ip_format(&ip, text, size), 0);
        assert_string_equal(text, "");
        assert_int_equal(text[size], '#');
    }
    assert_int_equal(tr_ip_format(&ip, text, 10), 9);
    assert_string_equal(text, "192.0.2.1");
    ip.family = 5;
    assert_int_equal(tr_ip_format(&ip, text, sizeof(text)), 0);
    assert_string_equal(text, "");
}

/* An address of which any number of words is zero, or one as random as it can be. */
static struct tr_ip
random_ip(uint64_t *seed)
{
    struct tr_ip ip = {.family = random_below(seed, 3) == 0 ? 4 : 6};
    unsigned zero = random_below(seed, 256), small = random_below(seed, 256);
    for (unsigned i = 0; i < (ip.family == 4 ? 4u : 16u); i++)
        if (ip.family == 4 || (zero >> i / 2 & 1) == 0)
            ip.bytes[i] = (uint8_t)random_below(seed, (small >> i / 2 & 1) && i % 2 == 0 ? 1 : 256);
    if (ip.family == 6 && random_below(seed, 8) == 0)
        memcpy(ip.bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
    return ip;
}

static void
what_is_written_is_read_back_by_us_and_by_inet_pton(void **state)
{
    (void)state;
    uint64_t seed = 5952;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct tr_ip ip = random_ip(&seed), again;
        char text[TR_IP_TEXT];
        uint8_t bytes[16];
        assert_true(tr_ip_format(&ip, text, sizeof(text)) > 0);
        assert_int_equal(tr_ip_parse(text, &again), TR_OK);
        assert_true(tr_ip_equal(&ip, &again));
        assert_int_equal(inet_pton(ip.family == 4 ? AF_INET : AF_INET6, text, bytes), 1);
        assert_memory_equal(bytes, ip.bytes, ip.family == 4 ? 4 : 16);
    }
}

/* inet_ntop() writes the obsolete ::a.b.c.d, and that alone otherwise than RFC 5952 has it for us. */
static void
what_inet_ntop_writes_is_what_we_write(void **state)
{
    (void)state;
    uint64_t seed = 4291;
    static const uint8_t zeros[12];
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct tr_ip ip = random_ip(&seed);
        char text[TR_IP_TEXT], expected[INET6_ADDRSTRLEN];
        if (ip.family == 6 && memcmp(ip.bytes, zeros, 12) == 0)
            continue;
        assert_non_null(inet_ntop(ip.family == 4 ? AF_INET : AF_INET6, ip.bytes, expected, sizeof(expected)));
        tr_ip_format(&ip, text, sizeof(text));
        assert_string_equal(text, expected);
    }
}

static void
addresses_stand_in_one_order(void **state)
{
    (void)state;
    static const char *const ascending[] = {
        "0.0.0.0", "1.2.3.4",  "1.2.3.5",  "200.0.0.1",      "255.255.255.255", "::",          "::1",
        "::1%1",   "::1%eth0", "::1%eth1", "::ffff:1.2.3.4", "2001:db8::1",     "2001:db8::2", "fe80::"};
    size_t count = sizeof(ascending) / sizeof(ascending[0]);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            struct tr_ip a = ip_of(ascending[i]), b = ip_of(ascending[k]);
            int order = tr_ip_compare(&a, &b);
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
            assert_int_equal(tr_ip_equal(&a, &b), i == k);
        }
}

static void
bytes_that_ipv4_has_no_use_for_make_no_difference(void **state)
{
    (void)state;
    struct tr_ip a = ip_of("1.2.3.4"), b = a;
    memset(b.bytes + 4, 0xff, 12);
    b.zone[0] = 'x';
    assert_true(tr_ip_equal(&a, &b));
    assert_text(&b, "1.2.3.4");
}

static void
a_mapped_address_is_the_ipv4_address_when_unmapped(void **state)
{
    (void)state;
    struct tr_ip mapped = ip_of("::ffff:1.2.3.4%eth0"), v4 = ip_of("1.2.3.4");
    assert_true(tr_ip_is_mapped(&mapped));
    assert_false(tr_ip_equal(&mapped, &v4));
    struct tr_ip unmapped = tr_ip_unmap(&mapped);
    assert_true(tr_ip_equal(&unmapped, &v4));
    assert_string_equal(unmapped.zone, "");

    static const char *const others[] = {"1.2.3.4",          "::1.2.3.4",          "::fffe:1.2.3.4", "1::ffff:1.2.3.4",
                                         "::1:ffff:1.2.3.4", "::1:0:ffff:1.2.3.4", "fe80::1%eth0"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct tr_ip other = ip_of(others[i]);
        assert_false(tr_ip_is_mapped(&other));
        unmapped = tr_ip_unmap(&other);
        assert_true(tr_ip_equal(&unmapped, &other));
    }
}

static void
a_socket_address_has_the_same_bytes_and_no_port(void **state)
{
    (void)state;
    struct sockaddr_storage storage;
    struct tr_ip ip = ip_of("192.0.2.1"), again;
    assert_int_equal(tr_ip_to_sockaddr(&ip, &storage), TR_OK);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    assert_int_equal(v4->sin_family, AF_INET);
    assert_int_equal(v4->sin_port, 0);
    assert_int_equal(v4->sin_addr.s_addr, inet_addr("192.0.2.1"));
    v4->sin_port = htons(80);
    assert_int_equal(tr_ip_from_sockaddr((struct sockaddr *)&storage, &again), TR_OK);
    assert_memory_equal(&again, &ip, sizeof(ip));

    ip = ip_of("2001:db8::1");
    assert_int_equal(tr_ip_to_sockaddr(&ip, &storage), TR_OK);
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
    assert_int_equal(v6->sin6_family, AF_INET6);
    assert_int_equal(v6->sin6_port, 0);
    assert_int_equal(v6->sin6_scope_id, 0);
    assert_memory_equal(&v6->sin6_addr, ip.bytes, 16);
    v6->sin6_port = htons(80);
    assert_int_equal(tr_ip_from_sockaddr((struct sockaddr *)&storage, &again), TR_OK);
    assert_memory_equal(&again, &ip, sizeof(ip));
}

static bool
is_zero(const void *memory, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)memory)[i] != 0)
            return false;
    return true;
}

static void
of_a_socket_address_all_that_is_not_the_address_is_zero(void **state)
{
    (void)state;
    static const char *const texts[] = {"192.0.2.1", "2001:db8::1"};
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_storage storage;
        struct tr_ip ip = ip_of(texts[i]);
        memset(&storage, 0x55, sizeof(storage));
        assert_int_equal(tr_ip_to_sockaddr(&ip, &storage), TR_OK);
        storage.ss_family = 0;
        if (i == 0)
            ((struct sockaddr_in *)&storage)->sin_addr.s_addr = 0;
        else
            memset(&((struct sockaddr_in6 *)&storage)->sin6_addr, 0, 16);
        assert_true(is_zero(&storage, sizeof(storage)));
    }
}

static void
a_zone_is_the_scope_of_a_socket_address(void **state)
{
    (void)state;
    struct sockaddr_storage storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
    char name[IF_NAMESIZE], text[TR_IP_TEXT];
    unsigned index = 1;
    while (index < 1000 && if_indextoname(index, name) == NULL)
        index++;
    if (index < 1000) { /* an interface that there is, by its name and by its number */
        snprintf(text, sizeof(text), "fe80::1%%%s", name);
        struct tr_ip ip = ip_of(text), again;
        assert_int_equal(tr_ip_to_sockaddr(&ip, &storage), TR_OK);
        assert_int_equal(v6->sin6_scope_id, index);
        assert_int_equal(tr_ip_from_sockaddr((struct sockaddr *)&storage, &again), TR_OK);
        assert_true(tr_ip_equal(&again, &ip));
    }
    struct tr_ip ip = ip_of("fe80::1%4294967295"), again; /* one that there is not */
    assert_int_equal(tr_ip_to_sockaddr(&ip, &storage), TR_OK);
    assert_int_equal(v6->sin6_scope_id, UINT32_MAX);
    assert_int_equal(tr_ip_from_sockaddr((struct sockaddr *)&storage, &again), TR_OK);
    assert_true(tr_ip_equal(&again, &ip));
}

static void
what_is_no_socket_address_is_refused(void **state)
{
    (void)state;
    struct sockaddr_storage storage, untouched;
    struct tr_ip ip = ip_of("::1"), none = {0}, odd = {.family = 5};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    memset(&storage, 0x55, sizeof(storage));
    untouched = storage;
    assert_int_equal(tr_ip_from_sockaddr(NULL, &ip), TR_EINVAL);
    assert_int_equal(tr_ip_from_sockaddr((struct sockaddr *)&local, NULL), TR_EINVAL);
    assert_int_equal(tr_ip_from_sockaddr((struct sockaddr *)&local, &ip), TR_EAFNOSUPPORT);
    assert_text(&ip, "::1");
    assert_int_equal(tr_ip_to_sockaddr(NULL, &storage), TR_EINVAL);
    assert_int_equal(tr_ip_to_sockaddr(&ip, NULL), TR_EINVAL);
    assert_int_equal(tr_ip_to_sockaddr(&none, &storage), TR_EAFNOSUPPORT);
    assert_int_equal(tr_ip_to_sockaddr(&odd, &storage), TR_EAFNOSUPPORT);
    ip = ip_of("fe80::1%4294967296");
    assert_int_equal(tr_ip_to_sockaddr(&ip, &storage), TR_ENODEV);
    ip = ip_of("fe80::1%99999999999999"); /* more than fits, not a number that wrapped */
    assert_int_equal(tr_ip_to_sockaddr(&ip, &storage), TR_ENODEV);
    ip = ip_of("fe80::1%no-such-device");
    assert_int_equal(tr_ip_to_sockaddr(&ip, &storage), TR_ENODEV);
    assert_memory_equal(&storage, &untouched, sizeof(storage));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ipv4_address_has_four_bytes_in_the_order_of_the_network),
        cmocka_unit_test(an_ipv6_address_has_sixteen_and_its_zone),
        cmocka_unit_test(a_zone_is_kept_up_to_the_length_of_an_interfaces_name),
        cmocka_unit_test(a_parse_that_fails_changes_nothing),
        cmocka_unit_test(the_examples_of_rfc_5952_are_written_in_its_form),
        cmocka_unit_test(other_edges_are_written_in_that_form_too),
        cmocka_unit_test(no_text_is_longer_than_its_limit),
        cmocka_unit_test(a_text_is_given_whole_or_not_at_all),
        cmocka_unit_test(what_is_written_is_read_back_by_us_and_by_inet_pton),
        cmocka_unit_test(what_inet_ntop_writes_is_what_we_write),
        cmocka_unit_test(addresses_stand_in_one_order),
        cmocka_unit_test(bytes_that_ipv4_has_no_use_for_make_no_difference),
        cmocka_unit_test(a_mapped_address_is_the_ipv4_address_when_unmapped),
        cmocka_unit_test(a_socket_address_has_the_same_bytes_and_no_port),
        cmocka_unit_test(of_a_socket_address_all_that_is_not_the_address_is_zero),
        cmocka_unit_test(a_zone_is_the_scope_of_a_socket_address),
        cmocka_unit_test(what_is_no_socket_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
