/*
 * Contexts: what each option does, what is refused, and how long they live.
 */
#include "context.h"
#include "helpers.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pemerr.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static void
this_library_has_tls(void **state)
{
    (void)state;
    assert_true(tr_tls_supported());
}

static void
null_is_refused_or_does_nothing(void **state)
{
    struct tr_tls_context_options options = {.identity_count = 1};
    tr_tls_context *context;
    (void)state;
    assert_int_equal(tr_tls_context_new(NULL, NULL, &context), TR_EINVAL);
    assert_int_equal(tr_tls_context_new(&options, NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_tls_context_new(&options, NULL, &context), TR_EINVAL); /* without a refusal to write */
    tls_refused(&options, TR_EINVAL, "identities is NULL");
    assert_null(tr_tls_context_hold(NULL));
    tr_tls_context_release(NULL);
}

/* Versions. */

static int
version_between(tr_tls_context *client, tr_tls_context *server)
{
    struct tls_duo duo;
    tls_begin(&duo, client, server, NULL);
    int version = tls_shake(&duo) ? SSL_version(duo.client) : 0;
    if (version == 0)
        assert_string_equal(duo.alert, "protocol version");
    tls_end(&duo);
    return version;
}

static void
both_ends_agree_on_the_highest_version_that_both_may_speak(void **state)
{
    static const struct {
        enum tr_tls_version client_lowest, client_highest, server_lowest, server_highest;
        int version;
    } rows[] = {
        {TR_TLS_DEFAULT, TR_TLS_DEFAULT, TR_TLS_DEFAULT, TR_TLS_DEFAULT, TLS1_3_VERSION},
        {TR_TLS_DEFAULT, TR_TLS_1_2, TR_TLS_DEFAULT, TR_TLS_DEFAULT, TLS1_2_VERSION},
        {TR_TLS_DEFAULT, TR_TLS_DEFAULT, TR_TLS_1_2, TR_TLS_1_2, TLS1_2_VERSION},
        {TR_TLS_1_3, TR_TLS_DEFAULT, TR_TLS_1_2, TR_TLS_1_3, TLS1_3_VERSION},
        {TR_TLS_1_3, TR_TLS_1_3, TR_TLS_DEFAULT, TR_TLS_1_2, 0},
        {TR_TLS_DEFAULT, TR_TLS_1_2, TR_TLS_1_3, TR_TLS_DEFAULT, 0},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tr_tls_context_options client_options = tls_client("ca"), server_options = tls_server("server");
        client_options.lowest = rows[i].client_lowest;
        client_options.highest = rows[i].client_highest;
        server_options.lowest = rows[i].server_lowest;
        server_options.highest = rows[i].server_highest;
        tr_tls_context *client = tls_make(&client_options), *server = tls_make(&server_options);
        assert_int_equal(version_between(client, server), rows[i].version);
        tr_tls_context_release(client);
        tr_tls_context_release(server);
    }
}

static void
versions_that_cannot_be_are_refused(void **state)
{
    struct tr_tls_context_options options = tls_client("ca");
    (void)state;
    options.lowest = TR_TLS_1_3;
    options.highest = TR_TLS_1_2;
    tls_refused(&options, TR_EBADVERSIONS, "lowest is 1.3 and highest 1.2");
    options.highest = (enum tr_tls_version)3;
    tls_refused(&options, TR_EBADVERSIONS, "highest is no version of TLS");
    options.lowest = (enum tr_tls_version) - 1;
    tls_refused(&options, TR_EBADVERSIONS, "lowest is no version of TLS");
}

/* OpenSSL's own client may speak 1.1, and does so alone here. */
static void
older_versions_do_not_exist(void **state)
{
    struct tr_tls_context_options client_options = tls_client("ca"), server_options = tls_server("server");
    struct tls_duo duo;
    (void)state;
    tr_tls_context *client = tls_make(&client_options), *server = tls_make(&server_options);
    tls_begin(&duo, client, server, NULL);
    SSL_set_security_level(duo.client, 0);
    SSL_set_cipher_list(duo.client, "ALL:@SECLEVEL=0");
    SSL_set_min_proto_version(duo.client, TLS1_VERSION);
    SSL_set_max_proto_version(duo.client, TLS1_1_VERSION);
    assert_false(tls_shake(&duo));
    assert_string_equal(duo.alert, "protocol version");
    tls_end(&duo);
    tr_tls_context_release(client);
    tr_tls_context_release(server);
}

/* Ciphers. */

static const char *
cipher_between(const struct tr_tls_context_options *client_options, const struct tr_tls_context_options *server_options)
{
    struct tls_duo duo;
    tr_tls_context *client = tls_make(client_options), *server = tls_make(server_options);
    tls_begin(&duo, client, server, NULL);
    const char *cipher = tls_shake(&duo) ? SSL_get_cipher_name(duo.client) : "";
    tls_end(&duo);
    tr_tls_context_release(client);
    tr_tls_context_release(server);
    return cipher;
}

static void
ciphers_are_of_1_2_and_suites_of_1_3_in_the_servers_order(void **state)
{
    struct tr_tls_context_options client = tls_client("ca"), server = tls_server("server");
    (void)state;
    client.suites = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";
    assert_string_equal(cipher_between(&client, &server), "TLS_AES_128_GCM_SHA256");
    server.suites = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";
    assert_string_equal(cipher_between(&client, &server), "TLS_AES_256_GCM_SHA384");
    server.highest = TR_TLS_1_2;
    client.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE+AESGCM:!RC4:-SHA1:+AES128:@STRENGTH";
    assert_string_equal(cipher_between(&client, &server), "ECDHE-ECDSA-AES128-GCM-SHA256");
    server.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
    assert_string_equal(cipher_between(&client, &server), "ECDHE-ECDSA-AES256-GCM-SHA384");
    server.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305";
    assert_string_equal(cipher_between(&client, &server), "");
}

static void
our_own_ciphers_are_authenticated_and_have_forward_secrecy(void **state)
{
    struct tr_tls_context_options options = tls_server("server");
    (void)state;
    tr_tls_context *server = tls_make(&options);
    STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(server->ssl);
    assert_int_equal(sk_SSL_CIPHER_num(ciphers), 9);
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
        int exchange = SSL_CIPHER_get_kx_nid(cipher);
        assert_true(SSL_CIPHER_is_aead(cipher));
        assert_true(exchange == NID_kx_ecdhe || exchange == NID_kx_any); /* any: of 1.3 */
    }
    tr_tls_context_release(server);
}

static void
groups_and_signatures_are_those_of_the_options(void **state)
{
    struct tr_tls_context_options client = tls_client("ca"), server = tls_server("server");
    struct tls_duo duo;
    int signature;
    (void)state;
    server.groups = "P-384:P-256"; /* its order counts, here too */
    server.signatures = "ECDSA+SHA384:ECDSA+SHA256";
    client.highest = TR_TLS_1_2; /* in 1.3 the curve of the key settles it */
    tr_tls_context *one = tls_make(&client), *other = tls_make(&server);
    tls_begin(&duo, one, other, NULL);
    assert_true(tls_shake(&duo));
    assert_int_equal(SSL_get_peer_signature_nid(duo.client, &signature), 1);
    assert_int_equal(signature, NID_sha384);
    assert_int_equal(SSL_get_shared_group(duo.server, 0), NID_secp384r1);
    tls_end(&duo);
    tr_tls_context_release(one);
    tr_tls_context_release(other);
}

static void
a_word_that_means_nothing_is_refused_and_named(void **state)
{
    struct tr_tls_context_options options = tls_client("ca"), clean = options;
    char word[200];
    (void)state;
    options.ciphers = "ECDHE+AESGCM:ECDHE-RSA-RC5-SHA";
    tls_refused(&options, TR_EBADCIPHERS, "ciphers: 'ECDHE-RSA-RC5-SHA' means nothing");
    options.ciphers = "TLS_AES_128_GCM_SHA256"; /* that is a suite */
    tls_refused(&options, TR_EBADCIPHERS, "ciphers: 'TLS_AES_128_GCM_SHA256' means nothing");
    options.ciphers = "";
    tls_refused(&options, TR_EBADCIPHERS, "ciphers: the list is empty");
    options.ciphers = "HIGH:!ALL";
    tls_refused(&options, TR_EBADCIPHERS, "ciphers 'HIGH:!ALL': no cipher match");
    memset(word, 'x', sizeof(word));
    word[199] = '\0';
    options.ciphers = word;
    tls_refused(&options, TR_EBADCIPHERS, "ciphers: 'xxxxx");
    options = clean;
    options.suites = "TLS_AES_128_GCM_SHA256:TLS_AES_999";
    tls_refused(&options, TR_EBADCIPHERS, "suites: 'TLS_AES_999' means nothing");
    options = clean;
    options.groups = "X25519:P-257";
    tls_refused(&options, TR_EBADCIPHERS, "groups: 'P-257' means nothing");
    options = clean;
    options.signatures = "RSA+SHA256:RSA+SHA255";
    tls_refused(&options, TR_EBADCIPHERS, "signatures: 'RSA+SHA255' means nothing");
}

/* What does not exist. */

static void
renegotiation_is_refused(void **state)
{
    struct tr_tls_context_options client_options = tls_client("ca"), server_options = tls_server("server");
    struct tls_duo duo;
    char byte;
    (void)state;
    client_options.highest = TR_TLS_1_2;
    tr_tls_context *client = tls_make(&client_options), *server = tls_make(&server_options);
    tls_begin(&duo, client, server, NULL);
    assert_true(tls_shake(&duo));
    assert_int_equal(SSL_renegotiate(duo.client), 0);
    SSL_clear_options(duo.client, SSL_OP_NO_RENEGOTIATION); /* a client of another make asks for it */
    assert_int_equal(SSL_renegotiate(duo.client), 1);
    assert_true(SSL_do_handshake(duo.client) <= 0);
    assert_true(SSL_read(duo.server, &byte, 1) <= 0);
    assert_int_equal(SSL_num_renegotiations(duo.server), 0);
    assert_true(SSL_read(duo.client, &byte, 1) <= 0);
    assert_true(SSL_is_init_finished(duo.server));
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION); /* the client's, of the alert */
    tls_end(&duo);
    tr_tls_context_release(client);
    tr_tls_context_release(server);
}

static void
early_data_is_refused_and_the_connection_goes_on(void **state)
{
    struct tr_tls_context_options client_options = tls_client("ca"), server_options = tls_server("server");
    struct tls_duo duo;
    size_t written;
    (void)state;
    tr_tls_context *client = tls_make(&client_options), *server = tls_make(&server_options);
    tls_begin(&duo, client, server, NULL);
    assert_true(tls_shake(&duo));
    SSL_SESSION *session = SSL_get1_session(duo.client);
    assert_int_equal(SSL_SESSION_get_max_early_data(session), 0);
    tls_end(&duo);
    SSL_SESSION_set_max_early_data(session, 100); /* a client that sends it all the same */
    tls_begin(&duo, client, server, NULL);
    SSL_set_session(duo.client, session);
    assert_int_equal(SSL_write_early_data(duo.client, "early", 5, &written), 1);
    assert_true(tls_shake(&duo));
    assert_int_equal(SSL_get_early_data_status(duo.client), SSL_EARLY_DATA_REJECTED);
    assert_int_equal(SSL_get_early_data_status(duo.server), SSL_EARLY_DATA_REJECTED);
    tls_end(&duo);
    SSL_SESSION_free(session);
    tr_tls_context_release(client);
    tr_tls_context_release(server);
}

/* Their life. */

static void
a_connection_keeps_its_context(void **state)
{
    struct tr_tls_context_options client_options = tls_client("ca"), server_options = tls_server("server");
    struct tls_duo duo;
    (void)state;
    tr_tls_context *client = tls_make(&client_options), *server = tls_make(&server_options);
    tls_begin(&duo, client, server, "server.example");
    assert_true(tr_tls_context_hold(server) == server);
    tr_tls_context_release(server);
    tr_tls_context_release(server);
    tr_tls_context_release(client);
    assert_true(tls_shake(&duo));
    tls_end(&duo);
}

static void
errors_that_others_have_left_are_no_reason(void **state)
{
    struct tr_tls_context_options options = tls_client("ca");
    struct tr_tls_refusal refusal = {.text = "old", .reason = 7};
    tr_tls_context *context;
    (void)state;
    ERR_raise(ERR_LIB_SSL, SSL_R_EE_KEY_TOO_SMALL);
    assert_int_equal(tr_tls_context_new(&options, &refusal, &context), TR_OK);
    assert_string_equal(refusal.text, "");
    assert_int_equal(refusal.reason, 0);
    assert_int_equal(ERR_peek_error(), 0);
    tr_tls_context_release(context);
    ERR_raise(ERR_LIB_SSL, SSL_R_EE_KEY_TOO_SMALL);
    options.depth = 101;
    assert_int_equal(tr_tls_context_new(&options, &refusal, &context), TR_EBADLIMIT);
    assert_int_equal(refusal.reason, 0);
    ERR_raise(ERR_LIB_SSL, ERR_R_MALLOC_FAILURE);
    options = tls_client("broken");
    assert_int_equal(tr_tls_context_new(&options, &refusal, &context), TR_ENOTPEM);
    assert_int_equal(ERR_GET_REASON(refusal.reason), PEM_R_BAD_BASE64_DECODE);
}

/* The key log. */

static unsigned
lines_with(const char *path, const char *word)
{
    char line[1024];
    unsigned count = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        count += strncmp(line, word, strlen(word)) == 0 && line[strlen(line) - 1] == '\n';
    fclose(file);
    return count;
}

static void
secrets_are_appended_to_the_key_log(void **state)
{
    struct tr_tls_context_options client_options = tls_client("ca"), server_options = tls_server("server");
    char directory[256], path[300];
    struct stat found;
    (void)state;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(path, sizeof(path), "%s/keys", directory);
    client_options.key_log = server_options.key_log = path;
    for (unsigned round = 1; round <= 2; round++) {
        tr_tls_context *client = tls_make(&client_options), *server = tls_make(&server_options);
        assert_true(tls_agree(client, server, NULL));
        assert_int_equal(lines_with(path, "CLIENT_HANDSHAKE_TRAFFIC_SECRET "), 2 * round); /* of both ends */
        assert_int_equal(lines_with(path, "SERVER_TRAFFIC_SECRET_0 "), 2 * round);
        tr_tls_context_release(client);
        tr_tls_context_release(server);
    }
    client_options.highest = TR_TLS_1_2;
    client_options.key_log = NULL;
    tr_tls_context *client = tls_make(&client_options), *server = tls_make(&server_options);
    assert_true(tls_agree(client, server, NULL));
    assert_int_equal(lines_with(path, "CLIENT_RANDOM "), 1);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    tr_tls_context_release(client);
    tr_tls_context_release(server);
    tests_directory_remove(directory);
}

static void
a_key_log_that_cannot_be_written_is_refused(void **state)
{
    struct tr_tls_context_options options = tls_client("ca");
    (void)state;
    options.key_log = tls_file("hashed");
    tls_refused(&options, TR_EISDIR, "hashed: ");
    options.key_log = tls_file("nowhere/keys");
    tls_refused(&options, TR_ENOENT, "nowhere/keys: no such file");
}

static void
the_environment_opens_no_key_log(void **state)
{
    struct tr_tls_context_options client_options = tls_client("ca"), server_options = tls_server("server");
    (void)state;
    setenv("SSLKEYLOGFILE", tls_file("secrets"), 1);
    tr_tls_context *client = tls_make(&client_options), *server = tls_make(&server_options);
    assert_true(tls_agree(client, server, NULL));
    assert_int_equal(access(tls_file("secrets"), F_OK), -1);
    unsetenv("SSLKEYLOGFILE");
    tr_tls_context_release(client);
    tr_tls_context_release(server);
}

/* Threads. */

#define THREADS 4u

static struct {
    tr_tls_context *client, *server;
    tr_tls_tickets *tickets;
    unsigned good[THREADS];
} shared;

/* Half of the connections resume, under keys that somebody exchanges. */
static void *
connect_many(void *argument)
{
    unsigned *good = argument, many = 25 * tests_stress();
    SSL_SESSION *session = NULL;
    static const unsigned char keys[2 * TR_TLS_TICKET_KEY_BYTES] = {1, [TR_TLS_TICKET_KEY_BYTES] = 2};
    for (unsigned i = 0; i < many; i++) {
        struct tls_duo duo;
        tls_begin(&duo, shared.client, shared.server, "server.example");
        SSL_set_tlsext_host_name(duo.client, (i % 3 == 0 ? "a.example" : "server.example"));
        if (session != NULL)
            SSL_set_session(duo.client, session);
        *good += tls_shake(&duo);
        SSL_SESSION_free(session);
        session = i % 2 == 0 ? SSL_get1_session(duo.client) : NULL;
        tls_end(&duo);
        if (i % 10 == 9)
            tr_tls_tickets_set(shared.tickets, keys, 1 + i % 2);
    }
    SSL_SESSION_free(session);
    tr_tls_context_release(shared.server);
    return NULL;
}

static void
threads_use_one_context_at_once_and_the_last_frees_it(void **state)
{
    struct tr_tls_context_options client_options = tls_client("ca"), server_options = tls_server("server");
    pthread_t threads[THREADS];
    struct tr_tls_context_options other = tls_server("server_rsa");
    struct tr_tls_name name = {"a.example", tls_make(&other)};
    (void)state;
    assert_int_equal(tr_tls_tickets_new(NULL, 0, 0, &shared.tickets), TR_OK);
    server_options.tickets = shared.tickets;
    server_options.names = &name;
    server_options.name_count = 1;
    shared.client = tls_make(&client_options);
    shared.server = tls_make(&server_options);
    tr_tls_context_release(name.context);
    for (unsigned i = 0; i < THREADS; i++) {
        tr_tls_context_hold(shared.server);
        assert_int_equal(pthread_create(&threads[i], NULL, connect_many, &shared.good[i]), 0);
    }
    tr_tls_context_release(shared.server);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(shared.good[i], 25 * tests_stress());
    }
    tr_tls_context_release(shared.client);
    tr_tls_tickets_release(shared.tickets);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(this_library_has_tls),
        TLS_TEST(null_is_refused_or_does_nothing),
        TLS_TEST(both_ends_agree_on_the_highest_version_that_both_may_speak),
        TLS_TEST(versions_that_cannot_be_are_refused),
        TLS_TEST(older_versions_do_not_exist),
        TLS_TEST(ciphers_are_of_1_2_and_suites_of_1_3_in_the_servers_order),
        TLS_TEST(our_own_ciphers_are_authenticated_and_have_forward_secrecy),
        TLS_TEST(groups_and_signatures_are_those_of_the_options),
        TLS_TEST(a_word_that_means_nothing_is_refused_and_named),
        TLS_TEST(renegotiation_is_refused),
        TLS_TEST(early_data_is_refused_and_the_connection_goes_on),
        TLS_TEST(a_connection_keeps_its_context),
        TLS_TEST(errors_that_others_have_left_are_no_reason),
        TLS_TEST(secrets_are_appended_to_the_key_log),
        TLS_TEST(a_key_log_that_cannot_be_written_is_refused),
        TLS_TEST(the_environment_opens_no_key_log),
        TLS_TEST(threads_use_one_context_at_once_and_the_last_frees_it),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
