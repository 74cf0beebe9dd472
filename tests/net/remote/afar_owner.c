#include "afar_owner.h"

#include "hands.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <troupe/net/remote.h>

void
assert_receives(int peer, const char *text)
{
    char received[64] = {0};
    assert_int_equal(tests_peer_receive(peer, received, strlen(text)), strlen(text));
    assert_string_equal(received, text);
}

struct told_owner told_owner;

static const char *const event_names[TR_EVENTS] = {"connection", "lookup", "connect", "ready",   "data",
                                                   "fd",         "end",    "drain",   "timeout", "error",
                                                   "close",      "goaway", "secure"};

void
own(tr_actor *self, tr_message *message)
{
    enum tr_event event;
    if (!tr_event_of(message, &event))
        return;
    size_t used = strlen(told_owner.log);
    snprintf(told_owner.log + used, sizeof(told_owner.log) - used, "%s%s", used > 0 ? " " : "", event_names[event]);
    told_owner.socket = message->from;
    if (told_owner.answers)
        tr_remote_credit(self, message->from, 1);
    else
        told_owner.unanswered++;
    if (event == TR_EVENT_CLOSE)
        told_owner.closed = true;
}

bool
is_told_of_close(void *argument)
{
    (void)argument;
    return told_owner.closed;
}

void
send_messages(tr_actor *self, tr_ref to, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        tr_message message = tr_message_signal(SINK);
        assert_int_equal(tr_send(self, to, &message), TR_OK);
    }
}

struct side first_side, second_side;

void
do_nothing(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
}

void
close_first(bool ends)
{
    if (ends)
        shutdown(first_side.peer, SHUT_WR);
    else
        on_worker(first_side.worker, destroy_side, &first_side);
    await_closed(&first_side);
}
