/*
 * Descriptors that listen: from an address to one, and from one to connections.
 *
 * Thread: any.
 */
#ifndef TROUPE_NET_BIND_H
#define TROUPE_NET_BIND_H

#include "unix_path.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <troupe/net/address.h>

/* Descriptors of one address among which the system deals: SO_REUSEPORT. */
enum tri_group {
    TRI_GROUP_NONE,
    TRI_GROUP_FOUND, /* it does not listen, and is no member: so the address must be free. Those that join may follow */
    TRI_GROUP_JOIN,
};

struct tri_bind_options {
    enum tri_group group;
    int backlog;
    bool ipv6_only;
    bool no_delay; /* the connections take it over from the descriptor, where the system works so */
};

/* A listening descriptor, non-blocking and closed on exec. error tells what failed. */
tr_status tri_bind_and_listen(const struct sockaddr_storage *address, const struct tri_bind_options *options, int *fd,
                              struct tr_error *error);

/* The same for a path, and what is to be removed with it: unix_path.h. */
tr_status tri_bind_path_and_listen(const struct sockaddr_un *address, socklen_t size,
                                   const struct tri_unix_options *how, int backlog, int *fd,
                                   struct tri_unix_path **path, struct tr_error *error);

/* Listens, or goes on to with another backlog. 0, or an errno. */
int tri_listen(int fd, int backlog);

/* A connection, non-blocking and closed on exec; or an error of the system's, negative. peer, if not NULL, is the other
 * end. */
int tri_accept(int fd, struct sockaddr_storage *peer);

#endif
