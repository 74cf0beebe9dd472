/*
 * Resumption: which server takes up a session that another has made, and for how long.
 */
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <troupe/core/clock.h>

/* One version at a time: what both ends may speak. */
static enum tr_tls_version version;

static tr_tls_context *
serve(const char *name, tr_tls_tickets *tickets)
{
    struct tr_tls_context_options options = tls_server(name);
    options.tickets = tickets;
    return tls_make(&options);
}

static tr_tls_context *
client_of(const char *identity)
{
    struct tr_tls_context_options options = tls_client("ca");
    if (identity != NULL) {
        options.identities = tls_identity(identity);
        options.identity_count = 1;
    }
    options.lowest = options.highest = version;
    return tls_make(&options);
}

/* Connects with a session, asking for a name, if there are such. Returns the session that may be resumed next, NULL: it
 * did not go well. */
static SSL_SESSION *
connect_as(const char *identity, tr_tls_context *server, const char *name, SSL_SESSION *session, bool *resumed)
{
    tr_tls_context *client = client_of(identity);
    struct tls_duo duo;
    tls_begin(&duo, client, server, NULL);
    if (name != NULL)
        SSL_set_tlsext_host_name(duo.client, name);
    if (session != NULL)
        assert_int_equal(SSL_set_session(duo.client, session), 1);
    SSL_SESSION *next = tls_shake(&duo) ? SSL_get1_session(duo.client) : NULL;
    *resumed = SSL_session_reused(duo.client);
    assert_int_equal(SSL_session_reused(duo.server), *resumed);
    tls_end(&duo);
    tr_tls_context_release(client);
    return next;
}

static SSL_SESSION *
session_of(tr_tls_context *server)
{
    bool resumed;
    SSL_SESSION *session = connect_as(NULL, server, NULL, NULL, &resumed);
    assert_true(session != NULL && !resumed);
    return session;
}

static bool
resumes(tr_tls_context *server, SSL_SESSION *session)
{
    bool resumed;
    SSL_SESSION *next = connect_as(NULL, server, NULL, session, &resumed);
    assert_non_null(next);
    SSL_SESSION_free(next);
    return resumed;
}

/* Does the second take up what the first has made? */
static bool
takes_up(tr_tls_context *first, tr_tls_context *second)
{
    SSL_SESSION *session = session_of(first);
    bool done = resumes(second, session);
    SSL_SESSION_free(session);
    return done;
}

static const enum tr_tls_version both[] = {TR_TLS_1_2, TR_TLS_1_3};
#define EACH_VERSION for (unsigned v = 0; version = both[v < 2 ? v : 0], v < 2; v++)

static tr_tls_tickets *
make_tickets(const void *keys, unsigned count, uint32_t rotate_s)
{
    tr_tls_tickets *tickets;
    assert_int_equal(tr_tls_tickets_new(keys, count, rotate_s, &tickets), TR_OK);
    return tickets;
}

static void
a_session_is_resumed_by_the_context_that_made_it(void **state)
{
    (void)state;
    EACH_VERSION
    {
        tr_tls_context *server = serve("server", NULL);
        assert_true(takes_up(server, server));
        tr_tls_context_release(server);
    }
}

static void
contexts_that_share_tickets_resume_each_others_sessions(void **state)
{
    (void)state;
    EACH_VERSION
    {
        tr_tls_tickets *tickets = make_tickets(NULL, 0, 0);
        tr_tls_context *first = serve("server", tickets), *renewed = serve("renewed", tickets);
        tr_tls_context *apart = serve("renewed", NULL);
        tr_tls_tickets_release(tickets);
        assert_true(takes_up(first, renewed));
        assert_true(takes_up(renewed, first));
        assert_false(takes_up(first, apart));
        tr_tls_context_release(first);
        tr_tls_context_release(renewed);
        tr_tls_context_release(apart);
    }
}

static void
a_context_for_other_names_does_not_resume(void **state)
{
    (void)state;
    EACH_VERSION
    {
        tr_tls_tickets *tickets = make_tickets(NULL, 0, 0);
        tr_tls_context *first = serve("a", tickets), *other = serve("b", tickets);
        assert_true(takes_up(first, first));
        assert_false(takes_up(first, other));
        tr_tls_tickets_release(tickets);
        tr_tls_context_release(first);
        tr_tls_context_release(other);
    }
}

/* A server that asks its clients for certificates of that CA. */
static tr_tls_context *
ask_for(const char *ca, const char *crl, tr_tls_tickets *tickets)
{
    struct tr_tls_context_options options = tls_server("server");
    struct tr_pem list = {.file = crl != NULL ? tls_file(crl) : NULL};
    options.ca = tls_pem(ca);
    options.ca_count = 1;
    options.verify = TR_TLS_VERIFY_REQUIRE;
    options.crl = &list;
    options.crl_count = crl != NULL;
    options.tickets = tickets;
    return tls_make(&options);
}

static bool
takes_up_client(const char *identity, tr_tls_context *first, tr_tls_context *second)
{
    bool resumed;
    SSL_SESSION *session = connect_as(identity, first, NULL, NULL, &resumed);
    assert_non_null(session);
    SSL_SESSION_free(connect_as(identity, second, NULL, session, &resumed));
    SSL_SESSION_free(session);
    return resumed;
}

static void
a_context_that_asks_its_clients_for_something_else_does_not_resume(void **state)
{
    (void)state;
    EACH_VERSION
    {
        tr_tls_tickets *tickets = make_tickets(NULL, 0, 0);
        tr_tls_context *plain = serve("server", tickets), *first = ask_for("ca", NULL, tickets);
        tr_tls_context *same = ask_for("ca", NULL, tickets), *other = ask_for("other_ca", NULL, tickets);
        tr_tls_context *revoking = ask_for("ca", "crl.pem", tickets);
        assert_true(takes_up_client("client", first, same));
        assert_false(takes_up_client("client", first, other));
        assert_false(takes_up_client("client", plain, first));
        assert_false(takes_up_client("revoked", first, revoking));
        tr_tls_tickets_release(tickets);
        tr_tls_context_release(plain);
        tr_tls_context_release(first);
        tr_tls_context_release(same);
        tr_tls_context_release(other);
        tr_tls_context_release(revoking);
    }
}

/* The client shows nothing, resumes a session of the first name and asks for the second, which requires a certificate:
 * CVE-2025-23419. */
static void
a_session_of_one_name_opens_no_other_that_asks_for_more(void **state)
{
    (void)state;
    EACH_VERSION
    {
        tr_tls_tickets *tickets = make_tickets(NULL, 0, 0);
        struct tr_tls_name names[] = {{"open.example", serve("server", NULL)},
                                      {"shut.example", ask_for("ca", NULL, NULL)}};
        struct tr_tls_context_options options = tls_server("server");
        bool resumed;
        options.names = names;
        options.name_count = 2;
        tr_tls_context *server = tls_make(&options);
        SSL_SESSION *session = connect_as(NULL, server, "open.example", NULL, &resumed);
        assert_non_null(session);
        assert_null(connect_as(NULL, server, "shut.example", session, &resumed));
        assert_false(resumed);
        SSL_SESSION_free(session);
        session = connect_as("client", server, "shut.example", NULL, &resumed);
        SSL_SESSION_free(connect_as("client", server, "shut.example", session, &resumed));
        assert_true(resumed);
        SSL_SESSION_free(session);
        tr_tls_tickets_release(tickets);
        tr_tls_context_release(names[0].context);
        tr_tls_context_release(names[1].context);
        tr_tls_context_release(server);
    }
}

/* A server with a context for one name, which has tickets of its own. */
static tr_tls_context *
serve_a(tr_tls_tickets *tickets)
{
    struct tr_tls_name name = {"a.example", serve("a", NULL)};
    struct tr_tls_context_options options = tls_server("server");
    options.names = &name;
    options.name_count = 1;
    options.tickets = tickets;
    tr_tls_context *server = tls_make(&options);
    tr_tls_context_release(name.context);
    return server;
}

static void
tickets_are_those_of_the_first_context_whatever_name_is_asked_for(void **state)
{
    (void)state;
    EACH_VERSION
    {
        tr_tls_tickets *tickets = make_tickets(NULL, 0, 0);
        tr_tls_context *one = serve_a(tickets), *other = serve_a(tickets);
        bool resumed;
        SSL_SESSION *session = connect_as(NULL, one, "a.example", NULL, &resumed);
        SSL_SESSION_free(connect_as(NULL, other, "a.example", session, &resumed));
        assert_true(resumed);
        SSL_SESSION_free(session);
        tr_tls_tickets_release(tickets);
        tr_tls_context_release(one);
        tr_tls_context_release(other);
    }
}

/* With 1.2 OpenSSL would resume for any name, and tell the one that was asked for at first. */
static void
a_session_is_resumed_for_the_name_alone_for_which_it_was_made(void **state)
{
    (void)state;
    for (unsigned no_tickets = 0; no_tickets < 2; no_tickets++)
        EACH_VERSION
        {
            struct tr_tls_context_options options = tls_server("server");
            bool resumed;
            options.no_tickets = no_tickets;
            tr_tls_context *server = tls_make(&options);
            SSL_SESSION *session = connect_as(NULL, server, "server.example", NULL, &resumed);
            SSL_SESSION_free(connect_as(NULL, server, "localhost", session, &resumed));
            assert_false(resumed);
            SSL_SESSION_free(connect_as(NULL, server, NULL, session, &resumed));
            assert_false(resumed);
            SSL_SESSION_free(connect_as(NULL, server, "Server.Example", session, &resumed));
            assert_true(resumed);
            SSL_SESSION_free(session);
            tr_tls_context_release(server);
        }
}

/* How long certificates of clients count. */

static time_t ahead_s;

/* OpenSSL's clock, since what a program defines itself goes before the C library's. */
__attribute__((visibility("default"))) time_t
time(time_t *out)
{
    time_t now_s = (time_t)(tri_clock_ns(CLOCK_REALTIME) / TRI_CLOCK_NS) + ahead_s;
    if (out != NULL)
        *out = now_s;
    return now_s;
}

/* The certificate "client", which ends so soon. */
static struct tr_pem
short_lived(long left_s)
{
    FILE *files[] = {fopen(tls_file("client.pem"), "r"), fopen(tls_file("ca.key"), "r")};
    X509 *certificate = PEM_read_X509(files[0], NULL, NULL, NULL);
    EVP_PKEY *authority = PEM_read_PrivateKey(files[1], NULL, NULL, NULL);
    BIO *out = BIO_new(BIO_s_mem());
    char *bytes;
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), left_s));
    assert_true(X509_sign(certificate, authority, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(out, certificate), 1);
    size_t size = (size_t)BIO_get_mem_data(out, &bytes);
    struct tr_pem pem = {.memory = memcpy(malloc(size), bytes, size), .size = size};
    BIO_free(out);
    EVP_PKEY_free(authority);
    X509_free(certificate);
    fclose(files[0]);
    fclose(files[1]);
    return pem;
}

static void
a_session_ends_with_the_certificate_of_its_client(void **state)
{
    struct tr_tls_identity identity = {.chain = short_lived(1000), .key.file = tls_file("client.key")};
    (void)state;
    EACH_VERSION
    {
        struct tr_tls_context_options options = tls_client("ca");
        struct tls_duo duo;
        options.identities = &identity;
        options.identity_count = 1;
        options.lowest = options.highest = version;
        tr_tls_context *client = tls_make(&options), *server = ask_for("ca", NULL, NULL);
        tls_begin(&duo, client, server, NULL);
        assert_true(tls_shake(&duo));
        unsigned long hint_s = SSL_SESSION_get_ticket_lifetime_hint(SSL_get0_session(duo.client));
        assert_true(hint_s > 0 && hint_s <= 1000);
        tls_end(&duo);
        tr_tls_context_release(client);
        tr_tls_context_release(server);
    }
    free((void *)identity.chain.memory);
}

/* Rotation. */

static uint64_t now_ns = 1000000;

static void
random_keys_rotate_and_the_two_before_still_decrypt(void **state)
{
    (void)state;
    const uint64_t *before = tri_clock_set_virtual(&now_ns);
    EACH_VERSION
    {
        tr_tls_tickets *tickets = make_tickets(NULL, 0, 100);
        tr_tls_context *server = serve("server", tickets);
        SSL_SESSION *session = session_of(server); /* with the first key, whose time begins now */
        uint64_t began_ns = now_ns;
        for (unsigned hundreds = 1; hundreds <= 4; hundreds++) {
            now_ns = began_ns + hundreds * 100 * (uint64_t)TRI_CLOCK_NS - 1;
            assert_int_equal(resumes(server, session), hundreds <= 3);
        }
        SSL_SESSION_free(session);
        tr_tls_tickets_release(tickets);
        tr_tls_context_release(server);
    }
    tri_clock_set_virtual(before);
}

/* A ticket of an older key is exchanged for a new one, whose age begins anew with 1.3. */
static void
who_resumes_again_and_again_shows_its_certificate_when_a_session_would_have_ended(void **state)
{
    (void)state;
    const uint64_t *before = tri_clock_set_virtual(&now_ns);
    EACH_VERSION
    {
        tr_tls_tickets *tickets = make_tickets(NULL, 0, 100);
        tr_tls_context *server = ask_for("ca", NULL, tickets);
        bool resumed;
        SSL_SESSION *first = connect_as("client", server, NULL, NULL, &resumed);
        now_ns += 100 * (uint64_t)TRI_CLOCK_NS;
        ahead_s = 5000;
        SSL_SESSION *second = connect_as("client", server, NULL, first, &resumed);
        assert_true(resumed);
        ahead_s = 9000;
        SSL_SESSION_free(connect_as("client", server, NULL, second, &resumed));
        assert_false(resumed);
        ahead_s = 0;
        SSL_SESSION_free(first);
        SSL_SESSION_free(second);
        tr_tls_tickets_release(tickets);
        tr_tls_context_release(server);
    }
    tri_clock_set_virtual(before);
}

static void
keys_that_nobody_has_used_for_long_are_too_old_all_the_same(void **state)
{
    (void)state;
    version = TR_TLS_1_3;
    const uint64_t *before = tri_clock_set_virtual(&now_ns);
    tr_tls_tickets *tickets = make_tickets(NULL, 0, 100);
    tr_tls_context *server = serve("server", tickets);
    SSL_SESSION *session = session_of(server);
    now_ns += 250 * (uint64_t)TRI_CLOCK_NS;
    assert_true(resumes(server, session)); /* two keys have come since */
    SSL_SESSION *next = session_of(server);
    now_ns += 100000 * (uint64_t)TRI_CLOCK_NS;
    assert_false(resumes(server, session));
    assert_false(resumes(server, next));
    SSL_SESSION_free(session);
    session = session_of(server);
    now_ns += 99 * (uint64_t)TRI_CLOCK_NS;
    assert_true(resumes(server, session));
    SSL_SESSION_free(session);
    SSL_SESSION_free(next);
    tr_tls_tickets_release(tickets);
    tr_tls_context_release(server);
    tri_clock_set_virtual(before);
}

static void
tickets_of_a_context_rotate_each_hour_by_themselves(void **state)
{
    (void)state;
    version = TR_TLS_1_2;
    const uint64_t *before = tri_clock_set_virtual(&now_ns);
    tr_tls_context *server = serve("server", NULL);
    SSL_SESSION *session = session_of(server);
    uint64_t began_ns = now_ns;
    for (unsigned hours = 1; hours <= 4; hours++) {
        now_ns = began_ns + (uint64_t)hours * TR_TLS_ROTATE_S * TRI_CLOCK_NS - 1;
        assert_int_equal(resumes(server, session), hours <= 3);
    }
    SSL_SESSION_free(session);
    tr_tls_context_release(server);
    tri_clock_set_virtual(before);
}

/* Given keys. */

static void
make_key(unsigned char *key, unsigned char with)
{
    memset(key, with, TR_TLS_TICKET_KEY_BYTES);
}

static void
of_given_keys_the_first_encrypts_and_all_decrypt(void **state)
{
    unsigned char keys[3][TR_TLS_TICKET_KEY_BYTES];
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        make_key(keys[i], (unsigned char)(i + 1));
    EACH_VERSION
    {
        tr_tls_tickets *first = make_tickets(keys[0], 1, 0), *all = make_tickets(keys, 3, 0);
        tr_tls_tickets *last = make_tickets(keys[2], 1, 0);
        tr_tls_context *one = serve("server", first), *three = serve("server", all), *other = serve("server", last);
        assert_true(takes_up(one, three));
        assert_true(takes_up(three, one));
        assert_true(takes_up(other, three));
        assert_false(takes_up(three, other));
        tr_tls_tickets_release(first);
        tr_tls_tickets_release(all);
        tr_tls_tickets_release(last);
        tr_tls_context_release(one);
        tr_tls_context_release(three);
        tr_tls_context_release(other);
    }
}

static void
given_keys_do_not_rotate(void **state)
{
    unsigned char key[TR_TLS_TICKET_KEY_BYTES];
    (void)state;
    make_key(key, 7);
    version = TR_TLS_1_3;
    const uint64_t *before = tri_clock_set_virtual(&now_ns);
    tr_tls_tickets *given = make_tickets(key, 1, 1), *set = make_tickets(NULL, 0, 1);
    assert_int_equal(tr_tls_tickets_set(set, key, 1), TR_OK);
    tr_tls_context *one = serve("server", given), *other = serve("server", set);
    SSL_SESSION *session = session_of(one);
    assert_true(resumes(other, session));
    now_ns += 1000 * (uint64_t)TRI_CLOCK_NS;
    assert_true(resumes(one, session));
    assert_true(resumes(other, session));
    SSL_SESSION_free(session);
    tr_tls_tickets_release(given);
    tr_tls_tickets_release(set);
    tr_tls_context_release(one);
    tr_tls_context_release(other);
    tri_clock_set_virtual(before);
}

static void
keys_are_exchanged_while_servers_use_them(void **state)
{
    unsigned char keys[2][TR_TLS_TICKET_KEY_BYTES];
    (void)state;
    make_key(keys[0], 1);
    make_key(keys[1], 2);
    EACH_VERSION
    {
        tr_tls_tickets *tickets = make_tickets(NULL, 0, 0);
        tr_tls_context *server = serve("server", tickets);
        SSL_SESSION *random = session_of(server);
        assert_int_equal(tr_tls_tickets_set(tickets, keys[0], 1), TR_OK);
        assert_false(resumes(server, random));
        SSL_SESSION *first = session_of(server);
        assert_int_equal(tr_tls_tickets_set(tickets, keys, 2), TR_OK);
        assert_true(resumes(server, first));
        assert_int_equal(tr_tls_tickets_set(tickets, keys[1], 1), TR_OK);
        assert_false(resumes(server, first));
        SSL_SESSION_free(random);
        SSL_SESSION_free(first);
        tr_tls_tickets_release(tickets);
        tr_tls_context_release(server);
    }
}

static void
a_ticket_that_was_changed_is_not_resumed(void **state)
{
    unsigned char key[TR_TLS_TICKET_KEY_BYTES];
    (void)state;
    make_key(key, 9);
    EACH_VERSION
    {
        tr_tls_tickets *tickets = make_tickets(key, 1, 0);
        tr_tls_context *server = serve("server", tickets);
        SSL_SESSION *session = session_of(server);
        assert_true(resumes(server, session));
        key[20]++; /* of the HMAC: so the ticket is not what it says */
        assert_int_equal(tr_tls_tickets_set(tickets, key, 1), TR_OK);
        assert_false(resumes(server, session));
        SSL_SESSION_free(session);
        tr_tls_tickets_release(tickets);
        tr_tls_context_release(server);
    }
}

/* Without tickets. */

static void
without_tickets_sessions_are_kept_in_the_cache_of_their_context(void **state)
{
    struct tr_tls_context_options options = tls_server("server");
    (void)state;
    options.no_tickets = true;
    EACH_VERSION
    {
        tr_tls_context *server = tls_make(&options), *other = tls_make(&options);
        SSL_SESSION *session = session_of(server);
        assert_true(resumes(server, session));
        SSL_SESSION_free(session);
        assert_false(takes_up(server, other));
        tr_tls_context_release(server);
        tr_tls_context_release(other);
    }
}

static void
the_cache_keeps_as_many_sessions_as_it_may(void **state)
{
    struct tr_tls_context_options options = tls_server("server");
    SSL_SESSION *sessions[2];
    (void)state;
    version = TR_TLS_1_2;
    options.no_tickets = true;
    options.session_cache = 2;
    tr_tls_context *server = tls_make(&options);
    for (unsigned i = 0; i < 2; i++)
        sessions[i] = session_of(server);
    assert_true(resumes(server, sessions[0]));
    assert_true(resumes(server, sessions[1]));
    for (unsigned more = 0; more < 5; more++)
        SSL_SESSION_free(session_of(server));
    for (unsigned i = 0; i < 2; i++) {
        assert_false(resumes(server, sessions[i]));
        SSL_SESSION_free(sessions[i]);
    }
    tr_tls_context_release(server);
}

static void
a_session_lives_as_long_as_the_server_says(void **state)
{
    struct tr_tls_context_options options = tls_server("server");
    (void)state;
    for (uint32_t lifetime_s = 0; lifetime_s <= 604800; lifetime_s += 302400)
        EACH_VERSION
        {
            options.session_lifetime_s = lifetime_s;
            tr_tls_context *server = tls_make(&options);
            SSL_SESSION *session = session_of(server);
            assert_int_equal(SSL_SESSION_get_ticket_lifetime_hint(session), lifetime_s > 0 ? lifetime_s : 7200);
            SSL_SESSION_free(session);
            tr_tls_context_release(server);
        }
    options.session_lifetime_s = 604801;
    tls_refused(&options, TR_EBADLIMIT, "session_lifetime_s is above 604800");
}

/* Refusals. */

static void
tickets_that_cannot_be_are_refused(void **state)
{
    static const unsigned char keys[(TR_TLS_TICKET_KEYS + 1) * TR_TLS_TICKET_KEY_BYTES];
    tr_tls_tickets *tickets = NULL;
    struct tr_tls_context_options options = tls_client("ca");
    (void)state;
    assert_int_equal(tr_tls_tickets_new(NULL, 0, 0, NULL), TR_EINVAL);
    assert_int_equal(tr_tls_tickets_new(NULL, 1, 0, &tickets), TR_EINVAL);
    assert_int_equal(tr_tls_tickets_new(keys, 0, 0, &tickets), TR_EINVAL);
    assert_int_equal(tr_tls_tickets_new(keys, TR_TLS_TICKET_KEYS + 1, 0, &tickets), TR_EBADLIMIT);
    assert_null(tickets);
    tickets = make_tickets(keys, TR_TLS_TICKET_KEYS, 0);
    assert_int_equal(tr_tls_tickets_set(NULL, keys, 1), TR_EINVAL);
    assert_int_equal(tr_tls_tickets_set(tickets, NULL, 1), TR_EINVAL);
    assert_int_equal(tr_tls_tickets_set(tickets, keys, 0), TR_EINVAL);
    assert_int_equal(tr_tls_tickets_set(tickets, keys, TR_TLS_TICKET_KEYS + 1), TR_EBADLIMIT);
    options.tickets = tickets;
    tls_refused(&options, TR_EINVAL, "tickets are of a server");
    assert_true(tr_tls_tickets_hold(tickets) == tickets);
    tr_tls_tickets_release(tickets);
    tr_tls_tickets_release(tickets);
    assert_null(tr_tls_tickets_hold(NULL));
    tr_tls_tickets_release(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(a_session_is_resumed_by_the_context_that_made_it),
        TLS_TEST(contexts_that_share_tickets_resume_each_others_sessions),
        TLS_TEST(a_context_for_other_names_does_not_resume),
        TLS_TEST(a_context_that_asks_its_clients_for_something_else_does_not_resume),
        TLS_TEST(a_session_of_one_name_opens_no_other_that_asks_for_more),
        TLS_TEST(tickets_are_those_of_the_first_context_whatever_name_is_asked_for),
        TLS_TEST(a_session_is_resumed_for_the_name_alone_for_which_it_was_made),
        TLS_TEST(who_resumes_again_and_again_shows_its_certificate_when_a_session_would_have_ended),
        TLS_TEST(a_session_ends_with_the_certificate_of_its_client),
        TLS_TEST(random_keys_rotate_and_the_two_before_still_decrypt),
        TLS_TEST(keys_that_nobody_has_used_for_long_are_too_old_all_the_same),
        TLS_TEST(tickets_of_a_context_rotate_each_hour_by_themselves),
        TLS_TEST(of_given_keys_the_first_encrypts_and_all_decrypt),
        TLS_TEST(given_keys_do_not_rotate),
        TLS_TEST(keys_are_exchanged_while_servers_use_them),
        TLS_TEST(a_ticket_that_was_changed_is_not_resumed),
        TLS_TEST(without_tickets_sessions_are_kept_in_the_cache_of_their_context),
        TLS_TEST(the_cache_keeps_as_many_sessions_as_it_may),
        TLS_TEST(a_session_lives_as_long_as_the_server_says),
        TLS_TEST(tickets_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
