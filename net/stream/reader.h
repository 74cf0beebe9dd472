/*
 * Reading: reader.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_READER_H
#define TROUPE_NET_READER_H

#include "pace.h"
#include "socket_state.h"

/* What was due, or what was read before, may have crowded the consumer since polling was asked for. */
static inline bool
tri_reader_is_to_read(const tr_socket *socket)
{
    return (socket->flags & (TRI_SOCKET_READING | TRI_SOCKET_PRESSED)) == TRI_SOCKET_READING;
}

/* Reads from now on, also if the user wants no data, as Node does, until so much waits. */
void tri_reader_begin(tr_socket *socket);

/* The same if the user wants data: first what waits is given. */
void tri_reader_start(tr_socket *socket);

/* Nobody wants data until tr_socket_resume(). Reading goes on until the queue of what waits is full. */
static inline void
tri_reader_pause(tr_socket *socket)
{
    socket->flags |= TRI_SOCKET_PAUSED;
    tri_pace_look(socket);
}

/* Somebody wants the data from now on. A socket that was paused because nobody did goes on. */
void tri_socket_heard(tr_socket *socket);

/* The kernel has something; failing: an error as well, such as a reset. */
void tri_reader_readable(tr_socket *socket, bool failing);

/* Reads what is there and drops it: closing with bytes unread would reset the connection, and what the peer has not
 * read yet would be lost. */
void tri_reader_discard(tr_socket *socket);

/* Gives what came and could not be given. */
void tri_reader_held(tr_socket *socket);

/* Reads on, of what has come and is inside the socket's layer. */
void tri_reader_inner(tr_socket *socket);

/* It is paused and holds all that it may, and the peer has disappeared. */
void tri_reader_peer_gone(tr_socket *socket);

/* The end: gives what was incomplete. */
void tri_reader_last(tr_socket *socket);

#endif
