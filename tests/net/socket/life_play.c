#include "life_play.h"

#include "cast.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

int raw_listener = -1;
tr_socket *kept_socket;

int
listen_raw(void **state)
{
    raw_listener = tests_peer_listen(&stage_port);
    assert_true(raw_listener >= 0);
    return cast_reset(state);
}

int
stop_listening(void **state)
{
    (void)state;
    close(raw_listener);
    raw_listener = -1;
    return 0;
}

void
spawn_client(struct tr_socket_options options)
{
    options.events = &endpoint_events;
    options.data = &client;
    assert_int_equal(tr_socket_spawn(director, &options, &client.socket), TR_OK);
    kept_socket = client.socket;
}

tr_status
connect_client(void)
{
    struct tr_connect_options options = {.host = "127.0.0.1", .port = stage_port};
    return tr_socket_connect(kept_socket, &options);
}

const char *
state_of(const tr_socket *socket)
{
    return tr_ready_state_name(tr_socket_ready_state(socket));
}

void
ends_when_ready(struct endpoint *self, const char *event)
{
    if (is(event, "ready") || is(event, "accepted"))
        tr_socket_end(self->socket);
}

tr_ref stopped_ref;

void
look_whether_gone(void *argument)
{
    (void)argument;
    tr_message message = tr_message_signal(7);
    tr_status status = tr_send(director, stopped_ref, &message);
    tr_message_drop(&message);
    if (status == TR_EGONE && (peer.fd < 0 || peer.ended))
        stage_end();
    else
        stage_after(2, look_whether_gone, NULL);
}
