#include "sockets.h"

#include "queue.h"

#include <stdlib.h>

static void
close_sockets(struct tri_guest *guest)
{
    struct tri_sockets *sockets = TRI_CONTAINER_OF(guest, struct tri_sockets, guest);
    tri_slabs_fini(&sockets->slabs);
    tri_pool_fini(&sockets->writers);
    tri_pool_fini(&sockets->writes);
    free(sockets);
}

static struct tri_sockets *
open_sockets(struct tri_net *net, const struct tri_course *course)
{
    struct tri_sockets *sockets = calloc(1, sizeof(*sockets));
    if (sockets == NULL)
        return NULL;
    sockets->guest.close = close_sockets;
    sockets->course = course;
    sockets->net = net;
    sockets->worker = net->worker;
    sockets->files_foreseen = TRI_FILES_FORESEEN;
    tri_pool_init(&sockets->writers, sizeof(struct tri_writer));
    tri_pool_init(&sockets->writes, sizeof(struct tri_write));
    net->guests[TRI_GUEST_SOCKETS] = &sockets->guest;
    return sockets;
}

struct tri_sockets *
tri_sockets_of(struct tri_worker *worker, const struct tri_course *course)
{
    struct tri_net *net = tri_net_of(worker);
    if (net == NULL)
        return NULL;
    struct tri_guest *guest = net->guests[TRI_GUEST_SOCKETS];
    return TRI_LIKELY(guest != NULL) ? TRI_CONTAINER_OF(guest, struct tri_sockets, guest) : open_sockets(net, course);
}
