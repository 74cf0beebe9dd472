/*
 * Contexts and connections without memory: each allocation of OpenSSL's fails once.
 *
 * OpenSSL does not always say so. It goes on without a cache, and without a signature that it could not try; it calls
 * a key too small whose size it could not ask for. So what is held here is that nothing crashes, is lost or left in the
 * queue, and that a context is there or is not.
 *
 * OpenSSL's functions for memory can be replaced only before it has used them, so this program does that first.
 */
#include "helpers.h"
#include "layer_play.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <sys/socket.h>

static unsigned long seen, failing; /* the nth; 0: none fails */
static unsigned long refused, agreed;

static bool
fails(void)
{
    return ++seen == failing;
}

static void *
give(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails() ? NULL : malloc(size);
}

static void
take(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

static void *
give_again(void *memory, size_t size, const char *file, int line)
{
    if (memory == NULL)
        return give(size, file, line);
    if (size > 0)
        return fails() ? NULL : realloc(memory, size);
    free(memory);
    return NULL;
}

/* Makes a context of which the nth allocation fails. false: there are not so many. */
static bool
make_without(unsigned long nth, const struct tr_tls_context_options *options, tr_tls_context *client)
{
    struct tr_tls_refusal refusal;
    tr_tls_context *context = NULL;
    seen = 0;
    failing = nth;
    tr_status status = tr_tls_context_new(options, &refusal, &context);
    bool has_failed = seen >= nth;
    failing = 0;
    assert_int_equal(ERR_peek_error(), 0);
    refused += status == TR_ENOMEM;
    assert_int_equal(status == TR_OK, context != NULL);
    if (status != TR_OK)
        assert_true(has_failed && refusal.text[0] != '\0');
    else if (has_failed)
        agreed += tls_agree(client, context, "server.example");
    tr_tls_context_release(context);
    return has_failed;
}

static void
a_context_without_memory_is_refused_or_goes_on_and_nothing_is_lost(void **state)
{
    struct tr_tls_context_options options = tls_server("server");
    static const char *const alpn[] = {"h2"};
    (void)state;
    options.ca = tls_pem("ca");
    options.ca_count = 1;
    options.alpn = alpn;
    options.alpn_count = 1;
    struct tr_tls_context_options client_options = tls_client("ca");
    tr_tls_context *client = tls_make(&client_options);
    tr_tls_context_release(tls_make(&options)); /* what OpenSSL keeps for ever is there then */
    unsigned long nth = 1;
    while (make_without(nth, &options, client))
        nth += 1 + nth / (100 * tests_stress()); /* there are 8,000, and most are of one list after the other */
    assert_true(refused > 50 && agreed > 50);
    tr_tls_context_release(client);
}

/* Shakes hands with the nth allocation of OpenSSL's failing, writes, and says goodbye. false: there are not so many. */
static bool
carry_without(unsigned long nth, tr_tls_context *const contexts[2], unsigned *lost)
{
    struct layer_duo duo;
    int fds[2];
    struct tri_tls_wish calls = {.context = contexts[0], .server_name = "server.example"};
    struct tri_tls_wish serves = {.context = contexts[1], .serves = true};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    layer_begin_end(&duo.client, &calls, fds[0]);
    layer_begin_end(&duo.server, &serves, fds[1]);
    seen = 0;
    failing = nth;
    bool done = layer_shake(&duo) && layer_write(&duo.client, "word", 4) == 4;
    layer_read(&duo.server, 100);
    bool met = seen >= nth;
    failing = 0;
    assert_int_equal(ERR_peek_error(), 0);
    assert_true(met || (done && duo.server.got_size == 4));
    assert_true(duo.server.got_size == 0 || memcmp(duo.server.first, "word", duo.server.got_size) == 0);
    *lost += !done || duo.server.got_size == 0;
    layer_end(&duo);
    return met;
}

static void
a_connection_without_memory_fails_or_goes_on_and_nothing_is_lost_of_openssls(void **state)
{
    struct tr_tls_context_options client = tls_client("ca"), server = tls_server("server");
    tr_tls_context *contexts[] = {tls_make(&client), tls_make(&server)};
    unsigned lost = 0, nth = 1;
    (void)state;
    (void)carry_without(1000000, contexts, &lost); /* what OpenSSL keeps for ever is there then */
    while (carry_without(nth, contexts, &lost))
        nth++;
    assert_true(nth > 100 && lost > 20);
    tr_tls_context_release(contexts[0]);
    tr_tls_context_release(contexts[1]);
}

/* Sessions. */

/* A session of the connection, its bytes, and a session of these, with the nth allocation failing. false: there are not
 * so many. */
static bool
keep_without(unsigned long nth, const struct layer_duo *duo, unsigned *lost)
{
    tr_tls_session *session = NULL, *again = NULL;
    tr_slice bytes = {0};
    seen = 0;
    failing = nth;
    tr_status status = tri_tls_session(duo->client.layer, &session);
    if (status == TR_OK)
        status = tr_tls_session_bytes(session, &bytes);
    if (status == TR_OK)
        status = tr_tls_session_from(bytes.data, bytes.size, &again);
    bool met = seen >= nth;
    failing = 0;
    assert_int_equal(ERR_peek_error(), 0);
    assert_true(status == TR_OK || (met && (status == TR_ENOMEM || (session != NULL && status == TR_EBADSESSION))));
    assert_int_equal(status == TR_OK, again != NULL);
    *lost += status != TR_OK;
    tr_slice_release(bytes);
    tr_tls_session_release(session);
    tr_tls_session_release(again);
    return met;
}

/* Begins a connection with the session, likewise. */
static bool
offer_without(unsigned long nth, tr_tls_context *client, const tr_tls_session *session, unsigned *lost)
{
    struct tri_record_layer *layer = NULL;
    struct tri_tls_wish calls = {.context = client, .server_name = "server.example", .session = session};
    seen = 0;
    failing = nth;
    tr_status status = tri_tls_open(&calls, &layer);
    bool met = seen >= nth;
    failing = 0;
    assert_int_equal(ERR_peek_error(), 0);
    assert_true(status == TR_OK || (met && status == TR_ENOMEM && layer == NULL));
    *lost += status != TR_OK;
    if (layer != NULL)
        layer->kind->free(layer);
    return met;
}

static void
a_session_without_memory_is_not_there_and_is_of_use_afterwards(void **state)
{
    struct tr_tls_context_options client_options = tls_client("ca");
    tr_tls_context *client = tls_make(&client_options);
    struct layer_duo duo;
    tr_tls_session *session;
    unsigned lost = 0, nth = 1;
    (void)state;
    layer_agree(&duo, &(struct layer_plan){.client = &client_options});
    layer_read(&duo.client, 100);
    while (keep_without(nth, &duo, &lost))
        nth++;
    assert_true(nth > 30 && lost > 30);
    assert_int_equal(tri_tls_session(duo.client.layer, &session), TR_OK);
    for (lost = 0, nth = 1; offer_without(nth, client, session, &lost);)
        nth++;
    assert_true(nth > 10 && lost > 10);
    tr_tls_session_release(session);
    layer_end(&duo);
    tr_tls_context_release(client);
}

/* Shakes hands with a server that is to be refused, likewise. */
static bool
refuse_without(unsigned long nth, const struct layer_plan *plan, unsigned *told)
{
    struct layer_duo duo;
    struct tr_peer *peer = NULL;
    layer_begin(&duo, plan);
    seen = 0;
    failing = nth;
    assert_false(layer_shake(&duo));
    bool met = seen >= nth;
    failing = 0;
    tr_status status = tri_tls_peer(duo.client.layer, &peer);
    assert_true(status == TR_OK || (met && (status == TR_ENOMEM || status == TR_ENOTCONN)));
    assert_int_equal(status == TR_OK, peer != NULL);
    assert_true(peer == NULL || !peer->verified);
    *told += met && peer != NULL;
    tr_peer_free(peer);
    layer_end(&duo);
    return met;
}

static void
a_peer_that_is_refused_without_memory_is_told_or_not_and_nothing_is_lost(void **state)
{
    struct layer_plan plan = {.host = "other.example"};
    unsigned told = 0, nth = 1;
    (void)state;
    while (refuse_without(nth, &plan, &told))
        nth += 1 + nth / (20 * tests_stress());
    assert_true(told > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(a_context_without_memory_is_refused_or_goes_on_and_nothing_is_lost),
        LAYER_TEST(a_connection_without_memory_fails_or_goes_on_and_nothing_is_lost_of_openssls),
        LAYER_TEST(a_session_without_memory_is_not_there_and_is_of_use_afterwards),
        LAYER_TEST(a_peer_that_is_refused_without_memory_is_told_or_not_and_nothing_is_lost),
    };
    if (!CRYPTO_set_mem_functions(give, give_again, take))
        return 1;
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
