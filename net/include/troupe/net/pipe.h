/*
 * Pipes: what one socket receives is written to another one, on any worker.
 *
 *   - The pipe replaces the data event, and gives bytes whatever the encoding is.
 *   - Backpressure goes through it: while more than window_bytes of the first socket's wait to be written, the first is
 *     not read. Each read counts TR_WRITE_COST_BYTES more, so that the window bounds memory within a factor of 2, no
 *     matter how small the reads are.
 *   - The second's write_limit should be above the window: a write that it refuses destroys the second.
 *   - A socket may be piped to itself, which is an echo, and two sockets to each other, which is a proxy.
 *   - What the pipe does to a socket comes after what was sent to that socket before (remote.h), on one worker as on
 *     two.
 *
 * How it ends:
 *   - The first one's peer ends: the second is ended after all that came before.
 *   - The first is destroyed before that: the second is destroyed with TR_EPIPE, because what its peer got is not
 *     complete. A reset by the first one's peer is such an error, even if it comes together with the last bytes, which
 *     without a pipe is an end (options.report_resets).
 *   - The second fails: the first is destroyed with TR_EPIPE.
 *   - The second is closed without an error, or it fails after the first one's own side was ended: the first is ended,
 *     after what it still has to write, and what it still receives is dropped. So an answer is sent to its end even if
 *     nobody reads the questions any more.
 *   - There is no memory for a piece of it: both are destroyed, the first with TR_ENOMEM. If the second has no memory
 *     to take part: both are destroyed, the second with TR_ENOMEM; with keep_open only the first.
 *   - There is no second: the first is destroyed with TR_EPIPE. A ref that names an actor of another kind is a mistake
 *     that nobody notices.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 * workers start or after they have ended.
 */
#ifndef TROUPE_NET_PIPE_H
#define TROUPE_NET_PIPE_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

struct tr_socket;

#define TR_PIPE_WINDOW_BYTES 262144u

struct tr_pipe_options {
    uint32_t window_bytes; /* default TR_PIPE_WINDOW_BYTES */
    bool keep_open;        /* no end of the first, of any kind, ends the second */
};

/*
 * Begins: from here on everything that `from` receives goes to the socket named `to`. A pipe that `from` had before
 * ends without notice. A paused socket is resumed. options may be NULL.
 *
 * Memory:  the pipe is the first socket's. The options are copied.
 * Thread:  owner of from.
 * Returns: TR_OK
 *          TR_EINVAL      from is NULL
 *          TR_EBADREF     `to` is not the name of an actor of this runtime
 *          TR_EDESTROYED  from was destroyed
 *          TR_ENOMEM
 */
tr_status tr_socket_pipe(struct tr_socket *from, tr_ref to, const struct tr_pipe_options *options);

/*
 * Ends the pipe: data comes as an event again, and the end of this socket is not passed on. Without a pipe it does
 * nothing.
 * Thread:  owner of from.
 */
void tr_socket_unpipe(struct tr_socket *from);

TR_DECLARATIONS_END
#endif
