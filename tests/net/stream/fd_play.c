#include "fd_play.h"

#include "cast.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct endpoint sender, receiver;
int pipe_ends[2];
unsigned told, told_ok;

int
fd_reset(void **state)
{
    (void)state;
    memset(&sender, 0, sizeof(sender));
    memset(&receiver, 0, sizeof(receiver));
    peer = (struct raw_peer){.fd = -1};
    told = told_ok = 0;
    return 0;
}

tr_status
write_fd(const char *bytes, int fd, const char *name)
{
    return tr_socket_write_fd(sender.socket, text_slice(bytes), fd, note_written, (void *)(uintptr_t)name);
}

void
open_sockets(struct tr_socket_options of_receiver)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    stage_adopt(&sender, fds[0]);
    stage_adopt_as(&receiver, fds[1], of_receiver);
}

void
open_raw(int family)
{
    int fds[2];
    stage_pair(family, fds);
    stage_adopt(&sender, fds[0]);
    peer.fd = fds[1];
}

void
end_when_receiver_is_closed(void)
{
    struct endpoint *both[] = {&sender, &receiver};
    stage_end_when_closed(both, 2);
}

void
end_when_sender_is_done(void)
{
    struct endpoint *one[] = {&sender};
    stage_end_when_done(one, 1, &peer);
}

void
count_told(tr_socket *socket, void *argument, tr_status status)
{
    (void)socket;
    (void)argument;
    told++;
    told_ok += status == TR_OK;
}

void
writes_into_what_it_gets(struct endpoint *self, const char *event)
{
    if (!is(event, "fd"))
        return;
    assert_int_equal(self->bytes, 0); /* before the bytes that it came with */
    assert_true((fcntl(self->fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(write(self->fd, "through", 7), 7);
}

char through[16];

void
reads_the_pipe(struct endpoint *self, const char *event)
{
    writes_into_what_it_gets(self, event);
    if (!is(event, "end"))
        return;
    assert_int_equal(read(pipe_ends[0], through, sizeof(through)), 7);
    assert_int_equal(read(pipe_ends[0], through + 8, 1), 0); /* nobody else holds the other end */
    close(pipe_ends[0]);
}

void
write_many(void)
{
    assert_int_equal(pipe(pipe_ends), 0);
    for (unsigned i = 0; i < MANY; i++)
        assert_true(tr_socket_write_fd(sender.socket, text_slice("x"), pipe_ends[1], count_told, NULL) >= TR_OK);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}
