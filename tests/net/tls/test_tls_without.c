/*
 * A library without OpenSSL: this program has net/tls/none.c in it, which comes before all that the library has.
 */
#include "cast.h"
#include "layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

static const unsigned char key[TR_TLS_TICKET_KEY_BYTES];

static void
nothing_of_tls_exists_in_a_library_without_it(void **state)
{
    struct tr_tls_context_options options = {0};
    struct tr_tls_refusal refusal;
    tr_tls_context *context = NULL;
    tr_tls_tickets *tickets = NULL;
    tr_tls_session *session = NULL;
    (void)state;
    assert_false(tr_tls_supported());
    assert_int_equal(tr_tls_context_new(&options, &refusal, &context), TR_ENOTSUPPORTED);
    assert_string_equal(refusal.text, "Troupe was built without TLS");
    assert_int_equal(tr_tls_context_new(&options, NULL, &context), TR_ENOTSUPPORTED);
    assert_int_equal(tr_tls_tickets_new(NULL, 0, 0, &tickets), TR_ENOTSUPPORTED);
    assert_int_equal(tr_tls_tickets_new(key, 1, 0, &tickets), TR_ENOTSUPPORTED);
    assert_int_equal(tr_tls_session_from(key, sizeof(key), &session), TR_ENOTSUPPORTED);
    assert_true(context == NULL && tickets == NULL && session == NULL);
}

static void
no_layer_is_made_there(void **state)
{
    struct tri_record_layer *layer = NULL;
    const char *code;
    (void)state;
    assert_int_equal(tri_tls_open(&(struct tri_tls_wish){0}, &layer), TR_ENOTSUPPORTED);
    assert_null(layer);
    assert_false(tri_is_tls(layer));
    assert_int_equal(tri_tls_verify_result(layer, &code), TR_ENOTSUPPORTED);
    assert_int_equal(tri_tls_peer(layer, NULL), TR_ENOTSUPPORTED);
    assert_int_equal(tri_tls_session(layer, NULL), TR_ENOTSUPPORTED);
    assert_int_equal(tri_tls_export_key(layer, "", NULL, 0, NULL, 0), TR_ENOTSUPPORTED);
    assert_int_equal(tri_tls_update_keys(layer, true), TR_ENOTSUPPORTED);
    tr_peer_free(NULL);
}

static void
null_is_refused_there_as_everywhere(void **state)
{
    struct tr_tls_context_options options = {0};
    tr_tls_context *context;
    (void)state;
    assert_int_equal(tr_tls_context_new(NULL, NULL, &context), TR_EINVAL);
    assert_int_equal(tr_tls_context_new(&options, NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_tls_tickets_new(NULL, 0, 0, NULL), TR_EINVAL);
    assert_int_equal(tr_tls_tickets_set(NULL, key, 1), TR_EINVAL);
    assert_int_equal(tr_tls_session_bytes(NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_tls_session_from(NULL, 0, NULL), TR_EINVAL);
    assert_null(tr_tls_session_hold(NULL));
    tr_tls_session_release(NULL);
    assert_null(tr_tls_context_hold(NULL));
    assert_null(tr_tls_tickets_hold(NULL));
    tr_tls_context_release(NULL);
    tr_tls_tickets_release(NULL);
}

/* Sockets. */

static void
ask_all_of(tr_socket *socket)
{
    const struct tr_tls_options tls = {.any_name = true};
    struct tr_tls_info info;
    struct tr_peer *shown;
    tr_tls_session *session;
    const char *code;
    char out[16];
    assert_int_equal(tr_socket_verify_result(NULL, NULL), TR_ENOTCONN); /* as everywhere */
    assert_false(tr_socket_secure(socket) || tr_socket_verify_peer(socket) || tr_socket_truncated(socket));
    assert_int_equal(tr_socket_set_secure(socket, &tls), TR_ENOTSUPPORTED);
    assert_int_equal(tr_socket_verify_result(socket, &code), TR_ENOTSUPPORTED);
    assert_string_equal(code, tr_status_code(TR_ENOTSUPPORTED));
    assert_int_equal(tr_socket_peer(socket, &shown), TR_ENOTSUPPORTED);
    assert_int_equal(tr_socket_tls_info(socket, &info), TR_ENOTSUPPORTED);
    assert_int_equal(tr_socket_tls_session(socket, &session), TR_ENOTSUPPORTED);
    assert_int_equal(tr_socket_export_key(socket, "EXPORTER-test", NULL, 0, out, sizeof(out)), TR_ENOTSUPPORTED);
    assert_int_equal(tr_socket_update_keys(socket, true), TR_ENOTSUPPORTED);
}

static void
play_socket(void)
{
    const struct tr_tls_options tls = {.any_name = true};
    const struct tr_connect_options to = {.host = "127.0.0.1", .port = 1, .tls = &tls};
    int fds[2];
    stage_pair(AF_UNIX, fds);
    stage_adopt(&client, fds[0]);
    ask_all_of(client.socket);
    assert_int_equal(tr_remote_set_secure(director, tr_socket_ref(client.socket), &tls), TR_ENOTSUPPORTED);
    assert_int_equal(tr_connect(director, NULL, &to, NULL), TR_ENOTSUPPORTED);
    tr_socket_destroy(client.socket, TR_OK);
    close(fds[1]);
    end_when_closed();
}

static void
whatever_is_asked_of_a_socket_there_is_not_supported(void **state)
{
    cast_reset(state);
    stage_play(1, play_socket);
    assert_string_equal(client.log, "close");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_of_tls_exists_in_a_library_without_it),
        cmocka_unit_test(no_layer_is_made_there),
        cmocka_unit_test(null_is_refused_there_as_everywhere),
        cmocka_unit_test(whatever_is_asked_of_a_socket_there_is_not_supported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
