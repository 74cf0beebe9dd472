#include "cast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct endpoint client;
struct raw_peer peer;

int
cast_reset(void **state)
{
    (void)state;
    memset(&client, 0, sizeof(client));
    memset(accepted, 0, sizeof(accepted));
    peer = (struct raw_peer){.fd = -1};
    return 0;
}

void
cast_open_as(struct endpoint *endpoint, int family, int *fd, struct tr_socket_options options)
{
    int fds[2];
    stage_pair(family, fds);
    *fd = fds[1];
    stage_adopt_as(endpoint, fds[0], options);
}

void
cast_open(struct tr_socket_options options)
{
    cast_open_as(&client, AF_UNIX, &peer.fd, options);
}

void
cast_end(void *argument)
{
    (void)argument;
    if (client.socket != NULL)
        tr_socket_destroy(client.socket, TR_OK);
    if (peer.fd >= 0)
        close(peer.fd);
    end_when_closed();
}

tr_slice
slice_of(const char *text)
{
    return tr_slice_constant(text, strlen(text));
}

void
end_when_closed(void)
{
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

void
end_when_done(void)
{
    struct endpoint *one[] = {&client};
    stage_end_when_done(one, 1, &peer);
}

void
end_and_read(void)
{
    assert_int_equal(tr_socket_end(client.socket), TR_OK);
    stage_read(&peer);
    end_when_done();
}

void
destroy_client(void *argument)
{
    (void)argument;
    tr_socket_destroy(client.socket, TR_OK);
}

void
ends_on_drain(struct endpoint *self, const char *event)
{
    if (is(event, "drain"))
        tr_socket_end(self->socket);
}

void
gives_up(struct endpoint *self, const char *event)
{
    if (is(event, "timeout"))
        tr_socket_destroy(self->socket, TR_ETIMEDOUT);
}
