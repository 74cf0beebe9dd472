/*
 * Socket files that a dead server left behind.
 */
#ifndef TROUPE_NET_UNIX_STALE_H
#define TROUPE_NET_UNIX_STALE_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Removes the socket file at a path if no process serves it. false: it is not removed, whatever lies there. */
bool tri_unix_stale_remove(const struct sockaddr_un *address, socklen_t size);

#endif
