#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <jansson.h>
#include <troupe/ipaddr/ip.h>

#include "address_text.h"

#define ROUNDS 400000u

static void
every_vector_of_nodes_has_the_answer_of_nodes(void **state)
{
    (void)state;
    json_error_t error;
    json_t *root = json_load_file(TESTS_VECTORS "/isip.json", JSON_ALLOW_NUL, &error);
    json_t *vectors = json_object_get(root, "isip"), *vector;
    size_t i;
    if (root == NULL)
        fail_msg("%s:%d: %s", error.source, error.line, error.text);
    assert_true(json_array_size(vectors) > 200);
    json_array_foreach(vectors, i, vector)
    {
        json_t *in = json_object_get(vector, "in");
        const char *text = json_string_value(in);
        int answer = (int)json_integer_value(json_object_get(vector, "isIP"));
        bool has_nul = json_is_true(json_object_get(vector, "nul"));
        if (tr_is_ip_sized(text, json_string_length(in)) != answer)
            fail_msg("\"%s\" is %d", text, answer);
        if (has_nul)
            continue; /* as a C string it is another text */
        assert_int_equal(tr_is_ip(text), answer);
        assert_int_equal(tr_is_ipv4(text), answer == 4);
        assert_int_equal(tr_is_ipv6(text), answer == 6);
    }
    json_decref(root);
}

static void
a_nul_inside_makes_it_no_address_wherever_it_stands(void **state)
{
    (void)state;
    static const char *const addresses[] = {"127.0.0.1", "::1", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "fe80::1%eth0"};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        size_t size = strlen(addresses[i]);
        assert_int_equal(tr_is_ip_sized(addresses[i], size + 1), 0);
        for (size_t k = 0; k < size; k++) {
            char text[ADDRESS_TEXT];
            memcpy(text, addresses[i], size);
            text[k] = '\0';
            assert_int_equal(tr_is_ip_sized(text, size), 0);
        }
    }
}

/* The text lies at the end of its own piece of memory, so that a sanitizer sees who reads beyond it. */
static void
no_reader_looks_behind_the_text(void **state)
{
    (void)state;
    static const char text[] = "1:22:333:4444::ffff:255.255.255.255%eth0";
    for (size_t size = 0; size < sizeof(text); size++) {
        char *copy = malloc(size + 1);
        memcpy(copy + 1, text, size);
        int answer = tr_is_ip_sized(copy + 1, size);
        assert_true(answer == 0 || answer == 6);
        free(copy);
    }
    assert_int_equal(tr_is_ip_sized("1.2.3.45", 7), 4);
    assert_int_equal(tr_is_ip_sized("1.2.3.4", 6), 0);
    assert_int_equal(tr_is_ip_sized("::1", 2), 6);
    assert_int_equal(tr_is_ip_sized("::1", 1), 0);
    assert_int_equal(tr_is_ip_sized("fe80::1%eth0", 8), 0);
    assert_int_equal(tr_is_ip_sized("fe80::1%eth0", 9), 6);
}

static void
nothing_is_no_address(void **state)
{
    (void)state;
    assert_int_equal(tr_is_ip(NULL), 0);
    assert_int_equal(tr_is_ip_sized(NULL, 0), 0);
    assert_int_equal(tr_is_ip_sized("", 0), 0);
    assert_false(tr_is_ipv4(NULL));
    assert_false(tr_is_ipv6(NULL));
}

static void
no_character_stands_for_another(void **state)
{
    (void)state;
    for (unsigned c = 1; c < 256; c++) {
        char text[] = "::?";
        text[2] = (char)c;
        bool hex = strchr("0123456789abcdefABCDEF", (int)c) != NULL;
        assert_int_equal(tr_is_ip(text), hex ? 6 : 0);
        char decimal[] = "1.2.3.?";
        decimal[6] = (char)c;
        assert_int_equal(tr_is_ip(decimal), c >= '0' && c <= '9' ? 4 : 0);
        char zone[] = "::%?";
        zone[3] = (char)c;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        assert_int_equal(tr_is_ip(zone), letter || (c >= '0' && c <= '9') || strchr("-.:", (int)c) != NULL ? 6 : 0);
    }
}

/*
 * Where isIP and inet_pton() rightly differ is the zone, which inet_pton() does not know; none of these texts has one.
 * Some systems' inet_pton() also takes leading zeros of decimal numbers; that of glibc does not.
 */
static void
texts_without_a_zone_are_addresses_exactly_if_inet_pton_says_so(void **state)
{
    (void)state;
    uint64_t seed = 20;
    unsigned found[7] = {0};
    for (unsigned i = 0; i < ROUNDS; i++) {
        char text[ADDRESS_TEXT];
        uint8_t bytes[16] = {0};
        address_text(&seed, text);
        int answer = inet_pton(AF_INET, text, bytes) == 1 ? 4 : inet_pton(AF_INET6, text, bytes) == 1 ? 6 : 0;
        if (tr_is_ip(text) != answer)
            fail_msg("\"%s\" is %d", text, answer);
        struct tr_ip ip;
        assert_int_equal(tr_ip_parse(text, &ip), answer ? TR_OK : TR_EBADADDRESS);
        if (answer)
            assert_memory_equal(ip.bytes, bytes, answer == 4 ? 4 : 16);
        found[answer]++;
    }
    assert_true(found[0] > ROUNDS / 10);
    assert_true(found[4] > ROUNDS / 10);
    assert_true(found[6] > ROUNDS / 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_of_nodes_has_the_answer_of_nodes),
        cmocka_unit_test(a_nul_inside_makes_it_no_address_wherever_it_stands),
        cmocka_unit_test(no_reader_looks_behind_the_text),
        cmocka_unit_test(nothing_is_no_address),
        cmocka_unit_test(no_character_stands_for_another),
        cmocka_unit_test(texts_without_a_zone_are_addresses_exactly_if_inet_pton_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
