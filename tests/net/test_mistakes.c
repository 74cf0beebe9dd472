/*
 * A Debug build ends a program that calls a function of a socket or a server on a thread that it is not for, or after
 * the end, with a line that names the function.
 */
#include "mistakes.h"
#include "play.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>
#include <troupe/core/compiler.h>
#include <troupe/net/remote.h>
#include <troupe/net/tls.h>
#include <uv.h>

/* What an actor shows to everybody, which no program should do. */
static struct {
    tr_actor *actor;
    tr_socket *socket;
    tr_server *server;
    uv_sem_t shown;
} the;

static const tr_slice no_bytes;

static tr_status
show_all(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    the.actor = self;
    tr_socket_spawn(self, NULL, &the.socket);
    tr_server_spawn(self, &(struct tr_server_options){0}, &the.server);
    uv_sem_post(&the.shown);
    return TR_OK;
}

/* Starts two workers with the actor and what it makes on worker 1; this thread is no worker. */
static void
show(void)
{
    static const struct tr_behavior exhibitionist = {.name = "exhibitionist", .init = show_all, .receive = ignore};
    static tr_runtime *runtime;
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER};
    struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = 1};
    uv_sem_init(&the.shown, 0);
    if (tr_runtime_start(&options, &runtime) == TR_OK &&
        tr_runtime_spawn(runtime, &exhibitionist, &place, NULL) == TR_OK)
        uv_sem_wait(&the.shown);
}

/* Every function whose header says "Thread: owner", with arguments that it would refuse. */
#define FUNCTIONS(X)                                                                                                   \
    X(tr_socket_looked_up, the.socket, NULL, NULL, 0)                                                                  \
    X(tr_socket_spawn, the.actor, NULL, NULL)                                                                          \
    X(tr_socket_connect, the.socket, NULL)                                                                             \
    X(tr_connect, the.actor, NULL, NULL, NULL)                                                                         \
    X(tr_socket_adopt, the.actor, 0, 0, NULL, NULL)                                                                    \
    X(tr_socket_write, the.socket, NULL, 0)                                                                            \
    X(tr_socket_write_slice, the.socket, no_bytes)                                                                     \
    X(tr_socket_write_slices, the.socket, NULL, 0)                                                                     \
    X(tr_socket_write_text, the.socket, NULL, 0)                                                                       \
    X(tr_socket_write_then, the.socket, no_bytes, NULL, NULL)                                                          \
    X(tr_socket_write_file, the.socket, 0, 0, 0, NULL, NULL)                                                           \
    X(tr_socket_write_fd, the.socket, no_bytes, 0, NULL, NULL)                                                         \
    X(tr_socket_cork, the.socket)                                                                                      \
    X(tr_socket_uncork, the.socket)                                                                                    \
    X(tr_socket_end, the.socket)                                                                                       \
    X(tr_socket_end_with, the.socket, no_bytes)                                                                        \
    X(tr_socket_end_then, the.socket, no_bytes, NULL, NULL)                                                            \
    X(tr_socket_destroy, the.socket, 0)                                                                                \
    X(tr_socket_destroy_with, the.socket, NULL)                                                                        \
    X(tr_socket_reset, the.socket)                                                                                     \
    X(tr_socket_pause, the.socket)                                                                                     \
    X(tr_socket_resume, the.socket)                                                                                    \
    X(tr_socket_set_encoding, the.socket, 0)                                                                           \
    X(tr_socket_set_timeout, the.socket, 0)                                                                            \
    X(tr_socket_set_secure, the.socket, NULL)                                                                          \
    X(tr_socket_secure, the.socket)                                                                                    \
    X(tr_socket_verify_peer, the.socket)                                                                               \
    X(tr_socket_verify_result, the.socket, NULL)                                                                       \
    X(tr_socket_truncated, the.socket)                                                                                 \
    X(tr_socket_peer, the.socket, NULL)                                                                                \
    X(tr_socket_tls_info, the.socket, NULL)                                                                            \
    X(tr_socket_tls_session, the.socket, NULL)                                                                         \
    X(tr_socket_export_key, the.socket, NULL, NULL, 0, NULL, 0)                                                        \
    X(tr_socket_update_keys, the.socket, false)                                                                        \
    X(tr_socket_set_no_delay, the.socket, false)                                                                       \
    X(tr_socket_set_keep_alive, the.socket, false, 0)                                                                  \
    X(tr_socket_set_background, the.socket, false)                                                                     \
    X(tr_socket_set_awaits, the.socket, false)                                                                         \
    X(tr_socket_set_consumer, the.socket, TR_NOBODY)                                                                   \
    X(tr_socket_remote_address, the.socket, NULL)                                                                      \
    X(tr_socket_local_address, the.socket, NULL)                                                                       \
    X(tr_socket_proxy, the.socket)                                                                                     \
    X(tr_proxy_for, the.socket, NULL)                                                                                  \
    X(tr_socket_detach, the.socket, NULL)                                                                              \
    X(tr_socket_bytes_read, the.socket)                                                                                \
    X(tr_socket_number, the.socket)                                                                                    \
    X(tr_socket_bytes_written, the.socket)                                                                             \
    X(tr_socket_state, the.socket)                                                                                     \
    X(tr_socket_buffered, the.socket)                                                                                  \
    X(tr_socket_connecting, the.socket)                                                                                \
    X(tr_socket_pending, the.socket)                                                                                   \
    X(tr_socket_destroyed, the.socket)                                                                                 \
    X(tr_socket_ready_state, the.socket)                                                                               \
    X(tr_socket_data, the.socket)                                                                                      \
    X(tr_socket_set_data, the.socket, NULL)                                                                            \
    X(tr_socket_set_events, the.socket, NULL)                                                                          \
    X(tr_socket_set_owner, the.socket, NULL)                                                                           \
    X(tr_socket_actor, the.socket)                                                                                     \
    X(tr_socket_ref, the.socket)                                                                                       \
    X(tr_socket_server, the.socket)                                                                                    \
    X(tr_server_spawn, the.actor, NULL, NULL)                                                                          \
    X(tr_server_listen, the.server, NULL)                                                                              \
    X(tr_server_close, the.server)                                                                                     \
    X(tr_server_pause, the.server, 0)                                                                                  \
    X(tr_server_resume, the.server)                                                                                    \
    X(tr_server_drain, the.server, 0)                                                                                  \
    X(tr_server_drained, the.server, NULL)                                                                             \
    X(tr_server_set_background, the.server, false)                                                                     \
    X(tr_server_set_block_list, the.server, NULL)                                                                      \
    X(tr_server_set_tls, the.server, NULL)                                                                             \
    X(tr_server_handshakes, the.server)                                                                                \
    X(tr_server_address, the.server, NULL)                                                                             \
    X(tr_server_listening, the.server)                                                                                 \
    X(tr_server_connections, the.server)                                                                               \
    X(tr_server_set_max_connections, the.server, 0)                                                                    \
    X(tr_server_dealt, the.server, NULL, 0)                                                                            \
    X(tr_server_refusals, the.server, NULL)                                                                            \
    X(tr_server_data, the.server)                                                                                      \
    X(tr_server_actor, the.server)                                                                                     \
    X(tr_server_ref, the.server)                                                                                       \
    X(tr_socket_pipe, the.socket, TR_NOBODY, NULL)                                                                     \
    X(tr_socket_unpipe, the.socket)                                                                                    \
    X(tr_remote_credit, the.actor, TR_NOBODY, 0)                                                                       \
    X(tr_remote_socket, the.actor, NULL, NULL, NULL)                                                                   \
    X(tr_remote_connect, the.actor, TR_NOBODY, NULL)                                                                   \
    X(tr_remote_looked_up, the.actor, TR_NOBODY, NULL, NULL, 0)                                                        \
    X(tr_remote_write, the.actor, TR_NOBODY, no_bytes)                                                                 \
    X(tr_remote_write_ask, the.actor, TR_NOBODY, no_bytes, 0, 0)                                                       \
    X(tr_remote_write_fd, the.actor, TR_NOBODY, no_bytes, 0)                                                           \
    X(tr_remote_write_check, the.actor, TR_NOBODY, no_bytes, 0, 0)                                                     \
    X(tr_remote_cork, the.actor, TR_NOBODY)                                                                            \
    X(tr_remote_uncork, the.actor, TR_NOBODY)                                                                          \
    X(tr_remote_end, the.actor, TR_NOBODY)                                                                             \
    X(tr_remote_end_with, the.actor, TR_NOBODY, no_bytes)                                                              \
    X(tr_remote_end_ask, the.actor, TR_NOBODY, no_bytes, 0, 0)                                                         \
    X(tr_remote_destroy, the.actor, TR_NOBODY, 0)                                                                      \
    X(tr_remote_destroy_with, the.actor, TR_NOBODY, NULL)                                                              \
    X(tr_remote_reset, the.actor, TR_NOBODY)                                                                           \
    X(tr_remote_pause, the.actor, TR_NOBODY)                                                                           \
    X(tr_remote_resume, the.actor, TR_NOBODY)                                                                          \
    X(tr_remote_set_encoding, the.actor, TR_NOBODY, 0)                                                                 \
    X(tr_remote_set_timeout, the.actor, TR_NOBODY, 0)                                                                  \
    X(tr_remote_set_no_delay, the.actor, TR_NOBODY, false)                                                             \
    X(tr_remote_set_keep_alive, the.actor, TR_NOBODY, false, 0)                                                        \
    X(tr_remote_set_background, the.actor, TR_NOBODY, false)                                                           \
    X(tr_remote_set_awaits, the.actor, TR_NOBODY, false)                                                               \
    X(tr_remote_set_owner, the.actor, TR_NOBODY, NULL)                                                                 \
    X(tr_remote_set_consumer, the.actor, TR_NOBODY, TR_NOBODY)                                                         \
    X(tr_remote_pipe, the.actor, TR_NOBODY, TR_NOBODY, NULL)                                                           \
    X(tr_remote_unpipe, the.actor, TR_NOBODY)                                                                          \
    X(tr_remote_set_secure, the.actor, TR_NOBODY, NULL)                                                                \
    X(tr_remote_update_keys, the.actor, TR_NOBODY, false, 0, 0)                                                        \
    X(tr_remote_peer, the.actor, TR_NOBODY, 0, 0)                                                                      \
    X(tr_remote_socket_info, the.actor, TR_NOBODY, 0, 0)                                                               \
    X(tr_remote_server_listen, the.actor, TR_NOBODY, NULL)                                                             \
    X(tr_remote_server_close, the.actor, TR_NOBODY)                                                                    \
    X(tr_remote_server_pause, the.actor, TR_NOBODY, 0)                                                                 \
    X(tr_remote_server_resume, the.actor, TR_NOBODY)                                                                   \
    X(tr_remote_server_drain, the.actor, TR_NOBODY, 0)                                                                 \
    X(tr_remote_server_set_max_connections, the.actor, TR_NOBODY, 0)                                                   \
    X(tr_remote_server_set_tls, the.actor, TR_NOBODY, NULL)                                                            \
    X(tr_remote_server_info, the.actor, TR_NOBODY, 0)

#define MISUSE(function, ...)                                                                                          \
    static void misuse_##function(void)                                                                                \
    {                                                                                                                  \
        show();                                                                                                        \
        (void)function(__VA_ARGS__);                                                                                   \
    }
FUNCTIONS(MISUSE)

/* After the end, which AddressSanitizer sees first, in its own words. */

#ifndef TRI_ASAN
/* Again and again: a killed socket is there until a later turn than its spawner's, which may handle the first. */
static void
use_the_closed(tr_actor *self, void *state, tr_message *message)
{
    static unsigned uses;
    (void)state;
    tr_socket_pause(the.socket);
    if (++uses == 1000000)
        exit(EXIT_FAILURE);
    tr_send(self, tr_self(self), message);
}

static tr_status
spawn_and_kill(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    tr_socket_spawn(self, NULL, &the.socket);
    return tr_stop(self, tr_socket_ref(the.socket), TR_STOP_KILL);
}

static void
use_after_the_end(void)
{
    static const struct tr_behavior user = {.name = "user", .init = spawn_and_kill, .receive = use_the_closed};
    tr_runtime *runtime;
    tr_ref ref;
    tr_message go = tr_message_signal(1);
    if (tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime) == TR_OK &&
        tr_runtime_spawn(runtime, &user, NULL, &ref) == TR_OK && tr_runtime_send(runtime, ref, &go) == TR_OK)
        tr_runtime_wait(runtime);
}
#endif

static const struct mistake mistakes[] = {
#define ROW(function, ...)                                                                                             \
    {#function, misuse_##function,                                                                                     \
     #function "() was called on a thread that is no worker, but what it was called for lives on worker 1"},
    FUNCTIONS(ROW)
#undef ROW
#ifndef TRI_ASAN
        {"after the end", use_after_the_end, "tr_socket_pause() was called with a socket that has ended"},
#endif
};

#define MISTAKES (sizeof(mistakes) / sizeof(mistakes[0]))

static void
what_is_used_on_the_wrong_thread_or_too_late_ends_a_debug_build_with_its_name(void **state)
{
    (void)state;
    mistakes_all_speak(mistakes, MISTAKES);
}

int
main(int argc, char **argv)
{
    mistakes_main(argc, argv, mistakes, MISTAKES);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_used_on_the_wrong_thread_or_too_late_ends_a_debug_build_with_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
