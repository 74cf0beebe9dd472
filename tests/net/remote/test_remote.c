#include "cast.h"
#include "fds.h"
#include "helpers.h"
#include "server_state.h"
#include "socket_state.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

/*
 * A remote control on the second worker, and what it works on on the first: nothing is shared but messages and what is
 * looked at when the play is over.
 */
enum { TAG_TARGETS = 1, TAG_WRITTEN, TAG_SOCKET, TAG_SERVER, TAG_SOCKET_LATE };

struct targets {
    tr_ref socket, server;
};

static tr_server *server;
static tr_ref control;
static void (*at_timeout)(void); /* of the client, on its worker */
static void (*act)(tr_actor *self, const struct targets *targets);
static void (*react)(tr_actor *self, const struct targets *targets, tr_message *message);
static struct targets targets;
static struct tr_remote_written written[3];
static unsigned written_count;
static struct tr_socket_info socket_info;
static struct tr_server_info server_info;

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    const void *data = tr_message_data(message);
    switch (message->tag) {
    case TAG_TARGETS:
        memcpy(&targets, data, sizeof(targets));
        act(self, &targets);
        return;
    case TAG_WRITTEN: memcpy(&written[written_count++], data, sizeof(written[0])); break;
    case TAG_SOCKET: memcpy(&socket_info, data, sizeof(socket_info)); break;
    case TAG_SERVER: memcpy(&server_info, data, sizeof(server_info)); break;
    default: break;
    }
    if (react != NULL)
        react(self, &targets, message);
}

static const struct tr_behavior behavior = {.name = "control", .receive = receive};

static int
reset(void **state)
{
    (void)state;
    memset(&client, 0, sizeof(client));
    memset(accepted, 0, sizeof(accepted));
    memset(written, 0, sizeof(written));
    written_count = 0;
    react = NULL;
    at_timeout = NULL;
    return 0;
}

static void
hand_over(struct endpoint *self, const char *event)
{
    if (strcmp(event, "timeout") == 0 && at_timeout != NULL)
        at_timeout();
    if (strcmp(event, "ready") != 0)
        return;
    struct targets message = {tr_socket_ref(self->socket), tr_server_ref(server)};
    assert_int_equal(tr_tell(director, control, TAG_TARGETS, &message, sizeof(message)), TR_OK);
}

static void
play(void)
{
    struct tr_spawn_options spawn = {.placement = TR_PLACE_WORKER, .worker = 1};
    assert_int_equal(tr_spawn(director, &behavior, &spawn, &control), TR_OK);
    client.hook = hand_over;
    server = stage_serve((struct tr_server_options){.balance = home, .keep = true});
    stage_connect(&client);
    struct endpoint *both[] = {&client, &accepted[0]};
    stage_end_when_closed(both, 2);
}

/* Writing. */

static void
write_and_end(tr_actor *self, const struct targets *to)
{
    tr_slice copy;
    assert_int_equal(tr_slice_copy("two", 3, &copy), TR_OK);
    assert_int_equal(tr_remote_write(self, to->socket, tr_slice_constant("one", 3)), TR_OK);
    assert_int_equal(tr_remote_write_ask(self, to->socket, copy, TAG_WRITTEN, 7), TR_OK);
    tr_slice_release(copy);
    assert_int_equal(tr_remote_end(self, to->socket), TR_OK);
    assert_int_equal(tr_remote_write_ask(self, to->socket, tr_slice_constant("three", 5), TAG_WRITTEN, 8), TR_OK);
}

static void
writes_of_others_go_in_order_and_are_answered(void **state)
{
    (void)state;
    act = write_and_end;
    stage_play(2, play);
    assert_string_equal(accepted[0].log, "accepted data:onetwo end close");
    assert_string_equal(client.log, "connect ready ERR_STREAM_WRITE_AFTER_END close!");
    assert_int_equal(written_count, 2);
    assert_int_equal(written[0].token, 7);
    assert_int_equal(written[0].status, TR_OK);
    assert_int_equal(written[1].token, 8);
    assert_int_equal(written[1].status, TR_EWRITEAFTEREND);
}

/* Looking. */

static void
ask_for_infos(tr_actor *self, const struct targets *to)
{
    assert_int_equal(tr_remote_write(self, to->socket, tr_slice_constant("12345", 5)), TR_OK);
    assert_int_equal(tr_remote_socket_info(self, to->socket, TAG_SOCKET, 0), TR_OK);
    assert_int_equal(tr_remote_server_info(self, to->server, TAG_SERVER), TR_OK);
}

static void
close_when_known(tr_actor *self, const struct targets *to, tr_message *message)
{
    if (message->tag != TAG_SERVER)
        return;
    assert_int_equal(tr_remote_server_close(self, to->server), TR_OK);
    assert_int_equal(tr_remote_destroy(self, to->socket, TR_EIO), TR_OK);
}

static void
sockets_and_servers_tell_about_themselves(void **state)
{
    (void)state;
    act = ask_for_infos;
    react = close_when_known;
    stage_play(2, play);
    assert_int_equal(socket_info.socket, targets.socket);
    assert_int_equal(socket_info.bytes_written, 5);
    assert_int_equal(socket_info.bytes_read, 0);
    assert_false(socket_info.connecting);
    assert_false(socket_info.destroyed);
    assert_int_equal(socket_info.remote.port, stage_port);
    assert_string_equal(socket_info.local.text, "127.0.0.1");
    assert_int_equal(server_info.server, targets.server);
    assert_true(server_info.listening);
    assert_int_equal(server_info.connections, 1);
    assert_int_equal(server_info.refusals.blocked + server_info.refusals.over_limit, 0);
    assert_int_equal(server_info.address.port, stage_port);
    assert_string_equal(client.log, "connect ready EIO close!");
}

/* Everything else. */

static void
turn_every_knob(tr_actor *self, const struct targets *to)
{
    assert_int_equal(tr_remote_pause(self, to->socket), TR_OK);
    assert_int_equal(tr_remote_resume(self, to->socket), TR_OK);
    assert_int_equal(tr_remote_set_no_delay(self, to->socket, true), TR_OK);
    assert_int_equal(tr_remote_set_keep_alive(self, to->socket, true, 3000), TR_OK);
    assert_int_equal(tr_remote_server_set_max_connections(self, to->server, 1), TR_OK);
    assert_int_equal(tr_remote_set_timeout(self, to->socket, 40), TR_OK);
    tr_message later = tr_message_signal(TAG_SOCKET_LATE);
    assert_int_equal(tr_send_after(self, tr_self(self), 120, &later, NULL), TR_OK);
}

static void
destroy_later(tr_actor *self, const struct targets *to, tr_message *message)
{
    if (message->tag == TAG_SOCKET_LATE)
        assert_int_equal(tr_remote_destroy(self, to->socket, TR_OK), TR_OK);
}

static void
look_at_every_knob(void)
{
    assert_true(option_of(client.socket->fd, IPPROTO_TCP, TCP_NODELAY));
    assert_int_equal(option_of(client.socket->fd, IPPROTO_TCP, TCP_KEEPIDLE), 3);
    assert_int_equal(server->deal->max_connections, 1);
}

static void
every_operation_works_from_a_distance(void **state)
{
    (void)state;
    act = turn_every_knob;
    at_timeout = look_at_every_knob;
    react = destroy_later;
    stage_play(2, play);
    assert_string_equal(client.log, "connect ready timeout close");
}

/* Corked, nothing is sent. */

static void
cork_and_write(tr_actor *self, const struct targets *to)
{
    assert_int_equal(tr_remote_cork(self, to->socket), TR_OK);
    assert_int_equal(tr_remote_write(self, to->socket, tr_slice_constant("12345", 5)), TR_OK);
    assert_int_equal(tr_remote_socket_info(self, to->socket, TAG_SOCKET, 0), TR_OK);
}

static void
uncork_and_end(tr_actor *self, const struct targets *to, tr_message *message)
{
    if (message->tag != TAG_SOCKET)
        return;
    assert_int_equal(socket_info.buffered, 5);
    assert_int_equal(tr_remote_uncork(self, to->socket), TR_OK);
    assert_int_equal(tr_remote_end(self, to->socket), TR_OK);
}

static void
a_socket_that_is_corked_from_a_distance_sends_when_it_is_uncorked(void **state)
{
    (void)state;
    act = cork_and_write;
    react = uncork_and_end;
    stage_play(2, play);
    assert_string_equal(accepted[0].log, "accepted data:12345 end close");
}

/* Misuse. */

static void
misuse(tr_actor *self, const struct targets *to)
{
    tr_slice nothing = {.size = 1};
    assert_int_equal(tr_remote_write(NULL, to->socket, tr_slice_constant("x", 1)), TR_EINVAL);
    assert_int_equal(tr_remote_write(self, to->socket, nothing), TR_EINVAL);
    assert_int_equal(tr_remote_write_ask(self, to->socket, nothing, TAG_WRITTEN, 0), TR_EINVAL);
    assert_int_equal(tr_remote_write_ask(self, to->socket, tr_slice_constant("x", 1), TR_TAG_RESERVED, 0), TR_EBADTAG);
    assert_int_equal(tr_remote_socket_info(self, to->socket, UINT32_MAX, 0), TR_EBADTAG);
    assert_int_equal(tr_remote_server_info(self, to->server, UINT32_MAX), TR_EBADTAG);
    assert_int_equal(tr_remote_set_timeout(self, to->socket, UINT64_MAX), TR_EBADLIMIT);
    assert_int_equal(tr_remote_set_keep_alive(self, to->socket, true, UINT64_MAX), TR_EBADLIMIT);
    assert_int_equal(tr_remote_end(self, TR_NOBODY), TR_EBADREF);
    /* What is meant for the other kind is dropped there. */
    assert_int_equal(tr_remote_end(self, to->server), TR_OK);
    assert_int_equal(tr_remote_write_ask(self, to->server, tr_slice_constant("x", 1), TAG_WRITTEN, 0), TR_OK);
    assert_int_equal(tr_remote_server_close(self, to->socket), TR_OK);
    assert_int_equal(tr_remote_destroy(self, to->socket, TR_OK), TR_OK);
}

static void
wrong_arguments_are_refused_by_name(void **state)
{
    (void)state;
    act = misuse;
    stage_play(2, play);
    assert_string_equal(client.log, "connect ready close");
    assert_string_equal(accepted[0].log, "accepted end close");
}

/* A size that no object has is refused, once, and the socket goes on. */
static void
write_too_much(tr_actor *self, const struct targets *to)
{
    tr_slice endless = tr_slice_constant("x", SIZE_MAX);
    assert_int_equal(tr_remote_write_ask(self, to->socket, endless, TAG_WRITTEN, 7), TR_OK);
    assert_int_equal(tr_remote_write_ask(self, to->socket, tr_slice_constant("hi", 2), TAG_WRITTEN, 8), TR_OK);
    assert_int_equal(tr_remote_end(self, to->socket), TR_OK);
}

static void
a_write_of_an_impossible_size_is_answered_once(void **state)
{
    (void)state;
    act = write_too_much;
    stage_play(2, play);
    assert_int_equal(written_count, 2);
    assert_int_equal(written[0].token, 7);
    assert_int_equal(written[0].status, TR_EINVAL);
    assert_int_equal(written[1].token, 8);
    assert_int_equal(written[1].status, TR_OK);
    assert_string_equal(accepted[0].log, "accepted data:hi end close");
}

/* A listener's descriptor goes over to the server only with a message that was sent. */
static void
play_listen_at_nobody(void)
{
    uint16_t port;
    int fd = tests_peer_listen(&port);
    struct tr_listen_options options = {.from_fd = true, .fd = fd};
    assert_int_equal(tr_remote_server_listen(director, TR_NOBODY, &options), TR_EBADREF);
    options.fd = -1;
    assert_int_not_equal(tr_remote_server_listen(director, tr_self(director), &options), TR_OK);
    int caller = tests_peer_connect(port);
    assert_true(caller >= 0);
    close(caller);
    assert_int_equal(close(fd), 0);
    stage_end();
}

static void
a_descriptor_that_could_not_be_sent_is_still_the_callers(void **state)
{
    (void)state;
    stage_play(1, play_listen_at_nobody);
}

/* With one that was sent it is the server's. */

static void
check_that_it_listens(void *port)
{
    int caller = tests_peer_connect(*(const uint16_t *)port);
    assert_true(tr_server_listening(server));
    assert_true(caller >= 0);
    close(caller);
    stage_settled(end_play, NULL);
}

static void
play_listen_by_order(void)
{
    static uint16_t port;
    int fd = tests_peer_listen(&port);
    struct tr_listen_options options = {.from_fd = true, .fd = fd};
    assert_int_equal(tr_server_spawn(director, &(struct tr_server_options){0}, &server), TR_OK);
    assert_int_equal(tr_remote_server_listen(director, tr_server_ref(server), &options), TR_OK);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(errno, EBADF);
    stage_settled(check_that_it_listens, &port);
}

static void
a_descriptor_that_was_sent_is_taken(void **state)
{
    (void)state;
    stage_play(1, play_listen_by_order);
}

/* An eventfd takes 8 bytes and no others. */

static void
ask_the_impossible(tr_actor *self, const struct targets *to)
{
    static const uint64_t one = 1;
    assert_int_equal(tr_remote_write_ask(self, to->socket, tr_slice_constant("abc", 3), TAG_WRITTEN, 1), TR_OK);
    assert_int_equal(tr_remote_write_ask(self, to->socket, tr_slice_constant(&one, sizeof(one)), TAG_WRITTEN, 2),
                     TR_OK);
}

static void
destroy_when_answered(tr_actor *self, const struct targets *to, tr_message *message)
{
    (void)message;
    if (written_count == 2)
        assert_int_equal(tr_remote_destroy(self, to->socket, TR_OK), TR_OK);
}

static void
play_the_impossible(void)
{
    struct tr_spawn_options spawn = {.placement = TR_PLACE_WORKER, .worker = 1};
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(tr_spawn(director, &behavior, &spawn, &control), TR_OK);
    stage_adopt(&client, fd);
    struct targets message = {.socket = tr_socket_ref(client.socket)};
    assert_int_equal(tr_tell(director, control, TAG_TARGETS, &message, sizeof(message)), TR_OK);
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
a_write_that_the_kernel_calls_invalid_is_answered_once(void **state)
{
    (void)state;
    act = ask_the_impossible;
    react = destroy_when_answered;
    stage_play(2, play_the_impossible);
    assert_int_equal(written_count, 2);
    assert_int_equal(written[0].token, 1);
    assert_int_equal(written[0].status, TR_EINVAL);
    assert_int_equal(written[1].token, 2);
    assert_int_equal(written[1].status, TR_OK);
    assert_null(strstr(client.log, "close!"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(writes_of_others_go_in_order_and_are_answered, reset),
        cmocka_unit_test_setup(sockets_and_servers_tell_about_themselves, reset),
        cmocka_unit_test_setup(every_operation_works_from_a_distance, reset),
        cmocka_unit_test_setup(a_socket_that_is_corked_from_a_distance_sends_when_it_is_uncorked, reset),
        cmocka_unit_test_setup(wrong_arguments_are_refused_by_name, reset),
        cmocka_unit_test_setup(a_write_of_an_impossible_size_is_answered_once, reset),
        cmocka_unit_test_setup(a_descriptor_that_could_not_be_sent_is_still_the_callers, reset),
        cmocka_unit_test_setup(a_descriptor_that_was_sent_is_taken, reset),
        cmocka_unit_test_setup(a_write_that_the_kernel_calls_invalid_is_answered_once, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
