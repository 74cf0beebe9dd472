/*
 * Bytes between memory and a descriptor: one system call each, and again if a signal interrupts it.
 *
 * What reads gives the number of bytes, 0 at the end of the stream, or an error of the system's, negative: EAGAIN if
 * nothing is there yet. What writes gives the number of bytes that the kernel took, 0 if it has no room, or an error,
 * negative. What an error means for the connection says verdict.h.
 *
 * Thread: any.
 */
#ifndef TROUPE_NET_PLAIN_H
#define TROUPE_NET_PLAIN_H

#include "calls.h"
#include "verdict.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <troupe/core/compiler.h>

#define TRI_PASSED_MAX 253 /* descriptors in one message: more no system sends */

/* Descriptors that came with bytes: the caller's, who closes them. */
struct tri_passed {
    unsigned count;
    int fds[TRI_PASSED_MAX];
};

/* What a call that writes has returned. */
static inline ssize_t
tri_plain_taken(enum tri_operation operation, ssize_t size)
{
    if (TRI_LIKELY(size >= 0))
        return size;
    enum tri_verdict verdict = tri_verdict(operation, errno);
    return verdict == TRI_AGAIN || verdict == TRI_WAIT ? 0 : -errno;
}

static inline ssize_t
tri_plain_read(int fd, void *memory, size_t size)
{
    ssize_t got;
    do
        got = tri_call_read(fd, memory, size);
    while (TRI_UNLIKELY(got < 0) && tri_verdict(TRI_ON_READ, errno) == TRI_AGAIN);
    return TRI_LIKELY(got >= 0) ? got : -errno;
}

/* One record, whole, or EMSGSIZE: what did not fit is lost. */
ssize_t tri_plain_read_record(int fd, void *memory, size_t size);

/* As reading, but what is there stays there. Of sockets alone. */
ssize_t tri_plain_peek(int fd, void *memory, size_t size);

/* Reads so many bytes, which tri_plain_peek() has shown. false: the connection has failed meanwhile. */
bool tri_plain_take(int fd, void *memory, size_t size);

/* Reads some of what is there, for nobody. false: the stream has ended, or failed. */
bool tri_plain_drop(int fd);

/* Also the descriptors that come with the bytes. With an error there are none: those that came are closed. */
ssize_t tri_plain_receive(int fd, void *memory, size_t size, struct tri_passed *passed);

static inline ssize_t
tri_plain_write(int fd, const void *data, size_t size)
{
    return tri_plain_taken(TRI_ON_WRITE, tri_call_write(fd, data, size));
}

static inline ssize_t
tri_plain_gather(int fd, const struct iovec *parts, int count)
{
    return tri_plain_taken(TRI_ON_WRITE, writev(fd, parts, count));
}

/* The kernel may hold them until more follows, or tri_tune_push(). Only where tri_tune_can_hold(). */
ssize_t tri_plain_hold(int fd, struct iovec *parts, int count);

/* With a descriptor, which goes with the first of the bytes. At least one byte. */
ssize_t tri_plain_pass(int fd, const void *data, size_t size, int passed);

/* Bytes of a file, from that offset. EIO if it has become shorter. */
ssize_t tri_plain_send_file(int fd, int file, uint64_t offset, uint64_t most);

/* Reads bytes of a file, from that offset. EIO if there are none. */
ssize_t tri_plain_read_file(int file, void *memory, size_t size, uint64_t offset);

/* Our side has ended: FIN. If that fails the connection is gone, which reading tells. */
void tri_plain_end(int fd);

#endif
