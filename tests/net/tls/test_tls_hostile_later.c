/*
 * Secure sockets whose peer shakes hands as it should and then breaks the protocol, or stretches it. As in
 * test_tls_hostile.c the others of the worker go on, and OpenSSL's queue is empty.
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
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <troupe/net/pipe.h>
#include <unistd.h>

#define TEXT(text) text, sizeof(text) - 1

static const unsigned char key_update[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, 0},
                           key_request[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, 1};

typedef void attack_function(void **state, bool victim_serves, enum tr_tls_version version);

/* Each role of the victim, and each version. */
static void
in_all_ways(void **state, attack_function *attack)
{
    for (unsigned serves = 0; serves < 2; serves++)
        for (unsigned version = TR_TLS_1_2; version <= TR_TLS_1_3; version++)
            attack(state, serves, (enum tr_tls_version)version);
}

static void
demand_refusal(struct victim *victim, struct foe *foe, const char *what)
{
    siege_until_closed(victim);
    if (victim->error != TR_ETLS || strncmp(victim->code, "ERR_", 4) != 0 || victim->bytes > 0)
        fail_msg("%s: %s, %zu bytes", what, victim->code, victim->bytes);
    foe_end(foe);
}

/* One record too many. */

static char large[16385];

static const struct {
    const char *what;
    int type;
    const char *content;
    size_t size;
    unsigned versions; /* bits */
} bad_records[] = {
    {"a record of an unknown kind", 99, TEXT("hello"), 3},
    {"a record above the limit", FOE_DATA, large, sizeof(large), 3},
    {"a fatal alert", FOE_ALERT, TEXT("\2\x28"), 3},
    {"an alert of no kind", FOE_ALERT, TEXT("\5\x28"), 3},
    {"half an alert", FOE_ALERT, TEXT("\2"), 3},
    {"a finished message", FOE_HANDSHAKE,
     TEXT("\x14\0\0\x0c"
          "123456789012"),
     3},
    {"a certificate", FOE_HANDSHAKE, TEXT("\x0b\0\0\4\0\0\0\0"), 3},
    {"a message of an unknown kind", FOE_HANDSHAKE, TEXT("\x63\0\0\1!"), 3},
    {"a message above its limit", FOE_HANDSHAKE, TEXT("\x04\xff\xff\xff"), 3},
    {"a change of ciphers", FOE_CIPHERS, TEXT("\1"), 3},
    {"a key update of no kind", FOE_HANDSHAKE, TEXT("\x18\0\0\1\2"), 2},
    {"a key update with more behind it", FOE_HANDSHAKE, TEXT("\x18\0\0\1\0\x18\0\0\1\0"), 2},
    {"a long key update", FOE_HANDSHAKE, TEXT("\x18\0\0\2\0\0"), 2},
    {"a record without a kind", 0, TEXT("\0\0\0\0"), 2},
    {"a hello in 1.3", FOE_HANDSHAKE, TEXT("\x01\0\0\4\3\3\0\0"), 2},
    {"a request for a certificate", FOE_HANDSHAKE, TEXT("\x0d\0\0\3\0\0\0"), 2},
};

static void
send_bad_records(void **state, bool serves, enum tr_tls_version version)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_records) / sizeof(bad_records[0]); i++) {
        struct victim victim;
        struct foe foe;
        if ((bad_records[i].versions & (1u << (version - TR_TLS_1_2))) == 0)
            continue;
        siege_foe(&victim, &foe, serves, version);
        (void)foe_say(&foe, bad_records[i].type, bad_records[i].content, bad_records[i].size);
        demand_refusal(&victim, &foe, bad_records[i].what);
    }
}

static void
a_record_that_may_not_come_ends_the_connection(void **state)
{
    in_all_ways(state, send_bad_records);
}

static void
send_changed(void **state, bool serves, enum tr_tls_version version)
{
    (void)state;
    for (unsigned at = 0; at < 32; at += 3) { /* header, explicit nonce, content, tag; not the length */
        unsigned char record[FOE_RECORD_BYTES];
        struct victim victim;
        struct foe foe;
        siege_foe(&victim, &foe, serves, version);
        size_t size = foe_seal(&foe, FOE_DATA, "hello", 5, record);
        if (at == 3 || at >= size)
            record[size - 1] ^= 1;
        else
            record[at] ^= 0x80;
        assert_true(foe_send(&foe, record, size));
        demand_refusal(&victim, &foe, "a changed record");
    }
}

static void
a_record_that_was_changed_in_any_part_ends_the_connection_and_is_no_data(void **state)
{
    in_all_ways(state, send_changed);
}

/* The same record twice, as who recorded it can send it. */
static void
send_twice(void **state, bool serves, enum tr_tls_version version)
{
    unsigned char record[FOE_RECORD_BYTES];
    struct victim victim;
    struct foe foe;
    (void)state;
    siege_foe(&victim, &foe, serves, version);
    size_t size = foe_seal(&foe, FOE_DATA, "once", 4, record);
    assert_true(foe_send(&foe, record, size) && foe_send(&foe, record, size));
    siege_until_closed(&victim);
    assert_int_equal(victim.error, TR_ETLS);
    assert_int_equal(victim.bytes, 4);
    foe_end(&foe);
}

static void
a_record_that_comes_twice_is_data_once(void **state)
{
    in_all_ways(state, send_twice);
}

/* Without end. */

static void
flood(void **state, bool serves, enum tr_tls_version version)
{
    static const struct {
        int type;
        const char *content;
        size_t size;
    } floods[] = {{FOE_DATA, "", 0}, {FOE_ALERT, "\1\x5a", 2}, {FOE_HANDSHAKE, "", 0}};
    (void)state;
    for (unsigned i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
        struct victim victim;
        struct foe foe;
        siege_foe(&victim, &foe, serves, version);
        for (unsigned j = 0; j < 1000 && foe_say(&foe, floods[i].type, floods[i].content, floods[i].size); j++)
            continue;
        demand_refusal(&victim, &foe, "a flood");
    }
}

static void
empty_records_and_warnings_end_the_connection_after_some(void **state)
{
    in_all_ways(state, flood);
}

/* Data that does not look like it. */

static void
send_small(void **state, bool serves, enum tr_tls_version version)
{
    struct victim victim;
    struct foe foe;
    (void)state;
    siege_foe(&victim, &foe, serves, version);
    for (unsigned i = 0; i < 500; i++) {
        assert_true(foe_say(&foe, FOE_DATA, "x", 1));
        assert_true(foe_say(&foe, FOE_DATA, "", 0));
    }
    assert_true(foe_say(&foe, FOE_DATA, large, 16384));
    siege_until_bytes(&victim, 500 + 16384);
    siege_leave(&victim, &foe);
}

/* They lie in the kernel when the victim looks. */
static void
records_of_one_byte_have_no_more_than_their_share_of_a_turn(void **state)
{
    static unsigned char records[100 * FOE_RECORD_BYTES];
    struct victim victim;
    struct foe foe;
    size_t size = 0;
    (void)state;
    siege_foe(&victim, &foe, true, TR_TLS_1_3);
    siege_write(&victim, "", true);
    for (unsigned i = 0; i < 5000; i++)
        size += foe_seal(&foe, FOE_DATA, "x", 1, records + size);
    assert_true(foe_send(&foe, records, size));
    siege_write(&victim, "", false);
    siege_until_bytes(&victim, 5000);
    assert_int_equal(victim.most, 256);
    siege_leave(&victim, &foe);
}

static void
records_of_one_byte_and_of_the_most_are_data_and_an_empty_one_between_them_is_none(void **state)
{
    in_all_ways(state, send_small);
}

/* The end. */

static void
say_goodbye_and_go_on(void **state, bool serves, enum tr_tls_version version)
{
    struct victim victim;
    struct foe foe;
    (void)state;
    siege_foe(&victim, &foe, serves, version);
    assert_true(foe_say(&foe, FOE_DATA, "last", 4));
    assert_true(foe_say(&foe, FOE_ALERT, "\1\0", 2));
    (void)foe_say(&foe, FOE_DATA, "more", 4);
    siege_until_closed(&victim);
    assert_int_equal(victim.bytes, 4);
    assert_true(victim.ended && !victim.truncated && victim.error == TR_OK);
    foe_end(&foe);
}

static void
what_comes_after_close_notify_is_no_data_and_no_error(void **state)
{
    in_all_ways(state, say_goodbye_and_go_on);
}

static void
break_off(void **state, bool serves, enum tr_tls_version version)
{
    unsigned char record[FOE_RECORD_BYTES];
    (void)state;
    for (size_t part = 0; part < 40; part += 3) {
        struct victim victim;
        struct foe foe;
        siege_foe(&victim, &foe, serves, version);
        size_t size = foe_seal(&foe, FOE_DATA, "never whole", 11, record);
        assert_true(foe_send(&foe, record, part < size ? part : size - 1));
        siege_leave(&victim, &foe);
        assert_int_equal(victim.bytes, 0);
        assert_true(victim.truncated || victim.error != TR_OK);
    }
}

static void
a_record_of_which_a_part_came_is_no_data_and_the_end_is_truncated(void **state)
{
    in_all_ways(state, break_off);
}

/* Renegotiation. The foe's OpenSSL would not go on after a refusal, so what comes then is forged. */

static void
ask_to_renegotiate(struct foe *foe)
{
    char hello[2048];
    BIO *written = BIO_new(BIO_s_mem());
    SSL_set0_wbio(foe->ssl, written);
    fcntl(foe->fd, F_SETFL, O_NONBLOCK);
    assert_int_equal(SSL_renegotiate(foe->ssl), 1);
    assert_int_equal(SSL_do_handshake(foe->ssl), -1);
    ERR_clear_error();
    int size = BIO_read(written, hello, sizeof(hello));
    assert_true(size > 100 && hello[0] == FOE_HANDSHAKE);
    assert_true(foe_send(foe, hello, (size_t)size));
    foe->number++;
    fcntl(foe->fd, F_SETFL, 0);
}

static void
a_client_that_asks_to_renegotiate_is_refused_and_the_connection_goes_on(void **state)
{
    struct victim victim;
    struct foe foe;
    char answer[64];
    (void)state;
    siege_foe(&victim, &foe, true, TR_TLS_1_2);
    ask_to_renegotiate(&foe);
    assert_true(recv(foe.fd, answer, sizeof(answer), 0) > 5);
    assert_int_equal(answer[0], FOE_ALERT);
    assert_true(foe_say(&foe, FOE_DATA, "goes on", 7));
    siege_until_bytes(&victim, 7);
    siege_leave(&victim, &foe);
}

static void
a_server_that_asks_to_renegotiate_is_refused_and_the_connection_goes_on(void **state)
{
    struct victim victim;
    struct foe foe;
    (void)state;
    siege_foe(&victim, &foe, false, TR_TLS_1_2);
    for (unsigned i = 0; i < 20; i++)
        assert_true(foe_say(&foe, FOE_HANDSHAKE, "\0\0\0\0", 4));
    assert_true(foe_say(&foe, FOE_DATA, "goes on", 7));
    siege_until_bytes(&victim, 7);
    assert_string_equal(victim.first, "goes on");
    siege_leave(&victim, &foe);
}

/* Key updates. */

static void
key_updates_in_records_of_one_byte_renew_the_keys_and_what_is_written_meanwhile_comes(void **state)
{
    (void)state;
    for (unsigned serves = 0; serves < 2; serves++)
        for (unsigned pauses = 0; pauses < 2; pauses++) {
            struct victim victim;
            struct foe foe;
            char word[8];
            siege_foe(&victim, &foe, serves, TR_TLS_1_3);
            for (unsigned i = 0; i < sizeof(key_request); i++) {
                assert_true(foe_say(&foe, FOE_HANDSHAKE, key_request + i, 1));
                if (i == 3) {
                    siege_settle();
                    siege_write(&victim, "waits", pauses);
                }
            }
            foe_renew(&foe);
            assert_int_equal(SSL_read(foe.ssl, word, sizeof(word)), 5);
            assert_memory_equal(word, "waits", 5);
            siege_write(&victim, "", false);
            assert_true(foe_say(&foe, FOE_DATA, "data", 4));
            siege_until_bytes(&victim, 4);
            siege_leave(&victim, &foe);
        }
}

/* A pipe to a socket whose peer reads nothing: what was read before the half message has filled it. */

struct blocked {
    struct victim *victim;
    int fd;
    tr_socket *sink;
};

static void
pipe_to_sink(tr_actor *self, void *argument)
{
    struct blocked *blocked = argument;
    struct tr_pipe_options options = {.window_bytes = 1, .keep_open = true};
    assert_int_equal(tr_socket_adopt(self, blocked->fd, TR_READABLE | TR_WRITABLE, NULL, &blocked->sink), TR_OK);
    assert_int_equal(tr_socket_pipe(blocked->victim->socket, tr_socket_ref(blocked->sink), &options), TR_OK);
}

static void
destroy_sink(tr_actor *self, void *argument)
{
    (void)self;
    tr_socket_destroy(((struct blocked *)argument)->sink, TR_OK);
}

static void
write_waiting(tr_actor *self, void *argument)
{
    (void)self;
    assert_int_equal(tr_socket_write(((struct victim *)argument)->socket, "waits", 5), TR_QUEUED);
}

static void
the_rest_of_a_message_is_read_for_what_is_written_also_if_nothing_else_is_read(void **state)
{
    unsigned char records[2 * FOE_RECORD_BYTES];
    struct victim victim;
    struct blocked blocked = {.victim = &victim};
    struct foe foe;
    char word[8];
    int fds[2];
    (void)state;
    siege_foe(&victim, &foe, true, TR_TLS_1_3);
    hands_pair(fds);
    while (send(fds[0], fds, 1, MSG_DONTWAIT) == 1)
        continue;
    blocked.fd = fds[0];
    on_worker(0, pipe_to_sink, &blocked);
    size_t size = foe_seal(&foe, FOE_DATA, large, 100, records);
    size += foe_seal(&foe, FOE_HANDSHAKE, key_request, 4, records + size);
    assert_true(foe_send(&foe, records, size));
    siege_settle();
    on_worker(0, write_waiting, &victim);
    siege_settle();
    assert_true(foe_say(&foe, FOE_HANDSHAKE, key_request + 4, 1));
    assert_int_equal(SSL_read(foe.ssl, word, sizeof(word)), 5);
    on_worker(0, destroy_sink, &blocked);
    close(fds[1]);
    siege_leave(&victim, &foe);
}

static void
a_peer_that_stops_in_the_middle_of_a_message_holds_up_nobody_else(void **state)
{
    struct victim victim;
    struct foe foe;
    (void)state;
    siege_foe(&victim, &foe, true, TR_TLS_1_3);
    assert_true(foe_say(&foe, FOE_HANDSHAKE, key_update, 4));
    siege_settle();
    siege_write(&victim, "never comes", false);
    siege_settle();
    siege_goes_on();
    siege_leave(&victim, &foe);
    assert_true(victim.error != TR_OK || victim.truncated);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SIEGE_TEST(a_record_that_may_not_come_ends_the_connection),
        SIEGE_TEST(a_record_that_was_changed_in_any_part_ends_the_connection_and_is_no_data),
        SIEGE_TEST(a_record_that_comes_twice_is_data_once),
        SIEGE_TEST(empty_records_and_warnings_end_the_connection_after_some),
        SIEGE_TEST(records_of_one_byte_have_no_more_than_their_share_of_a_turn),
        SIEGE_TEST(records_of_one_byte_and_of_the_most_are_data_and_an_empty_one_between_them_is_none),
        SIEGE_TEST(what_comes_after_close_notify_is_no_data_and_no_error),
        SIEGE_TEST(a_record_of_which_a_part_came_is_no_data_and_the_end_is_truncated),
        SIEGE_TEST(a_client_that_asks_to_renegotiate_is_refused_and_the_connection_goes_on),
        SIEGE_TEST(a_server_that_asks_to_renegotiate_is_refused_and_the_connection_goes_on),
        SIEGE_TEST(key_updates_in_records_of_one_byte_renew_the_keys_and_what_is_written_meanwhile_comes),
        SIEGE_TEST(the_rest_of_a_message_is_read_for_what_is_written_also_if_nothing_else_is_read),
        SIEGE_TEST(a_peer_that_stops_in_the_middle_of_a_message_holds_up_nobody_else),
    };
    return tls_setup(NULL) != 0 || cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
