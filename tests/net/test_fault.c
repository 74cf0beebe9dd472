/*
 * What the system's errors lead to, each by injection: the rows of net/descriptor/verdict.c as a user meets them.
 */
#include "cast.h"
#include "fault.h"
#include "helpers.h"
#include "retry.h"
#include "server_state.h"
#include "socket_state.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/core/delay.h>
#include <troupe/ipaddr/block_list.h>

static int file = -1;

static void
set_up(void)
{
    client = (struct endpoint){0};
    peer = (struct raw_peer){.fd = -1};
    fault_clear();
}

/* One row: a call that fails, and how the connection fares. */
struct row {
    const char *name;
    enum fault_call call;
    int error;
    unsigned times;
    const char *log;   /* of the socket */
    const char *heard; /* by the peer */
};

#define ROW(call, error, times, log, heard)                                                                            \
    {                                                                                                                  \
#call " " #error, FAULT_##call, error, times, log, heard                                                       \
    }

static const struct row *row;

static void
check(const struct row *rows, size_t count, void (*script)(void))
{
    for (row = rows; row < rows + count; row++) {
        set_up();
        stage_play(1, script);
        unsigned met = fault_met(row->call);
        fault_clear();
        if (met == 0)
            fail_msg("%s: was never met", row->name);
        if (strcmp(client.log, row->log) != 0)
            fail_msg("%s: %s", row->name, client.log);
        if (strcmp(peer.text, row->heard) != 0)
            fail_msg("%s: the peer heard %s", row->name, peer.text);
    }
}

#define CHECK(rows, script) check(rows, sizeof(rows) / sizeof((rows)[0]), script)

/* Reading. */

static void
play_reading(void)
{
    int fds[2];
    stage_pair(AF_INET, fds);
    stage_adopt(&client, fds[0]);
    peer.fd = fds[1];
    assert_true(tests_peer_send(peer.fd, "in", 2));
    shutdown(peer.fd, SHUT_WR);
    fault_plan(row->call, 1, row->times, row->error);
    stage_read(&peer);
    end_when_done();
}

static void
reading_goes_on_after_what_passes_and_fails_with_what_does_not(void **state)
{
    static const struct row rows[] = {
        ROW(READ, EINTR, 3, "data:in end close", ""),
        ROW(READ, EAGAIN, 3, "data:in end close", ""),
        ROW(READ, ECONNRESET, 1, "ECONNRESET close!", ""),
        ROW(READ, ETIMEDOUT, 1, "ETIMEDOUT close!", ""),
        ROW(READ, ENOMEM, 1, "ENOMEM close!", ""),
        ROW(READ, ENOBUFS, 1, "ENOBUFS close!", ""),
        ROW(READ, EHOSTUNREACH, 1, "EHOSTUNREACH close!", ""),
        ROW(READ, EIO, 1, "EIO close!", ""),
    };
    (void)state;
    CHECK(rows, play_reading);
}

static void
play_receiving(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    stage_adopt_as(&client, fds[0], (struct tr_socket_options){.receive_fds = true});
    peer.fd = fds[1];
    assert_true(tests_peer_send(peer.fd, "in", 2));
    shutdown(peer.fd, SHUT_WR);
    if (row->error != 0)
        fault_plan(row->call, 1, row->times, row->error);
    else
        fault_plan_flags(1, MSG_CTRUNC);
    stage_read(&peer);
    end_when_done();
}

static void
a_lost_descriptor_fails_the_stream_before_its_bytes(void **state)
{
    static const struct row rows[] = {
        ROW(RECVMSG, EINTR, 3, "data:in end close", ""),
        ROW(RECVMSG, EAGAIN, 3, "data:in end close", ""),
        ROW(RECVMSG, 0, 1, "EMFILE close!", ""), /* MSG_CTRUNC */
        ROW(RECVMSG, ENOMEM, 1, "ENOMEM close!", ""),
    };
    (void)state;
    CHECK(rows, play_receiving);
}

/* Writing: a first piece at once, a second when the first has gone, both with a word when they have. */

static bool
was_met_twice(void)
{
    return fault_met(row->call) == 2;
}

/* The descriptor is writable all the time. */
static void
look_whether_quiet(void *argument)
{
    (void)argument;
    if (client.socket != NULL && tri_retry_is_due(client.socket))
        assert_int_equal(client.socket->polled & UV_WRITABLE, 0);
}

static void
play_writing(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    stage_adopt(&client, fds[0]);
    peer.fd = fds[1];
    fault_plan(row->call, 1, row->times, row->error);
    if (row->call == FAULT_WRITEV)
        tr_socket_cork(client.socket);
    tr_socket_write_then(client.socket, tr_slice_constant("one", 3), note_written, "1");
    if (!tr_socket_destroyed(client.socket))
        tr_socket_write_then(client.socket, tr_slice_constant("two", 3), note_written, "2");
    if (row->call == FAULT_WRITEV)
        tr_socket_uncork(client.socket);
    if (row->times == 2)
        stage_when(was_met_twice, look_whether_quiet, NULL);
    tr_socket_end(client.socket);
    stage_read(&peer); /* to the end, then it closes */
    end_when_done();
}

static void
writing_waits_for_what_passes_and_fails_with_what_does_not(void **state)
{
    static const struct row rows[] = {
        ROW(WRITE, EINTR, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITE, EAGAIN, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITE, ENOBUFS, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITE, ENOMEM, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITE, EPIPE, 1, "1:EPIPE EPIPE close!", ""),
        ROW(WRITE, EHOSTUNREACH, 1, "1:EHOSTUNREACH EHOSTUNREACH close!", ""),
        ROW(WRITE, ENETDOWN, 1, "1:ENETDOWN ENETDOWN close!", ""),
        ROW(WRITE, ETIMEDOUT, 1, "1:ETIMEDOUT ETIMEDOUT close!", ""),
        ROW(WRITE, EPERM, 1, "1:EPERM EPERM close!", ""),
        ROW(WRITEV, EINTR, 2, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITEV, EAGAIN, 2, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITEV, ENOBUFS, 2, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITEV, ENOMEM, 2, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITEV, EPIPE, 1, "1:EPIPE 2:EPIPE EPIPE close!", ""),
        ROW(WRITEV, EHOSTUNREACH, 1, "1:EHOSTUNREACH 2:EHOSTUNREACH EHOSTUNREACH close!", ""),
    };
    (void)state;
    CHECK(rows, play_writing);
}

/* The descriptor is writable all the while, and is left alone until it is time. */
static uint64_t wrote_ns, took_ns;

static void
note_time_written(tr_socket *socket, void *name, tr_status status)
{
    took_ns = tests_now_ns() - wrote_ns;
    note_written(socket, name, status);
}

static bool
waits_for_memory(void)
{
    return took_ns != 0 || tri_retry_is_due(client.socket);
}

/* Polling would tell at once, again and again, that there is room. */
static void
check_that_nothing_is_polled(void *argument)
{
    (void)argument;
    assert_true(took_ns != 0 || !tri_socket_has_any(client.socket, TRI_SOCKET_WRITING));
    end_when_done();
}

static void
play_lack(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    stage_adopt(&client, fds[0]);
    peer.fd = fds[1];
    fault_plan(FAULT_WRITE, 1, 1, EAGAIN); /* so it is polled for room */
    fault_plan(FAULT_WRITEV, 1, 1, ENOBUFS);
    wrote_ns = tests_now_ns();
    tr_socket_write_then(client.socket, tr_slice_constant("one", 3), note_time_written, "1");
    tr_socket_end(client.socket);
    stage_read(&peer);
    stage_when(waits_for_memory, check_that_nothing_is_polled, NULL);
}

static void
what_the_system_has_no_room_for_is_written_after_a_while_and_not_at_once(void **state)
{
    (void)state;
    set_up();
    took_ns = 0;
    stage_play(1, play_lack);
    assert_string_equal(client.log, "1:OK end close");
    assert_int_equal(fault_met(FAULT_WRITEV), 1);
    assert_true(took_ns >= UINT64_C(50) * 1000000);
    fault_clear();
}

static void
play_passing(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    stage_adopt(&client, fds[0]);
    peer.fd = fds[1];
    fault_plan(row->call, 1, row->times, row->error);
    tr_socket_write_fd(client.socket, tr_slice_constant("one", 3), STDERR_FILENO, note_written, "1");
    if (!tr_socket_destroyed(client.socket))
        tr_socket_write_then(client.socket, tr_slice_constant("two", 3), note_written, "2");
    tr_socket_end(client.socket);
    stage_read(&peer); /* to the end, then it closes */
    end_when_done();
}

static void
descriptors_wait_while_too_many_are_on_their_way(void **state)
{
    static const struct row rows[] = {
        ROW(SENDMSG, EINTR, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDMSG, EAGAIN, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDMSG, ETOOMANYREFS, 2, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDMSG, ENOMEM, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDMSG, EPIPE, 1, "1:EPIPE EPIPE close!", ""),
        ROW(SENDMSG, EPERM, 1, "1:EPERM EPERM close!", ""),
        ROW(FCNTL, EMFILE, 1, "1:EMFILE 2:OK end close", "two"),
        ROW(FCNTL, ENFILE, 1, "1:ENFILE 2:OK end close", "two"),
    };
    (void)state;
    CHECK(rows, play_passing);
}

static void
play_sending_file(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    stage_adopt(&client, fds[0]);
    peer.fd = fds[1];
    if (row->call == FAULT_PREAD)
        fault_plan(FAULT_SENDFILE, 1, ~0u, EINVAL);
    fault_plan(row->call, 1, row->times, row->error);
    tr_socket_write_file(client.socket, file, 0, 0, note_written, "1");
    if (!tr_socket_destroyed(client.socket))
        tr_socket_write_then(client.socket, tr_slice_constant("two", 3), note_written, "2");
    tr_socket_end(client.socket);
    stage_read(&peer); /* to the end, then it closes */
    end_when_done();
}

static void
a_file_goes_another_way_or_later_or_not_at_all(void **state)
{
    static const struct row rows[] = {
        ROW(SENDFILE, EINVAL, ~0u, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDFILE, ENOSYS, ~0u, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDFILE, EINTR, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDFILE, EAGAIN, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDFILE, ENOMEM, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDFILE, EIO, 1, "1:EIO EIO close!", ""),
        ROW(SENDFILE, EPIPE, 1, "1:EPIPE EPIPE close!", ""),
        ROW(PREAD, EINTR, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(PREAD, EIO, 1, "1:EIO EIO close!", ""),
        ROW(FSTAT, EIO, 1, "1:EIO 2:OK end close", "two"),
    };
    char name[] = "/tmp/fault.XXXXXX";
    (void)state;
    file = mkstemp(name);
    unlink(name);
    assert_int_equal(write(file, "one", 3), 3);
    CHECK(rows, play_sending_file);
    close(file);
}

/* Accepting. */

static char server_log[64];

static void
on_server_error(tr_server *self, const struct tr_error *error)
{
    (void)self;
    assert_string_equal(error->call, "accept");
    strncat(server_log, error->code, sizeof(server_log) - 1 - strlen(server_log));
}

static const struct tr_server_events server_events = {.error = on_server_error};

static void
ends_when_ready(struct endpoint *self, const char *event)
{
    if (strcmp(event, "ready") == 0)
        tr_socket_end(self->socket);
}

static void
play_accepting(void)
{
    server_log[0] = '\0';
    stage_serve((struct tr_server_options){.events = &server_events});
    client.hook = ends_when_ready;
    fault_plan(row->call, 1, row->times, row->error);
    stage_connect(&client);
    peer.ended = true;
    end_when_done();
}

static void
accepting_goes_on_or_pauses_with_a_word(void **state)
{
    static const struct row rows[] = {
        ROW(ACCEPT, EINTR, 1, "", ""),        ROW(ACCEPT, EAGAIN, 1, "", ""),
        ROW(ACCEPT, ECONNABORTED, 1, "", ""), ROW(ACCEPT, EPROTO, 1, "", ""),
        ROW(ACCEPT, EPERM, 1, "", ""),        ROW(ACCEPT, ENETDOWN, 3, "", ""),
        ROW(ACCEPT, EHOSTUNREACH, 1, "", ""), ROW(ACCEPT, EMFILE, 2, "EMFILE", ""),
        ROW(ACCEPT, ENFILE, 1, "ENFILE", ""), ROW(ACCEPT, ENOBUFS, 1, "ENOBUFS", ""),
        ROW(ACCEPT, ENOMEM, 1, "ENOMEM", ""), ROW(ACCEPT, EPERM, 40, "EPERM", ""),
    };
    (void)state;
    for (row = rows; row < rows + sizeof(rows) / sizeof(rows[0]); row++) {
        set_up();
        memset(accepted, 0, sizeof(accepted));
        stage_play(1, play_accepting);
        fault_clear();
        if (strcmp(server_log, row->log) != 0 || strcmp(client.log, "connect ready end close") != 0)
            fail_msg("%s: %s, %s", row->name, server_log, client.log);
    }
}

/* What could not be begun is told, and counted. */

static uint64_t lost;

static void
counts_lost(tr_server *self, const struct tr_error *error)
{
    struct tr_server_refusals refusals;
    on_server_error(self, error);
    tr_server_refusals(self, &refusals);
    lost = refusals.lost;
    assert_int_equal(refusals.blocked + refusals.over_limit + refusals.over_address, 0);
    stage_end();
}

static void
play_lost_connection(void)
{
    static const struct tr_server_events events = {.error = counts_lost};
    server_log[0] = '\0';
    stage_serve((struct tr_server_options){.events = &events, .socket = {.state_size = 64}});
    fault_plan(FAULT_MEMORY, 1, 1, ENOMEM); /* the socket's, at the latest that of its state */
    peer.fd = tests_peer_connect(stage_port);
    close(peer.fd);
}

static void
a_connection_that_cannot_begin_is_told_and_counted(void **state)
{
    (void)state;
    set_up();
    lost = 0;
    stage_play(1, play_lost_connection);
    fault_clear();
    assert_string_equal(server_log, "ENOMEM");
    assert_int_equal(lost, 1);
}

/* The place that its address had taken is free again. */

static void
connects_after_error(tr_server *self, const struct tr_error *error)
{
    on_server_error(self, error);
    client.hook = ends_when_ready;
    stage_connect(&client);
    peer.ended = true;
    end_when_done();
}

static void
play_lost_place(void)
{
    static const struct tr_server_events events = {.error = connects_after_error};
    server_log[0] = '\0';
    stage_serve((struct tr_server_options){.events = &events, .max_per_address = 1});
    fault_plan(FAULT_MEMORY, 2, 1, ENOMEM); /* not that of the place, but of what remembers it */
    close(tests_peer_connect(stage_port));
}

static void
a_connection_that_was_lost_takes_no_place_of_its_address(void **state)
{
    (void)state;
    set_up();
    memset(accepted, 0, sizeof(accepted));
    stage_play(1, play_lost_place);
    fault_clear();
    assert_string_equal(server_log, "ENOMEM");
    assert_string_equal(accepted[0].log, "accepted end close");
}

/* A server that has run out of descriptors: its error is told once in a second, and it can be closed meanwhile. */

static uint64_t before_ms;

static void
listens_again(tr_server *self, const struct tr_error *error)
{
    const struct tri_timers *timers = &self->net->worker->timers;
    size_t waiting = timers->count;
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    on_server_error(self, error);
    assert_true(self->complain_ms >= before_ms + 1000);
    assert_true(self->listener.starved);
    assert_int_equal(tr_server_close(self), TR_OK);
    assert_int_equal(timers->count, waiting - 1); /* nothing waits to accept again */
    assert_int_equal(tr_server_listen(self, &listen), TR_OK);
    stage_connect(&client);
    stage_end_when_closed(&(struct endpoint *){&client}, 1);
}

static void
play_starved(void)
{
    static const struct tr_server_events events = {.error = listens_again};
    server_log[0] = '\0';
    before_ms = tri_clock_ms();
    stage_serve((struct tr_server_options){.events = &events});
    client.hook = ends_when_ready;
    fault_plan(FAULT_ACCEPT, 1, 1, EMFILE);
    close(tests_peer_connect(stage_port)); /* it is lost with the listening */
}

static void
a_server_that_waits_for_descriptors_can_be_closed_and_listen_again(void **state)
{
    (void)state;
    set_up();
    memset(accepted, 0, sizeof(accepted));
    stage_play(1, play_starved);
    assert_int_equal(fault_met(FAULT_ACCEPT), 1);
    fault_clear();
    assert_string_equal(server_log, "EMFILE");
    assert_string_equal(client.log, "connect ready end close");
}

/* Without memory for another block list the one before stays. */

static void
play_block_list(void)
{
    tr_block_list *before, *next;
    assert_int_equal(tr_block_list_new(&before), TR_OK);
    assert_int_equal(tr_block_list_add_text(before, "127.0.0.1"), TR_OK);
    assert_int_equal(tr_block_list_new(&next), TR_OK);
    assert_int_equal(tr_block_list_add_text(next, "127.0.0.2"), TR_OK);
    tr_server *server = stage_serve((struct tr_server_options){.block_list = before});
    tr_block_list_release(before);
    fault_plan(FAULT_MEMORY, 1, 1, ENOMEM);
    assert_int_equal(tr_server_set_block_list(server, next), TR_ENOMEM);
    fault_clear();
    tr_block_list_release(next);
    stage_connect(&client);
    peer.ended = true;
    end_when_done();
}

static void
a_block_list_for_which_there_is_no_memory_changes_nothing(void **state)
{
    (void)state;
    set_up();
    stage_play(1, play_block_list);
    assert_string_equal(client.log, "connect ready end close");
    assert_int_equal(accepted_count, 0);
}

static void
ends_with_server(tr_server *self)
{
    (void)self;
    strncat(server_log, " close", sizeof(server_log) - 1 - strlen(server_log));
    stage_end();
}

static void
play_broken_listener(void)
{
    static const struct tr_server_events events = {.error = on_server_error, .close = ends_with_server};
    server_log[0] = '\0';
    stage_serve((struct tr_server_options){.events = &events});
    fault_plan(FAULT_ACCEPT, 1, ~0u, row->error);
    peer.fd = tests_peer_connect(stage_port);
    close(peer.fd);
}

static void
a_descriptor_that_listens_no_more_closes_its_server(void **state)
{
    static const struct row rows[] = {ROW(ACCEPT, EINVAL, ~0u, "EINVAL close", ""),
                                      ROW(ACCEPT, EBADF, ~0u, "EBADF close", ""),
                                      ROW(ACCEPT, ENOTSOCK, ~0u, "ENOTSOCK close", "")};
    (void)state;
    for (row = rows; row < rows + sizeof(rows) / sizeof(rows[0]); row++) {
        set_up();
        stage_play(1, play_broken_listener);
        fault_clear();
        assert_string_equal(server_log, row->log);
    }
}

/* Connecting and listening. */

static void
play_connecting(void)
{
    memset(accepted, 0, sizeof(accepted));
    stage_serve((struct tr_server_options){0});
    client.hook = ends_when_ready;
    fault_plan(row->call, 1, row->times, row->error);
    stage_connect_with(
        &client, (struct tr_connect_options){.host = "127.0.0.1", .port = stage_port, .local_address = "127.0.0.1"});
    peer.ended = true;
    end_when_done();
}

static void
connecting_tells_what_failed(void **state)
{
    static const struct row rows[] = {
        ROW(SOCKET, EMFILE, 1, "EMFILE close!", ""),
        ROW(SOCKET, ENOBUFS, 1, "ENOBUFS close!", ""),
        ROW(BIND, EADDRINUSE, 1, "EADDRINUSE close!", ""),
        ROW(CONNECT, EINTR, 1, "connect ready end close", ""),
        ROW(CONNECT, EPERM, 1, "EPERM close!", ""), /* a firewall's */
        ROW(CONNECT, ENETUNREACH, 1, "ENETUNREACH close!", ""),
        ROW(CONNECT, EADDRNOTAVAIL, 1, "EADDRNOTAVAIL close!", ""),
        ROW(CONNECT, EAGAIN, 1, "EAGAIN close!", ""),
        ROW(CONNECT, ENOBUFS, 1, "ENOBUFS close!", ""),
        ROW(GETSOCKOPT, ENOBUFS, 1, "ENOBUFS close!", ""),
        ROW(GETSOCKNAME, ENOBUFS, 1, "connect ready end close", ""),
        ROW(SETSOCKOPT, ENOMEM, 1, "ENOMEM close!", ""),
    };
    (void)state;
    CHECK(rows, play_connecting);
}

static void
names_the_step(tr_server *self, const struct tr_error *error)
{
    (void)self;
    assert_int_equal(error->status, TR_ENOBUFS);
    assert_int_equal(error->system, ENOBUFS);
    strncat(server_log, error->call, sizeof(server_log) - 1);
    stage_end();
}

static void
play_listening(void)
{
    static const struct tr_server_events events = {.error = names_the_step};
    struct tr_server_options options = {.events = &events};
    tr_server *one;
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    server_log[0] = '\0';
    fault_plan(row->call, 1, row->times, row->error);
    assert_int_equal(tr_server_spawn(director, &options, &one), TR_OK);
    tr_status status = tr_server_listen(one, &listen);
    assert_int_equal(status, TR_OK); /* the rest is an event */
    assert_false(tr_server_listening(one));
}

static void
listening_fails_with_the_name_of_the_step_and_leaves_nothing(void **state)
{
    static const struct row rows[] = {ROW(SOCKET, ENOBUFS, 1, "socket", ""),
                                      ROW(SETSOCKOPT, ENOBUFS, 1, "setsockopt", ""), ROW(BIND, ENOBUFS, 1, "bind", ""),
                                      ROW(LISTEN, ENOBUFS, 1, "listen", "")};
    (void)state;
    for (row = rows; row < rows + sizeof(rows) / sizeof(rows[0]); row++) {
        set_up();
        stage_play(1, play_listening); /* which counts descriptors */
        assert_int_equal(fault_met(row->call), 1);
        fault_clear();
        assert_string_equal(server_log, row->log);
    }
}

/* Where there is no IPv6: the system says so in one of these ways. */

static bool wants_ipv6;

static void
play_without_ipv6(void)
{
    struct tr_server_options options = {.keep = true};
    struct tr_listen_options listen = {.any_port = true, .ipv6_only = wants_ipv6};
    struct tr_address address = {0};
    tr_server *one;
    assert_int_equal(tr_server_spawn(director, &options, &one), TR_OK);
    fault_plan(row->call, 1, 1, row->error);
    assert_int_equal(tr_server_listen(one, &listen), TR_OK);
    assert_int_equal(fault_met(row->call), 1);
    fault_clear();
    assert_int_equal(tr_server_listening(one), !wants_ipv6);
    tr_server_address(one, &address);
    assert_string_equal(address.text, wants_ipv6 ? "" : "0.0.0.0");
    stage_end();
}

static void
without_ipv6_all_addresses_are_those_of_ipv4(void **state)
{
    static const struct row rows[] = {ROW(SOCKET, EAFNOSUPPORT, 1, "", ""), ROW(BIND, EADDRNOTAVAIL, 1, "", ""),
                                      ROW(SETSOCKOPT, EINVAL, 1, "", "")};
    (void)state;
    for (row = rows; row < rows + sizeof(rows) / sizeof(rows[0]); row++) {
        for (int round = 0; round < 2; round++) {
            wants_ipv6 = round == 1;
            set_up();
            stage_play(1, play_without_ipv6);
        }
    }
}

/* What a connection costs that only comes and goes: no more calls than it must. Nothing fails here. */

static const struct cost {
    const char *name;
    enum fault_call call;
    unsigned calls;
} costs[] = {
    {"read", FAULT_READ, 1},
    {"shutdown", FAULT_SHUTDOWN, 1},
    {"setsockopt", FAULT_SETSOCKOPT, 0},
    {"getsockopt", FAULT_GETSOCKOPT, 0},
    {"fcntl", FAULT_FCNTL, 0},
};

#define COSTS (sizeof(costs) / sizeof(costs[0]))

static void
play_brief_connection(void)
{
    stage_serve((struct tr_server_options){.socket = {.no_delay = true}});
    fault_spare_me(true);
    close(tests_peer_connect(stage_port));
    fault_spare_me(false);
    for (size_t i = 0; i < COSTS; i++)
        fault_plan(costs[i].call, ~0u, 1, 0);
    struct endpoint *one[] = {&accepted[0]};
    stage_end_when_closed(one, 1);
}

static void
a_connection_costs_no_more_calls_than_it_must(void **state)
{
    (void)state;
    set_up();
    memset(accepted, 0, sizeof(accepted));
    stage_play(1, play_brief_connection);
    assert_string_equal(accepted[0].log, "accepted end close");
    for (size_t i = 0; i < COSTS; i++)
        if (fault_seen(costs[i].call) != costs[i].calls)
            fail_msg("%s: %u calls", costs[i].name, fault_seen(costs[i].call));
    fault_clear();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_goes_on_after_what_passes_and_fails_with_what_does_not),
        cmocka_unit_test(a_lost_descriptor_fails_the_stream_before_its_bytes),
        cmocka_unit_test(writing_waits_for_what_passes_and_fails_with_what_does_not),
        cmocka_unit_test(what_the_system_has_no_room_for_is_written_after_a_while_and_not_at_once),
        cmocka_unit_test(descriptors_wait_while_too_many_are_on_their_way),
        cmocka_unit_test(a_file_goes_another_way_or_later_or_not_at_all),
        cmocka_unit_test(accepting_goes_on_or_pauses_with_a_word),
        cmocka_unit_test(a_connection_that_cannot_begin_is_told_and_counted),
        cmocka_unit_test(a_connection_that_was_lost_takes_no_place_of_its_address),
        cmocka_unit_test(a_server_that_waits_for_descriptors_can_be_closed_and_listen_again),
        cmocka_unit_test(a_block_list_for_which_there_is_no_memory_changes_nothing),
        cmocka_unit_test(a_descriptor_that_listens_no_more_closes_its_server),
        cmocka_unit_test(connecting_tells_what_failed),
        cmocka_unit_test(listening_fails_with_the_name_of_the_step_and_leaves_nothing),
        cmocka_unit_test(without_ipv6_all_addresses_are_those_of_ipv4),
        cmocka_unit_test(a_connection_costs_no_more_calls_than_it_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
