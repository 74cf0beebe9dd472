/*
 * Every delay of the network begins when it is asked for and not with the loop's turn: a callback that has held its
 * worker for longer than the delay asks for it, and what it asked for comes no earlier than the whole delay later.
 */
#include "cast.h"
#include "helpers.h"
#include "lookups.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

#define DELAY_MS 40u
#define HOLD_MS (DELAY_MS + 20)
#define NS_PER_MS UINT64_C(1000000)

static int far_end = -1;
static tr_server *server;
static uint64_t began_ns, came_ns;

static int
reset(void **state)
{
    (void)state;
    memset(&client, 0, sizeof(client));
    memset(accepted, 0, sizeof(accepted));
    began_ns = came_ns = 0;
    return 0;
}

/* What is waited for has come. */
static void
came(void)
{
    if (came_ns != 0)
        return;
    came_ns = tests_now_ns();
    if (client.socket != NULL)
        tr_socket_destroy(client.socket, TR_OK);
    if (server != NULL)
        tr_server_close(server);
    if (far_end >= 0)
        close(far_end);
    server = NULL;
    far_end = -1;
    stage_end();
}

static void
comes(struct endpoint *self, const char *event)
{
    (void)self;
    if (strcmp(event, "timeout") == 0 || strcmp(event, "accepted") == 0)
        came();
}

static void
comes_by_message(void *argument)
{
    (void)argument;
    came();
}

static void
hold(void)
{
    tests_hold(HOLD_MS);
    began_ns = tests_now_ns();
}

/* Sockets. */

static void
adopt(struct tr_socket_options options)
{
    int fds[2];
    stage_pair(AF_INET, fds);
    far_end = fds[1];
    client.hook = comes;
    stage_adopt_as(&client, fds[0], options);
}

static void
set_timeout(void)
{
    adopt((struct tr_socket_options){0});
    hold();
    assert_int_equal(tr_socket_set_timeout(client.socket, DELAY_MS), TR_OK);
}

static void
set_timeout_again(void)
{
    adopt((struct tr_socket_options){.timeout_ms = 100000});
    hold();
    assert_int_equal(tr_socket_set_timeout(client.socket, DELAY_MS), TR_OK);
}

static void
set_timeout_by_message(void)
{
    adopt((struct tr_socket_options){0});
    hold();
    tr_ref socket = tr_self(tr_socket_actor(client.socket));
    assert_int_equal(tr_remote_set_timeout(director, socket, DELAY_MS), TR_OK);
}

static void
begin_with_a_timeout(void)
{
    hold();
    adopt((struct tr_socket_options){.timeout_ms = DELAY_MS});
}

static void
write_bytes(void)
{
    adopt((struct tr_socket_options){.timeout_ms = DELAY_MS});
    hold();
    assert_int_equal(say(client.socket, "x"), TR_OK);
}

static void
write_a_file(void)
{
    adopt((struct tr_socket_options){.timeout_ms = DELAY_MS});
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    hold();
    assert_int_equal(tr_socket_write_file(client.socket, file, 0, 1, NULL, NULL), TR_OK);
    close(file);
}

static const struct tr_connect_options in_vain = {
    .host = "no.where", .port = 1, .lookup = never_answers, .timeout_ms = DELAY_MS};

static void
connect_with_a_timeout(void)
{
    client.hook = comes;
    hold();
    stage_connect_with(&client, in_vain);
}

static void
connect_with_a_shorter_timeout(void)
{
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client, .timeout_ms = 100000};
    client.hook = comes;
    assert_int_equal(tr_socket_spawn(director, &options, &client.socket), TR_OK);
    assert_int_equal(tr_socket_set_timeout(client.socket, 100000), TR_OK);
    hold();
    assert_int_equal(tr_socket_connect(client.socket, &in_vain), TR_OK);
}

/* Servers. */

static void
serve(void)
{
    accepted[0].hook = comes;
    server = stage_serve((struct tr_server_options){0});
    far_end = tests_peer_connect(stage_port);
    assert_true(far_end >= 0);
}

static void
pause_a_server(void)
{
    serve();
    hold();
    assert_int_equal(tr_server_pause(server, DELAY_MS), TR_OK);
}

static void
pause_a_server_by_message(void)
{
    serve();
    assert_int_equal(tr_server_pause(server, 0), TR_OK); /* until the message */
    hold();
    assert_int_equal(tr_remote_server_pause(director, tr_server_ref(server), DELAY_MS), TR_OK);
}

/* Messages. */

static void
send_later(void)
{
    hold();
    stage_after(DELAY_MS, comes_by_message, NULL);
}

static const struct {
    const char *name;
    void (*begin)(void);
} rows[] = {
    {"set_timeout", set_timeout},
    {"set_timeout in place of another", set_timeout_again},
    {"set_timeout by message", set_timeout_by_message},
    {"the timeout that a socket begins with", begin_with_a_timeout},
    {"bytes on a socket with a timeout", write_bytes},
    {"a file on a socket with a timeout", write_a_file},
    {"connect", connect_with_a_timeout},
    {"connect with less than the timeout that runs", connect_with_a_shorter_timeout},
    {"pause", pause_a_server},
    {"pause by message", pause_a_server_by_message},
    {"send_after", send_later},
};

static void
a_delay_that_begins_late_in_a_long_callback_is_whole(void **state)
{
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        reset(state);
        stage_play(1, rows[row].begin);
        if (came_ns - began_ns < DELAY_MS * NS_PER_MS)
            fail_msg("%s: after %.3f ms of %u", rows[row].name, (double)(came_ns - began_ns) / 1e6, DELAY_MS);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_delay_that_begins_late_in_a_long_callback_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
