/*
 * What the calls that write, cork and end answer, and what becomes of the writes, where few programs look.
 */
#include "cast.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void
open_plain(void)
{
    cast_open((struct tr_socket_options){0});
}

static void
assert_peer_has(const char *expected)
{
    char bytes[64] = "";
    ssize_t size = recv(peer.fd, bytes, sizeof(bytes) - 1, MSG_DONTWAIT);
    assert_int_equal(size, strlen(expected));
    assert_string_equal(bytes, expected);
}

static tr_status
write_told(const char *bytes, const char *name)
{
    return tr_socket_write_then(client.socket, slice_of(bytes), note_written, (void *)(uintptr_t)name);
}

/* Something waits until its peer reads, which never does. */
static void
fill(void)
{
    while (tr_socket_write_slice(client.socket, pattern(1u << 20)) != TR_QUEUED)
        continue;
}

/* Copies. */

static void
play_copy(void)
{
    char bytes[] = "first";
    open_plain();
    tr_socket_cork(client.socket);
    assert_int_equal(tr_socket_write(client.socket, bytes, 5), TR_OK);
    memcpy(bytes, "wrong", 5);
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    assert_peer_has("first");
    cast_end(NULL);
}

static void
what_tr_socket_write_is_given_may_change_at_once(void **state)
{
    (void)state;
    stage_play(1, play_copy);
}

/* Limits. */

static void
play_first_above_limit(void)
{
    cast_open((struct tr_socket_options){.write_limit = 4});
    tr_socket_cork(client.socket);
    assert_int_equal(say(client.socket, "larger than the limit"), TR_OK); /* nothing waits */
    assert_int_equal(say(client.socket, "x"), TR_EQUEUELIMIT);
    cast_end(NULL);
}

static void
a_write_above_the_limit_is_taken_while_nothing_waits(void **state)
{
    (void)state;
    stage_play(1, play_first_above_limit);
}

static void
play_slices_above_limit(void)
{
    const tr_slice slices[] = {slice_of("ab"), slice_of("cdefgh")};
    cast_open((struct tr_socket_options){.write_limit = 8});
    tr_socket_cork(client.socket);
    assert_int_equal(say(client.socket, "123"), TR_OK);
    assert_int_equal(tr_socket_write_slices(client.socket, slices, 2), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_buffered(client.socket), 3); /* nothing of it waits */
    cast_end(NULL);
}

static void
many_slices_are_one_write_for_the_limit(void **state)
{
    (void)state;
    stage_play(1, play_slices_above_limit);
}

#define FEW_LIMIT TR_WRITE_COST_BYTES
#define FEW (TR_WRITES_ABOVE_LIMIT + 1)

static void
play_writes_of_nothing(void)
{
    cast_open((struct tr_socket_options){.write_limit = FEW_LIMIT});
    tr_socket_cork(client.socket);
    for (unsigned i = 0; i < FEW; i++)
        assert_int_equal(say(client.socket, ""), TR_OK);
    assert_int_equal(say(client.socket, ""), TR_EQUEUELIMIT);
    assert_int_equal(say(client.socket, "x"), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    assert_int_equal(say(client.socket, ""), TR_OK);
    cast_end(NULL);
}

static void
writes_of_no_bytes_are_small_writes_for_the_limit(void **state)
{
    (void)state;
    stage_play(1, play_writes_of_nothing);
}

static void
play_many_files(void)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_true(fputs("x", file) >= 0 && fflush(file) == 0);
    cast_open((struct tr_socket_options){.write_limit = FEW_LIMIT});
    tr_socket_cork(client.socket);
    for (unsigned i = 1; i < FEW; i++)
        assert_int_equal(say(client.socket, "y"), TR_OK);
    for (unsigned i = 0; i < 2 * FEW; i++)
        assert_int_equal(tr_socket_write_file(client.socket, fileno(file), 0, 0, NULL, NULL), TR_OK);
    assert_int_equal(say(client.socket, "y"), TR_OK); /* the last that may wait */
    assert_int_equal(say(client.socket, "y"), TR_EQUEUELIMIT);
    assert_int_equal(tr_socket_write_file(client.socket, fileno(file), 0, 0, NULL, NULL), TR_OK);
    fclose(file);
    cast_end(NULL);
}

static void
files_count_nothing_for_the_limit_and_are_not_refused(void **state)
{
    (void)state;
    stage_play(1, play_many_files);
}

static void
play_high_water_of_descriptor(void)
{
    cast_open((struct tr_socket_options){.high_water = 4});
    tr_socket_cork(client.socket);
    assert_int_equal(tr_socket_write_fd(client.socket, slice_of("abcd"), STDIN_FILENO, NULL, NULL), TR_QUEUED);
    cast_end(NULL);
}

static void
high_water_counts_the_bytes_that_go_with_a_descriptor(void **state)
{
    (void)state;
    stage_play(1, play_high_water_of_descriptor);
}

/* Corks. */

static void
play_inner_uncork(void)
{
    open_plain();
    tr_socket_cork(client.socket);
    tr_socket_cork(client.socket);
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(65536)), TR_QUEUED);
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    assert_int_equal(tr_socket_buffered(client.socket), 65536);
    cast_end(NULL);
}

static void
inside_another_cork_uncork_sends_nothing_and_says_ok(void **state)
{
    (void)state;
    stage_play(1, play_inner_uncork);
}

static void
play_one_uncork_too_many(void)
{
    open_plain();
    fill();
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    cast_end(NULL);
}

static void
one_uncork_too_many_does_nothing_whatever_waits(void **state)
{
    (void)state;
    stage_play(1, play_one_uncork_too_many);
}

static void
cork_and_uncork(void *argument)
{
    (void)argument;
    tr_socket_cork(client.socket);
    assert_int_equal(write_told("x", "x"), TR_OK);
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    stage_settled(cast_end, NULL);
}

static void
play_uncork_from_outside(void)
{
    open_plain();
    stage_settled(cork_and_uncork, NULL); /* when nothing else is due */
}

static void
what_is_uncorked_outside_of_the_sockets_callbacks_is_told(void **state)
{
    (void)state;
    stage_play(1, play_uncork_from_outside);
    assert_string_equal(client.log, "x:OK close");
}

static void
write_under_cork(tr_socket *socket, void *argument, tr_status status)
{
    (void)argument;
    assert_int_equal(status, TR_OK);
    assert_int_equal(say(socket, "later"), TR_OK);
    assert_int_equal(tr_socket_buffered(socket), 5);
    note(&client, "corked");
    cast_end(NULL);
}

static void
play_cork_while_told(void)
{
    open_plain();
    assert_int_equal(tr_socket_write_then(client.socket, slice_of("x"), write_under_cork, NULL), TR_OK);
    tr_socket_cork(client.socket); /* nothing waits, and one callback is due */
}

static void
a_cork_outlasts_the_callbacks_of_what_was_written_before(void **state)
{
    (void)state;
    stage_play(1, play_cork_while_told);
    assert_string_equal(client.log, "corked close");
}

static void
play_nothing_into_a_broken_connection(void)
{
    open_plain();
    tr_socket_cork(client.socket);
    assert_int_equal(say(client.socket, ""), TR_OK);
    close(peer.fd);
    peer.fd = -1;
    assert_int_equal(tr_socket_uncork(client.socket), TR_EPIPE);
    stage_end_when_closed((struct endpoint *[]){&client}, 1);
}

static void
a_corked_write_of_no_bytes_finds_a_broken_connection(void **state)
{
    (void)state;
    stage_play(1, play_nothing_into_a_broken_connection);
    assert_string_equal(client.log, "EPIPE close!");
}

static void
play_code_of_its_own(void)
{
    open_plain();
    close(peer.fd);
    peer.fd = -1;
    assert_int_equal(say(client.socket, "x"), TR_EPIPE);
    tr_socket_destroy_with(client.socket, "EMINE");
    stage_end_when_closed((struct endpoint *[]){&client}, 1);
}

static void
who_destroys_a_socket_after_its_write_has_failed_decides_the_code(void **state)
{
    (void)state;
    stage_play(1, play_code_of_its_own);
    assert_string_equal(client.log, "EMINE close!");
}

/* Drains. */

static void
uncork_and_finish(void *argument)
{
    (void)argument;
    assert_string_equal(client.log, ""); /* something waits still */
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    stage_settled(cast_end, NULL);
}

static void
play_drain_that_waits(void)
{
    open_plain();
    tr_socket_cork(client.socket);
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(20000)), TR_QUEUED);
    assert_int_equal(tr_socket_uncork(client.socket), TR_OK);
    tr_socket_cork(client.socket); /* the drain is due, and not given yet */
    assert_int_equal(say(client.socket, "x"), TR_OK);
    stage_settled(uncork_and_finish, NULL);
}

static void
a_drain_before_which_more_was_written_comes_when_that_has_gone(void **state)
{
    (void)state;
    stage_play(1, play_drain_that_waits);
    assert_string_equal(client.log, "drain close");
}

/* What waited for the connection. */

static tr_server *server;

static bool
client_is_ready(void)
{
    return strstr(client.log, "ready") != NULL;
}

static void
close_server(void *argument)
{
    (void)argument;
    tr_server_close(server);
    cast_end(NULL);
}

static void
writes_slices_in_connect(struct endpoint *self, const char *event)
{
    const tr_slice slices[] = {slice_of("b"), slice_of("c")};
    if (strcmp(event, "connect") == 0)
        assert_int_equal(tr_socket_write_slices(self->socket, slices, 2), TR_OK);
}

static void
play_slices_in_connect(void)
{
    server = stage_serve((struct tr_server_options){0});
    peer.fd = -1;
    client.hook = writes_slices_in_connect;
    stage_connect(&client);
    assert_int_equal(write_told("a", "a"), TR_OK);
    stage_settled_when(client_is_ready, close_server, NULL);
}

static void
slices_that_are_written_in_the_connect_event_wait_behind_what_waited_for_it(void **state)
{
    (void)state;
    stage_play(1, play_slices_in_connect);
    assert_string_equal(client.log, "connect a:OK ready close");
}

/* Ends. */

static tr_socket *kept;

static bool
client_is_closed(void)
{
    return client.closed;
}

static void
exit_client(void *argument)
{
    (void)argument;
    tr_exit(tr_socket_actor(kept));
    stage_end();
}

static void
write_after_close(void *argument)
{
    (void)argument;
    client.socket = kept;
    assert_int_equal(write_told("x", "x"), TR_EDESTROYED);
    stage_settled(exit_client, NULL);
}

static void
play_write_after_close(void)
{
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client, .keep = true};
    assert_int_equal(tr_socket_spawn(director, &options, &kept), TR_OK);
    tr_socket_destroy(kept, TR_OK);
    client.socket = kept;
    stage_settled_when(client_is_closed, write_after_close, NULL);
}

static void
a_write_after_the_close_of_a_kept_socket_that_never_connected_is_told(void **state)
{
    (void)state;
    stage_play(1, play_write_after_close);
    assert_string_equal(client.log, "close x:ERR_STREAM_DESTROYED");
}

static void
play_end_of_what_has_ended(void)
{
    cast_open((struct tr_socket_options){.keep = true});
    assert_int_equal(tr_socket_end(client.socket), TR_OK);
    shutdown(peer.fd, SHUT_WR);
}

static void
asks_for_the_end_again(struct endpoint *self, const char *event)
{
    if (strcmp(event, "close") != 0)
        return;
    tr_slice none = {0};
    assert_int_equal(tr_socket_end_then(self->socket, none, note_written, "end"), TR_EDESTROYED);
    tr_exit(tr_socket_actor(self->socket));
    close(peer.fd);
    stage_end_when_closed((struct endpoint *[]){&client}, 1);
}

static void
the_end_of_a_destroyed_socket_that_had_ended_is_refused_as_destroyed(void **state)
{
    (void)state;
    client.hook = asks_for_the_end_again;
    stage_play(1, play_end_of_what_has_ended);
    assert_string_equal(client.log, "end close end:ERR_STREAM_ALREADY_FINISHED");
}

static void
write_after_peers_end(void *argument)
{
    (void)argument;
    assert_int_equal(tr_socket_end_with(client.socket, slice_of("x")), TR_EWRITEAFTEREND);
    close(peer.fd);
    stage_end_when_closed((struct endpoint *[]){&client}, 1);
}

static bool
our_side_has_ended(void)
{
    return strcmp(client.log, "end") == 0;
}

static void
play_last_slice_after_peers_end(void)
{
    open_plain();
    fill();
    shutdown(peer.fd, SHUT_WR);
    stage_settled_when(our_side_has_ended, write_after_peers_end, NULL);
}

static void
a_last_slice_after_the_peers_end_is_a_write_after_the_end(void **state)
{
    (void)state;
    stage_play(1, play_last_slice_after_peers_end);
    assert_string_equal(client.log, "end ERR_STREAM_WRITE_AFTER_END close!");
}

/* A unix socket that connects. */

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int listener;

static char directory[80];

static void
listen_at_path(void)
{
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
}

static void
look_for_descriptor(void *argument)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    int fd;
    (void)argument;
    peer.fd = accept(listener, NULL, NULL);
    assert_int_equal(recvmsg(peer.fd, &header, 0), 1);
    assert_non_null(CMSG_FIRSTHDR(&header));
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(fd));
    close(fd);
    close(listener);
    cast_end(NULL);
}

static void
play_descriptor_before_connect(void)
{
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client};
    listen_at_path();
    struct tr_connect_options connect = {.path = address.sun_path};
    assert_int_equal(tr_connect(director, &options, &connect, &client.socket), TR_OK);
    assert_int_equal(tr_socket_write_fd(client.socket, slice_of("x"), listener, NULL, NULL), TR_OK);
    stage_settled(look_for_descriptor, NULL);
}

static void
a_descriptor_may_be_written_while_a_unix_socket_connects(void **state)
{
    (void)state;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    stage_play(1, play_descriptor_before_connect);
    tests_directory_remove(directory);
    assert_string_equal(client.log, "connect ready close");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_tr_socket_write_is_given_may_change_at_once, cast_reset),
        cmocka_unit_test_setup(a_write_above_the_limit_is_taken_while_nothing_waits, cast_reset),
        cmocka_unit_test_setup(many_slices_are_one_write_for_the_limit, cast_reset),
        cmocka_unit_test_setup(writes_of_no_bytes_are_small_writes_for_the_limit, cast_reset),
        cmocka_unit_test_setup(files_count_nothing_for_the_limit_and_are_not_refused, cast_reset),
        cmocka_unit_test_setup(high_water_counts_the_bytes_that_go_with_a_descriptor, cast_reset),
        cmocka_unit_test_setup(inside_another_cork_uncork_sends_nothing_and_says_ok, cast_reset),
        cmocka_unit_test_setup(one_uncork_too_many_does_nothing_whatever_waits, cast_reset),
        cmocka_unit_test_setup(what_is_uncorked_outside_of_the_sockets_callbacks_is_told, cast_reset),
        cmocka_unit_test_setup(a_cork_outlasts_the_callbacks_of_what_was_written_before, cast_reset),
        cmocka_unit_test_setup(a_corked_write_of_no_bytes_finds_a_broken_connection, cast_reset),
        cmocka_unit_test_setup(who_destroys_a_socket_after_its_write_has_failed_decides_the_code, cast_reset),
        cmocka_unit_test_setup(a_drain_before_which_more_was_written_comes_when_that_has_gone, cast_reset),
        cmocka_unit_test_setup(slices_that_are_written_in_the_connect_event_wait_behind_what_waited_for_it, cast_reset),
        cmocka_unit_test_setup(a_write_after_the_close_of_a_kept_socket_that_never_connected_is_told, cast_reset),
        cmocka_unit_test_setup(the_end_of_a_destroyed_socket_that_had_ended_is_refused_as_destroyed, cast_reset),
        cmocka_unit_test_setup(a_last_slice_after_the_peers_end_is_a_write_after_the_end, cast_reset),
        cmocka_unit_test_setup(a_descriptor_may_be_written_while_a_unix_socket_connects, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
