/*
 * Writing again, when the system had no memory for what waits, or too many descriptors were on their way.
 *
 * The descriptor is writable all the time, so polling would call again at once, for as long as the lack lasts. Nothing
 * is polled for room meanwhile.
 */
#include "retry.h"

#include "turn.h"

#define RETRY_MS 50u

static void
on_retry(struct tri_timer *timer)
{
    const struct tri_extra *extra = TRI_CONTAINER_OF(timer, struct tri_extra, retry);
    tri_transmit_want_room(extra->socket, true);
}

bool
tri_retry_start(tr_socket *socket)
{
    struct tri_extra *extra = tri_socket_extra(socket);
    if (extra == NULL)
        return false;
    tri_retry_end(socket);
    extra->retry.fire = on_retry;
    if (tri_timer_start(&socket->home->worker->timers, &extra->retry, RETRY_MS) != TR_OK)
        return false;
    tri_transmit_want_room(socket, false);
    return true;
}

void
tri_retry_end(tr_socket *socket)
{
    if (tri_retry_is_due(socket))
        tri_timer_stop(&socket->home->worker->timers, &socket->extra->retry);
}
