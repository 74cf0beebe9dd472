/*
 * TLVs of PROXY headers, their checksum, and headers that are written.
 */
#include "proxy_reads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* TLVs. */

static void
tlvs_are_found_one_after_the_other(void **state)
{
    static const char tlvs[] = "\x01\x00\x02h2\xe0\x00\x00\x01\x00\x01x";
    struct tr_proxy proxy = {.version = 2, .tlvs = tlvs, .tlvs_size = sizeof(tlvs) - 1};
    struct tr_proxy_tlv tlv = {0};
    (void)state;
    assert_true(tr_proxy_tlv_next(tlvs, sizeof(tlvs) - 1, &tlv));
    assert_true(tlv.type == TR_PROXY_ALPN && tlv.size == 2 && tlv.value == tlvs + 3);
    assert_true(tr_proxy_tlv_next(tlvs, sizeof(tlvs) - 1, &tlv));
    assert_true(tlv.type == 0xe0 && tlv.size == 0);
    assert_true(tr_proxy_tlv_next(tlvs, sizeof(tlvs) - 1, &tlv));
    assert_true(tlv.type == TR_PROXY_ALPN && tlv.size == 1);
    assert_false(tr_proxy_tlv_next(tlvs, sizeof(tlvs) - 1, &tlv));
    tlv = (struct tr_proxy_tlv){0};
    assert_false(tr_proxy_tlv_next(tlvs, 4, &tlv));
    assert_false(tr_proxy_tlv_next(NULL, 0, &tlv));
    assert_false(tr_proxy_tlv_next(tlvs, 5, NULL));
    assert_true(tr_proxy_tlv_find(&proxy, TR_PROXY_ALPN, &tlv));
    assert_true(tlv.value == tlvs + 3);
    assert_true(tr_proxy_tlv_find(&proxy, 0xe0, &tlv));
    assert_false(tr_proxy_tlv_find(&proxy, TR_PROXY_AUTHORITY, &tlv));
    assert_int_equal(tlv.type, 0xe0);
    assert_false(tr_proxy_tlv_find(NULL, TR_PROXY_ALPN, &tlv));
    assert_false(tr_proxy_tlv_find(&proxy, TR_PROXY_ALPN, NULL));
}

static void
tlvs_are_appended_as_long_as_there_is_room(void **state)
{
    unsigned char tlvs[16];
    size_t size = 0;
    (void)state;
    assert_int_equal(tr_proxy_tlv_add(tlvs, 9, &size, TR_PROXY_ALPN, "h2", 2), TR_OK);
    assert_int_equal(size, 5);
    assert_int_equal(tr_proxy_tlv_add(tlvs, 9, &size, TR_PROXY_ALPN, "h2", 2), TR_EBADLIMIT);
    assert_int_equal(size, 5);
    assert_int_equal(tr_proxy_tlv_add(tlvs, 9, &size, 0xe1, "x", 1), TR_OK);
    assert_memory_equal(tlvs, "\x01\x00\x02h2\xe1\x00\x01x", 9);
    assert_int_equal(tr_proxy_tlv_add(tlvs, 9, &size, TR_PROXY_NOOP, NULL, 0), TR_EBADLIMIT);
    assert_int_equal(tr_proxy_tlv_add(tlvs, 16, &size, TR_PROXY_NOOP, NULL, 0), TR_OK);
    assert_int_equal(size, 12);
    assert_int_equal(tr_proxy_tlv_add(tlvs, 16, &size, 256, NULL, 0), TR_EINVAL);
    assert_int_equal(tr_proxy_tlv_add(tlvs, 16, &size, 1, NULL, 1), TR_EINVAL);
    assert_int_equal(tr_proxy_tlv_add(NULL, 16, &size, 1, NULL, 0), TR_EINVAL);
    assert_int_equal(tr_proxy_tlv_add(tlvs, 16, NULL, 1, NULL, 0), TR_EINVAL);
    assert_int_equal(tr_proxy_tlv_add(tlvs, SIZE_MAX, &size, 1, tlvs, 65536), TR_EBADLIMIT);
}

static void
a_unique_id_has_at_most_128_bytes(void **state)
{
    (void)state;
    for (size_t length = 128; length <= 129; length++) {
        unsigned char bytes[16 + 12 + 3 + 129] = SIGNATURE "\x21\x11\x00\x8f" TCP4;
        struct tr_proxy proxy;
        bytes[15] = (unsigned char)(12 + 3 + length);
        bytes[28] = TR_PROXY_UNIQUE_ID;
        bytes[30] = (unsigned char)length;
        assert_int_equal(read_all(BOTH, 4096, bytes, 16 + 12 + 3 + length, &proxy).outcome,
                         length == 128 ? TRI_PROXY_DONE : TRI_PROXY_BAD_TLV);
    }
}

/* The check value of CRC32C; and the example of haproxy's order of its bytes: the highest first. */
static void
the_checksum_is_crc32c_of_the_header_without_it(void **state)
{
    (void)state;
    assert_int_equal(tri_proxy_crc32c((const unsigned char *)"123456789", 9, NULL), 0xe3069283);
    unsigned char zeroes[32] = {0};
    assert_int_equal(tri_proxy_crc32c(zeroes, 32, NULL), 0x8a9136aa); /* RFC 3720, appendix B.4 */
    memset(zeroes + 5, 7, 4);
    assert_int_equal(tri_proxy_crc32c(zeroes, 32, zeroes + 5), 0x8a9136aa);

    unsigned char bytes[] = SIGNATURE "\x21\x11\x00\x18" TCP4 "\x03\x00\x04\0\0\0\0\x02\x00\x02hi";
    size_t size = sizeof(bytes) - 1;
    struct tr_proxy proxy;
    tri_proxy_put32(bytes + 31, tri_proxy_crc32c(bytes, size, NULL));
    assert_int_equal(read_all(BOTH, 4096, bytes, size, &proxy).outcome, TRI_PROXY_DONE);
    for (size_t i = 16; i < size; i++) {
        if (i == 28 || i == 29 || i == 30 || i == 36 || i == 37) /* the form of the TLVs */
            continue;
        bytes[i] ^= 0x10;
        assert_int_equal(read_all(BOTH, 4096, bytes, size, &proxy).outcome, TRI_PROXY_BAD_CHECKSUM);
        bytes[i] ^= 0x10;
    }
}

/* Writing. */

static struct tr_address
address(enum tr_family family, const char *text, uint16_t port)
{
    struct tr_address out = {.family = family, .port = port};
    snprintf(out.text, sizeof(out.text), "%s", text);
    return out;
}

static size_t
must_write(const struct tr_proxy *proxy, unsigned char *bytes)
{
    size_t size;
    assert_int_equal(tri_proxy_check(proxy, &size), TR_OK);
    tri_proxy_write(proxy, bytes);
    return size;
}

static void
must_write_line(const struct tr_proxy *proxy, const char *line)
{
    unsigned char bytes[256];
    assert_int_equal(must_write(proxy, bytes), strlen(line));
    assert_memory_equal(bytes, line, strlen(line));
}

static void
lines_are_written(void **state)
{
    struct tr_proxy proxy = {.version = 1, .command = TR_PROXY_FORWARDS};
    (void)state;
    must_write_line(&proxy, "PROXY UNKNOWN\r\n");
    proxy.source = address(TR_FAMILY_IPV4, "192.0.2.1", 65535);
    proxy.destination = address(TR_FAMILY_IPV4, "192.0.2.2", 0);
    must_write_line(&proxy, "PROXY TCP4 192.0.2.1 192.0.2.2 65535 0\r\n");
    proxy.transport = TR_PROXY_DATAGRAM;
    must_write_line(&proxy, "PROXY UNKNOWN\r\n");
    proxy.transport = TR_PROXY_STREAM;
    proxy.command = TR_PROXY_LOCAL;
    must_write_line(&proxy, "PROXY UNKNOWN\r\n");
    proxy.command = TR_PROXY_FORWARDS;
    proxy.source = address(TR_FAMILY_IPV6, "fe80::1%lo", 1);
    proxy.destination = address(TR_FAMILY_IPV6, "::ffff:192.0.2.2", 2);
    must_write_line(&proxy, "PROXY TCP6 fe80::1 ::ffff:192.0.2.2 1 2\r\n");
    proxy.source = address(TR_FAMILY_IPV6, "::ffff:192.0.2.1", 1);
    must_write_line(&proxy, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
    proxy.source = proxy.destination = address(TR_FAMILY_UNIX, "/run/a", 0);
    must_write_line(&proxy, "PROXY UNKNOWN\r\n");
}

static void
must_write_bytes(const struct tr_proxy *proxy, const char *expected, size_t size)
{
    unsigned char bytes[512];
    assert_int_equal(must_write(proxy, bytes), 12 + size);
    assert_memory_equal(bytes, SIGNATURE, 12);
    assert_memory_equal(bytes + 12, expected, size);
}
#define MUST_WRITE(proxy, expected) must_write_bytes(proxy, expected, sizeof(expected) - 1)

static void
binary_headers_are_written(void **state)
{
    struct tr_proxy proxy = {.version = 2, .command = TR_PROXY_LOCAL};
    (void)state;
    MUST_WRITE(&proxy, "\x20\x00\x00\x00");
    proxy.source = address(TR_FAMILY_IPV4, "192.0.2.1", 0x1234);
    proxy.destination = address(TR_FAMILY_IPV4, "192.0.2.2", 443);
    MUST_WRITE(&proxy, "\x20\x00\x00\x00");
    proxy.command = TR_PROXY_FORWARDS;
    MUST_WRITE(&proxy, "\x21\x11\x00\x0c" TCP4);
    proxy.transport = TR_PROXY_DATAGRAM;
    proxy.tlvs = "\x02\x00\x02hi";
    proxy.tlvs_size = 5;
    MUST_WRITE(&proxy, "\x21\x12\x00\x11" TCP4 "\x02\x00\x02hi");
    proxy.source.family = proxy.destination.family = TR_FAMILY_NONE;
    MUST_WRITE(&proxy, "\x21\x00\x00\x05\x02\x00\x02hi");
    proxy.transport = TR_PROXY_STREAM;
    proxy.tlvs_size = 0;
    proxy.source = address(TR_FAMILY_IPV6, "2001:db8::1", 1);
    proxy.destination = address(TR_FAMILY_IPV6, "::", 2);
    MUST_WRITE(&proxy, "\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                       "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x00\x01\x00\x02");
}

static void
what_is_written_is_read_back(void **state)
{
    static const struct {
        enum tr_family family;
        const char *source, *destination;
    } rows[] = {
        {TR_FAMILY_IPV4, "1.2.3.4", "255.255.255.255"},
        {TR_FAMILY_IPV6, "1:2:3:4:5:6:7:8", "::"},
        {TR_FAMILY_UNIX, "/run/x", "@abstract"},
        {TR_FAMILY_UNIX, "", "a"},
        {TR_FAMILY_NONE, "", ""},
    };
    (void)state;
    for (unsigned i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        static const char tlvs[] = "\x03\x00\x04\0\0\0\0\x01\x00\x02h2";
        struct tr_proxy proxy = {.version = 2, .command = TR_PROXY_FORWARDS}, again;
        proxy.source = address(rows[i / 2].family, rows[i / 2].source, rows[i / 2].family > 1 ? 1 : 0);
        proxy.destination = address(rows[i / 2].family, rows[i / 2].destination, 0);
        proxy.transport = i % 2 == 0 || proxy.source.family == TR_FAMILY_NONE ? TR_PROXY_STREAM : TR_PROXY_DATAGRAM;
        proxy.tlvs = tlvs;
        proxy.tlvs_size = sizeof(tlvs) - 1;
        unsigned char bytes[512];
        size_t size = must_write(&proxy, bytes);
        assert_int_equal(read_all(BOTH, 4096, bytes, size, &again).outcome, TRI_PROXY_DONE);
        assert_int_equal(again.transport, proxy.transport);
        assert_memory_equal(&again.source, &proxy.source, sizeof(proxy.source));
        assert_memory_equal(&again.destination, &proxy.destination, sizeof(proxy.destination));
        assert_int_equal(again.tlvs_size, proxy.tlvs_size);
        assert_memory_equal((const char *)again.tlvs + 7, tlvs + 7, 5);
        assert_true(tri_proxy_get32((const unsigned char *)again.tlvs + 3) != 0); /* the checksum, which is right */
    }
}

static void
what_cannot_be_written_is_refused_by_name(void **state)
{
    static char many[65536];
    const struct tr_address v4 = address(TR_FAMILY_IPV4, "1.2.3.4", 1), v6 = address(TR_FAMILY_IPV6, "::1", 1);
    const struct tr_address path = address(TR_FAMILY_UNIX, "@", 0), name = address(TR_FAMILY_IPV4, "host", 1);
    const struct tr_address no = address((enum tr_family)5, "x", 1), six = address(TR_FAMILY_IPV6, "1.2.3.4", 1);
    const struct {
        struct tr_proxy proxy;
        tr_status status;
    } rows[] = {
        {{.version = 0, .command = 1}, TR_EINVAL},
        {{.version = 3, .command = 1}, TR_EINVAL},
        {{.version = 2, .command = (enum tr_proxy_command)2}, TR_EINVAL},
        {{.version = 2, .command = 1, .transport = (enum tr_proxy_transport)2}, TR_EINVAL},
        {{.version = 2, .command = 1, .source = v4}, TR_EBADADDRESS},
        {{.version = 2, .command = 1, .source = v4, .destination = v6}, TR_EBADADDRESS},
        {{.version = 2, .command = 1, .source = v4, .destination = name}, TR_EBADADDRESS},
        {{.version = 1, .command = 1, .source = name, .destination = v4}, TR_EBADADDRESS},
        {{.version = 2, .command = 1, .source = six, .destination = six}, TR_EBADADDRESS},
        {{.version = 2, .command = 1, .source = path, .destination = path}, TR_EBADADDRESS},
        {{.version = 2, .command = 1, .source = no, .destination = no}, TR_EBADADDRESS},
        {{.version = 1, .command = 1, .tlvs = "\4\0", .tlvs_size = 3}, TR_EINVAL},
        {{.version = 2, .command = 0, .tlvs = "\4\0", .tlvs_size = 3}, TR_EINVAL},
        {{.version = 2, .command = 1, .tlvs = "\4\0", .tlvs_size = 2}, TR_EINVAL},
        {{.version = 2, .command = 1, .tlvs = NULL, .tlvs_size = 3}, TR_EINVAL},
        {{.version = 2, .command = 1, .tlvs = "\4\0", .tlvs_size = 3}, TR_OK},
        {{.version = 2, .command = 1, .tlvs = many, .tlvs_size = 65535}, TR_OK},
        {{.version = 2, .command = 1, .source = v4, .destination = v4, .tlvs = many, .tlvs_size = 65535}, TR_EBADLIMIT},
    };
    (void)state;
    memcpy(many, "\4\xff\xfc", 3);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t size;
        tr_status status = tri_proxy_check(&rows[i].proxy, &size);
        if (status != rows[i].status)
            fail_msg("row %zu: %s", i, tr_status_code(status));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tlvs_are_found_one_after_the_other),
        cmocka_unit_test(tlvs_are_appended_as_long_as_there_is_room),
        cmocka_unit_test(a_unique_id_has_at_most_128_bytes),
        cmocka_unit_test(the_checksum_is_crc32c_of_the_header_without_it),
        cmocka_unit_test(lines_are_written),
        cmocka_unit_test(binary_headers_are_written),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(what_cannot_be_written_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
