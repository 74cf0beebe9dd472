/*
 * Connections of TLS that fail: what each failure is called, and that both sides hear of it.
 */
#include "connection.h"
#include "layer_play.h"
#include "reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

/* The client's verdict on a server. */
struct bad_server {
    const char *server, *host;
    tr_status status;
    const char *code;
};

static void
demand_verdict(const struct bad_server *bad)
{
    struct layer_duo duo;
    struct tr_tls_context_options options = tls_server(bad->server);
    layer_begin(&duo, &(struct layer_plan){.server = &options, .host = bad->host});
    assert_false(layer_shake(&duo));
    layer_has_failed(&duo.client, duo.client.shook, bad->status, bad->code);
    assert_int_equal(duo.client.layer->kind->advance(duo.client.layer, duo.client.fd), TRI_LAYER_BROKEN);
    layer_end(&duo);
}

static void
a_client_names_what_is_wrong_with_a_certificate_as_node_does(void **state)
{
    static const struct bad_server all[] = {
        {"server", "other.example", TR_EALTNAME, "ERR_TLS_CERT_ALTNAME_INVALID"},
        {"server", "10.0.0.1", TR_EALTNAME, "ERR_TLS_CERT_ALTNAME_INVALID"},
        {"self", "server.example", TR_ESELFSIGNED, "DEPTH_ZERO_SELF_SIGNED_CERT"},
        {"unknown", "server.example", TR_EUNVERIFIED, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"},
        {"deep", "server.example", TR_EUNVERIFIED, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        demand_verdict(&all[i]);
}

/* A server of OpenSSL's own, for what a context refuses to serve with. */
static void
shake_with_raw(const char *name, struct layer_end *client)
{
    struct tr_tls_context_options options = tls_client("ca");
    tr_tls_context *context = tls_make(&options);
    struct tls_duo raw;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    tls_begin_raw(&raw, context, name, NULL);
    BIO *bio = BIO_new_socket(fds[1], BIO_NOCLOSE);
    SSL_set_bio(raw.server, bio, bio);
    layer_begin_end(client, &(struct tri_tls_wish){.context = context, .server_name = "server.example"}, fds[0]);
    for (unsigned i = 0; i < 20 && client->shook >= 0; i++) {
        client->shook = client->layer->kind->advance(client->layer, client->fd);
        (void)SSL_do_handshake(raw.server);
        ERR_clear_error();
    }
    tls_end(&raw);
    close(fds[1]);
    tr_tls_context_release(context);
}

static void
a_client_refuses_certificates_out_of_their_time(void **state)
{
    struct layer_end client;
    (void)state;
    shake_with_raw("expired", &client);
    layer_has_failed(&client, client.shook, TR_ECERTEXPIRED, "CERT_HAS_EXPIRED");
    layer_end_end(&client);
    shake_with_raw("not_yet", &client);
    layer_has_failed(&client, client.shook, TR_ECERTNOTYET, "CERT_NOT_YET_VALID");
    layer_end_end(&client);
}

static void
a_client_that_takes_any_name_still_checks_the_chain(void **state)
{
    struct layer_duo duo;
    struct tr_tls_context_options self = tls_server("self");
    (void)state;
    layer_agree(&duo, &(struct layer_plan){.host = "other.example", .any_name = true});
    layer_end(&duo);
    layer_begin(&duo, &(struct layer_plan){.server = &self, .any_name = true});
    assert_false(layer_shake(&duo));
    layer_has_failed(&duo.client, duo.client.shook, TR_ESELFSIGNED, "DEPTH_ZERO_SELF_SIGNED_CERT");
    layer_end(&duo);
}

static void
a_server_hears_by_alert_that_its_client_does_not_believe_it(void **state)
{
    struct layer_duo duo;
    struct tr_tls_context_options server = tls_server("unknown");
    (void)state;
    layer_begin(&duo, &(struct layer_plan){.server = &server});
    assert_false(layer_shake(&duo));
    layer_has_failed(&duo.server, duo.server.shook, TR_ETLS, "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA");
    layer_end(&duo);
}

static void
ends_without_a_version_in_common_both_say_so(void **state)
{
    struct layer_duo duo;
    struct tr_tls_context_options client = layer_of_version(tls_client("ca"), TR_TLS_1_3);
    struct tr_tls_context_options server = layer_of_version(tls_server("server"), TR_TLS_1_2);
    (void)state;
    layer_begin(&duo, &(struct layer_plan){.client = &client, .server = &server});
    assert_false(layer_shake(&duo));
    layer_has_failed(&duo.server, duo.server.shook, TR_ETLS, "ERR_SSL_UNSUPPORTED_PROTOCOL");
    layer_has_failed(&duo.client, duo.client.shook, TR_ETLS, "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
    layer_end(&duo);
}

/* Client certificates. */

static void
begin_with_client(struct layer_duo *duo, const char *who, enum tr_tls_version version)
{
    struct tr_tls_context_options client = layer_of_version(tls_client("ca"), version), server = tls_server("server");
    server.ca = tls_pem("ca");
    server.ca_count = 1;
    server.verify = TR_TLS_VERIFY_REQUIRE;
    client.identities = who != NULL ? tls_identity(who) : NULL;
    client.identity_count = who != NULL;
    layer_begin(duo, &(struct layer_plan){.client = &client, .server = &server});
}

static void
a_client_without_the_certificate_that_is_required_is_refused(void **state)
{
    static const char codes[][64] = {"ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE",
                                     "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"};
    struct layer_duo duo;
    (void)state;
    begin_with_client(&duo, NULL, TR_TLS_1_2);
    assert_false(layer_shake(&duo));
    layer_has_failed(&duo.server, duo.server.shook, TR_ETLS, "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE");
    layer_has_failed(&duo.client, duo.client.shook, TR_ETLS, codes[0]);
    layer_end(&duo);
    begin_with_client(&duo, NULL, TR_TLS_1_3);
    assert_false(layer_shake(&duo));
    layer_has_failed(&duo.server, duo.server.shook, TR_ETLS, "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE");
    assert_int_equal(duo.client.shook, TRI_LAYER_DONE); /* the client of 1.3 is done before the server has judged */
    layer_read(&duo.client, 100);
    layer_has_failed(&duo.client, (int)duo.client.last, TR_ETLS, codes[1]);
    layer_end(&duo);
}

static void
a_server_names_what_is_wrong_with_a_clients_certificate(void **state)
{
    struct layer_duo duo;
    (void)state;
    begin_with_client(&duo, "stranger", TR_TLS_1_3);
    assert_false(layer_shake(&duo));
    layer_has_failed(&duo.server, duo.server.shook, TR_EUNVERIFIED, "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    layer_end(&duo);
}

static void
a_good_client_certificate_is_seen_by_the_server(void **state)
{
    struct layer_duo duo;
    struct tr_peer *peer;
    const char *code;
    (void)state;
    begin_with_client(&duo, "client", TR_TLS_1_3);
    assert_true(layer_shake(&duo));
    assert_int_equal(tri_tls_verify_result(duo.server.layer, &code), TR_OK);
    assert_int_equal(tri_tls_peer(duo.server.layer, &peer), TR_OK);
    assert_true(peer->verified && peer->result == TR_OK && peer->count == 1 && peer->code == NULL);
    assert_string_equal(peer->chain[0].subject[0].value, "client");
    tr_peer_free(peer);
    layer_end(&duo);
}

/* The wire. */

static void
begin_server(struct layer_end *server, int *far)
{
    struct tr_tls_context_options options = tls_server("server");
    tr_tls_context *context = tls_make(&options);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    layer_begin_end(server, &(struct tri_tls_wish){.context = context, .serves = true}, fds[0]);
    tr_tls_context_release(context);
    *far = fds[1];
}

static int
advance(struct layer_end *end)
{
    return end->layer->kind->advance(end->layer, end->fd);
}

static void
plain_text_in_place_of_a_handshake_is_refused_by_its_name(void **state)
{
    static const struct {
        const char *text, *code;
    } all[] = {{"GET / HTTP/1.0\r\n\r\n", "ERR_SSL_HTTP_REQUEST"},
               {"EHLO mail.example\r\n", "ERR_SSL_WRONG_VERSION_NUMBER"}};
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct layer_end server;
        char alert[64];
        int far;
        begin_server(&server, &far);
        assert_true(write(far, all[i].text, strlen(all[i].text)) > 0);
        layer_has_failed(&server, advance(&server), TR_ETLS, all[i].code);
        assert_int_equal(read(far, alert, sizeof(alert)), -1); /* who speaks no TLS would not understand an alert */
        close(far);
        layer_end_end(&server);
    }
}

static void
garbage_on_a_secure_connection_ends_it_and_the_peer_hears_why(void **state)
{
    struct layer_duo duo;
    char record[] = "\x17\x03\x03\0\x20"
                    "thirty-two bytes that are no text";
    (void)state;
    layer_agree(&duo, &(struct layer_plan){0});
    assert_int_equal(write(duo.client.fd, record, 5 + 32), 37);
    layer_read(&duo.server, 100);
    layer_has_failed(&duo.server, (int)duo.server.last, TR_ETLS, "ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC");
    assert_int_equal(layer_write(&duo.server, "word", 4), TRI_LAYER_BROKEN);
    layer_read(&duo.client, 100);
    layer_has_failed(&duo.client, (int)duo.client.last, TR_ETLS, "ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC");
    layer_end(&duo);
}

static void
what_others_have_left_in_the_queue_is_no_failure_of_a_connection(void **state)
{
    struct layer_duo duo;
    (void)state;
    layer_begin(&duo, &(struct layer_plan){0});
    ERR_raise(ERR_LIB_SYS, 5);
    assert_true(layer_shake(&duo));
    layer_read(&duo.client, 100); /* tickets, at which OpenSSL clears the queue itself */
    ERR_raise(ERR_LIB_SYS, 5);
    layer_read(&duo.client, 100);
    assert_int_equal(duo.client.last, -EAGAIN);
    assert_int_equal(layer_write(&duo.client, "word", 4), 4);
    layer_read(&duo.server, 100);
    assert_string_equal(duo.server.first, "word");
    ERR_clear_error();
    layer_end(&duo);
}

static void
an_alert_is_heard_although_the_peer_has_gone_before_our_flight(void **state)
{
    struct layer_end client;
    struct tr_tls_context_options options = tls_client("ca");
    tr_tls_context *context = tls_make(&options);
    int fds[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    layer_begin_end(&client, &(struct tri_tls_wish){.context = context}, fds[0]);
    assert_int_equal(write(fds[1], "\x15\x03\x03\0\x02\x02\x70", 7), 7); /* unrecognized_name */
    close(fds[1]);
    layer_has_failed(&client, advance(&client), TR_ETLS, "ERR_SSL_TLSV1_UNRECOGNIZED_NAME");
    layer_end_end(&client);
    tr_tls_context_release(context);
}

static void
what_a_peer_sends_in_place_of_a_certificate_is_no_lack_of_memory_of_ours(void **state)
{
    static const int reasons[] = {ERR_R_ASN1_LIB, ERR_R_EVP_LIB, ERR_R_INTERNAL_ERROR, ERR_R_PASSED_NULL_PARAMETER};
    struct layer_duo duo;
    const char *code;
    (void)state;
    layer_agree(&duo, &(struct layer_plan){0});
    const SSL *ssl = ((struct tri_tls *)duo.client.layer)->ssl;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        ERR_raise(ERR_LIB_SSL, reasons[i]); /* as OpenSSL does */
        assert_int_equal(tri_reason_status(tri_reason_take(ssl), &code), TR_ETLS);
    }
    ERR_raise(ERR_LIB_SSL, ERR_R_MALLOC_FAILURE);
    assert_int_equal(tri_reason_status(tri_reason_take(ssl), &code), TR_ENOMEM);
    layer_end(&duo);
}

/* Cuts. */

/* Both flights go through the test, which lets `limit` bytes of the one side through, and then ends it. Gives how many
 * it has sent. */
static size_t
relay(struct layer_end *from, struct layer_end *to, int from_far, int to_far, size_t limit)
{
    static char bytes[65536];
    size_t sent = 0;
    ssize_t size;
    for (unsigned i = 0; i < 8 && from->shook >= 0 && to->shook >= 0; i++) {
        from->shook = from->shook == TRI_LAYER_DONE && i > 0 ? TRI_LAYER_DONE : advance(from);
        while ((size = read(from_far, bytes, sizeof(bytes))) > 0) {
            size_t part = sent + (size_t)size <= limit ? (size_t)size : limit - sent;
            if (part > 0)
                assert_int_equal(write(to_far, bytes, part), part);
            sent += part;
        }
        if (sent == limit)
            shutdown(to_far, SHUT_WR);
        to->shook = to->shook == TRI_LAYER_DONE && i > 0 ? TRI_LAYER_DONE : advance(to);
        while ((size = read(to_far, bytes, sizeof(bytes))) > 0)
            assert_int_equal(write(from_far, bytes, (size_t)size), size);
    }
    return sent;
}

/* Cuts what the client, or the server, says after so many bytes. false: it does not say so much. */
static bool
cut(tr_tls_context *client_context, tr_tls_context *server_context, bool client_is_cut, size_t limit)
{
    struct layer_end client, server;
    int near[2], far[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, near), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, far), 0);
    layer_begin_end(&client, &(struct tri_tls_wish){.context = client_context}, near[0]);
    layer_begin_end(&server, &(struct tri_tls_wish){.context = server_context, .serves = true}, far[0]);
    if (!client_is_cut)
        (void)advance(&client);
    struct layer_end *from = client_is_cut ? &client : &server, *to = client_is_cut ? &server : &client;
    if (!client_is_cut) {
        char hello[4096];
        ssize_t size = read(near[1], hello, sizeof(hello));
        assert_int_equal(write(far[1], hello, (size_t)size), size);
    }
    size_t sent = relay(from, to, client_is_cut ? near[1] : far[1], client_is_cut ? far[1] : near[1], limit);
    bool was_cut = sent == limit && to->shook != TRI_LAYER_DONE;
    if (was_cut)
        assert_int_equal(to->shook, -ECONNRESET);
    assert_int_equal(ERR_peek_error(), 0);
    layer_end_end(&client);
    layer_end_end(&server);
    close(near[1]);
    close(far[1]);
    return was_cut;
}

static void
a_handshake_that_is_cut_at_any_byte_fails_as_a_connection_that_is_lost(void **state)
{
    struct tr_tls_context_options client_options = tls_client("ca"), server_options = tls_server("server");
    tr_tls_context *client = tls_make(&client_options), *server = tls_make(&server_options);
    (void)state;
    for (unsigned side = 0; side < 2; side++) {
        size_t limit = 0;
        while (cut(client, server, side == 0, limit))
            limit++;
        assert_true(limit > 300);
    }
    tr_tls_context_release(client);
    tr_tls_context_release(server);
}

/* What the kernel has no room for cannot be told to the peer, but the failure is there all the same. */
static void
a_failure_is_told_at_once_although_there_is_no_room_for_its_alert(void **state)
{
    struct layer_duo duo;
    (void)state;
    layer_begin(&duo, &(struct layer_plan){.host = "other.example", .room = 4608});
    assert_int_equal(duo.client.layer->kind->advance(duo.client.layer, duo.client.fd), TRI_LAYER_WANTS_BYTES);
    assert_int_equal(duo.server.layer->kind->advance(duo.server.layer, duo.server.fd), TRI_LAYER_WANTS_BYTES);
    while (write(duo.client.fd, "!", 1) == 1)
        continue;
    int outcome = duo.client.layer->kind->advance(duo.client.layer, duo.client.fd);
    layer_has_failed(&duo.client, outcome, TR_EALTNAME, "ERR_TLS_CERT_ALTNAME_INVALID");
    layer_end(&duo);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LAYER_TEST(a_client_names_what_is_wrong_with_a_certificate_as_node_does),
        LAYER_TEST(a_client_refuses_certificates_out_of_their_time),
        LAYER_TEST(a_client_that_takes_any_name_still_checks_the_chain),
        LAYER_TEST(a_server_hears_by_alert_that_its_client_does_not_believe_it),
        LAYER_TEST(ends_without_a_version_in_common_both_say_so),
        LAYER_TEST(a_client_without_the_certificate_that_is_required_is_refused),
        LAYER_TEST(a_server_names_what_is_wrong_with_a_clients_certificate),
        LAYER_TEST(a_good_client_certificate_is_seen_by_the_server),
        LAYER_TEST(plain_text_in_place_of_a_handshake_is_refused_by_its_name),
        LAYER_TEST(garbage_on_a_secure_connection_ends_it_and_the_peer_hears_why),
        LAYER_TEST(what_others_have_left_in_the_queue_is_no_failure_of_a_connection),
        LAYER_TEST(an_alert_is_heard_although_the_peer_has_gone_before_our_flight),
        LAYER_TEST(what_a_peer_sends_in_place_of_a_certificate_is_no_lack_of_memory_of_ours),
        LAYER_TEST(a_handshake_that_is_cut_at_any_byte_fails_as_a_connection_that_is_lost),
        LAYER_TEST(a_failure_is_told_at_once_although_there_is_no_room_for_its_alert),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
