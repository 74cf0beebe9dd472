#include "open.h"

#include "idle.h"
#include "pace.h"
#include "tune.h"

void
tri_socket_apply_options(tr_socket *socket)
{
    if (tri_socket_wishes(socket, TRI_WISH_NO_DELAY) && !tri_socket_is_accepted(socket))
        tri_tune_no_delay(socket->fd, true);
    if (tri_socket_wishes(socket, TRI_WISH_KEEP_ALIVE))
        tri_tune_keep_alive(socket->fd, true, socket->extra != NULL ? socket->extra->keep_alive_delay_ms : 0);
}

tr_status
tri_socket_open(tr_socket *socket, int fd, unsigned sides)
{
    tr_status status = tri_net_claim(socket->home->net, fd);
    if (status != TR_OK)
        return status;
    int error = uv_poll_init(&socket->home->worker->loop, &socket->poll, fd);
    if (error != 0) {
        tri_net_disclaim(socket->home->net, fd);
        return error == UV_EPERM ? TR_EBADFD : tri_status_from_uv(error); /* a file cannot be polled */
    }
    socket->fd = fd;
    socket->holding = TRI_HOLDING_UNKNOWN;
    socket->flags |= TRI_SOCKET_HANDLE | TRI_SOCKET_CONNECTED;
    socket->begun = 1;
    socket->adopted = 0;
    socket->unreadable = (sides & TR_READABLE) == 0;
    socket->flags |= (sides & TR_WRITABLE) == 0 ? TRI_SOCKET_ENDING | TRI_SOCKET_ENDED : 0;
    tri_socket_count_live(socket);
    tri_socket_idle_moved(socket);
    tri_pace_begin(socket);
    return TR_OK;
}
