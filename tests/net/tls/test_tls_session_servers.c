/*
 * Sessions of clients, as servers take them up: tickets whose keys rotate and are exchanged, ids, early data.
 */
#include "session_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <troupe/core/clock.h>
#include <unistd.h>
#include <uv.h>

static uint64_t now_ns = 1000000;

static void
a_session_is_good_through_two_rotations_of_ticket_keys(void **state)
{
    (void)state;
    const uint64_t *before = tri_clock_set_virtual(&now_ns);
    EACH_VERSION
    {
        tr_tls_tickets *tickets;
        struct tr_tls_context_options options = tls_server("server");
        assert_int_equal(tr_tls_tickets_new(NULL, 0, 100, &tickets), TR_OK);
        options.tickets = tickets;
        tr_tls_context *client = session_context(tls_client("ca")), *server = session_context(options);
        tr_tls_session *session = session_of(client, server);
        for (unsigned rotations = 1; rotations <= 3; rotations++) {
            now_ns += 100 * (uint64_t)TRI_CLOCK_NS;
            assert_int_equal(session_resumes(session, client, server), rotations <= 2);
        }
        tr_tls_session_release(session);
        tr_tls_tickets_release(tickets);
        tr_tls_context_release(client);
        tr_tls_context_release(server);
    }
    tri_clock_set_virtual(before);
}

static void
a_session_is_good_for_contexts_with_the_same_given_keys_until_they_are_exchanged(void **state)
{
    static const unsigned char keys[2][TR_TLS_TICKET_KEY_BYTES] = {{1}, {2}};
    (void)state;
    EACH_VERSION
    {
        tr_tls_tickets *tickets[2];
        struct tr_tls_context_options options = tls_server("server");
        tr_tls_context *client = session_context(tls_client("ca")), *servers[2];
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(tr_tls_tickets_new(keys[0], 1, 0, &tickets[i]), TR_OK);
            options.tickets = tickets[i];
            servers[i] = session_context(options);
        }
        tr_tls_session *session = session_of(client, servers[0]);
        assert_true(session_resumes(session, client, servers[1]));
        assert_int_equal(tr_tls_tickets_set(tickets[1], keys, 2), TR_OK);
        assert_true(session_resumes(session, client, servers[1]));
        assert_int_equal(tr_tls_tickets_set(tickets[1], keys[1], 1), TR_OK);
        assert_false(session_resumes(session, client, servers[1]));
        tr_tls_session_release(session);
        tr_tls_context_release(client);
        for (unsigned i = 0; i < 2; i++) {
            tr_tls_tickets_release(tickets[i]);
            tr_tls_context_release(servers[i]);
        }
    }
}

static void
a_session_without_a_ticket_is_good_for_the_context_that_keeps_it(void **state)
{
    struct tr_tls_context_options options = tls_server("server");
    (void)state;
    options.no_tickets = true;
    EACH_VERSION
    {
        tr_tls_context *client = session_context(tls_client("ca")), *server = session_context(options),
                       *other = session_context(options);
        tr_tls_session *session = session_of(client, server);
        assert_true(session_resumes(session, client, server));
        assert_false(session_resumes(session, client, other));
        tr_tls_session_release(session);
        tr_tls_context_release(client);
        tr_tls_context_release(server);
        tr_tls_context_release(other);
    }
}

/* Early data. */

static void
early_data_is_refused_and_the_connection_goes_on(void **state)
{
    (void)state;
    session_version = TR_TLS_1_3;
    tr_tls_context *client = session_context(tls_client("ca")), *server = session_context(tls_server("server"));
    tr_tls_session *session = session_of(client, server);
    assert_int_equal(SSL_SESSION_get_max_early_data(session_inside(session)), 0);
    SSL_SESSION_set_max_early_data(session_inside(session), 1000); /* as a client that tries would */
    int fds[2];
    size_t sent;
    struct layer_end end;
    SSL_CTX *raw = SSL_CTX_new(TLS_method());
    SSL *early = SSL_new(raw);
    unsigned size;
    const unsigned char *bond = SSL_SESSION_get0_id_context(session_inside(session), &size);
    assert_int_equal(SSL_set_session_id_context(early, bond, size), 1);
    assert_int_equal(SSL_set_session(early, session_inside(session)), 1);
    assert_int_equal(SSL_set_tlsext_host_name(early, "server.example"), 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    SSL_set_connect_state(early);
    SSL_set_fd(early, fds[0]);
    layer_begin_end(&end, &(struct tri_tls_wish){.context = server, .serves = true}, fds[1]);
    assert_int_equal(SSL_write_early_data(early, "too early", 9, &sent), 1);
    for (unsigned round = 0; round < 100 && !SSL_is_init_finished(early); round++) {
        (void)end.layer->kind->advance(end.layer, fds[1]);
        (void)SSL_do_handshake(early);
    }
    ERR_clear_error();
    assert_int_equal(end.layer->kind->advance(end.layer, fds[1]), TRI_LAYER_DONE);
    assert_int_equal(SSL_get_early_data_status(early), SSL_EARLY_DATA_REJECTED);
    assert_int_equal(SSL_session_reused(early), 1);
    assert_int_equal(SSL_write(early, "in time", 7), 7);
    layer_read(&end, 100);
    assert_string_equal(end.first, "in time");
    SSL_free(early);
    SSL_CTX_free(raw);
    close(fds[0]);
    layer_end_end(&end);
    tr_tls_session_release(session);
    tr_tls_context_release(client);
    tr_tls_context_release(server);
}

/* Threads. */

#define THREADS 4u

struct use {
    tr_tls_context *client;
    tr_tls_session *session;
    unsigned done; /* times that all went well */
};

static bool
use_once(const struct use *use)
{
    struct tri_record_layer *layer;
    struct tri_tls_wish calls = {.context = use->client, .server_name = "server.example", .session = use->session};
    tr_slice bytes;
    tr_tls_session_hold(use->session);
    tr_status status = tr_tls_session_bytes(use->session, &bytes);
    tr_slice_release(status == TR_OK ? bytes : (tr_slice){0});
    if (status == TR_OK)
        status = tri_tls_open(&calls, &layer);
    if (status == TR_OK)
        layer->kind->free(layer);
    tr_tls_session_release(use->session);
    return status == TR_OK;
}

static void
use_often(void *argument)
{
    struct use *use = argument;
    for (unsigned i = 0; i < 50; i++)
        use->done += use_once(use);
}

static void
a_session_is_used_on_several_threads_at_once(void **state)
{
    uv_thread_t threads[THREADS];
    struct use uses[THREADS];
    (void)state;
    EACH_VERSION
    {
        tr_tls_context *client = session_context(tls_client("ca")), *server = session_context(tls_server("server"));
        tr_tls_session *session = session_of(client, server);
        for (unsigned i = 0; i < THREADS; i++) {
            uses[i] = (struct use){client, session, 0};
            assert_int_equal(uv_thread_create(&threads[i], use_often, &uses[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++) {
            assert_int_equal(uv_thread_join(&threads[i]), 0);
            assert_int_equal(uses[i].done, 50);
        }
        assert_true(session_resumes(session, client, server));
        tr_tls_session_release(session);
        tr_tls_context_release(client);
        tr_tls_context_release(server);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LAYER_TEST(a_session_is_good_through_two_rotations_of_ticket_keys),
        LAYER_TEST(a_session_is_good_for_contexts_with_the_same_given_keys_until_they_are_exchanged),
        LAYER_TEST(a_session_without_a_ticket_is_good_for_the_context_that_keeps_it),
        LAYER_TEST(early_data_is_refused_and_the_connection_goes_on),
        LAYER_TEST(a_session_is_used_on_several_threads_at_once),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
