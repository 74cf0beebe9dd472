/*
 * Sessions of clients: for whom they are good, what they bring back, and what becomes of their bytes.
 */
#include "connection.h"
#include "session_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

static void
a_session_is_resumed_again_and_again_and_both_ends_say_so(void **state)
{
    (void)state;
    EACH_VERSION
    {
        tr_tls_context *client = session_context(tls_client("ca")), *server = session_context(tls_server("server"));
        tr_tls_session *session = session_of(client, server);
        for (unsigned i = 0; i < 3; i++)
            assert_true(session_resumes(session, client, server));
        struct meeting second = {.session = session};
        tr_tls_session *next = session_meet(&second, client, server);
        assert_true(session_resumes(next, client, server));
        tr_tls_session_release(next);
        tr_tls_session_release(session);
        tr_tls_context_release(client);
        tr_tls_context_release(server);
    }
}

/* Who it is good for. */

static void
a_session_of_one_name_is_not_shown_to_another(void **state)
{
    static const struct meeting others[] = {
        {.host = "localhost"},
        {.host = "127.0.0.1"},
        {.host = "::1"},
        {.host = "", .any_name = true},
        {.host = "server.example", .any_name = true},
    };
    (void)state;
    EACH_VERSION
    {
        tr_tls_context *client = session_context(tls_client("ca")), *server = session_context(tls_server("server"));
        tr_tls_session *session = session_of(client, server);
        for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
            struct meeting other = others[i];
            other.session = session;
            assert_false(session_resumes_as(other, client, server, false));
        }
        assert_true(
            session_resumes_as((struct meeting){.host = "SERVER.example", .session = session}, client, server, true));
        tr_tls_session_release(session);
        tr_tls_context_release(client);
        tr_tls_context_release(server);
    }
}

/* Its certificate was looked at, and not for whom it was. */
static void
a_session_that_was_made_for_any_name_does_not_pass_for_a_name(void **state)
{
    (void)state;
    EACH_VERSION
    {
        tr_tls_context *client = session_context(tls_client("ca")), *server = session_context(tls_server("a"));
        struct meeting any = {.host = "server.example", .any_name = true}, named = {0};
        struct layer_duo duo;
        any.session = named.session = session_meet(&any, client, server);
        assert_non_null(any.session);
        session_begin(&duo, &named, client, server);
        assert_false(layer_shake(&duo) || named.offered);
        layer_has_failed(&duo.client, duo.client.shook, TR_EALTNAME, "ERR_TLS_CERT_ALTNAME_INVALID");
        layer_end(&duo);
        assert_true(session_resumes_as(any, client, server, true));
        tr_tls_session_release((tr_tls_session *)any.session);
        tr_tls_context_release(client);
        tr_tls_context_release(server);
    }
}

static void
a_session_is_not_shown_by_a_context_that_asks_for_something_else(void **state)
{
    struct tr_tls_context_options lax = tls_client("other_ca"), strict = tls_client("ca"), own = tls_client("ca");
    (void)state;
    lax.verify = TR_TLS_VERIFY_NONE;
    own.identities = tls_identity("client");
    own.identity_count = 1;
    EACH_VERSION
    {
        tr_tls_context *trusting = session_context(lax), *careful = session_context(strict),
                       *same = session_context(strict), *known = session_context(own);
        tr_tls_context *server = session_context(tls_server("server"));
        tr_tls_session *of_trusting = session_of(trusting, server), *of_careful = session_of(careful, server);
        assert_false(session_resumes_as((struct meeting){.session = of_trusting}, careful, server, false));
        assert_false(session_resumes_as((struct meeting){.session = of_careful}, trusting, server, false));
        assert_false(session_resumes_as((struct meeting){.session = of_careful}, known, server, false));
        assert_true(session_resumes(of_careful, same, server));
        assert_true(session_resumes(of_trusting, trusting, server));
        tr_tls_session_release(of_trusting);
        tr_tls_session_release(of_careful);
        tr_tls_context_release(trusting);
        tr_tls_context_release(careful);
        tr_tls_context_release(same);
        tr_tls_context_release(known);
        tr_tls_context_release(server);
    }
}

/* In 1.3 the ticket says how old the client makes it, so a server does not resume one whose time was changed here. */
static void
is_shown_until(uint32_t of_client, uint32_t of_server, long limit_s)
{
    struct tr_tls_context_options client_options = tls_client("ca"), server_options = tls_server("server");
    client_options.session_lifetime_s = of_client;
    server_options.session_lifetime_s = of_server;
    tr_tls_context *client = session_context(client_options), *server = session_context(server_options);
    tr_tls_session *session = session_of(client, server);
    long made = SSL_SESSION_get_time(session_inside(session));
    SSL_SESSION_set_time(session_inside(session), made - limit_s + 100);
    (void)session_resumes_as((struct meeting){.session = session}, client, server, true);
    SSL_SESSION_set_time(session_inside(session), made - limit_s - 1);
    assert_false(session_resumes_as((struct meeting){.session = session}, client, server, false));
    tr_tls_session_release(session);
    tr_tls_context_release(client);
    tr_tls_context_release(server);
}

static void
a_session_is_shown_as_long_as_the_server_says_and_in_1_2_as_the_client_says(void **state)
{
    (void)state;
    session_version = TR_TLS_1_2;
    is_shown_until(0, 0, 7200);
    is_shown_until(1000, 0, 1000);
    is_shown_until(10000, 0, 10000);
    session_version = TR_TLS_1_3;
    is_shown_until(0, 0, 7200);
    is_shown_until(0, 1000, 1000);
    is_shown_until(0, 10000, 10000);
}

static void
a_session_of_1_2_whose_cipher_is_ours_no_more_is_passed_over(void **state)
{
    struct tr_tls_context_options options = tls_client("ca");
    (void)state;
    session_version = TR_TLS_1_2;
    options.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
    tr_tls_context *first = session_context(options), *server = session_context(tls_server("server"));
    options.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
    tr_tls_context *second = session_context(options);
    tr_tls_session *session = session_of(first, server);
    assert_false(session_resumes_as((struct meeting){.session = session}, second, server, false));
    assert_true(session_resumes(session, first, server));
    tr_tls_session_release(session);
    tr_tls_context_release(first);
    tr_tls_context_release(second);
    tr_tls_context_release(server);
}

/* A server of OpenSSL's own, since a context of ours refuses such a certificate. It is no end of the duo. */
static SSL *
serve_raw(const char *name, int fd)
{
    SSL_CTX *raw = SSL_CTX_new(TLS_method());
    assert_int_equal(SSL_CTX_use_certificate_chain_file(raw, tls_identity(name)->chain.file), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(raw, tls_identity(name)->key.file, SSL_FILETYPE_PEM), 1);
    SSL *server = SSL_new(raw);
    SSL_CTX_free(raw);
    SSL_set_accept_state(server);
    SSL_set_fd(server, fd);
    return server;
}

static tr_tls_session *
session_of_raw(tr_tls_context *client, const char *name)
{
    struct layer_end end;
    tr_tls_session *session = NULL;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    SSL *server = serve_raw(name, fds[1]);
    layer_begin_end(&end, &(struct tri_tls_wish){.context = client, .server_name = "server.example"}, fds[0]);
    for (unsigned round = 0; round < 100 && !SSL_is_init_finished(server); round++) {
        (void)end.layer->kind->advance(end.layer, fds[0]);
        (void)SSL_do_handshake(server);
    }
    ERR_clear_error();
    (void)end.layer->kind->advance(end.layer, fds[0]);
    layer_read(&end, 100);
    assert_int_equal(tri_tls_session(end.layer, &session), TR_OK);
    SSL_free(server);
    layer_end_end(&end);
    close(fds[1]);
    return session;
}

static void
a_session_whose_certificate_has_expired_is_not_shown(void **state)
{
    struct tr_tls_context_options options = tls_client("ca");
    (void)state;
    options.verify = TR_TLS_VERIFY_REQUEST;
    EACH_VERSION
    {
        tr_tls_context *client = session_context(options), *server = session_context(tls_server("server"));
        tr_tls_session *expired = session_of_raw(client, "expired"), *good = session_of_raw(client, "server");
        assert_false(session_resumes_as((struct meeting){.session = expired}, client, server, false));
        assert_false(session_resumes_as((struct meeting){.session = good}, client, server, true));
        tr_tls_session_release(expired);
        tr_tls_session_release(good);
        tr_tls_context_release(client);
        tr_tls_context_release(server);
    }
}

/* What it brings back. */

static void
remember(struct tr_tls_context_options of_client, struct tr_tls_context_options of_server, tr_status result,
         tr_status of_peer)
{
    of_client.identities = tls_identity("client");
    of_client.identity_count = 1;
    tr_tls_context *client = session_context(of_client), *server = session_context(of_server);
    struct meeting first = {0}, second = {0};
    second.session = session_meet(&first, client, server);
    tr_tls_session_release(session_meet(&second, client, server));
    assert_true(!first.resumed && second.resumed);
    assert_true(first.result == result && second.result == result);
    assert_true(first.of_client == of_peer && second.of_client == of_peer);
    assert_string_equal(first.fingerprint[0], second.fingerprint[0]);
    assert_string_equal(first.fingerprint[1], second.fingerprint[1]);
    assert_true(strlen(second.fingerprint[0]) == 95 &&
                strlen(second.fingerprint[1]) == (of_peer != TR_ENOENT ? 95 : 0));
    assert_int_equal(first.chain, second.chain);
    tr_tls_session_release((tr_tls_session *)second.session);
    tr_tls_context_release(client);
    tr_tls_context_release(server);
}

static void
what_was_found_of_the_peer_is_found_again_on_both_sides(void **state)
{
    struct tr_tls_context_options strict = tls_client("ca"), looks = tls_client("other_ca");
    struct tr_tls_context_options serves = tls_server("server"), requires = tls_server("server");
    struct tr_tls_context_options requests = tls_server("server");
    (void)state;
    looks.verify = TR_TLS_VERIFY_REQUEST;
    requires.ca = tls_pem("ca");
    requests.ca = tls_pem("other_ca");
    requires.ca_count = requests.ca_count = 1;
    requires.verify = TR_TLS_VERIFY_REQUIRE;
    requests.verify = TR_TLS_VERIFY_REQUEST;
    EACH_VERSION
    {
        remember(strict, serves, TR_OK, TR_ENOENT);
        remember(strict, requires, TR_OK, TR_OK);
        remember(looks, requests, TR_EUNVERIFIED, TR_EUNVERIFIED);
    }
}

static void
a_chain_comes_back_with_a_session_and_its_first_certificate_with_the_bytes(void **state)
{
    struct tr_tls_identity deep = {.chain.file = tls_file("deep_chain.pem"), .key.file = tls_file("deep.key")};
    struct tr_tls_context_options of_server = tls_server(NULL);
    tr_slice bytes;
    (void)state;
    of_server.identities = &deep;
    of_server.identity_count = 1;
    EACH_VERSION
    {
        tr_tls_context *client = session_context(tls_client("ca")), *server = session_context(of_server);
        struct meeting first = {0}, second = {0}, third = {0};
        tr_tls_session *session = session_meet(&first, client, server), *again;
        second.session = session;
        tr_tls_session_release(session_meet(&second, client, server));
        assert_int_equal(tr_tls_session_bytes(session, &bytes), TR_OK);
        assert_int_equal(tr_tls_session_from(bytes.data, bytes.size, &again), TR_OK);
        tr_slice_release(bytes);
        third.session = again;
        tr_tls_session_release(session_meet(&third, client, server));
        assert_true(second.resumed && third.resumed && third.result == TR_OK);
        assert_true(first.chain == 2 && second.chain == 2 && third.chain == 1);
        assert_string_equal(third.fingerprint[0], first.fingerprint[0]);
        tr_tls_session_release(session);
        tr_tls_session_release(again);
        tr_tls_context_release(client);
        tr_tls_context_release(server);
    }
}

/* Whatever becomes of a connection. */

static void
a_session_is_good_after_connections_that_broke(void **state)
{
    (void)state;
    EACH_VERSION
    {
        tr_tls_context *client = session_context(tls_client("ca")), *server = session_context(tls_server("server"));
        tr_tls_session *session = session_of(client, server), *of_broken;
        struct meeting meeting = {.session = session};
        struct layer_duo duo;
        session_begin(&duo, &meeting, client, server);
        assert_true(layer_shake(&duo));
        assert_int_equal(write(duo.server.fd, "\x17\x03\x03\0\x20no record, this, by no means......", 37), 37);
        layer_read(&duo.client, 100); /* it answers with an alert */
        assert_int_equal(duo.client.last, TRI_LAYER_BROKEN);
        assert_int_equal(tri_tls_session(duo.client.layer, &of_broken), TR_ENOENT);
        layer_end(&duo);
        assert_true(session_resumes(session, client, server));
        tr_tls_session_release(session);
        tr_tls_context_release(client);
        tr_tls_context_release(server);
    }
}

static void
in_1_3_there_is_none_before_the_server_has_sent_it(void **state)
{
    tr_tls_session *session = NULL;
    struct meeting meeting = {0};
    struct layer_duo duo;
    (void)state;
    session_version = TR_TLS_1_3;
    tr_tls_context *client = session_context(tls_client("ca")), *server = session_context(tls_server("server"));
    session_begin(&duo, &meeting, client, server);
    assert_true(layer_shake(&duo));
    assert_int_equal(tri_tls_session(duo.client.layer, &session), TR_ENOENT);
    unsigned char bytes[8192], *at = bytes;
    int size = i2d_SSL_SESSION(SSL_get_session(tri_tls_of(duo.client.layer)->ssl), NULL);
    assert_true(size > 0 && size <= (int)sizeof(bytes));
    (void)i2d_SSL_SESSION(SSL_get_session(tri_tls_of(duo.client.layer)->ssl), &at);
    assert_int_equal(tr_tls_session_from(bytes, (size_t)size, &session), TR_EBADSESSION);
    layer_read(&duo.client, 100);
    assert_int_equal(tri_tls_session(duo.client.layer, &session), TR_OK);
    tr_tls_session_release(session);
    layer_end(&duo);
    tr_tls_context_release(client);
    tr_tls_context_release(server);
}

/* Bytes. */

static void
bytes_are_the_session_again_in_another_place(void **state)
{
    tr_slice bytes, same;
    (void)state;
    EACH_VERSION
    {
        tr_tls_context *client = session_context(tls_client("ca")), *server = session_context(tls_server("server"));
        tr_tls_session *session = session_of(client, server), *again = NULL;
        assert_int_equal(tr_tls_session_bytes(session, &bytes), TR_OK);
        tr_tls_session_release(session);
        assert_int_equal(tr_tls_session_from(bytes.data, bytes.size, &again), TR_OK);
        assert_int_equal(tr_tls_session_bytes(again, &same), TR_OK);
        assert_int_equal(same.size, bytes.size);
        assert_memory_equal(same.data, bytes.data, bytes.size);
        assert_true(session_resumes(again, client, server));
        assert_false(
            session_resumes_as((struct meeting){.host = "localhost", .session = again}, client, server, false));
        tr_slice_release(bytes);
        tr_slice_release(same);
        tr_tls_session_release(again);
        tr_tls_context_release(client);
        tr_tls_context_release(server);
    }
}

static void
try_bytes(const char *bytes, size_t size, bool may_be_one)
{
    char *exact = malloc(size > 0 ? size : 1); /* so that a sanitizer sees what is read behind it */
    tr_tls_session *session = NULL;
    memcpy(exact, bytes, size);
    tr_status status = tr_tls_session_from(exact, size, &session);
    assert_true(status == TR_EBADSESSION || (may_be_one && status == TR_OK));
    assert_int_equal(session == NULL, status != TR_OK);
    assert_int_equal(ERR_peek_error(), 0);
    tr_tls_session_release(session);
    free(exact);
}

static void
bytes_that_are_no_session_are_refused(void **state)
{
    tr_slice bytes;
    (void)state;
    EACH_VERSION
    {
        tr_tls_context *client = session_context(tls_client("ca")), *server = session_context(tls_server("server"));
        tr_tls_session *session = session_of(client, server);
        assert_int_equal(tr_tls_session_bytes(session, &bytes), TR_OK);
        char *changed = malloc(bytes.size + 1);
        memcpy(changed, bytes.data, bytes.size);
        changed[bytes.size] = 0;
        try_bytes(changed, bytes.size + 1, false);
        for (size_t size = 0; size < bytes.size; size++)
            try_bytes(changed, size, false);
        for (size_t at = 0; at < bytes.size; at++)
            for (unsigned bit = 0; bit < 8; bit += 3) {
                changed[at] = (char)(changed[at] ^ (1 << bit));
                try_bytes(changed, bytes.size, true);
                changed[at] = bytes.data[at];
            }
        free(changed);
        tr_slice_release(bytes);
        tr_tls_session_release(session);
        tr_tls_context_release(client);
        tr_tls_context_release(server);
    }
}

static void
null_is_refused_and_holds_are_counted(void **state)
{
    tr_tls_session *session = NULL;
    tr_slice bytes;
    (void)state;
    assert_int_equal(tr_tls_session_bytes(NULL, &bytes), TR_EINVAL);
    assert_int_equal(tr_tls_session_from(NULL, 1, &session), TR_EINVAL);
    assert_int_equal(tr_tls_session_from("", 0, NULL), TR_EINVAL);
    assert_null(tr_tls_session_hold(NULL));
    tr_tls_session_release(NULL);
    session_version = TR_TLS_1_3;
    tr_tls_context *client = session_context(tls_client("ca")), *server = session_context(tls_server("server"));
    session = session_of(client, server);
    assert_int_equal(tr_tls_session_bytes(session, NULL), TR_EINVAL);
    assert_true(tr_tls_session_hold(session) == session);
    tr_tls_session_release(session);
    assert_true(session_resumes(session, client, server));
    tr_tls_session_release(session);
    tr_tls_context_release(client);
    tr_tls_context_release(server);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LAYER_TEST(a_session_is_resumed_again_and_again_and_both_ends_say_so),
        LAYER_TEST(a_session_of_one_name_is_not_shown_to_another),
        LAYER_TEST(a_session_that_was_made_for_any_name_does_not_pass_for_a_name),
        LAYER_TEST(a_session_is_not_shown_by_a_context_that_asks_for_something_else),
        LAYER_TEST(a_session_is_shown_as_long_as_the_server_says_and_in_1_2_as_the_client_says),
        LAYER_TEST(a_session_of_1_2_whose_cipher_is_ours_no_more_is_passed_over),
        LAYER_TEST(a_session_whose_certificate_has_expired_is_not_shown),
        LAYER_TEST(what_was_found_of_the_peer_is_found_again_on_both_sides),
        LAYER_TEST(a_chain_comes_back_with_a_session_and_its_first_certificate_with_the_bytes),
        LAYER_TEST(a_session_is_good_after_connections_that_broke),
        LAYER_TEST(in_1_3_there_is_none_before_the_server_has_sent_it),
        LAYER_TEST(bytes_are_the_session_again_in_another_place),
        LAYER_TEST(bytes_that_are_no_session_are_refused),
        LAYER_TEST(null_is_refused_and_holds_are_counted),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
