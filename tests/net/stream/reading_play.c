#include "reading_play.h"

#include "cast.h"
#include "helpers.h"
#include "socket_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

int reader_peer = -1;

void
open_reader(struct tr_socket_options options)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    reader_peer = fds[1];
    stage_adopt_as(&client, fds[0], options);
    end_when_closed();
}

void
brackets(struct endpoint *self, const char *event)
{
    if (is(event, "close"))
        assert_int_equal(self->socket->home->held, 0);
    if (is(event, "data"))
        note(self, "[%.*s]", (int)self->last.size, self->last.data);
}

void
send_text(const void *text, size_t size)
{
    assert_true(tests_peer_send(reader_peer, text, size));
}

/* Acts of the peer and the user, one after the other. NULL ends the peer. */
static const char *const *pieces;
static void (*between)(unsigned i); /* before piece i is sent; may be NULL */
static unsigned next;

static void
send_next(void *argument)
{
    (void)argument;
    unsigned i = next++;
    if (between != NULL)
        between(i);
    if (pieces[i] == NULL) {
        close(reader_peer);
        return;
    }
    send_text(pieces[i], strlen(pieces[i]));
    stage_settled(send_next, NULL);
}

void
begin_sending(const char *const *texts, void (*act)(unsigned i))
{
    pieces = texts;
    between = act;
    next = 0;
    send_next(NULL);
}

void
resume_client(void *argument)
{
    (void)argument;
    note(&client, "resuming");
    tr_socket_resume(client.socket);
    note(&client, "resumed");
}

void
closes_peer(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "close"))
        close(reader_peer);
}

void
pause_client(void *argument)
{
    (void)argument;
    tr_socket_pause(client.socket);
}

void
crowd(tr_socket *socket, void *consumer, tr_status status)
{
    assert_int_equal(status, TR_OK);
    for (unsigned i = 0; i < 3; i++) {
        tr_message message = tr_message_signal(1);
        assert_int_equal(tr_send(tr_socket_actor(socket), *(const tr_ref *)consumer, &message), TR_OK);
    }
    assert_true(tri_socket_has_any(socket, TRI_SOCKET_PRESSED));
}

struct endpoint other;
int peer_of_other;
