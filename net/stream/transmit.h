/*
 * From the queue to the kernel: transmit.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_TRANSMIT_H
#define TROUPE_NET_TRANSMIT_H

#include "queue.h"
#include "verdict.h"

#include <errno.h>
#include <sys/types.h>
#include <sys/uio.h>

/* The kernel has room, or the connection is there: sends what waits. */
void tri_writer_flush(tr_socket *socket);

/* What waited for the connection is sent now. Its first callback comes before `ready`, as in Node, and so does its
 * drain if it was alone. */
void tri_writer_begin(tr_socket *socket);

/* What a call that writes has returned: how much the kernel took, 0 if it had no room, or an error, negative. */
static inline ssize_t
tri_transmit_result(enum tri_operation operation, ssize_t size)
{
    if (TRI_LIKELY(size >= 0))
        return size;
    enum tri_verdict verdict = tri_verdict(operation, errno);
    return verdict == TRI_AGAIN || verdict == TRI_WAIT ? 0 : -errno;
}

/* Did it take nothing because the system has run out of something? The answer is the same for all that is sent. */
static inline bool
tri_transmit_is_short(int error)
{
    return tri_verdict(TRI_ON_PASS, error) == TRI_SHORT;
}

/* Can the kernel hold this socket's bytes back? Is a file expected to follow what is written in this callback? */
bool tri_transmit_can_hold(tr_socket *socket);
bool tri_transmit_foresees_file(tr_socket *socket);

/*
 * Sends bytes that the kernel may hold until more follows: only on a socket that can hold. They are pushed if nothing
 * does. Gives what the system call does.
 */
ssize_t tri_transmit_held(tr_socket *socket, struct iovec *parts, int count);

#endif
