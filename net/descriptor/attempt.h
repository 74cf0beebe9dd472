/*
 * Attempts to connect: from a list of addresses to one connected descriptor, one after the other or raced over both
 * families (RFC 8305).
 *
 * It knows nothing of sockets as actors: a loop, its timers and a callback. All functions belong to the loop's thread.
 */
#ifndef TROUPE_NET_ATTEMPT_H
#define TROUPE_NET_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <troupe/core/status.h>
#include <troupe/core/timers.h>
#include <uv.h>

/*
 * Addresses are of IPv4, of IPv6, or a struct sockaddr_un, whose name may be abstract: it begins with a NUL then and
 * ends before the next. All are borrowed for the call.
 */
struct tri_attempts_options {
    const struct sockaddr_storage *peers; /* as the system sorted them */
    unsigned count;                       /* of peers, at least 1 */
    const struct sockaddr_storage *local; /* bound before each attempt; NULL: nothing is */
    /* Without local: bound before each attempt, on any address of the peer's family; 0: it is not. */
    uint16_t local_port;
    /* Until the next attempt begins if the last has not failed; 0: no race, it is waited for. */
    unsigned delay_ms;
};

struct tri_attempts_result {
    int fd;                              /* connected, non-blocking, close-on-exec; -1: none could be connected */
    int error;                           /* one of libuv's, 0 with a descriptor */
    bool in_bind;                        /* the error is one of bind(), not of connect() */
    const struct sockaddr_storage *peer; /* the one that is connected, or that the error is about */
};

typedef struct tri_attempts tri_attempts; /* opaque */

/* How it ended. The descriptor is the callee's; the result is borrowed for the call. */
typedef void tri_attempts_done(void *argument, const struct tri_attempts_result *result);

/*
 * Begins. done(argument, result) is called once, later, never within this call, unless tri_attempts_cancel() comes
 * first.
 *
 * The first peer is tried, and the next one when the last begun has failed or, in a race, delay_ms have passed; those
 * before go on. The first that is connected wins, the others are closed. If all fail, the error is that of the first:
 * Node gives an error for all of them the code of its first one, and that address is the one which the system thinks
 * best of.
 * With a local address only peers of its family are tried; if there is none, the answer is "bind" and UV_EINVAL. A TCP
 * connection with itself, which a port that nobody listens on can bring about, counts as UV_ECONNREFUSED.
 *
 * Owner:   *out is the caller's to cancel until done is called, then it is gone.
 * Returns: TR_OK; TR_ENOMEM, then nothing was tried and done is not called.
 */
tr_status tri_attempts_start(uv_loop_t *loop, struct tri_timers *timers, const struct tri_attempts_options *options,
                             tri_attempts_done *done, void *argument, tri_attempts **out);

/*
 * done is not called any more and all descriptors are closed when it returns; the memory goes when libuv has let go of
 * it, in the loop's next turn. NULL does nothing. It has to come before somebody else closes the loop's handles.
 */
void tri_attempts_cancel(tri_attempts *attempts);

/*
 * In which order peers are tried: families take turns, beginning with the first peer's; within a family the order
 * stays. Writes count indices. (RFC 8305, section 4, with a First Address Family Count of 1.)
 */
void tri_attempts_order(const struct sockaddr_storage *peers, unsigned count, unsigned *order);

#endif
