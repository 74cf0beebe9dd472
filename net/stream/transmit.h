/*
 * From the queue to the kernel: transmit.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_TRANSMIT_H
#define TROUPE_NET_TRANSMIT_H

#include "queue.h"
#include "verdict.h"

/* The kernel has room, or the connection is there: sends what waits. */
void tri_writer_flush(tr_socket *socket);

/* What waited for the connection is sent now. Its first callback comes before `ready`, as in Node, and so does its
 * drain if it was alone. */
void tri_writer_begin(tr_socket *socket);

/* Did it take nothing because the system has run out of something? The answer is the same for all that is sent. */
static inline bool
tri_transmit_is_short(int error)
{
    return tri_verdict(TRI_ON_PASS, error) == TRI_SHORT;
}

/* What an error means that sending has answered. */
tr_status tri_transmit_status(const tr_socket *socket, int error);

/* Nothing of the first that was to be sent was taken, and why: it is tried again later, or all that waits fails, and
 * the socket with it. */
void tri_transmit_not_taken(tr_socket *socket, int error);

/* Is a file expected to follow what is written in this callback? Only where the kernel can hold bytes for it. */
bool tri_transmit_foresees_file(tr_socket *socket);

#endif
