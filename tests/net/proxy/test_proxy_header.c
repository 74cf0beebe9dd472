/*
 * PROXY headers as bytes: what is one and what it says, what is none and why. Each is shown at once, with bytes behind
 * it, and byte by byte.
 */
#include "proxy_reads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Lines. */

static struct tr_proxy
must_read_line(const char *line)
{
    struct tr_proxy proxy;
    char more[256];
    size_t size = strlen(line);
    struct tri_proxy_reading reading = read_all(BOTH, 4096, line, size, &proxy);
    if (reading.outcome != TRI_PROXY_DONE || reading.size != size)
        fail_msg("%d: %s", reading.outcome, line);
    snprintf(more, sizeof(more), "%sPROXY\r\n", line);
    assert_int_equal(read_all(BOTH, 4096, more, strlen(more), &proxy).size, size);
    assert_int_equal(proxy.version, 1);
    assert_int_equal(proxy.command, TR_PROXY_FORWARDS);
    assert_int_equal(proxy.transport, TR_PROXY_STREAM);
    assert_null(proxy.tlvs);
    return proxy;
}

static void
lines_that_say_from_where_to_where(void **state)
{
    static const struct {
        const char *line;
        enum tr_family family;
        const char *source, *destination;
        unsigned from, to;
    } rows[] = {
        {"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", TR_FAMILY_IPV4, "192.168.0.1", "192.168.0.11", 56324,
         443},
        {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", TR_FAMILY_IPV4, "255.255.255.255",
         "255.255.255.255", 65535, 65535},
        {"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", TR_FAMILY_IPV4, "0.0.0.0", "0.0.0.0", 0, 0},
        {"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", TR_FAMILY_IPV6, "2001:db8::1", "::1", 1, 65535},
        {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff FFFF:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         TR_FAMILY_IPV6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535,
         65535},
        {"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 80 8080\r\n", TR_FAMILY_IPV6, "::ffff:192.0.2.1",
         "::ffff:192.0.2.2", 80, 8080},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tr_proxy proxy = must_read_line(rows[i].line);
        assert_int_equal(proxy.source.family, rows[i].family);
        assert_int_equal(proxy.destination.family, rows[i].family);
        assert_string_equal(proxy.source.text, rows[i].source);
        assert_string_equal(proxy.destination.text, rows[i].destination);
        assert_int_equal(proxy.source.port, rows[i].from);
        assert_int_equal(proxy.destination.port, rows[i].to);
    }
}

static void
lines_that_say_nothing(void **state)
{
    static const char *const lines[] = {
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN \r\n",
        "PROXY UNKNOWN anything  at all\t\x01\xff\r\n",
        "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
    };
    (void)state;
    assert_int_equal(strlen(lines[3]), TR_PROXY_V1_BYTES);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct tr_proxy proxy = must_read_line(lines[i]);
        assert_int_equal(proxy.source.family, TR_FAMILY_NONE);
        assert_int_equal(proxy.destination.family, TR_FAMILY_NONE);
    }
}

static void
lines_that_are_none(void **state)
{
    static const struct {
        const char *line;
        enum tri_proxy_outcome why;
    } rows[] = {
        {"GET / HTTP/1.1\r\n", TRI_PROXY_FOREIGN},
        {"proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n", TRI_PROXY_FOREIGN},
        {"PROXY", TRI_PROXY_MORE},
        {"PROXY\r\n", TRI_PROXY_FOREIGN},
        {"PROXY\tTCP4 1.2.3.4 1.2.3.4 1 1\r\n", TRI_PROXY_FOREIGN},
        {"PROXYTCP4 1.2.3.4 1.2.3.4 1 1\r\n", TRI_PROXY_FOREIGN},
        {" PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n", TRI_PROXY_FOREIGN},
        {"PROXY \r\n", TRI_PROXY_MALFORMED},
        {"PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY tcp4 1.2.3.4 1.2.3.4 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP 1.2.3.4 1.2.3.4 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP44 1.2.3.4 1.2.3.4 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY unknown\r\n", TRI_PROXY_MALFORMED},
        {"PROXY UNKNOWNX\r\n", TRI_PROXY_MALFORMED},
        {"PROXY UNKNOWN\n", TRI_PROXY_MALFORMED},
        {"PROXY UNKNOWN\rx\r\n", TRI_PROXY_MALFORMED},
        {"PROXY UNKNOWN x\ry\r\n", TRI_PROXY_MALFORMED},
        {"PROXY UNKNOWN x\n\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 \r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4  1.2.3.4 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4\t1.2.3.4 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4  1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.04 1.2.3.4 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.256 1.2.3.4 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4.5 1.2.3.4 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 host 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 ::1 ::1 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 ::1 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP6 ::1 1.2.3.4 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP6 ::1 ::1::1 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP6 [::1] ::1 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP6 fe80::1%lo fe80::1 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP6 12345::1 ::1 1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 00\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 100000\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 4294967297 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 0x1\r\n", TRI_PROXY_MALFORMED},
        {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
         "655355\r\n",
         TRI_PROXY_TOO_LONG},
        {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655355",
         TRI_PROXY_TOO_LONG},
        {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r",
         TRI_PROXY_MORE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tr_proxy proxy;
        enum tri_proxy_outcome outcome = read_all(BOTH, 4096, rows[i].line, strlen(rows[i].line), &proxy).outcome;
        if (outcome != rows[i].why)
            fail_msg("%d: %s", outcome, rows[i].line);
    }
    static const char nul[] = "PROXY TCP4 1.2.3.4\0 1.2.3.4 1 1\r\n";
    struct tr_proxy proxy;
    assert_int_equal(read_all(BOTH, 4096, nul, sizeof(nul) - 1, &proxy).outcome, TRI_PROXY_MALFORMED);
}

/* Binary ones. */

struct binary {
    const char *name;
    const char *bytes; /* after the signature */
    size_t size;
    enum tri_proxy_outcome outcome;
};
#define ROW(name, bytes, outcome)                                                                                      \
    {                                                                                                                  \
        name, bytes, sizeof(bytes) - 1, outcome                                                                        \
    }

static size_t
make(const struct binary *row, unsigned char *bytes)
{
    memcpy(bytes, SIGNATURE, 12);
    memcpy(bytes + 12, row->bytes, row->size);
    return 12 + row->size;
}

static void
binary_headers_are_read_or_refused(void **state)
{
    static const struct binary rows[] = {
        ROW("TCP4", "\x21\x11\x00\x0c" TCP4, TRI_PROXY_DONE),
        ROW("UDP4", "\x21\x12\x00\x0c" TCP4, TRI_PROXY_DONE),
        ROW("one byte is missing", "\x21\x11\x00\x0d" TCP4, TRI_PROXY_MORE),
        ROW("no addresses are there", "\x21\x11\x00\x0c", TRI_PROXY_MORE),
        ROW("no room for the addresses", "\x21\x11\x00\x0b" TCP4, TRI_PROXY_MALFORMED),
        ROW("no room for those of TCP6", "\x21\x21\x00\x23" TCP4 TCP4 TCP4, TRI_PROXY_MALFORMED),
        ROW("no room for paths", "\x21\x31\x00\xd7", TRI_PROXY_MALFORMED),
        ROW("version 1", "\x11\x11\x00\x0c" TCP4, TRI_PROXY_MALFORMED),
        ROW("version 3", "\x31\x11\x00\x0c" TCP4, TRI_PROXY_MALFORMED),
        ROW("command 2", "\x22\x11\x00\x0c" TCP4, TRI_PROXY_MALFORMED),
        ROW("command 15", "\x2f\x11\x00\x0c" TCP4, TRI_PROXY_MALFORMED),
        ROW("family 4", "\x21\x41\x00\x0c" TCP4, TRI_PROXY_MALFORMED),
        ROW("protocol 3", "\x21\x13\x00\x0c" TCP4, TRI_PROXY_MALFORMED),
        ROW("UNSPEC", "\x21\x00\x00\x00", TRI_PROXY_DONE),
        ROW("UNSPEC with what are no TLVs", "\x21\x00\x00\x0c" TCP4, TRI_PROXY_DONE),
        ROW("no protocol", "\x21\x10\x00\x0c" TCP4, TRI_PROXY_DONE),
        ROW("no family", "\x21\x01\x00\x0c" TCP4, TRI_PROXY_DONE),
        ROW("LOCAL", "\x20\x00\x00\x00", TRI_PROXY_DONE),
        ROW("LOCAL with addresses", "\x20\x11\x00\x0c" TCP4, TRI_PROXY_DONE),
        ROW("LOCAL of no family", "\x20\xff\x00\x03xyz", TRI_PROXY_DONE),
        ROW("LOCAL that is incomplete", "\x20\x00\x00\x01", TRI_PROXY_MORE),
        ROW("a TLV", "\x21\x11\x00\x11" TCP4 "\x02\x00\x02hi", TRI_PROXY_DONE),
        ROW("an empty one", "\x21\x11\x00\x0f" TCP4 "\xe0\x00\x00", TRI_PROXY_DONE),
        ROW("half a TLV", "\x21\x11\x00\x0e" TCP4 "\x02\x00", TRI_PROXY_BAD_TLV),
        ROW("one that is too long", "\x21\x11\x00\x11" TCP4 "\x02\x00\x03hi", TRI_PROXY_BAD_TLV),
        ROW("a byte after it", "\x21\x11\x00\x12" TCP4 "\x02\x00\x02hi!", TRI_PROXY_BAD_TLV),
        ROW("a wrong checksum", "\x21\x11\x00\x13" TCP4 "\x03\x00\x04\x01\x02\x03\x04", TRI_PROXY_BAD_CHECKSUM),
        ROW("a short checksum", "\x21\x11\x00\x12" TCP4 "\x03\x00\x03\x01\x02\x03", TRI_PROXY_BAD_TLV),
        ROW("two checksums", "\x21\x11\x00\x1a" TCP4 "\x03\x00\x04\0\0\0\0\x03\x00\x04\0\0\0\0", TRI_PROXY_BAD_TLV),
        ROW("SSL", "\x21\x11\x00\x14" TCP4 "\x20\x00\x05\x01\0\0\0\0", TRI_PROXY_DONE),
        ROW("SSL with a cipher",
            "\x21\x11\x00\x19" TCP4 "\x20\x00\x0a\x01\0\0\0\0\x23\x00\x02"
            "AE",
            TRI_PROXY_DONE),
        ROW("SSL that is cut off", "\x21\x11\x00\x13" TCP4 "\x20\x00\x04\x01\0\0\0", TRI_PROXY_BAD_TLV),
        ROW("SSL with half a TLV", "\x21\x11\x00\x16" TCP4 "\x20\x00\x07\x01\0\0\0\0\x23\x00", TRI_PROXY_BAD_TLV),
        ROW("longer than the limit", "\x21\x11\x01\x00" TCP4, TRI_PROXY_TOO_LONG),
        ROW("LOCAL that is longer", "\x20\x00\xff\xff", TRI_PROXY_TOO_LONG),
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned char bytes[128];
        struct tr_proxy proxy;
        size_t size = make(&rows[i], bytes);
        struct tri_proxy_reading reading = read_all(BOTH, 256, bytes, size, &proxy);
        if (reading.outcome != rows[i].outcome)
            fail_msg("%d: %s", reading.outcome, rows[i].name);
        if (reading.outcome != TRI_PROXY_DONE)
            continue;
        assert_int_equal(reading.size, size);
        memcpy(bytes + size, "more", 4);
        assert_int_equal(read_all(BOTH, 256, bytes, size + 4, &proxy).size, size);
        assert_int_equal(proxy.version, 2);
    }
}

static struct tr_proxy
must_read(const struct binary *row, unsigned char *bytes)
{
    struct tr_proxy proxy;
    size_t size = make(row, bytes);
    assert_int_equal(read_all(BOTH, 4096, bytes, size, &proxy).outcome, TRI_PROXY_DONE);
    return proxy;
}

static void
what_a_binary_header_says(void **state)
{
    (void)state;
    unsigned char bytes[512];
    struct tr_proxy proxy =
        must_read(&(struct binary)ROW("", "\x21\x11\x00\x11" TCP4 "\x02\x00\x02hi", TRI_PROXY_DONE), bytes);
    assert_int_equal(proxy.command, TR_PROXY_FORWARDS);
    assert_int_equal(proxy.transport, TR_PROXY_STREAM);
    assert_int_equal(proxy.source.family, TR_FAMILY_IPV4);
    assert_string_equal(proxy.source.text, "192.0.2.1");
    assert_string_equal(proxy.destination.text, "192.0.2.2");
    assert_int_equal(proxy.source.port, 0x1234);
    assert_int_equal(proxy.destination.port, 443);
    assert_int_equal(proxy.tlvs_size, 5);
    assert_memory_equal(proxy.tlvs, "\x02\x00\x02hi", 5);

    proxy = must_read(&(struct binary)ROW("",
                                          "\x21\x22\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                                          "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x00\x01\xff\xff",
                                          TRI_PROXY_DONE),
                      bytes);
    assert_int_equal(proxy.transport, TR_PROXY_DATAGRAM);
    assert_int_equal(proxy.destination.family, TR_FAMILY_IPV6);
    assert_string_equal(proxy.source.text, "2001:db8::1");
    assert_string_equal(proxy.destination.text, "2001:db8::2");
    assert_int_equal(proxy.source.port, 1);
    assert_int_equal(proxy.destination.port, 65535);

    /* Neither LOCAL nor UNSPEC has addresses; of UNSPEC TLVs are read, of LOCAL nothing. */
    proxy = must_read(&(struct binary)ROW("", "\x20\x11\x00\x11" TCP4 "\x02\x00\x02hi", TRI_PROXY_DONE), bytes);
    assert_int_equal(proxy.command, TR_PROXY_LOCAL);
    assert_int_equal(proxy.source.family, TR_FAMILY_NONE);
    assert_int_equal(proxy.tlvs_size, 0);
    proxy = must_read(&(struct binary)ROW("", "\x20\x00\x00\x05\x02\x00\x02hi", TRI_PROXY_DONE), bytes);
    assert_int_equal(proxy.tlvs_size, 0);
    proxy = must_read(&(struct binary)ROW("", "\x21\x00\x00\x05\x02\x00\x02hi", TRI_PROXY_DONE), bytes);
    assert_int_equal(proxy.command, TR_PROXY_FORWARDS);
    assert_int_equal(proxy.source.family, TR_FAMILY_NONE);
    assert_int_equal(proxy.tlvs_size, 5);
    proxy = must_read(&(struct binary)ROW("", "\x21\x10\x00\x05\x02\x00\x02hi", TRI_PROXY_DONE), bytes);
    assert_int_equal(proxy.tlvs_size, 0);
}

static void
paths_are_named_as_elsewhere(void **state)
{
    (void)state;
    unsigned char bytes[16 + 216] = SIGNATURE "\x21\x31\x00\xd8";
    struct tr_proxy proxy;
    strcpy((char *)bytes + 16, "/run/a");
    memcpy(bytes + 16 + 108, "\0name", 5);
    assert_int_equal(read_all(BOTH, 232, bytes, sizeof(bytes), &proxy).outcome, TRI_PROXY_DONE);
    assert_int_equal(proxy.source.family, TR_FAMILY_UNIX);
    assert_string_equal(proxy.source.text, "/run/a");
    assert_string_equal(proxy.destination.text, "@name");
    assert_int_equal(proxy.source.port, 0);
    memset(bytes + 16, 'x', 108);
    memset(bytes + 16 + 108, 0, 108);
    assert_int_equal(read_all(BOTH, 232, bytes, sizeof(bytes), &proxy).outcome, TRI_PROXY_DONE);
    assert_int_equal(strlen(proxy.source.text), 108);
    assert_int_equal(proxy.destination.family, TR_FAMILY_UNIX);
    assert_string_equal(proxy.destination.text, "");
}

static void
only_versions_that_are_asked_for_are_taken(void **state)
{
    (void)state;
    static const char line[] = "PROXY UNKNOWN\r\n", binary[] = SIGNATURE "\x20\x00\x00\x00";
    struct tr_proxy proxy;
    assert_int_equal(read_all(TR_PROXY_V1, 4096, line, 15, &proxy).outcome, TRI_PROXY_DONE);
    assert_int_equal(read_all(TR_PROXY_V2, 4096, line, 15, &proxy).outcome, TRI_PROXY_FOREIGN);
    assert_int_equal(read_all(TR_PROXY_V1, 4096, binary, 16, &proxy).outcome, TRI_PROXY_FOREIGN);
    assert_int_equal(read_all(TR_PROXY_V2, 4096, binary, 16, &proxy).outcome, TRI_PROXY_DONE);
    for (unsigned i = 0; i < 12; i++) {
        char other[16];
        memcpy(other, binary, 16);
        other[i] ^= 0x20;
        assert_int_equal(read_all(BOTH, 4096, other, 16, &proxy).outcome, TRI_PROXY_FOREIGN);
    }
}

static void
a_header_may_be_as_long_as_the_limit(void **state)
{
    (void)state;
    unsigned char bytes[301] = SIGNATURE "\x21\x11\x01\x1c" TCP4 "\x04\x01\x0d";
    struct tr_proxy proxy;
    assert_int_equal(read_all(BOTH, 300, bytes, 301, &proxy).size, 300);
    assert_int_equal(proxy.tlvs_size, 272);
    assert_int_equal(read_all(BOTH, 299, bytes, 301, &proxy).outcome, TRI_PROXY_TOO_LONG);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_that_say_from_where_to_where),
        cmocka_unit_test(lines_that_say_nothing),
        cmocka_unit_test(lines_that_are_none),
        cmocka_unit_test(binary_headers_are_read_or_refused),
        cmocka_unit_test(what_a_binary_header_says),
        cmocka_unit_test(paths_are_named_as_elsewhere),
        cmocka_unit_test(only_versions_that_are_asked_for_are_taken),
        cmocka_unit_test(a_header_may_be_as_long_as_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
