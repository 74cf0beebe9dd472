/*
 * NULL, as the headers say: functions that return a status return TR_EINVAL for a NULL that they need; the others do
 * nothing, or return zero. The numbers of the other arguments are ones that would be taken.
 */
#include "play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <troupe/net/activation.h>
#include <troupe/net/remote.h>
#include <troupe/net/server.h>
#include <troupe/net/tls.h>

static const tr_slice word = {.data = "word", .size = 4};
static const struct tr_connect_options to_a_port = {.host = "127.0.0.1", .port = 1};
static const struct tr_listen_options on_any_port = {.host = "127.0.0.1"};
static const struct tr_server_options plain_server;
static const struct tr_owner nobody;
static const struct tr_address loopback = {.text = "127.0.0.1", .family = TR_FAMILY_IPV4};

static struct tr_tls_options secure;
static struct tr_peer *shown;
static struct tr_tls_info tls_info;
static tr_tls_session *tls_session;
static char key[16];

static struct {
    tr_actor *actor;
    tr_socket *socket;
    tr_server *server;
} the;

/* Without the actor, socket, server or runtime. */
#define REFUSED_WITHOUT_THE_FIRST(X)                                                                                   \
    X(tr_socket_looked_up(NULL, NULL, &loopback, 1))                                                                   \
    X(tr_socket_spawn(NULL, NULL, &the.socket))                                                                        \
    X(tr_socket_connect(NULL, &to_a_port))                                                                             \
    X(tr_connect(NULL, NULL, &to_a_port, NULL))                                                                        \
    X(tr_runtime_connect(NULL, NULL, &to_a_port, NULL))                                                                \
    X(tr_socket_adopt(NULL, 0, TR_READABLE, NULL, &the.socket))                                                        \
    X(tr_socket_write(NULL, "word", 4))                                                                                \
    X(tr_socket_write_slice(NULL, word))                                                                               \
    X(tr_socket_write_slices(NULL, &word, 1))                                                                          \
    X(tr_socket_write_text(NULL, "word", TR_ENCODING_UTF8))                                                            \
    X(tr_socket_write_then(NULL, word, NULL, NULL))                                                                    \
    X(tr_socket_write_file(NULL, 0, 0, 0, NULL, NULL))                                                                 \
    X(tr_socket_write_fd(NULL, word, 0, NULL, NULL))                                                                   \
    X(tr_socket_uncork(NULL))                                                                                          \
    X(tr_socket_detach(NULL, &(int){0}))                                                                               \
    X(tr_socket_end(NULL))                                                                                             \
    X(tr_socket_end_with(NULL, word))                                                                                  \
    X(tr_socket_end_with(NULL, (tr_slice){0}))                                                                         \
    X(tr_socket_end_then(NULL, word, NULL, NULL))                                                                      \
    X(tr_socket_reset(NULL))                                                                                           \
    X(tr_socket_set_encoding(NULL, TR_ENCODING_UTF8))                                                                  \
    X(tr_socket_set_timeout(NULL, 1))                                                                                  \
    X(tr_socket_set_consumer(NULL, TR_NOBODY))                                                                         \
    X(tr_socket_set_secure(NULL, &secure))                                                                             \
    X(tr_socket_peer(NULL, &shown))                                                                                    \
    X(tr_socket_tls_info(NULL, &tls_info))                                                                             \
    X(tr_socket_tls_session(NULL, &tls_session))                                                                       \
    X(tr_socket_export_key(NULL, "x", NULL, 0, key, sizeof(key)))                                                      \
    X(tr_socket_update_keys(NULL, true))                                                                               \
    X(tr_socket_set_no_delay(NULL, true))                                                                              \
    X(tr_socket_set_keep_alive(NULL, true, 0))                                                                         \
    X(tr_socket_set_owner(NULL, NULL))                                                                                 \
    X(tr_socket_pipe(NULL, TR_NOBODY, NULL))                                                                           \
    X(tr_runtime_listen(NULL, &plain_server, &on_any_port, NULL, NULL))                                                \
    X(tr_server_spawn(NULL, &plain_server, &the.server))                                                               \
    X(tr_server_listen(NULL, &on_any_port))                                                                            \
    X(tr_server_close(NULL))                                                                                           \
    X(tr_server_pause(NULL, 0))                                                                                        \
    X(tr_server_resume(NULL))                                                                                          \
    X(tr_server_drain(NULL, 0))                                                                                        \
    X(tr_server_set_block_list(NULL, NULL))                                                                            \
    X(tr_server_set_tls(NULL, NULL))                                                                                   \
    X(tr_server_address(NULL, &(struct tr_address){0}))                                                                \
    X(tr_remote_credit(NULL, TR_NOBODY, 1))                                                                            \
    X(tr_remote_socket(NULL, NULL, NULL, &(tr_ref){0}))                                                                \
    X(tr_remote_connect(NULL, TR_NOBODY, &to_a_port))                                                                  \
    X(tr_remote_looked_up(NULL, TR_NOBODY, NULL, &loopback, 1))                                                        \
    X(tr_remote_write(NULL, TR_NOBODY, word))                                                                          \
    X(tr_remote_write_ask(NULL, TR_NOBODY, word, 1, 0))                                                                \
    X(tr_remote_write_fd(NULL, TR_NOBODY, word, 0))                                                                    \
    X(tr_remote_write_check(NULL, TR_NOBODY, word, 1, 0))                                                              \
    X(tr_remote_cork(NULL, TR_NOBODY))                                                                                 \
    X(tr_remote_uncork(NULL, TR_NOBODY))                                                                               \
    X(tr_remote_end(NULL, TR_NOBODY))                                                                                  \
    X(tr_remote_end_with(NULL, TR_NOBODY, word))                                                                       \
    X(tr_remote_end_ask(NULL, TR_NOBODY, word, 1, 0))                                                                  \
    X(tr_remote_destroy(NULL, TR_NOBODY, TR_OK))                                                                       \
    X(tr_remote_destroy_with(NULL, TR_NOBODY, "EOWN"))                                                                 \
    X(tr_remote_reset(NULL, TR_NOBODY))                                                                                \
    X(tr_remote_pause(NULL, TR_NOBODY))                                                                                \
    X(tr_remote_resume(NULL, TR_NOBODY))                                                                               \
    X(tr_remote_set_encoding(NULL, TR_NOBODY, TR_ENCODING_UTF8))                                                       \
    X(tr_remote_set_timeout(NULL, TR_NOBODY, 1))                                                                       \
    X(tr_remote_set_no_delay(NULL, TR_NOBODY, true))                                                                   \
    X(tr_remote_set_keep_alive(NULL, TR_NOBODY, true, 0))                                                              \
    X(tr_remote_set_background(NULL, TR_NOBODY, true))                                                                 \
    X(tr_remote_set_awaits(NULL, TR_NOBODY, true))                                                                     \
    X(tr_remote_set_consumer(NULL, TR_NOBODY, TR_NOBODY))                                                              \
    X(tr_remote_set_owner(NULL, TR_NOBODY, &nobody))                                                                   \
    X(tr_remote_pipe(NULL, TR_NOBODY, TR_NOBODY, NULL))                                                                \
    X(tr_remote_unpipe(NULL, TR_NOBODY))                                                                               \
    X(tr_remote_set_secure(NULL, TR_NOBODY, &secure))                                                                  \
    X(tr_remote_update_keys(NULL, TR_NOBODY, true, 1, 0))                                                              \
    X(tr_remote_peer(NULL, TR_NOBODY, 1, 0))                                                                           \
    X(tr_remote_socket_info(NULL, TR_NOBODY, 1, 0))                                                                    \
    X(tr_remote_server_listen(NULL, TR_NOBODY, &on_any_port))                                                          \
    X(tr_remote_server_close(NULL, TR_NOBODY))                                                                         \
    X(tr_remote_server_pause(NULL, TR_NOBODY, 0))                                                                      \
    X(tr_remote_server_resume(NULL, TR_NOBODY))                                                                        \
    X(tr_remote_server_drain(NULL, TR_NOBODY, 0))                                                                      \
    X(tr_remote_server_set_max_connections(NULL, TR_NOBODY, 0))                                                        \
    X(tr_remote_server_set_tls(NULL, TR_NOBODY, NULL))                                                                 \
    X(tr_remote_server_info(NULL, TR_NOBODY, 1))

/* Without what a later argument must point to. */
#define REFUSED_WITHOUT_ANOTHER(X)                                                                                     \
    X(tr_socket_spawn(the.actor, NULL, NULL))                                                                          \
    X(tr_socket_connect(the.socket, NULL))                                                                             \
    X(tr_connect(the.actor, NULL, NULL, NULL))                                                                         \
    X(tr_socket_adopt(the.actor, 0, TR_READABLE, NULL, NULL))                                                          \
    X(tr_socket_write(the.socket, NULL, 1))                                                                            \
    X(tr_socket_write_slice(the.socket, (tr_slice){.size = 1}))                                                        \
    X(tr_socket_write_slices(the.socket, NULL, 1))                                                                     \
    X(tr_socket_write_text(the.socket, NULL, TR_ENCODING_UTF8))                                                        \
    X(tr_socket_write_then(the.socket, (tr_slice){.size = 1}, NULL, NULL))                                             \
    X(tr_socket_write_fd(the.socket, (tr_slice){.size = 1}, 0, NULL, NULL))                                            \
    X(tr_socket_end_with(the.socket, (tr_slice){.size = 1}))                                                           \
    X(tr_socket_end_then(the.socket, (tr_slice){.size = 1}, NULL, NULL))                                               \
    X(tr_socket_looked_up(the.socket, NULL, NULL, 1))                                                                  \
    X(tr_server_spawn(the.actor, NULL, &the.server))                                                                   \
    X(tr_server_spawn(the.actor, &plain_server, NULL))                                                                 \
    X(tr_server_listen(the.server, NULL))                                                                              \
    X(tr_server_address(the.server, NULL))                                                                             \
    X(tr_remote_socket(the.actor, NULL, NULL, NULL))                                                                   \
    X(tr_remote_connect(the.actor, tr_socket_ref(the.socket), NULL))                                                   \
    X(tr_remote_looked_up(the.actor, tr_socket_ref(the.socket), NULL, NULL, 1))                                        \
    X(tr_remote_write(the.actor, tr_socket_ref(the.socket), (tr_slice){.size = 1}))                                    \
    X(tr_remote_write_ask(the.actor, tr_socket_ref(the.socket), (tr_slice){.size = 1}, 1, 0))                          \
    X(tr_remote_write_check(the.actor, tr_socket_ref(the.socket), (tr_slice){.size = 1}, 1, 0))                        \
    X(tr_remote_write_fd(the.actor, tr_socket_ref(the.socket), (tr_slice){.size = 1}, 0))                              \
    X(tr_remote_end_with(the.actor, tr_socket_ref(the.socket), (tr_slice){.size = 1}))                                 \
    X(tr_remote_end_ask(the.actor, tr_socket_ref(the.socket), (tr_slice){.size = 1}, 1, 0))                            \
    X(tr_remote_set_secure(the.actor, tr_socket_ref(the.socket), NULL))                                                \
    X(tr_remote_server_listen(the.actor, tr_server_ref(the.server), NULL))

#define REFUSED(call)                                                                                                  \
    if ((call) != TR_EINVAL)                                                                                           \
        fail_msg("%s is not refused with TR_EINVAL", #call);

static void
what_needs_an_object_refuses_null(void **state)
{
    (void)state;
    REFUSED_WITHOUT_THE_FIRST(REFUSED)
}

static void
play_without_another(void)
{
    the.actor = director;
    assert_int_equal(tr_socket_spawn(director, NULL, &the.socket), TR_OK);
    assert_int_equal(tr_server_spawn(director, &plain_server, &the.server), TR_OK);
    REFUSED_WITHOUT_ANOTHER(REFUSED)
    assert_int_equal(tr_remote_write(the.actor, tr_socket_ref(the.socket), (tr_slice){0}), TR_OK); /* of nothing */
    tr_socket_remote_address(the.socket, NULL);
    tr_socket_local_address(the.socket, NULL);
    tr_server_refusals(the.server, NULL);
    assert_int_equal(tr_server_dealt(the.server, NULL, 0), 1);
    stage_end();
}

static void
what_needs_more_than_its_object_refuses_null(void **state)
{
    (void)state;
    stage_play(1, play_without_another);
}

static void
what_returns_no_status_does_nothing_for_null(void **state)
{
    (void)state;
    tr_socket_cork(NULL);
    tr_socket_destroy(NULL, TR_OK);
    tr_socket_destroy_with(NULL, "EOWN");
    tr_socket_pause(NULL);
    tr_socket_resume(NULL);
    tr_socket_set_background(NULL, true);
    tr_socket_set_awaits(NULL, true);
    tr_server_drained(NULL, NULL);
    tr_socket_set_data(NULL, NULL);
    tr_socket_set_events(NULL, NULL);
    tr_socket_unpipe(NULL);
    tr_server_set_background(NULL, true);
    tr_server_set_max_connections(NULL, 1);
}

static void
what_asks_null_gets_zero(void **state)
{
    (void)state;
    struct tr_address address;
    memset(&address, 0xff, sizeof(address));
    tr_socket_remote_address(NULL, &address);
    assert_int_equal(address.family, TR_FAMILY_NONE);
    memset(&address, 0xff, sizeof(address));
    tr_socket_local_address(NULL, &address);
    assert_int_equal(address.family, TR_FAMILY_NONE);
    struct tr_server_refusals refusals, none = {0};
    memset(&refusals, 0xff, sizeof(refusals));
    tr_server_refusals(NULL, &refusals);
    assert_memory_equal(&refusals, &none, sizeof(none));
    assert_int_equal(tr_socket_bytes_read(NULL), 0);
    assert_int_equal(tr_socket_bytes_written(NULL), 0);
    assert_int_equal(tr_socket_buffered(NULL), 0);
    assert_int_equal(tr_socket_number(NULL), 0);
    assert_null(tr_socket_proxy(NULL));
    assert_false(tr_socket_connecting(NULL));
    assert_true(tr_socket_destroyed(NULL));
    assert_int_equal(tr_socket_ready_state(NULL), TR_STATE_CLOSED);
    assert_false(tr_socket_secure(NULL) || tr_socket_verify_peer(NULL) || tr_socket_truncated(NULL));
    assert_int_equal(tr_socket_verify_result(NULL, NULL), TR_ENOTCONN);
    assert_null(tr_socket_data(NULL));
    assert_null(tr_socket_state(NULL));
    assert_null(tr_socket_actor(NULL));
    assert_int_equal(tr_socket_ref(NULL), TR_NOBODY);
    assert_int_equal(tr_socket_server(NULL), TR_NOBODY);
    assert_int_equal(tr_server_connections(NULL), 0);
    assert_int_equal(tr_server_handshakes(NULL), 0);
    assert_int_equal(tr_server_dealt(NULL, NULL, 0), 0);
    assert_false(tr_server_listening(NULL));
    assert_null(tr_server_data(NULL));
    assert_null(tr_server_actor(NULL));
    assert_int_equal(tr_server_ref(NULL), TR_NOBODY);
    assert_int_equal(tr_event_take_fd(NULL), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_needs_an_object_refuses_null),
        cmocka_unit_test(what_needs_more_than_its_object_refuses_null),
        cmocka_unit_test(what_returns_no_status_does_nothing_for_null),
        cmocka_unit_test(what_asks_null_gets_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
