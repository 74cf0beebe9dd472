/*
 * The table. What stands in no row is final: the connection fails, and accepting pauses, since a server outlives what
 * is wrong with its system.
 *
 * Reading: a lack of memory fails the connection, so that somebody hears of it.
 * Writing: ENOBUFS and ENOMEM pass, and nothing was taken; EINVAL is the kernel's word that this descriptor takes no
 *          such write (an eventfd takes 8 bytes), which is the caller's matter.
 * Passing: ETOOMANYREFS says that too many descriptors are on their way, which passes when somebody receives them.
 * Files:   EINVAL, ENOSYS and EOPNOTSUPP say that sendfile() cannot do it: the bytes go through memory.
 * Accepting: Linux gives errors that the new connection already has as errors of accept(); man 2 accept lists them.
 */
#include "verdict.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#define BIT(operation) (1u << (operation))
#define READS BIT(TRI_ON_READ)
#define WRITES BIT(TRI_ON_WRITE)
#define PASSES BIT(TRI_ON_PASS)
#define FILES BIT(TRI_ON_FILE)
#define ACCEPTS BIT(TRI_ON_ACCEPT)
#define CONNECTS BIT(TRI_ON_CONNECT)
#define SENDS (WRITES | PASSES | FILES)
#define ALL (READS | SENDS | ACCEPTS | CONNECTS)

struct row {
    int error;
    unsigned operations;
    enum tri_verdict verdict;
};

static const struct row rows[] = {
    {EINTR, ALL, TRI_AGAIN},
    {EAGAIN, ALL & ~CONNECTS, TRI_WAIT}, /* connect(): a unix server's backlog is full, which nothing waits for */
#if EWOULDBLOCK != EAGAIN
    {EWOULDBLOCK, ALL & ~CONNECTS, TRI_WAIT},
#endif
    {EINPROGRESS, CONNECTS, TRI_WAIT},
    {EALREADY, CONNECTS, TRI_WAIT},
    {EISCONN, CONNECTS, TRI_COMPLETE},

    {ENOBUFS, SENDS | ACCEPTS, TRI_SHORT},
    {ENOMEM, SENDS | ACCEPTS, TRI_SHORT},
    {ETOOMANYREFS, PASSES, TRI_SHORT},
    {EMFILE, ACCEPTS, TRI_SHORT},
    {ENFILE, ACCEPTS, TRI_SHORT},

    {EINVAL, WRITES | FILES, TRI_REFUSED},
    {ENOSYS, FILES, TRI_REFUSED},
    {EOPNOTSUPP, FILES | ACCEPTS, TRI_REFUSED},
    {ECONNABORTED, ACCEPTS, TRI_REFUSED},
    {EPROTO, ACCEPTS, TRI_REFUSED},
    {EPERM, ACCEPTS, TRI_REFUSED}, /* a firewall's */
    {ENETDOWN, ACCEPTS, TRI_REFUSED},
    {ENOPROTOOPT, ACCEPTS, TRI_REFUSED},
    {EHOSTDOWN, ACCEPTS, TRI_REFUSED},
    {EHOSTUNREACH, ACCEPTS, TRI_REFUSED},
    {ENETUNREACH, ACCEPTS, TRI_REFUSED},
    {ETIMEDOUT, ACCEPTS, TRI_REFUSED},
#ifdef ENONET
    {ENONET, ACCEPTS, TRI_REFUSED},
#endif

    {EINVAL, ACCEPTS, TRI_BROKEN}, /* it listens no more: another process has shut it down */
    {EBADF, ACCEPTS, TRI_BROKEN},
    {ENOTSOCK, ACCEPTS, TRI_BROKEN},
};

enum tri_verdict
tri_verdict(enum tri_operation operation, int error)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].error == error && (rows[i].operations & BIT(operation)) != 0)
            return rows[i].verdict;
    return operation == TRI_ON_ACCEPT ? TRI_SHORT : TRI_BROKEN;
}

/* Control data is cut when there is no descriptor left for one that came; there is room for all that can come. Of a
 * record that is larger than what was offered the rest is lost. */
int
tri_error_of_flags(int flags)
{
    if ((flags & MSG_TRUNC) != 0)
        return EMSGSIZE;
    return (flags & MSG_CTRUNC) != 0 ? EMFILE : 0;
}
