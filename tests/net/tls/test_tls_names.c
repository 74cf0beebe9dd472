/*
 * Names: which context a client sees, by its name for the server, and which protocol both speak.
 */
#include "context.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

/* The contexts of a, b and c.example, for tables. */
static struct {
    tr_tls_context *a, *b, *c, *client;
} the;

static tr_tls_context *
serve(const char *name)
{
    struct tr_tls_context_options options = tls_server(name);
    return tls_make(&options);
}

static int
make_contexts(void **state)
{
    struct tr_tls_context_options client = {.verify = TR_TLS_VERIFY_NONE};
    if (tls_setup(state) != 0)
        return -1;
    the.a = serve("a");
    the.b = serve("b");
    the.c = serve("c");
    the.client = tls_make(&client);
    return 0;
}

static int
release_contexts(void **state)
{
    (void)state;
    tr_tls_context_release(the.a);
    tr_tls_context_release(the.b);
    tr_tls_context_release(the.c);
    tr_tls_context_release(the.client);
    return 0;
}

/* The subject of the certificate that a client is shown which asks for that name; "": it is refused. */
static const char *
shown(tr_tls_context *server, const char *name)
{
    static char subject[64];
    struct tls_duo duo;
    subject[0] = '\0';
    tls_begin(&duo, the.client, server, NULL);
    if (name != NULL)
        assert_int_equal(SSL_set_tlsext_host_name(duo.client, name), 1);
    if (tls_shake(&duo))
        X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(duo.client)), NID_commonName, subject,
                                  sizeof(subject));
    else
        assert_string_equal(duo.alert, "unrecognized name");
    tls_end(&duo);
    return subject;
}

static tr_tls_context *
make_server_of(const struct tr_tls_name *names, unsigned count)
{
    struct tr_tls_context_options options = tls_server("server");
    options.names = names;
    options.name_count = count;
    return tls_make(&options);
}

static void
a_context_is_chosen_by_its_name_or_by_all_of_a_domain(void **state)
{
    struct tr_tls_name names[] = {{"a.example", the.a}, {"*.b.example", the.b}, {"x.b.example", the.c}};
    (void)state;
    tr_tls_context *server = make_server_of(names, 3);
    assert_string_equal(shown(server, "a.example"), "a.example");
    assert_string_equal(shown(server, "A.Example"), "a.example");
    assert_string_equal(shown(server, "y.b.example"), "b.example");
    assert_string_equal(shown(server, "x.b.example"), "c.example");
    assert_string_equal(shown(server, "b.example"), "server.example");
    assert_string_equal(shown(server, "y.x.b.example"), "server.example");
    assert_string_equal(shown(server, "x.a.example"), "server.example");
    assert_string_equal(shown(server, "other.example"), "server.example");
    assert_string_equal(shown(server, "localhost"), "server.example");
    assert_string_equal(shown(server, NULL), "server.example");
    tr_tls_context_release(server);
}

static void
patterns_are_read_in_any_case_and_order(void **state)
{
    struct tr_tls_name names[] = {{"*.EXAMPLE", the.c}, {"B.example", the.b}, {"a.Example", the.a}};
    (void)state;
    tr_tls_context *server = make_server_of(names, 3);
    assert_string_equal(shown(server, "a.example"), "a.example");
    assert_string_equal(shown(server, "b.example"), "b.example");
    assert_string_equal(shown(server, "q.example"), "c.example");
    tr_tls_context_release(server);
}

static void
with_names_only_an_unknown_name_is_refused_with_an_alert(void **state)
{
    struct tr_tls_name name = {"a.example", the.a};
    struct tr_tls_context_options options = tls_server("server");
    (void)state;
    options.names = &name;
    options.name_count = 1;
    options.names_only = true;
    tr_tls_context *server = tls_make(&options);
    assert_string_equal(shown(server, "a.example"), "a.example");
    assert_string_equal(shown(server, "b.example"), "");
    assert_string_equal(shown(server, NULL), "");
    tr_tls_context_release(server);
}

/* choose. */

static char asked_for[256];

static tr_tls_context *
choose_for(const char *name, void *data)
{
    assert_true(data == &the);
    snprintf(asked_for, sizeof(asked_for), "%s", name);
    if (strcmp(name, "b.example") == 0)
        return the.b;
    return strcmp(name, "client.example") == 0 ? the.client : NULL;
}

static void
choose_is_asked_after_the_table_in_lower_case(void **state)
{
    struct tr_tls_name name = {"a.example", the.a};
    struct tr_tls_context_options options = tls_server("server");
    (void)state;
    options.names = &name;
    options.name_count = 1;
    options.choose = choose_for;
    options.choose_data = &the;
    tr_tls_context *server = tls_make(&options);
    strcpy(asked_for, "");
    assert_string_equal(shown(server, "a.example"), "a.example");
    assert_string_equal(shown(server, NULL), "server.example");
    assert_string_equal(asked_for, "");
    assert_string_equal(shown(server, "B.Example"), "b.example");
    assert_string_equal(asked_for, "b.example");
    assert_string_equal(shown(server, "q.example"), "server.example");
    assert_string_equal(shown(server, "client.example"), "server.example"); /* does not serve */
    tr_tls_context_release(server);
    options.names_only = true;
    server = tls_make(&options);
    assert_string_equal(shown(server, "b.example"), "b.example");
    assert_string_equal(shown(server, "q.example"), "");
    tr_tls_context_release(server);
}

static tr_tls_context *
choose_with_errors(const char *name, void *data)
{
    (void)name;
    (void)data;
    ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);
    return the.a;
}

static void
errors_that_choose_has_left_are_none_of_the_handshake(void **state)
{
    struct tr_tls_context_options options = tls_server("server");
    (void)state;
    options.choose = choose_with_errors;
    tr_tls_context *server = tls_make(&options);
    assert_string_equal(shown(server, "a.example"), "a.example");
    tr_tls_context_release(server);
}

static tr_tls_context *passing;

static tr_tls_context *
choose_passing(const char *name, void *data)
{
    (void)name;
    (void)data;
    return passing;
}

static void
a_connection_holds_the_context_that_was_chosen_and_the_first(void **state)
{
    struct tr_tls_context_options options = tls_server("server");
    struct tls_duo duo;
    (void)state;
    options.choose = choose_passing;
    tr_tls_context *server = tls_make(&options);
    passing = serve("c");
    tls_begin(&duo, the.client, server, NULL);
    SSL_set_tlsext_host_name(duo.client, "c.example");
    assert_true(tls_shake(&duo));
    tr_tls_context_release(passing);
    tr_tls_context_release(server);
    assert_true(tri_context_first(duo.server) == server);
    assert_true(tri_context_of(SSL_get_SSL_CTX(duo.server)) == passing);
    assert_int_equal(SSL_write(duo.server, "more", 4), 4);
    assert_string_equal(SSL_get_servername(duo.server, TLSEXT_NAMETYPE_host_name), "c.example");
    tls_end(&duo);
}

/* What comes with the context. */

static struct tr_tls_context_options
server_for(struct tr_tls_name *name)
{
    struct tr_tls_context_options options = tls_server("server");
    options.names = name;
    options.name_count = 1;
    return options;
}

static bool
goes_well(tr_tls_context *client, tr_tls_context *server, const char *name, struct tls_duo *duo)
{
    tls_begin(duo, client, server, NULL);
    SSL_set_tlsext_host_name(duo->client, name);
    return tls_shake(duo);
}

static void
the_other_contexts_verification_comes_with_it(void **state)
{
    struct tr_tls_context_options strict = tls_server("a");
    struct tls_duo duo;
    (void)state;
    strict.ca = tls_pem("ca");
    strict.ca_count = 1;
    strict.verify = TR_TLS_VERIFY_REQUIRE;
    struct tr_tls_name name = {"a.example", tls_make(&strict)};
    struct tr_tls_context_options options = server_for(&name), shows = tls_client("ca");
    shows.identities = tls_identity("client");
    shows.identity_count = 1;
    tr_tls_context *server = tls_make(&options), *client = tls_make(&shows);
    assert_false(goes_well(the.client, server, "a.example", &duo));
    tls_end(&duo);
    assert_true(goes_well(the.client, server, "b.example", &duo));
    tls_end(&duo);
    assert_true(goes_well(client, server, "a.example", &duo));
    assert_non_null(SSL_get0_peer_certificate(duo.server));
    tls_end(&duo);
    tr_tls_context_release(name.context);
    tr_tls_context_release(server);
    tr_tls_context_release(client);
}

static void
the_other_contexts_versions_ciphers_and_groups_come_with_it(void **state)
{
    struct tr_tls_context_options old = tls_server("a"), new = tls_server("b");
    struct tls_duo duo;
    (void)state;
    old.highest = TR_TLS_1_2;
    old.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305";
    new.lowest = TR_TLS_1_3;
    new.suites = "TLS_CHACHA20_POLY1305_SHA256";
    new.groups = "P-384";
    struct tr_tls_name names[] = {{"a.example", tls_make(&old)}, {"b.example", tls_make(&new)}};
    struct tr_tls_context_options options = server_for(names);
    options.name_count = 2;
    tr_tls_context *server = tls_make(&options);
    assert_true(goes_well(the.client, server, "a.example", &duo));
    assert_int_equal(SSL_version(duo.client), TLS1_2_VERSION);
    assert_string_equal(SSL_get_cipher_name(duo.client), "ECDHE-ECDSA-CHACHA20-POLY1305");
    tls_end(&duo);
    assert_true(
        goes_well(the.client, server, "b.example", &duo)); /* by a HelloRetryRequest: the client began with X25519 */
    assert_int_equal(SSL_version(duo.client), TLS1_3_VERSION);
    assert_string_equal(SSL_get_cipher_name(duo.client), "TLS_CHACHA20_POLY1305_SHA256");
    assert_int_equal(SSL_get_negotiated_group(duo.client), NID_secp384r1);
    tls_end(&duo);
    assert_true(goes_well(the.client, server, "c.example", &duo));
    assert_string_equal(SSL_get_cipher_name(duo.client), "TLS_AES_128_GCM_SHA256");
    tls_end(&duo);
    for (unsigned i = 0; i < 2; i++)
        tr_tls_context_release(names[i].context);
    tr_tls_context_release(server);
}

/* Names that cannot be. */

static void
names_that_no_host_can_have_are_refused(void **state)
{
    static const char *const bad[] = {
        "",           ".",         "*",          "*.",
        "a..example", ".example",  "a.example.", "a.*.example",
        "x*.io",      "a b",       "a/b",        "192.0.2.1",
        "::1",        "[::1]",     "a:443",      "b\xc3\xbcro.example",
        "a\n",        "*.*.a.org", "**.example", "*.192.0.2.1",
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tr_tls_name name = {bad[i], the.a};
        struct tr_tls_context_options options = server_for(&name);
        tls_refused(&options, TR_EBADNAMES, "names[0] is no name of a host");
    }
}

static void
names_have_up_to_253_characters_and_63_between_dots(void **state)
{
    char name[255], label[65];
    struct tr_tls_name names[] = {{name, the.a}, {label, the.b}};
    struct tr_tls_context_options options = server_for(names);
    (void)state;
    options.name_count = 2;
    memset(name, 'a', sizeof(name));
    memset(label, 'a', sizeof(label));
    for (size_t i = 50; i < 250; i += 50)
        name[i] = '.';
    name[253] = label[63] = '\0';
    tr_tls_context_release(tls_make(&options));
    label[63] = 'a';
    label[64] = '\0';
    tls_refused(&options, TR_EBADNAMES, "names[1] is no name of a host");
    name[253] = 'a';
    name[254] = '\0';
    tls_refused(&options, TR_EBADNAMES, "names[0] is no name of a host");
}

static void
a_table_that_cannot_be_is_refused(void **state)
{
    struct tr_tls_name names[] = {{"a.example", the.a}, {"A.EXAMPLE", the.b}};
    struct tr_tls_context_options options = server_for(names);
    (void)state;
    options.name_count = 2;
    tls_refused(&options, TR_EBADNAMES, "names: 'a.example' is there twice");
    names[1] = (struct tr_tls_name){NULL, the.b};
    tls_refused(&options, TR_EBADNAMES, "names[1] is no name of a host, or of all of a domain: ''");
    names[1] = (struct tr_tls_name){"b.example", NULL};
    tls_refused(&options, TR_EBADNAMES, "names[1]: the context of 'b.example' does not serve");
    names[1].context = the.client;
    tls_refused(&options, TR_EBADNAMES, "names[1]: the context of 'b.example' does not serve");
    options.names = NULL;
    tls_refused(&options, TR_EINVAL, "names is NULL");
}

static void
a_client_has_no_names(void **state)
{
    struct tr_tls_name name = {"a.example", the.a};
    struct tr_tls_context_options options = tls_client("ca");
    (void)state;
    options.names = &name;
    options.name_count = 1;
    tls_refused(&options, TR_EBADNAMES, "names, names_only and choose are of a server");
    options.name_count = 0;
    options.names_only = true;
    tls_refused(&options, TR_EBADNAMES, "are of a server");
    options.names_only = false;
    options.choose = choose_for;
    tls_refused(&options, TR_EBADNAMES, "are of a server");
}

/* A first message of a client's, with this extension of names. */
static void
a_name_that_is_no_text_chooses_nothing(void **state)
{
    struct tr_tls_name name = {"*.example", the.a};
    struct tr_tls_context_options options = server_for(&name);
    struct tls_duo duo;
    (void)state;
    tr_tls_context *server = tls_make(&options);
    assert_true(goes_well(the.client, server, "a\x01.example", &duo));
    assert_true(tri_context_of(SSL_get_SSL_CTX(duo.server)) == server);
    tls_end(&duo);
    tr_tls_context_release(server);
}

/* The first message of a client is answered by HelloRetryRequest, and it asks by another name in the second. Gives the
 * context that serves it. */
static tr_tls_context *
shown_at_second(tr_tls_context *server, const char *first, const char *second)
{
    struct tls_duo duo;
    tls_begin(&duo, the.client, server, NULL);
    assert_int_equal(SSL_set1_groups_list(duo.client, "P-521:P-256"), 1); /* the server lacks P-521 */
    assert_int_equal(SSL_set_tlsext_host_name(duo.client, first), 1);
    assert_int_equal(SSL_do_handshake(duo.client), -1);
    assert_int_equal(SSL_do_handshake(duo.server), -1);
    assert_int_equal(SSL_set_tlsext_host_name(duo.client, second), 1);
    assert_true(tls_shake(&duo));
    const char *name = SSL_get_servername(duo.server, TLSEXT_NAMETYPE_host_name);
    assert_true(second == NULL ? name == NULL : strcmp(name, second) == 0);
    tr_tls_context *context = tri_context_of(SSL_get_SSL_CTX(duo.server));
    tls_end(&duo);
    return context;
}

/* Else a program that looks at the name would take it for that of the context, and of what this asks of its clients. */
static void
a_client_that_asks_for_another_name_when_it_begins_again_is_shown_that(void **state)
{
    struct tr_tls_name names[] = {{"a.example", the.a}, {"b.example", the.b}};
    (void)state;
    tr_tls_context *server = make_server_of(names, 2);
    assert_true(shown_at_second(server, "a.example", "A.example") == the.a);
    assert_true(shown_at_second(server, "other.example", "other.example") == server);
    assert_true(shown_at_second(server, NULL, "b.example") == the.b);
    assert_true(shown_at_second(server, "other.example", "a.example") == the.a);
    assert_true(shown_at_second(server, "a.example", "b.example") == the.b);
    assert_true(shown_at_second(server, "a.example", "other.example") == server);
    assert_true(shown_at_second(server, "a.example", "b.example\x01") == server);
    assert_true(shown_at_second(server, "a.example", NULL) == server);
    tr_tls_context_release(server);
}

/* ALPN. */

static const char *
agreed(const char *const *client_words, unsigned client_count, const char *const *server_words, unsigned server_count)
{
    static char word[256];
    struct tr_tls_context_options client_options = {
        .verify = TR_TLS_VERIFY_NONE, .alpn = client_words, .alpn_count = client_count};
    struct tr_tls_context_options server_options = tls_server("server");
    const unsigned char *chosen;
    unsigned size;
    struct tls_duo duo;
    server_options.alpn = server_words;
    server_options.alpn_count = server_count;
    tr_tls_context *client = tls_make(&client_options), *server = tls_make(&server_options);
    tls_begin(&duo, client, server, NULL);
    bool done = tls_shake(&duo);
    SSL_get0_alpn_selected(duo.client, &chosen, &size);
    snprintf(word, sizeof(word), "%.*s", (int)size, (const char *)chosen);
    if (!done)
        snprintf(word, sizeof(word), "%s", duo.alert);
    tls_end(&duo);
    tr_tls_context_release(client);
    tr_tls_context_release(server);
    return word;
}

static void
of_the_protocols_of_both_the_server_prefers_its_own_order(void **state)
{
    static const char *const here[] = {"h2", "http/1.1", "x"}, *const there[] = {"y", "http/1.1", "h2"};
    (void)state;
    assert_string_equal(agreed(here, 3, there, 3), "http/1.1");
    assert_string_equal(agreed(there, 3, here, 3), "h2");
    assert_string_equal(agreed(here, 1, here, 1), "h2");
}

static void
without_a_protocol_in_common_the_client_is_refused(void **state)
{
    static const char *const here[] = {"h2", "h"}, *const there[] = {"h22"};
    (void)state;
    assert_string_equal(agreed(here, 2, there, 1), "no application protocol");
    assert_string_equal(agreed(NULL, 0, there, 1), "");
    assert_string_equal(agreed(here, 2, NULL, 0), "");
}

static void
protocols_that_cannot_be_are_refused(void **state)
{
    char longest[257];
    const char *words[300] = {"h2", "", NULL};
    struct tr_tls_context_options options = {.verify = TR_TLS_VERIFY_NONE, .alpn = words, .alpn_count = 2};
    (void)state;
    tls_refused(&options, TR_EBADALPN, "alpn[1] has no bytes");
    words[1] = NULL;
    tls_refused(&options, TR_EBADALPN, "alpn[1] has no bytes");
    memset(longest, 'x', sizeof(longest));
    longest[256] = '\0';
    words[1] = longest;
    tls_refused(&options, TR_EBADALPN, "alpn[1] has above 255 bytes");
    longest[255] = '\0';
    tr_tls_context_release(tls_make(&options));
    for (unsigned i = 0; i < 300; i++)
        words[i] = longest;
    options.alpn_count = 257; /* 256 bytes each */
    tls_refused(&options, TR_EBADALPN, "alpn has above 65535 bytes");
    options.alpn = NULL;
    tls_refused(&options, TR_EINVAL, "alpn is NULL");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(a_context_is_chosen_by_its_name_or_by_all_of_a_domain),
        TLS_TEST(patterns_are_read_in_any_case_and_order),
        TLS_TEST(with_names_only_an_unknown_name_is_refused_with_an_alert),
        TLS_TEST(choose_is_asked_after_the_table_in_lower_case),
        TLS_TEST(errors_that_choose_has_left_are_none_of_the_handshake),
        TLS_TEST(a_connection_holds_the_context_that_was_chosen_and_the_first),
        TLS_TEST(the_other_contexts_verification_comes_with_it),
        TLS_TEST(the_other_contexts_versions_ciphers_and_groups_come_with_it),
        TLS_TEST(names_that_no_host_can_have_are_refused),
        TLS_TEST(names_have_up_to_253_characters_and_63_between_dots),
        TLS_TEST(a_table_that_cannot_be_is_refused),
        TLS_TEST(a_client_has_no_names),
        TLS_TEST(a_name_that_is_no_text_chooses_nothing),
        TLS_TEST(a_client_that_asks_for_another_name_when_it_begins_again_is_shown_that),
        TLS_TEST(of_the_protocols_of_both_the_server_prefers_its_own_order),
        TLS_TEST(without_a_protocol_in_common_the_client_is_refused),
        TLS_TEST(protocols_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, make_contexts, release_contexts);
}
