/*
 * What a descriptor itself says about its connection.
 */
#ifndef TROUPE_NET_DESCRIPTOR_H
#define TROUPE_NET_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <troupe/core/status.h>
#include <troupe/net/address.h>

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

/* kind.c. Of what is no socket all are false. */

bool tri_descriptor_is_unix(int fd);
bool tri_descriptor_is_tcp(int fd);

/* SOCK_SEQPACKET: what does not fit into a read is lost. */
bool tri_descriptor_keeps_records(int fd);

/* Is it a stream, or a sequence of records, with a peer? TR_OK; TR_EBADF; TR_EBADFD; TR_ENOTCONN. */
tr_status tri_descriptor_check_connected(int fd);

/* Is it a stream socket that is bound, and not to a peer? TR_OK; TR_EBADF; TR_EBADFD. */
tr_status tri_descriptor_check_bound(int fd);

/* The size of a file. TR_OK; TR_EBADF; TR_EBADFD: it is none, such as a pipe. */
tr_status tri_descriptor_file_size(int fd, uint64_t *out);

/* No program that this process starts has it. */
void tri_descriptor_close_on_exec(int fd);

/* names.c. The address of the other end, and of this one; all zero of what has none, as -1. */
void tri_descriptor_peer(int fd, struct tr_address *out);
void tri_descriptor_own(int fd, struct tr_address *out);

/* The same as the system has them. false: it has none, and *out is all zero. */
bool tri_descriptor_peer_name(int fd, struct sockaddr_storage *out);
bool tri_descriptor_own_name(int fd, struct sockaddr_storage *out);

#endif
