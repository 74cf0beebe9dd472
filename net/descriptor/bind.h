/*
 * From an internet address to a listening descriptor.
 */
#ifndef TROUPE_NET_BIND_H
#define TROUPE_NET_BIND_H

#include <stdbool.h>
#include <sys/socket.h>
#include <troupe/net/address.h>

struct tri_bind_options {
    int backlog;
    bool ipv6_only;
    bool no_delay; /* the connections take it over from the descriptor, where the system works so */
};

/* A listening descriptor, non-blocking and closed on exec. error tells what failed. */
tr_status tri_bind_and_listen(const struct sockaddr_storage *address, const struct tri_bind_options *options, int *fd,
                              struct tr_error *error);

#endif
