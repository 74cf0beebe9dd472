/*
 * A server as a member of a listener: what it is told, by a call if the listener is of the same worker and no message
 * waits for the server, or else by a message. Both lead to the same functions.
 */
#include "membership.h"

#include "due.h"
#include "failures.h"
#include "server_actor.h"
#include "server_close.h"

/* A connection for the server's own worker, begun within the listener's loop. */
static void
arrived(void *state, const struct tri_arrival *arrival)
{
    tr_server *server = state;
    struct tri_worker *worker = server->net->worker;
    struct tri_actor_frame frame = tri_server_enter(server, TRI_TAG_ON_ACCEPT);
    tr_status status = tri_share_accept(server->share, server->actor, arrival);
    if (status != TR_OK) {
        tri_deal_failed(server->deal, worker, status);
        tri_deal_take_back(server->deal, worker, arrival);
    }
    tri_server_hear_failures(server);
    tri_server_leave(server, frame);
}

/* Also of a server that has let go of everything, and waits for the end of its callback. */
static void
take_member_back(tr_server *server, struct tri_member *member)
{
    tri_member_release(member);
    server->leaving--;
    if ((server->flags & TRI_SERVER_GONE) == 0)
        tri_server_check_drained(server);
}

static void
left(void *server, struct tri_member *member)
{
    take_member_back(server, member);
}

/* Not of a listener that it has left since. The user may do anything in the error event. */
static void
hear_failure(tr_server *server, tr_ref listener, const struct tri_listen_failure *failure)
{
    if (server->member == NULL || server->listener != listener)
        return;
    tri_server_complain(server, failure->status, failure->system);
    if (failure->for_good && server->member != NULL && server->listener == listener)
        tri_server_shut(server);
}

static void
failed(void *state, tr_ref listener, const struct tri_listen_failure *failure)
{
    tr_server *server = state;
    struct tri_actor_frame frame = tri_server_enter(server, TRI_TAG_ON_ACCEPT);
    hear_failure(server, listener, failure);
    tri_server_leave(server, frame);
}

const struct tri_server_calls tri_server_calls = {
    .behavior = &tri_server_behavior,
    .arrived = arrived,
    .left = left,
    .failed = failed,
};

void
tri_server_leave_listener(tr_server *server)
{
    struct tri_member *member = server->member;
    if (member == NULL)
        return;
    server->member = NULL;
    server->leaving++;
    tri_timer_stop(&server->net->worker->timers, &server->pause);
    tri_member_leave(member, server->net, server);
}

void
tri_server_hear_listener(tr_server *server, tr_message *message)
{
    switch (message->tag) {
    case TRI_TAG_DEAL_CONNECTION: tri_handover_take(message, server->share, server->actor); break;
    case TRI_TAG_LISTENER_LEFT: take_member_back(server, tr_message_take_pointer(message)); break;
    case TRI_TAG_LISTENER_FAILED: hear_failure(server, message->from, tr_message_data(message)); break;
    }
}
