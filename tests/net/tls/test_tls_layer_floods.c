/*
 * What a layer of TLS does with a peer that speaks the protocol and means harm: one call of it comes to an end however
 * much lies on the wire, and half a message holds nothing up.
 */
#include "connection.h"
#include "foe.h"
#include "layer_play.h"
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ONE_CALL_BYTES 50000u /* that one call may read of the wire */
#define FLOOD_BYTES 190000u

static const unsigned char key_update[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, 0},
                           asks_for_one[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, 1};

struct fight {
    struct layer_end us;
    struct foe foe;
};

static void
begin(struct fight *fight, bool foe_serves, enum tr_tls_version version)
{
    struct tr_tls_context_options options = foe_serves ? tls_client("ca") : tls_server("server");
    tr_tls_context *context = tls_make(&options);
    struct tri_tls_wish wish = {.context = context, .serves = !foe_serves};
    int fds[2], room = 1 << 20;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    layer_begin_end(&fight->us, &wish, fds[0]);
    foe_begin(&fight->foe, fds[1], foe_serves, version);
    tr_tls_context_release(context);
}

static int
advance(struct layer_end *end)
{
    return end->shook = end->layer->kind->advance(end->layer, end->fd);
}

static void
shake(struct fight *fight)
{
    bool foe_is_done = false;
    fight->us.shook = TRI_LAYER_WANTS_BYTES;
    for (unsigned i = 0; i < 20 && (fight->us.shook != TRI_LAYER_DONE || !foe_is_done); i++) {
        if (fight->us.shook != TRI_LAYER_DONE)
            advance(&fight->us);
        foe_is_done = foe_is_done || foe_shake(&fight->foe);
    }
    assert_true(foe_is_done);
    assert_int_equal(fight->us.shook, TRI_LAYER_DONE);
    fight->us.layer->state = TRI_LAYER_OPEN;
    layer_read(&fight->us, 100);
}

static void
end(struct fight *fight)
{
    layer_end_end(&fight->us);
    foe_end(&fight->foe);
}

static uint64_t
wire_read(const struct fight *fight)
{
    return tri_wire_read(tri_tls_of(fight->us.layer));
}

static ssize_t
read_once(struct fight *fight)
{
    char byte;
    return fight->us.layer->kind->read_plain(fight->us.layer, fight->us.fd, &byte, 1);
}

/* Records full of messages without content, in clear. */
static void
flood_with_nothing(const struct fight *fight)
{
    static const char messages[16384];
    unsigned char record[FOE_RECORD_BYTES];
    size_t size = foe_clear(FOE_HANDSHAKE, messages, sizeof(messages), record);
    for (size_t sent = 0; sent < FLOOD_BYTES; sent += size)
        assert_true(foe_send(&fight->foe, record, size));
}

/* OpenSSL passes over HelloRequest as long as any comes: whoever sends faster than it reads would keep it for ever. */
static void
a_step_of_a_handshake_comes_to_an_end_before_a_flood_of_messages_does(void **state)
{
    struct fight fight;
    uint64_t before = 0;
    (void)state;
    begin(&fight, true, TR_TLS_1_2);
    flood_with_nothing(&fight);
    for (unsigned i = 0; i < FLOOD_BYTES / ONE_CALL_BYTES; i++) {
        assert_int_equal(advance(&fight.us), TRI_LAYER_WANTS_BYTES);
        assert_true(wire_read(&fight) > before && wire_read(&fight) <= before + ONE_CALL_BYTES);
        before = wire_read(&fight);
    }
    end(&fight);
}

static void
flood(struct fight *fight, const void *message, size_t size, bool renews)
{
    for (size_t sent = 0; sent < FLOOD_BYTES;) {
        unsigned char record[FOE_RECORD_BYTES];
        size_t whole = foe_seal(&fight->foe, FOE_HANDSHAKE, message, size, record);
        if (renews)
            foe_renew(&fight->foe);
        if (!foe_send(&fight->foe, record, whole))
            return; /* there is no more room: enough */
        sent += whole;
    }
}

static void
demand_short_reads(struct fight *fight)
{
    for (unsigned i = 0; i < 2; i++) {
        uint64_t before = wire_read(fight);
        assert_int_equal(read_once(fight), -EAGAIN);
        assert_true(wire_read(fight) > before && wire_read(fight) <= before + ONE_CALL_BYTES);
    }
}

static void
a_read_comes_to_an_end_before_a_flood_of_key_updates_does(void **state)
{
    (void)state;
    for (unsigned serves = 0; serves < 2; serves++) {
        struct fight fight;
        begin(&fight, serves, TR_TLS_1_3);
        shake(&fight);
        flood(&fight, key_update, sizeof(key_update), true);
        demand_short_reads(&fight);
        end(&fight);
    }
}

/* Who asks for answers and does not read them. */
static void
answers_that_nobody_reads_end_the_connection(void **state)
{
    struct fight fight;
    int room = 1;
    ssize_t got = -EAGAIN;
    (void)state;
    begin(&fight, false, TR_TLS_1_3);
    shake(&fight);
    assert_int_equal(setsockopt(fight.us.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    for (unsigned i = 0; i < 100 && got == -EAGAIN; i++) {
        flood(&fight, asks_for_one, sizeof(asks_for_one), true);
        for (unsigned j = 0; j < 10 && got == -EAGAIN; j++)
            got = read_once(&fight);
    }
    layer_has_failed(&fight.us, (int)got, TR_ETLS, "ERR_SSL_PROTOCOL_ERROR");
    end(&fight);
}

/* Half a message. */

static void
read_all(struct fight *fight, const char *expected)
{
    layer_read(&fight->us, 100);
    assert_int_equal(fight->us.last, -EAGAIN);
    assert_string_equal(fight->us.first, expected);
}

/* Sends a message byte by byte, each a record; between them we write. */
static void
demand_that_writing_waits(struct fight *fight, const unsigned char *message, size_t size)
{
    bool waits = false;
    for (size_t i = 0; i < size; i++) {
        assert_true(foe_say(&fight->foe, FOE_HANDSHAKE, message + i, 1));
        read_all(fight, "");
        ssize_t taken = layer_write(&fight->us, "word", 4);
        assert_int_equal(taken, fight->us.layer->amid ? 0 : 4);
        fight->us.layer->committed = 0; /* it has none of it */
        waits = waits || fight->us.layer->amid;
        assert_int_equal(tri_tls_update_keys(fight->us.layer, false), waits && i + 1 < size ? TR_EAGAIN : TR_OK);
        assert_true(layer_push(&fight->us));
    }
    assert_true(waits);
    assert_false(fight->us.layer->amid);
}

static void
what_is_written_waits_for_the_rest_of_a_message_of_the_peers_and_then_goes_on(void **state)
{
    (void)state;
    for (unsigned serves = 0; serves < 2; serves++) {
        struct fight fight;
        begin(&fight, serves, TR_TLS_1_3);
        shake(&fight);
        demand_that_writing_waits(&fight, key_update, sizeof(key_update));
        foe_renew(&fight.foe);
        assert_true(foe_say(&fight.foe, FOE_DATA, "data", 4));
        read_all(&fight, "data");
        end(&fight);
    }
}

/* The kernel has the record in part when half a message comes, for whose rest it does not wait. */
static void
a_record_in_part_is_whole_although_half_a_message_has_come_meanwhile(void **state)
{
    static char memory[16000];
    struct fight fight;
    int room = 1;
    char word[16];
    ssize_t taken = 0;
    (void)state;
    begin(&fight, false, TR_TLS_1_3);
    shake(&fight);
    assert_int_equal(setsockopt(fight.us.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    assert_int_equal(layer_write(&fight.us, memory, sizeof(memory)), 0);
    assert_true(foe_say(&fight.foe, FOE_HANDSHAKE, key_update, 4));
    read_all(&fight, "");
    for (ssize_t got = 0; taken == 0; got = SSL_read(fight.foe.ssl, word, sizeof(word))) {
        assert_true(got <= 0 || memcmp(word, memory, (size_t)got) == 0);
        taken = layer_write(&fight.us, memory, sizeof(memory));
        assert_true(taken == 0 || taken == sizeof(memory));
    }
    assert_true(foe_say(&fight.foe, FOE_HANDSHAKE, key_update + 4, 1));
    read_all(&fight, "");
    end(&fight);
}

/* Our answer to the update would come too late: none is sent, and the keys of the peer are the new ones. */
static void
after_our_goodbye_the_peer_may_still_renew_its_keys_and_its_data_comes(void **state)
{
    (void)state;
    for (unsigned serves = 0; serves < 2; serves++) {
        struct fight fight;
        begin(&fight, serves, TR_TLS_1_3);
        shake(&fight);
        assert_int_equal(fight.us.layer->kind->goodbye(fight.us.layer, fight.us.fd), 1);
        assert_true(foe_say(&fight.foe, FOE_HANDSHAKE, asks_for_one, sizeof(asks_for_one)));
        foe_renew(&fight.foe);
        assert_true(foe_say(&fight.foe, FOE_DATA, "still here", 10));
        read_all(&fight, "still here");
        assert_false(fight.us.layer->owes);
        end(&fight);
    }
}

/* Records of any kind, most of them nearly right. */

static uint32_t seed;

static unsigned
any(unsigned below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static size_t
any_content(unsigned char *content, int type)
{
    size_t size = any(4) == 0 ? any(300) : any(12);
    for (size_t i = 0; i < size; i++)
        content[i] = (unsigned char)any(any(2) == 0 ? 3 : 256);
    if (type == FOE_HANDSHAKE && size >= 4) { /* the length is right */
        static const unsigned char kinds[] = {0, 1, 2, 4, 5, 8, 11, 13, 14, 15, 20, 22, 24, 67, 254};
        content[0] = kinds[any(sizeof(kinds))];
        content[1] = 0;
        content[2] = (unsigned char)((size - 4) >> 8);
        content[3] = (unsigned char)(size - 4);
    }
    return size;
}

static void
must_be_sound(const struct layer_end *us, ssize_t outcome)
{
    const char *code;
    assert_int_equal(ERR_peek_error(), 0);
    if (outcome == TRI_LAYER_BROKEN)
        assert_int_equal(us->layer->kind->failure(us->layer, &code), TR_ETLS);
    else
        assert_true(outcome >= 0 || outcome == -EAGAIN);
}

static void
attack(bool foe_serves, enum tr_tls_version version)
{
    static const int types[] = {FOE_HANDSHAKE, FOE_HANDSHAKE, FOE_HANDSHAKE, FOE_DATA, FOE_ALERT, FOE_CIPHERS, 24, 0};
    unsigned char content[512];
    struct fight fight;
    begin(&fight, foe_serves, version);
    shake(&fight);
    for (unsigned i = 0; i < 6 && fight.us.layer->reason == 0; i++) {
        int type = types[any(sizeof(types) / sizeof(types[0]))];
        assert_true(foe_say(&fight.foe, type, content, any_content(content, type)));
        layer_read(&fight.us, 100);
        must_be_sound(&fight.us, fight.us.last);
        must_be_sound(&fight.us, layer_write(&fight.us, "word", 4));
    }
    end(&fight);
}

static void
whatever_a_peer_seals_the_connection_goes_on_or_fails_by_name(void **state)
{
    (void)state;
    for (uint32_t round = 1; round <= 300; round++) {
        seed = round;
        attack(any(2) == 0, any(2) == 0 ? TR_TLS_1_2 : TR_TLS_1_3);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LAYER_TEST(a_step_of_a_handshake_comes_to_an_end_before_a_flood_of_messages_does),
        LAYER_TEST(a_read_comes_to_an_end_before_a_flood_of_key_updates_does),
        LAYER_TEST(answers_that_nobody_reads_end_the_connection),
        LAYER_TEST(what_is_written_waits_for_the_rest_of_a_message_of_the_peers_and_then_goes_on),
        LAYER_TEST(a_record_in_part_is_whole_although_half_a_message_has_come_meanwhile),
        LAYER_TEST(after_our_goodbye_the_peer_may_still_renew_its_keys_and_its_data_comes),
        LAYER_TEST(whatever_a_peer_seals_the_connection_goes_on_or_fails_by_name),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
