/*
 * What a descriptor itself says about its connection.
 */
#ifndef TROUPE_NET_DESCRIPTOR_H
#define TROUPE_NET_DESCRIPTOR_H

#include <stdbool.h>

/* The error that waits in a socket, which is taken out; 0: none, or it is no socket. */
int tri_descriptor_error(int fd);

/* Is it over on both sides, be it by an error? What waits in the socket stays there. */
bool tri_descriptor_has_hung_up(int fd);

/*
 * Empties the error queue of a TCP socket: what is there (time stamps, notices of zero-copy) is no error of the
 * connection, but as long as it lies there polling says so. false: it is no socket.
 */
bool tri_descriptor_empty_error_queue(int fd);

/* Ends both directions of a connection for everybody who has the descriptor, as closing the last one would; but not of
 * a unix socket with bytes unread, which close() resets, unless it is shared. */
void tri_descriptor_end(int fd, bool shared);

/* Resets a TCP connection, likewise. */
void tri_descriptor_reset(int fd);

#endif
