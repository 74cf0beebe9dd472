/*
 * TLS as a layer of records: what is said after the handshake beside plain bytes, bytes that came early, and who the
 * peer is.
 */
#include "connection.h"
#include "fault.h"
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

#define LITTLE_ROOM 4608
#define MUCH 100000u

static void
agree(struct layer_duo *duo, int room)
{
    layer_agree(duo, &(struct layer_plan){.room = room});
}

/* Key updates. */

static void
keys_are_renewed_on_both_sides_and_bytes_go_on(void **state)
{
    struct layer_duo duo;
    (void)state;
    agree(&duo, 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(tri_tls_update_keys(duo.client.layer, true), TR_OK);
        assert_true(duo.client.layer->owes);
        assert_int_equal(tri_tls_update_keys(duo.client.layer, true), TR_EAGAIN);
        assert_true(layer_push(&duo.client));
        layer_carry(&duo.client, &duo.server, MUCH, 1000);
        layer_carry(&duo.server, &duo.client, MUCH, 1000);
    }
    layer_end(&duo);
}

/* Which key updates come, in the order of their coming: '0' or '1' for each, as their message says it. */
static void
note_updates(int is_written, int version, int type, const void *message, size_t size, SSL *ssl, void *argument)
{
    const unsigned char *bytes = message;
    (void)version;
    (void)ssl;
    if (is_written == 0 && type == SSL3_RT_HANDSHAKE && size == 5 && bytes[0] == SSL3_MT_KEY_UPDATE)
        strcat(argument, bytes[4] == SSL_KEY_UPDATE_REQUESTED ? "1" : "0");
}

static void
the_peers_wish_for_new_keys_has_an_answer_of_its_own(void **state)
{
    struct layer_duo duo;
    char updates[8] = "";
    (void)state;
    agree(&duo, 0);
    SSL_set_msg_callback(tri_tls_of(duo.client.layer)->ssl, note_updates);
    SSL_set_msg_callback_arg(tri_tls_of(duo.client.layer)->ssl, updates);
    assert_int_equal(tri_tls_update_keys(duo.client.layer, true), TR_OK);
    assert_true(layer_push(&duo.client));
    layer_read(&duo.server, 100);
    assert_int_equal(tri_tls_update_keys(duo.server.layer, true), TR_OK);
    assert_true(layer_push(&duo.server));
    layer_carry(&duo.server, &duo.client, MUCH, 1000);
    assert_string_equal(updates, "01");
    layer_carry(&duo.client, &duo.server, MUCH, 1000);
    layer_end(&duo);
}

static void
version_1_2_has_no_key_updates(void **state)
{
    struct layer_duo duo;
    struct tr_tls_context_options server = layer_of_version(tls_server("server"), TR_TLS_1_2);
    (void)state;
    layer_agree(&duo, &(struct layer_plan){.server = &server});
    assert_int_equal(tri_tls_update_keys(duo.client.layer, false), TR_ENOTSUPPORTED);
    layer_end(&duo);
}

static void
keys_are_not_renewed_after_goodbye(void **state)
{
    struct layer_duo duo;
    (void)state;
    agree(&duo, 0);
    assert_int_equal(duo.client.layer->kind->goodbye(duo.client.layer, duo.client.fd), 1);
    assert_int_equal(tri_tls_update_keys(duo.client.layer, false), TR_EWRITEAFTEREND);
    layer_end(&duo);
}

/* Writes records until the kernel has one in part. */
static void
close_window(struct layer_end *end)
{
    static char record[1000];
    for (unsigned i = 0; i < 1000; i++)
        if (layer_write(end, record, sizeof(record)) == 0)
            return;
    fail();
}

/* Sends the record that is in part while the other reads. */
static void
open_window(struct layer_end *from, struct layer_end *to)
{
    static char other_memory[1000];
    for (unsigned i = 0; i < 1000 && from->layer->committed > 0; i++) {
        layer_read(to, 5000);
        assert_true(layer_write(from, other_memory, sizeof(other_memory)) >= 0);
    }
    layer_read(to, 5000);
    assert_int_equal(from->layer->committed, 0);
}

static void
a_key_update_is_read_and_answered_although_the_window_is_closed(void **state)
{
    struct layer_duo duo;
    (void)state;
    agree(&duo, LITTLE_ROOM);
    close_window(&duo.server);
    assert_int_equal(tri_tls_update_keys(duo.server.layer, false), TR_EAGAIN);
    assert_int_equal(tri_tls_update_keys(duo.client.layer, true), TR_OK);
    assert_true(layer_push(&duo.client));
    assert_int_equal(layer_write(&duo.client, "after", 5), 5);
    layer_read(&duo.server, 100);
    assert_string_equal(duo.server.first, "after");
    assert_int_equal(duo.server.last, -EAGAIN);
    open_window(&duo.server, &duo.client);
    layer_carry(&duo.server, &duo.client, MUCH, 3000);
    layer_carry(&duo.client, &duo.server, MUCH, 3000);
    layer_end(&duo);
}

/* To the last byte, and not by records. */
static size_t
fill(const struct layer_end *end)
{
    size_t size = 0;
    while (write(end->fd, "!", 1) == 1)
        size++;
    return size;
}

static void
take_out(const struct layer_end *end, size_t size)
{
    char memory[512];
    while (size > 0) {
        ssize_t got = read(end->fd, memory, size < sizeof(memory) ? size : sizeof(memory));
        assert_true(got > 0);
        size -= (size_t)got;
    }
}

static void
a_key_update_without_room_is_owed_and_the_record_behind_it_comes_once(void **state)
{
    struct layer_duo duo;
    (void)state;
    agree(&duo, LITTLE_ROOM);
    assert_int_equal(tri_tls_update_keys(duo.client.layer, true), TR_OK);
    assert_true(layer_push(&duo.client));
    layer_read(&duo.server, 100);
    layer_read(&duo.client, 100); /* tickets */
    size_t size = fill(&duo.server);
    assert_int_equal(duo.server.layer->kind->write_record(duo.server.layer, duo.server.fd, "record", 6), 0);
    assert_true(duo.server.layer->owes); /* the answer; the record is behind it */
    duo.server.layer->committed = 6;
    assert_false(layer_push(&duo.server));
    take_out(&duo.client, size);
    assert_int_equal(duo.server.layer->kind->write_record(duo.server.layer, duo.server.fd, "!!!!!!", 6), 6);
    assert_false(duo.server.layer->owes);
    layer_read(&duo.client, 100);
    assert_string_equal(duo.client.first, "record");
    layer_end(&duo);
}

/* Renegotiation of 1.2: each attempt is answered with an alert. */
static bool
attempt(struct layer_duo *duo)
{
    SSL *server = ((struct tri_tls *)duo->server.layer)->ssl;
    SSL_clear_options(server, SSL_OP_NO_RENEGOTIATION);
    tri_wire_begin((struct tri_tls *)duo->server.layer, duo->server.fd);
    (void)SSL_renegotiate(server);
    (void)SSL_do_handshake(server);
    ERR_clear_error();
    layer_read(&duo->client, 100);
    return duo->client.last == -EAGAIN;
}

static void
renegotiation_is_refused_and_with_a_closed_window_the_refusal_is_owed(void **state)
{
    struct layer_duo duo;
    struct tr_tls_context_options server = layer_of_version(tls_server("server"), TR_TLS_1_2);
    (void)state;
    layer_agree(&duo, &(struct layer_plan){.server = &server, .room = LITTLE_ROOM});
    size_t size = fill(&duo.client);
    assert_true(attempt(&duo));
    assert_true(duo.client.layer->owes);
    assert_false(layer_push(&duo.client));
    take_out(&duo.server, size);
    assert_true(layer_push(&duo.client));
    assert_int_equal(layer_write(&duo.client, "goes on", 7), 7);
    layer_end(&duo);
}

static void
what_is_owed_has_a_limit(void **state)
{
    struct layer_duo duo;
    struct tr_tls_context_options server = layer_of_version(tls_server("server"), TR_TLS_1_2);
    static const char record[37] = "\x15\x03\x03\0\x20";
    (void)state;
    layer_agree(&duo, &(struct layer_plan){.server = &server, .room = LITTLE_ROOM});
    struct tri_tls *client = (struct tri_tls *)duo.client.layer;
    (void)fill(&duo.client);
    for (unsigned i = 0; i < 1000 && client->layer.reason == 0; i++) {
        tri_wire_begin(client, -1);
        (void)BIO_write(SSL_get_wbio(client->ssl), record, sizeof(record)); /* as OpenSSL does for an alert */
    }
    char byte;
    assert_int_equal(duo.client.layer->kind->read_plain(duo.client.layer, duo.client.fd, &byte, 1), TRI_LAYER_BROKEN);
    layer_has_failed(&duo.client, TRI_LAYER_BROKEN, TR_ETLS, "ERR_SSL_PROTOCOL_ERROR");
    layer_end(&duo);
}

/* Small records. */

static void
a_peer_that_wants_small_records_gets_them_and_none_is_lost(void **state)
{
    struct layer_duo duo;
    (void)state;
    layer_begin(&duo, &(struct layer_plan){.room = LITTLE_ROOM});
    SSL *client = ((struct tri_tls *)duo.client.layer)->ssl;
    assert_int_equal(SSL_set_tlsext_max_fragment_length(client, TLSEXT_max_fragment_length_512), 1);
    assert_true(layer_shake(&duo));
    layer_carry(&duo.server, &duo.client, MUCH, TRI_RECORD_BYTES);
    layer_carry(&duo.client, &duo.server, MUCH, TRI_RECORD_BYTES);
    layer_end(&duo);
}

/* Early bytes. */

static void
bytes_that_came_early_are_the_first_of_the_handshake_in_any_pieces(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 600; piece = piece * 3 + 1) {
        struct layer_duo duo;
        char hello[2048];
        layer_begin(&duo, &(struct layer_plan){0});
        assert_int_equal(duo.client.layer->kind->advance(duo.client.layer, duo.client.fd), TRI_LAYER_WANTS_BYTES);
        ssize_t size = read(duo.server.fd, hello, sizeof(hello));
        assert_true(size > 100);
        for (size_t at = 0; at < (size_t)size; at += piece) {
            tr_slice slice;
            assert_int_equal(tr_slice_copy(hello + at, (size_t)size - at < piece ? (size_t)size - at : piece, &slice),
                             TR_OK);
            assert_int_equal(duo.server.layer->kind->take_early(duo.server.layer, slice), TR_OK);
            tr_slice_release(slice);
        }
        assert_true(layer_shake(&duo));
        layer_carry(&duo.client, &duo.server, 1000, 100);
        layer_end(&duo);
    }
}

static void
plain_text_that_came_early_fails_the_handshake_and_is_never_data(void **state)
{
    struct layer_duo duo;
    (void)state;
    layer_begin(&duo, &(struct layer_plan){0});
    assert_int_equal(duo.server.layer->kind->take_early(duo.server.layer, tr_slice_constant("RCPT TO:<x>\r\n", 13)),
                     TR_OK);
    assert_false(layer_shake(&duo));
    layer_has_failed(&duo.server, duo.server.shook, TR_ETLS, "ERR_SSL_WRONG_VERSION_NUMBER");
    layer_end(&duo);
}

static void
early_bytes_that_are_never_read_go_with_the_layer(void **state)
{
    struct layer_duo duo;
    (void)state;
    layer_begin(&duo, &(struct layer_plan){0});
    assert_int_equal(duo.server.layer->kind->take_early(duo.server.layer, tr_slice_constant("a", 1)), TR_OK);
    assert_int_equal(duo.server.layer->kind->take_early(duo.server.layer, tr_slice_constant("b", 1)), TR_OK);
    layer_end(&duo);
}

/* Memory. */

static void
without_memory_nothing_is_taken_early_and_no_layer_is_made(void **state)
{
    struct layer_duo duo;
    struct tr_tls_context_options options = tls_client("ca");
    tr_tls_context *context = tls_make(&options);
    struct tri_record_layer *layer = NULL;
    (void)state;
    layer_begin(&duo, &(struct layer_plan){0});
    for (unsigned nth = 1; nth <= 2; nth++) {
        fault_plan(FAULT_MEMORY, nth, 1, ENOMEM);
        assert_int_equal(duo.server.layer->kind->take_early(duo.server.layer, tr_slice_constant("a", 1)), TR_ENOMEM);
        fault_clear();
    }
    fault_plan(FAULT_MEMORY, 1, 1, ENOMEM);
    assert_int_equal(tri_tls_open(&(struct tri_tls_wish){.context = context}, &layer), TR_ENOMEM);
    fault_clear();
    assert_null(layer);
    layer_end(&duo);
    tr_tls_context_release(context);
}

static void
an_answer_that_cannot_be_kept_for_lack_of_memory_ends_the_connection_by_that_name(void **state)
{
    (void)state;
    for (unsigned nth = 1; nth <= 2; nth++) {
        struct layer_duo duo;
        agree(&duo, LITTLE_ROOM);
        fault_plan(FAULT_MEMORY, nth, 1, ENOMEM);
        assert_int_equal(tri_tls_update_keys(duo.client.layer, true), TR_ENOMEM);
        fault_clear();
        layer_has_failed(&duo.client, (int)layer_write(&duo.client, "x", 1), TR_ENOMEM, "ENOMEM");
        layer_end(&duo);
    }
}

static void
a_peer_is_told_whole_or_not_at_all_for_lack_of_memory(void **state)
{
    struct layer_duo duo;
    struct tr_peer *peer = NULL;
    unsigned nth = 1;
    (void)state;
    agree(&duo, 0);
    for (bool met = true; met; nth++) {
        fault_plan(FAULT_MEMORY, nth, 1, ENOMEM);
        tr_status status = tri_tls_peer(duo.client.layer, &peer);
        met = fault_met(FAULT_MEMORY) > 0;
        fault_clear();
        assert_int_equal(status, met ? TR_ENOMEM : TR_OK);
        if (met)
            assert_null(peer);
    }
    assert_true(nth > 5);
    tr_peer_free(peer);
    layer_end(&duo);
}

static void
a_kernel_short_of_buffers_is_asked_again_for_the_same_record(void **state)
{
    struct layer_duo duo;
    (void)state;
    agree(&duo, 0);
    fault_plan(FAULT_WRITE, 1, 1, ENOBUFS);
    assert_int_equal(layer_write(&duo.client, "record", 6), -ENOBUFS);
    fault_clear();
    assert_int_equal(layer_write(&duo.client, "!!!!!!", 6), 6);
    layer_read(&duo.server, 100);
    assert_string_equal(duo.server.first, "record");
    layer_end(&duo);
}

static void
a_record_stays_behind_the_answer_that_a_kernel_short_of_buffers_has_not_taken(void **state)
{
    struct layer_duo duo;
    (void)state;
    agree(&duo, 0);
    assert_int_equal(tri_tls_update_keys(duo.server.layer, true), TR_OK);
    assert_true(layer_push(&duo.server));
    layer_read(&duo.client, 100);
    fault_plan(FAULT_WRITE, 1, 2, ENOBUFS); /* the answer, then the answer once more */
    assert_int_equal(layer_write(&duo.client, "record", 6), -ENOBUFS);
    fault_clear();
    assert_int_equal(layer_write(&duo.client, "!!!!!!", 6), 6);
    layer_read(&duo.server, 100);
    assert_string_equal(duo.server.first, "record");
    layer_end(&duo);
}

static void
a_record_that_fails_for_good_fails_again_and_is_never_taken(void **state)
{
    struct layer_duo duo;
    (void)state;
    agree(&duo, 0);
    fault_plan(FAULT_WRITE, 1, 2, EPIPE);
    assert_int_equal(layer_write(&duo.client, "record", 6), -EPIPE);
    assert_int_equal(duo.client.layer->kind->write_record(duo.client.layer, duo.client.fd, "!!!!!!", 6), -EPIPE);
    fault_clear();
    layer_end(&duo);
}

static void
a_handshake_of_1_2_is_four_writes(void **state)
{
    struct layer_duo duo;
    struct tr_tls_context_options server = layer_of_version(tls_server("server"), TR_TLS_1_2);
    (void)state;
    fault_plan(FAULT_WRITE, 1000, 1, ENOBUFS);
    layer_agree(&duo, &(struct layer_plan){.server = &server});
    assert_int_equal(fault_seen(FAULT_WRITE), 4);
    fault_clear();
    layer_end(&duo);
}

/* Peers. */

static void
a_certificate_is_told_with_names_dates_serial_and_fingerprint(void **state)
{
    struct layer_duo duo;
    struct tr_peer *peer;
    char fingerprint[128] = "", command[512];
    (void)state;
    agree(&duo, 0);
    assert_int_equal(tri_tls_peer(duo.server.layer, &peer), TR_ENOENT);
    assert_int_equal(tri_tls_peer(duo.client.layer, &peer), TR_OK);
    layer_end(&duo); /* it stays when the connection has gone */
    const struct tr_certificate *own = &peer->chain[0];
    assert_true(peer->count == 1 && peer->verified && peer->result == TR_OK);
    assert_string_equal(own->subject[0].name, "CN");
    assert_string_equal(own->subject[0].value, "server.example");
    assert_string_equal(own->issuer[0].value, "Troupe test ca");
    assert_int_equal(own->name_count, 4);
    assert_string_equal(own->names[1].name, "DNS");
    assert_string_equal(own->names[1].value, "server.example");
    assert_string_equal(own->names[2].name, "IP Address");
    assert_string_equal(own->names[2].value, "127.0.0.1");
    assert_string_equal(own->names[3].value, "::1");
    assert_string_equal(own->valid_from, "Jan  1 00:00:00 2020 GMT");
    assert_string_equal(own->valid_to, "Dec  1 00:00:00 2049 GMT");
    assert_true(own->not_before_s == 1577836800 && own->not_after_s == 2521929600);
    assert_true(own->serial[0] != '\0' && strspn(own->serial, "0123456789ABCDEF") == strlen(own->serial));
    snprintf(command, sizeof(command), "openssl x509 -in %s -noout -fingerprint -sha256", tls_file("server.pem"));
    FILE *output = popen(command, "r");
    assert_int_equal(fscanf(output, "%*[^=]=%127s", fingerprint), 1);
    pclose(output);
    assert_string_equal(own->fingerprint256, fingerprint);
    const unsigned char *der = own->der;
    X509 *again = d2i_X509(NULL, &der, (long)own->der_size);
    assert_non_null(again);
    X509_free(again);
    tr_peer_free(peer);
    tr_peer_free(NULL);
}

static void
the_chain_is_told_as_it_was_sent_and_why_it_is_not_believed(void **state)
{
    struct layer_duo duo;
    struct tr_peer *peer;
    const char *code;
    struct tr_tls_identity deep = {.chain.file = tls_file("deep_chain.pem"), .key.file = tls_file("deep.key")};
    struct tr_tls_context_options server = tls_server(NULL), client = tls_client("other_ca");
    (void)state;
    server.identities = &deep;
    server.identity_count = 1;
    client.verify = TR_TLS_VERIFY_REQUEST;
    layer_agree(&duo, &(struct layer_plan){.client = &client, .server = &server});
    assert_int_equal(tri_tls_verify_result(duo.client.layer, &code), TR_ENOISSUER);
    assert_string_equal(code, "UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
    assert_int_equal(tri_tls_peer(duo.client.layer, &peer), TR_OK);
    assert_true(peer->count == 2 && !peer->verified && peer->result == TR_ENOISSUER);
    assert_string_equal(peer->code, "UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
    assert_string_equal(peer->chain[1].subject[0].value, "Troupe test between");
    tr_peer_free(peer);
    layer_end(&duo);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LAYER_TEST(keys_are_renewed_on_both_sides_and_bytes_go_on),
        LAYER_TEST(the_peers_wish_for_new_keys_has_an_answer_of_its_own),
        LAYER_TEST(version_1_2_has_no_key_updates),
        LAYER_TEST(keys_are_not_renewed_after_goodbye),
        LAYER_TEST(a_key_update_is_read_and_answered_although_the_window_is_closed),
        LAYER_TEST(a_key_update_without_room_is_owed_and_the_record_behind_it_comes_once),
        LAYER_TEST(renegotiation_is_refused_and_with_a_closed_window_the_refusal_is_owed),
        LAYER_TEST(what_is_owed_has_a_limit),
        LAYER_TEST(a_peer_that_wants_small_records_gets_them_and_none_is_lost),
        LAYER_TEST(bytes_that_came_early_are_the_first_of_the_handshake_in_any_pieces),
        LAYER_TEST(plain_text_that_came_early_fails_the_handshake_and_is_never_data),
        LAYER_TEST(early_bytes_that_are_never_read_go_with_the_layer),
        LAYER_TEST(without_memory_nothing_is_taken_early_and_no_layer_is_made),
        LAYER_TEST(an_answer_that_cannot_be_kept_for_lack_of_memory_ends_the_connection_by_that_name),
        LAYER_TEST(a_peer_is_told_whole_or_not_at_all_for_lack_of_memory),
        LAYER_TEST(a_kernel_short_of_buffers_is_asked_again_for_the_same_record),
        LAYER_TEST(a_record_stays_behind_the_answer_that_a_kernel_short_of_buffers_has_not_taken),
        LAYER_TEST(a_record_that_fails_for_good_fails_again_and_is_never_taken),
        LAYER_TEST(a_handshake_of_1_2_is_four_writes),
        LAYER_TEST(a_certificate_is_told_with_names_dates_serial_and_fingerprint),
        LAYER_TEST(the_chain_is_told_as_it_was_sent_and_why_it_is_not_believed),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
