#include "writer_play.h"

#include "cast.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

void
set_buffer(int fd, int option, int size)
{
    assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size)), 0);
}

void
open_writer_as(int family, struct tr_socket_options options)
{
    int fds[2];
    stage_pair(family, fds);
    peer.fd = fds[1];
    stage_adopt_as(&client, fds[0], options);
}

void
open_writer(int family)
{
    open_writer_as(family, (struct tr_socket_options){0});
}

void
open_records(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    peer.fd = fds[1];
    stage_adopt(&client, fds[0]);
}

void
open_narrow_as(struct tr_socket_options options)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    set_buffer(fds[0], SO_SNDBUF, 1);
    peer.fd = fds[1];
    stage_adopt_as(&client, fds[0], options);
}

tr_status
write_named(tr_slice slice, const char *name)
{
    return tr_socket_write_then(client.socket, slice, note_written, (void *)(uintptr_t)name);
}

tr_slice
nothing(void)
{
    return tr_slice_constant(NULL, 0);
}

void
read_late(void *argument)
{
    (void)argument;
    stage_read(&peer);
}

static int listener = -1;

static void (*then)(void *argument);

void
accepts_raw(struct endpoint *self, const char *event)
{
    (void)self;
    if (!is(event, "ready"))
        return;
    peer.fd = tests_peer_accept(listener);
    close(listener);
    stage_settled(then, NULL);
}

void
connect_to_raw(struct tr_socket_options options, void (*what_follows)(void *argument))
{
    listener = tests_peer_listen(&stage_port);
    then = what_follows;
    client.hook = accepts_raw;
    stage_connect_as(&client, options, (struct tr_connect_options){0});
}
