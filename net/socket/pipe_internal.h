/*
 * Pipes between sockets: pipe.c.
 *
 * Thread: the worker of the socket, unless another is said.
 */
#ifndef TROUPE_NET_PIPE_INTERNAL_H
#define TROUPE_NET_PIPE_INTERNAL_H

#include "socket_state.h"

/* What is received goes elsewhere: in place of the data event. */
void tri_pipe_data(tr_socket *socket, tr_slice data);

/* The peer has ended. */
void tri_pipe_end(tr_socket *socket);

/* Everything that waited to be written has gone to the kernel. */
void tri_pipe_drained(tr_socket *socket);

/* This socket is closed: the pipes from it and to it end. */
void tri_pipe_closed(tr_socket *socket);

/*
 * A pipe to `to` was ordered from afar, but its first socket cannot open it any more: FAILED, it was destroyed, so what
 * the second has is not the whole; OVER, its peer had ended before. The word's `done` is set. Thread: any.
 */
enum tri_pipe_never { TRI_PIPE_FAILED, TRI_PIPE_OVER };
void tri_pipe_never(struct tri_word *word, tr_ref to, enum tri_pipe_never why);

void tri_pipe_receive(tr_socket *socket, tr_message *message);

/* A message of this socket's found nobody. */
void tri_pipe_undelivered(tr_socket *socket, tr_ref to);

#endif
