/*
 * Trust: whose certificate is good, and what becomes of the others.
 */
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

/* What a client finds out about a server of these certificates. */

static const struct {
    const char *server, *host; /* host NULL: the name is not looked at */
    long result;
} servers[] = {
    {"server", NULL, X509_V_OK},
    {"server", "server.example", X509_V_OK},
    {"server", "SERVER.example", X509_V_OK},
    {"server", "localhost", X509_V_OK},
    {"server", "127.0.0.1", X509_V_OK},
    {"server", "::1", X509_V_OK},
    {"server", "0:0::1", X509_V_OK},
    {"server", "other.example", X509_V_ERR_HOSTNAME_MISMATCH},
    {"server", "127.0.0.2", X509_V_ERR_IP_ADDRESS_MISMATCH},
    {"address", "127.0.0.1", X509_V_OK},
    {"address", "address", X509_V_OK}, /* it has no name of a host: the subject is one (RFC 6125, section 6.4.4) */
    {"address", "localhost", X509_V_ERR_HOSTNAME_MISMATCH},
    {"a", "127.0.0.1", X509_V_ERR_IP_ADDRESS_MISMATCH},
    {"wildcard", "x.wild.example", X509_V_OK},
    {"wildcard", "wild.example", X509_V_ERR_HOSTNAME_MISMATCH},
    {"wildcard", "y.x.wild.example", X509_V_ERR_HOSTNAME_MISMATCH},
    {"part", "server.wild.example", X509_V_ERR_HOSTNAME_MISMATCH}, /* s*.wild.example */
    {"common", "common.example", X509_V_OK},
    {"common", "other.example", X509_V_ERR_HOSTNAME_MISMATCH},
    {"expired", "server.example", X509_V_ERR_CERT_HAS_EXPIRED},
    {"not_yet", "server.example", X509_V_ERR_CERT_NOT_YET_VALID},
    {"self", "server.example", X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT},
    {"unknown", "server.example", X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE},
    {"deep", "server.example", X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE}, /* the one between is missing */
    {"weak", "server.example", X509_V_ERR_EE_KEY_TOO_SMALL},
};

static void
meets(tr_tls_context *client, unsigned i, bool goes_on)
{
    struct tls_duo duo;
    tls_begin_raw(&duo, client, servers[i].server, servers[i].host);
    bool went_on = tls_shake(&duo);
    if (went_on != goes_on || duo.verified != servers[i].result)
        fail_msg("%s as %s: %d, %s", servers[i].server, servers[i].host != NULL ? servers[i].host : "anything", went_on,
                 X509_verify_cert_error_string(duo.verified));
    tls_end(&duo);
}

static void
meets_all(enum tr_tls_verify verify)
{
    struct tr_tls_context_options options = tls_client("ca");
    options.verify = verify;
    bool is_strict = verify == TR_TLS_VERIFY_DEFAULT || verify == TR_TLS_VERIFY_REQUIRE;
    tr_tls_context *client = tls_make(&options);
    for (unsigned i = 0; i < sizeof(servers) / sizeof(servers[0]); i++)
        meets(client, i, !is_strict || servers[i].result == X509_V_OK);
    tr_tls_context_release(client);
}

static void
a_client_requires_a_good_certificate_by_default(void **state)
{
    (void)state;
    meets_all(TR_TLS_VERIFY_DEFAULT);
    meets_all(TR_TLS_VERIFY_REQUIRE);
}

static void
with_request_the_handshake_goes_on_and_the_first_fault_is_kept(void **state)
{
    (void)state;
    meets_all(TR_TLS_VERIFY_REQUEST);
}

/* Of a client and a server's certificate: is it good? */
static bool
is_good(const struct tr_tls_context_options *options, const char *server)
{
    struct tls_duo duo;
    tr_tls_context *client = tls_make(options);
    tls_begin_raw(&duo, client, server, "server.example");
    bool good = tls_shake(&duo);
    assert_int_equal(good, duo.verified == X509_V_OK);
    tls_end(&duo);
    tr_tls_context_release(client);
    return good;
}

static void
with_none_a_client_takes_any_certificate(void **state)
{
    struct tr_tls_context_options options = {.verify = TR_TLS_VERIFY_NONE};
    struct tls_duo duo;
    (void)state;
    tr_tls_context *client = tls_make(&options);
    tls_begin_raw(&duo, client, "unknown", "other.example");
    assert_true(tls_shake(&duo));
    tls_end(&duo);
    tr_tls_context_release(client);
}

static void
cas_are_files_memory_and_a_directory(void **state)
{
    struct tr_pem both[] = {*tls_pem("other_ca"), tls_memory("ca.pem")};
    struct tr_tls_context_options options = {.ca = both, .ca_count = 2};
    (void)state;
    assert_true(is_good(&options, "server"));
    assert_true(is_good(&options, "unknown"));
    options.ca_count = 1;
    assert_false(is_good(&options, "server"));
    options.ca_directory = tls_file("hashed");
    assert_true(is_good(&options, "server"));
    assert_true(is_good(&options, "unknown"));
    options.ca_count = 0;
    assert_true(is_good(&options, "server"));
    assert_false(is_good(&options, "unknown"));
    free((void *)both[1].memory);
}

static void
one_pem_may_have_several_cas(void **state)
{
    struct tr_pem deep = {.file = tls_file("deep_chain.pem")};
    struct tr_tls_context_options options = tls_client("ca");
    struct tr_pem both[] = {deep, *options.ca};
    (void)state;
    assert_false(is_good(&options, "deep"));
    options.ca = both;
    options.ca_count = 2;
    assert_true(is_good(&options, "deep"));
}

static void
with_system_certificates_in(const char *file, const char *directory)
{
    setenv("SSL_CERT_FILE", file, 1);
    setenv("SSL_CERT_DIR", directory, 1);
}

static void
a_client_that_is_given_no_cas_believes_the_systems(void **state)
{
    struct tr_tls_context_options none = {0}, own = tls_client("other_ca"), also = tls_client("other_ca");
    (void)state;
    also.system_ca = true;
    with_system_certificates_in(tls_file("ca.pem"), tls_file("empty"));
    assert_true(is_good(&none, "server"));
    assert_false(is_good(&own, "server"));
    assert_true(is_good(&also, "server"));
    with_system_certificates_in(tls_file("nowhere"), tls_file("hashed"));
    assert_true(is_good(&none, "server"));
    assert_false(is_good(&none, "unknown"));
    with_system_certificates_in(tls_file("plain.txt"), tls_file("nowhere"));
    tls_refused(&none, TR_ENOENT, "there are no CAs of the system's, neither in ");
    own.system_ca = true;
    tls_refused(&own, TR_ENOENT, "/plain.txt nor in ");
    none.verify = TR_TLS_VERIFY_NONE; /* whoever believes everybody needs none */
    tr_tls_context_release(tls_make(&none));
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
}

static void
cas_that_cannot_be_are_refused(void **state)
{
    struct tr_pem cas[] = {*tls_pem("ca"), {0}};
    struct tr_tls_context_options options = {.ca = cas, .ca_count = 2};
    (void)state;
    tls_refused(&options, TR_EINVAL, "ca[1]: give either a file or memory");
    cas[1].file = tls_file("server.key");
    tls_refused(&options, TR_ENOTPEM, "server.key: there is no certificate in it");
    cas[1].file = tls_file("broken.pem");
    tls_refused(&options, TR_ENOTPEM, "broken.pem, line 1: bad base64 decode");
    cas[1] = (struct tr_pem){.memory = "hello", .size = 5};
    tls_refused(&options, TR_ENOTPEM, "ca[1]: not PEM");
    options.ca = NULL;
    tls_refused(&options, TR_EINVAL, "ca is NULL");
    options = (struct tr_tls_context_options){.ca_directory = tls_file("empty")};
    tls_refused(&options, TR_ENOENT, "empty: there are no certificates in it");
    options.ca_directory = tls_file("nowhere");
    tls_refused(&options, TR_ENOENT, "nowhere: no such file or directory");
    options.ca_directory = tls_file("ca.pem");
    tls_refused(&options, TR_ENOTDIR, "ca.pem: not a directory");
    options = tls_client("ca");
    options.verify = (enum tr_tls_verify)4;
    tls_refused(&options, TR_EINVAL, "verify is none of enum tr_tls_verify");
}

static tr_tls_context *
server_of_chain(const char *chain, const char *key)
{
    struct tr_tls_identity identity = {.chain.file = tls_file(chain), .key.file = tls_file(key)};
    struct tr_tls_context_options options = {.serves = true, .identities = &identity, .identity_count = 1};
    return tls_make(&options);
}

static void
depth_is_how_many_certificates_may_be_between(void **state)
{
    struct tr_tls_context_options options = tls_client("ca");
    tr_tls_context *server = server_of_chain("deepest_chain.pem", "deepest.key");
    (void)state;
    for (unsigned depth = 0; depth <= 3; depth++) {
        options.depth = depth;
        tr_tls_context *client = tls_make(&options);
        assert_int_equal(tls_agree(client, server, "server.example"), depth != 1); /* 0: the default */
        tr_tls_context_release(client);
    }
    options.depth = 100;
    tr_tls_context_release(tls_make(&options));
    options.depth = 101;
    tls_refused(&options, TR_EBADLIMIT, "depth is above 100");
    tr_tls_context_release(server);
}

/* Clients' certificates. */

struct meeting {
    struct tr_tls_context_options server;
    const char *client; /* its identity; NULL: none */
    bool goes_on;
    long result; /* what the server finds */
};

static void
meet(struct meeting meeting)
{
    struct tr_tls_context_options options = tls_client("ca");
    static const enum tr_tls_version versions[] = {TR_TLS_1_2, TR_TLS_1_3};
    if (meeting.client != NULL) {
        options.identities = tls_identity(meeting.client);
        options.identity_count = 1;
    }
    tr_tls_context *server = tls_make(&meeting.server);
    for (unsigned i = 0; i < 2; i++) {
        struct tls_duo duo;
        options.highest = versions[i];
        tr_tls_context *client = tls_make(&options);
        tls_begin(&duo, client, server, "server.example");
        assert_int_equal(tls_shake(&duo), meeting.goes_on);
        assert_int_equal(duo.client_shown, meeting.result);
        assert_int_equal(SSL_get0_peer_certificate(duo.server) != NULL,
                         meeting.client != NULL && meeting.goes_on && meeting.server.verify != TR_TLS_VERIFY_NONE);
        tls_end(&duo);
        tr_tls_context_release(client);
    }
    tr_tls_context_release(server);
}

static struct tr_tls_context_options
server_with(const char *ca, enum tr_tls_verify verify)
{
    struct tr_tls_context_options options = tls_server("server");
    options.ca = tls_pem(ca);
    options.ca_count = 1;
    options.verify = verify;
    return options;
}

static void
a_server_that_requires_a_certificate_takes_good_ones_alone(void **state)
{
    struct tr_tls_context_options server = server_with("ca", TR_TLS_VERIFY_REQUIRE);
    (void)state;
    meet((struct meeting){server, "client", true, X509_V_OK});
    meet((struct meeting){server, NULL, false, X509_V_OK});
    meet((struct meeting){server, "stranger", false, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE});
}

static void
a_server_with_cas_requests_a_certificate_by_default_and_takes_any(void **state)
{
    struct tr_tls_context_options server = server_with("ca", TR_TLS_VERIFY_DEFAULT);
    (void)state;
    meet((struct meeting){server, "client", true, X509_V_OK});
    meet((struct meeting){server, NULL, true, X509_V_OK});
    meet((struct meeting){server, "stranger", true, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE});
    server.verify = TR_TLS_VERIFY_REQUEST;
    meet((struct meeting){server, "stranger", true, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE});
}

static void
a_server_asks_for_no_certificate_without_cas_or_with_none(void **state)
{
    struct tr_tls_context_options server = server_with("ca", TR_TLS_VERIFY_NONE);
    (void)state;
    meet((struct meeting){server, "client", true, X509_V_OK});
    struct tr_tls_context_options plain = tls_server("server");
    tr_tls_context *context = tls_make(&plain);
    struct tr_tls_context_options options = tls_client("ca");
    options.identities = tls_identity("client");
    options.identity_count = 1;
    tr_tls_context *client = tls_make(&options);
    struct tls_duo duo;
    tls_begin(&duo, client, context, NULL);
    assert_true(tls_shake(&duo));
    assert_null(SSL_get0_peer_certificate(duo.server));
    tls_end(&duo);
    tr_tls_context_release(client);
    tr_tls_context_release(context);
}

static void
a_server_that_requires_certificates_and_believes_nobody_is_refused(void **state)
{
    struct tr_tls_context_options options = tls_server("server");
    (void)state;
    options.verify = TR_TLS_VERIFY_REQUIRE;
    tls_refused(&options, TR_EINVAL, "a server that requires certificates must be given CAs");
}

static void
a_server_names_its_cas_to_clients_but_not_those_of_directories(void **state)
{
    struct tr_tls_context_options server_options = server_with("ca", TR_TLS_VERIFY_REQUEST);
    struct tr_tls_context_options client_options = tls_client("ca");
    struct tls_duo duo;
    (void)state;
    tr_tls_context *client = tls_make(&client_options);
    for (int named = 1; named >= 0; named--) {
        server_options.ca_count = (unsigned)named;
        server_options.ca_directory = tls_file("hashed");
        tr_tls_context *server = tls_make(&server_options);
        tls_begin(&duo, client, server, NULL);
        assert_true(tls_shake(&duo));
        int names = sk_X509_NAME_num(SSL_get0_peer_CA_list(duo.client));
        assert_int_equal(names < 0 ? 0 : names, named);
        tls_end(&duo);
        tr_tls_context_release(server);
    }
    tr_tls_context_release(client);
}

/* Revocation. */

static void
who_is_in_a_revocation_list_is_not_believed(void **state)
{
    struct tr_tls_context_options server = server_with("ca", TR_TLS_VERIFY_REQUIRE);
    struct tr_pem list = {.file = tls_file("crl.pem")};
    (void)state;
    meet((struct meeting){server, "revoked", true, X509_V_OK});
    server.crl = &list;
    server.crl_count = 1;
    meet((struct meeting){server, "revoked", false, X509_V_ERR_CERT_REVOKED});
    meet((struct meeting){server, "client", true, X509_V_OK});
    list.file = tls_file("empty_crl.pem");
    meet((struct meeting){server, "revoked", true, X509_V_OK});
}

static void
with_revocation_lists_the_issuer_must_have_one(void **state)
{
    struct tr_pem list = tls_memory("crl.pem");
    struct tr_tls_context_options options = tls_client("ca");
    struct tr_pem cas[] = {*options.ca, *tls_pem("between"), *tls_pem("other_ca")};
    struct tls_duo duo;
    (void)state;
    options.ca = cas;
    options.ca_count = 3;
    options.crl = &list;
    options.crl_count = 1;
    assert_true(is_good(&options, "server"));
    tr_tls_context *client = tls_make(&options);
    tls_begin_raw(&duo, client, "unknown", NULL);
    assert_false(tls_shake(&duo));
    assert_int_equal(duo.verified, X509_V_ERR_UNABLE_TO_GET_CRL);
    tls_end(&duo);
    tr_tls_context_release(client);
    free((void *)list.memory);
}

static void
those_between_need_a_list_only_if_the_whole_chain_is_looked_up(void **state)
{
    struct tr_pem lists[] = {{.file = tls_file("between_crl.pem")}, {.file = tls_file("empty_crl.pem")}};
    struct tr_tls_context_options options = tls_client("ca");
    tr_tls_context *server = server_of_chain("deep_chain.pem", "deep.key");
    (void)state;
    options.crl = lists;
    for (unsigned i = 0; i < 4; i++) {
        options.crl_whole_chain = i >= 2;
        options.crl_count = 1 + i % 2;
        tr_tls_context *client = tls_make(&options);
        assert_int_equal(tls_agree(client, server, NULL), !(options.crl_whole_chain && options.crl_count == 1));
        tr_tls_context_release(client);
    }
    tr_tls_context_release(server);
}

static void
lists_that_cannot_be_are_refused(void **state)
{
    struct tr_tls_context_options options = tls_client("ca");
    struct tr_pem list = {.file = tls_file("ca.pem")};
    (void)state;
    options.crl_count = 1;
    tls_refused(&options, TR_EINVAL, "crl is NULL");
    options.crl = &list;
    tls_refused(&options, TR_ENOTPEM, "ca.pem: there is no revocation list in it");
    list.file = tls_file("plain.txt");
    tls_refused(&options, TR_ENOTPEM, "plain.txt: not PEM");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(a_client_requires_a_good_certificate_by_default),
        TLS_TEST(with_request_the_handshake_goes_on_and_the_first_fault_is_kept),
        TLS_TEST(with_none_a_client_takes_any_certificate),
        TLS_TEST(cas_are_files_memory_and_a_directory),
        TLS_TEST(one_pem_may_have_several_cas),
        TLS_TEST(a_client_that_is_given_no_cas_believes_the_systems),
        TLS_TEST(cas_that_cannot_be_are_refused),
        TLS_TEST(depth_is_how_many_certificates_may_be_between),
        TLS_TEST(a_server_that_requires_a_certificate_takes_good_ones_alone),
        TLS_TEST(a_server_with_cas_requests_a_certificate_by_default_and_takes_any),
        TLS_TEST(a_server_asks_for_no_certificate_without_cas_or_with_none),
        TLS_TEST(a_server_that_requires_certificates_and_believes_nobody_is_refused),
        TLS_TEST(a_server_names_its_cas_to_clients_but_not_those_of_directories),
        TLS_TEST(who_is_in_a_revocation_list_is_not_believed),
        TLS_TEST(with_revocation_lists_the_issuer_must_have_one),
        TLS_TEST(those_between_need_a_list_only_if_the_whole_chain_is_looked_up),
        TLS_TEST(lists_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
