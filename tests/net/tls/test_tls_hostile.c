/*
 * Secure sockets whose peer has bad manners before the handshake is over. Each of them fails by name or by time, the
 * others of its worker go on, and OpenSSL's queue of errors is empty (siege.h).
 */
#include "hands.h"
#include "siege.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is said in place of a handshake. */

#define TEXT(text) text, sizeof(text) - 1

static const struct {
    const char *what, *bytes;
    size_t size;
    const char *to_server, *to_client; /* the codes */
} bad_beginnings[] = {
    {"a request of HTTP", TEXT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "ERR_SSL_HTTP_REQUEST", "ERR_SSL_HTTP_REQUEST"},
    {"a request to a proxy", TEXT("CONNECT a:1 HTTP/1.1\r\n\r\n"), "ERR_SSL_HTTPS_PROXY_REQUEST",
     "ERR_SSL_HTTPS_PROXY_REQUEST"},
    {"an answer of HTTP", TEXT("HTTP/1.1 200 OK\r\n\r\n"), "ERR_SSL_WRONG_VERSION_NUMBER",
     "ERR_SSL_WRONG_VERSION_NUMBER"},
    {"a greeting of SMTP", TEXT("220 mail.example ESMTP\r\n"), "ERR_SSL_WRONG_VERSION_NUMBER",
     "ERR_SSL_WRONG_VERSION_NUMBER"},
    {"zeros", TEXT("\0\0\0\0\0\0\0\0\0\0\0\0"), "", ""},
    {"a hello of SSL 2",
     TEXT("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10"
          "1234567890123456789012345678901234567"),
     "", ""},
    {"a record above the limit", TEXT("\x16\x03\x01\xff\xff\x01"), "", ""},
    {"a record of data", TEXT("\x17\x03\x03\0\x05hello"), "", ""},
    {"a record of an unknown kind", TEXT("\x63\x03\x03\0\x05hello"), "", ""},
    {"a finished message",
     TEXT("\x16\x03\x03\0\x10\x14\0\0\x0c"
          "123456789012"),
     "", ""},
    {"a message above its limit", TEXT("\x16\x03\x01\0\x04\x01\xff\xff\xff"), "", ""},
    {"a hello with nothing in it", TEXT("\x16\x03\x01\0\x04\x01\0\0\0"), "", ""},
    {"a hello of SSL 3 alone",
     TEXT("\x16\x03\x00\0\x2d\x01\0\0\x29\x03\x00"
          "12345678901234567890123456789012\0\0\x02\0\x2f\x01\0"),
     "", ""},
    {"a fatal alert", TEXT("\x15\x03\x01\0\x02\x02\x28"), "", ""},
    {"half an alert", TEXT("\x15\x03\x01\0\x01\x02"), "", ""},
};

static void
demand_failure(struct victim *victim, const char *what, const char *code)
{
    siege_until_closed(victim);
    bool is_right = victim->error == TR_ETLS && !victim->secure && strcmp(victim->call, "handshake") == 0;
    if (!is_right || (code[0] != '\0' && strcmp(code, victim->code) != 0) || strncmp(victim->code, "ERR_", 4) != 0)
        fail_msg("%s: %s, call %s, and not %s", what, victim->code, victim->call, code);
}

static void
whatever_is_said_in_place_of_a_handshake_is_refused_by_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_beginnings) / sizeof(bad_beginnings[0]); i++)
        for (unsigned serves = 0; serves < 2; serves++) {
            struct victim victim;
            int fd;
            siege_victim(&victim, serves, &fd);
            assert_int_equal(send(fd, bad_beginnings[i].bytes, bad_beginnings[i].size, MSG_NOSIGNAL),
                             bad_beginnings[i].size);
            demand_failure(&victim, bad_beginnings[i].what,
                           serves ? bad_beginnings[i].to_server : bad_beginnings[i].to_client);
            close(fd);
        }
}

/* Without end. */

static const struct {
    const char *what, *record;
    size_t size;
} floods[] = {
    {"empty messages", TEXT("\x16\x03\x03\0\0")},
    {"empty data", TEXT("\x17\x03\x03\0\0")},
    {"empty alerts", TEXT("\x15\x03\x03\0\0")},
    {"warnings", TEXT("\x15\x03\x03\0\x02\x01\x5a")},
    {"changes of cipher", TEXT("\x14\x03\x03\0\x01\x01")},
};

static void
wait_for(int fd, short events)
{
    struct pollfd wanted = {.fd = fd, .events = events};
    (void)poll(&wanted, 1, 1000);
}

static bool
send_all(int fd, const char *bytes, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t part = send(fd, bytes + sent, size - sent, MSG_NOSIGNAL);
        if (part < 0 && errno == EAGAIN)
            wait_for(fd, POLLOUT);
        else if (part <= 0)
            return false;
        sent += part > 0 ? (size_t)part : 0;
    }
    return true;
}

static void
records_that_bring_nothing_on_are_refused_after_some(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++)
        for (unsigned serves = 0; serves < 2; serves++) {
            struct victim victim;
            int fd;
            siege_victim(&victim, serves, &fd);
            for (unsigned j = 0; j < 1000 && send_all(fd, floods[i].record, floods[i].size); j++)
                continue;
            demand_failure(&victim, floods[i].what, "");
            close(fd);
        }
}

/* A handshake that is as it should be, and comes in pieces, or is cut. */

struct delivery {
    size_t piece; /* bytes at a time */
    size_t limit; /* after so many it breaks off */
    size_t sent;
};

static bool
deliver(struct delivery *delivery, int fd, BIO *from)
{
    char bytes[20000];
    int size = BIO_read(from, bytes, sizeof(bytes));
    for (int at = 0; at < size && delivery->sent < delivery->limit;) {
        size_t part = delivery->piece;
        part = part < (size_t)(size - at) ? part : (size_t)(size - at);
        part = part < delivery->limit - delivery->sent ? part : delivery->limit - delivery->sent;
        if (!send_all(fd, bytes + at, part))
            return false;
        at += (int)part;
        delivery->sent += part;
    }
    return delivery->sent < delivery->limit;
}

/* What the foe writes goes through the test. true: the handshake is over on its side. */
static bool
shake_so(struct foe *foe, struct delivery *delivery)
{
    bool is_over = false, goes_on = true;
    BIO *written = BIO_new(BIO_s_mem());
    SSL_set0_wbio(foe->ssl, written);
    fcntl(foe->fd, F_SETFL, O_NONBLOCK);
    while (!is_over && goes_on) {
        is_over = foe_shake(foe);
        goes_on = deliver(delivery, foe->fd, written);
        if (!is_over && goes_on)
            wait_for(foe->fd, POLLIN);
    }
    return is_over && goes_on;
}

static void
a_handshake_byte_by_byte_succeeds(void **state)
{
    (void)state;
    for (unsigned serves = 0; serves < 2; serves++)
        for (unsigned version = TR_TLS_1_2; version <= TR_TLS_1_3; version++) {
            struct delivery delivery = {.piece = 1, .limit = SIZE_MAX};
            struct victim victim;
            struct foe foe;
            int fd;
            siege_victim(&victim, serves, &fd);
            foe_begin(&foe, fd, !serves, (enum tr_tls_version)version);
            assert_true(shake_so(&foe, &delivery));
            siege_until_secure(&victim);
            assert_true(foe_say(&foe, FOE_DATA, "word", 4));
            siege_until_bytes(&victim, 4);
            assert_string_equal(victim.first, "word");
            siege_leave(&victim, &foe);
        }
}

/* false: it says less than that, and the handshake is over. */
static bool
cut(bool serves, enum tr_tls_version version, size_t limit, bool resets)
{
    struct delivery delivery = {.piece = SIZE_MAX, .limit = limit};
    struct victim victim;
    struct foe foe;
    int fd;
    siege_victim(&victim, serves, &fd);
    foe_begin(&foe, fd, !serves, version);
    bool is_over = shake_so(&foe, &delivery);
    if (!is_over && !resets)
        shutdown(fd, SHUT_WR);
    if (is_over || resets)
        foe_end(&foe);
    siege_until_closed(&victim);
    if (!is_over) {
        assert_false(victim.secure && serves); /* a client of 1.2 may be done before its last words are on the wire */
        assert_true(victim.error == TR_ECONNRESET || victim.error == TR_EPIPE || victim.secure);
    }
    foe_end(&foe);
    return !is_over;
}

static void
a_handshake_that_breaks_off_anywhere_is_a_lost_connection(void **state)
{
    (void)state;
    for (unsigned serves = 0; serves < 2; serves++)
        for (unsigned version = TR_TLS_1_2; version <= TR_TLS_1_3; version++) {
            size_t limit = 1, step = 0;
            while (cut(serves, (enum tr_tls_version)version, limit, step % 2 == 0))
                limit += step++ % 8 == 0 ? 31 : 7;
            assert_true(limit > 200);
        }
}

/* Who says nothing, or half of it. */

static void
those_who_stop_in_the_middle_of_a_handshake_are_ended_by_its_time(void **state)
{
    enum { MANY = 200 };
    static struct victim victims[MANY];
    static const char half[] = "\x16\x03\x01\0\xc8\x01\0\0\xc4\x03\x03 and so on";
    int fds[MANY];
    (void)state;
    siege_tls.handshake_timeout_ms = 30;
    for (unsigned i = 0; i < MANY; i++) {
        siege_victim(&victims[i], i % 2 == 0, &fds[i]);
        (void)send_all(fds[i], half, i % 4 < 2 ? 0 : sizeof(half));
    }
    for (unsigned i = 0; i < MANY; i++) {
        siege_until_closed(&victims[i]);
        bool is_late = victims[i].error == TR_ETLSTIMEOUT;
        assert_true(is_late || i % 4 == 3); /* a client that is answered with a hello refuses it */
        close(fds[i]);
    }
}

static void
a_peer_that_reads_nothing_is_ended_by_the_time_of_the_handshake(void **state)
{
    (void)state;
    siege_tls.handshake_timeout_ms = 50;
    siege_is_full = true;
    for (unsigned serves = 0; serves < 2; serves++) {
        struct delivery hello = {.piece = SIZE_MAX, .limit = SIZE_MAX};
        struct victim victim;
        struct foe foe;
        int fd;
        siege_victim(&victim, serves, &fd);
        foe_begin(&foe, fd, !serves, TR_TLS_1_3);
        BIO *written = BIO_new(BIO_s_mem());
        SSL_set0_wbio(foe.ssl, written);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        assert_false(serves && foe_shake(&foe));
        assert_true(deliver(&hello, fd, written));
        siege_has_ended(&victim, TR_ETLSTIMEOUT, "ERR_TLS_HANDSHAKE_TIMEOUT", "handshake");
        foe_end(&foe);
    }
}

/* Hellos of all sizes. */

static void
offer_much(struct foe *foe, unsigned count)
{
    static unsigned char list[65535];
    for (unsigned i = 0; i < count; i++)
        memcpy(list + 4 * i, "\3xyz", 4);
    assert_int_equal(SSL_set_alpn_protos(foe->ssl, list, 4 * count), 0);
}

static void
a_hello_with_a_list_of_protocols_of_60_kilobytes_is_read(void **state)
{
    static const char *const ours[] = {"h2", "xyz"};
    (void)state;
    siege_serving.alpn = ours;
    for (unsigned knows = 1; knows <= 2; knows++) {
        struct victim victim;
        struct foe foe;
        int fd;
        siege_serving.alpn_count = knows;
        siege_forget();
        siege_victim(&victim, true, &fd);
        foe_begin(&foe, fd, false, TR_TLS_1_3);
        offer_much(&foe, 15000);
        assert_int_equal(foe_shake(&foe), knows == 2);
        if (knows == 1)
            siege_has_ended(&victim, TR_ETLS, "ERR_SSL_NO_APPLICATION_PROTOCOL", "handshake");
        siege_leave(&victim, &foe);
    }
}

static void
a_name_of_255_bytes_is_passed_over(void **state)
{
    struct victim victim;
    struct foe foe;
    char name[256];
    int fd;
    (void)state;
    memset(name, 'a', sizeof(name) - 1);
    name[255] = '\0';
    siege_victim(&victim, true, &fd);
    foe_begin(&foe, fd, false, TR_TLS_1_3);
    assert_int_equal(SSL_set_tlsext_host_name(foe.ssl, name), 1);
    assert_true(foe_shake(&foe));
    siege_until_secure(&victim);
    siege_leave(&victim, &foe);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SIEGE_TEST(whatever_is_said_in_place_of_a_handshake_is_refused_by_its_name),
        SIEGE_TEST(records_that_bring_nothing_on_are_refused_after_some),
        SIEGE_TEST(a_handshake_byte_by_byte_succeeds),
        SIEGE_TEST(a_handshake_that_breaks_off_anywhere_is_a_lost_connection),
        SIEGE_TEST(those_who_stop_in_the_middle_of_a_handshake_are_ended_by_its_time),
        SIEGE_TEST(a_peer_that_reads_nothing_is_ended_by_the_time_of_the_handshake),
        SIEGE_TEST(a_hello_with_a_list_of_protocols_of_60_kilobytes_is_read),
        SIEGE_TEST(a_name_of_255_bytes_is_passed_over),
    };
    return tls_setup(NULL) != 0 || cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
