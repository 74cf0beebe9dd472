/*
 * Pipes: what one socket receives is written to another, on whatever worker that lives.
 *
 * The pipe takes the place of the data event, and gives bytes whatever the encoding. Back-pressure goes through it:
 * while more than window_bytes of the first socket's wait to be written, the first is not read. Each read counts
 * TR_WRITE_COST_BYTES more, so that the window bounds memory within a factor of 2, however small the reads.
 * A socket may be piped to itself, which is an echo (the documents' own example), and two sockets to each other, which
 * is a proxy.
 *
 * What it does to a socket comes after what was sent to that socket before (remote.h), on one worker as on two.
 *
 * How it ends:
 *   - the first one's peer ends: the second is ended after all that came before;
 *   - the first is destroyed before that: so is the second, with TR_EPIPE, since what its peer got is not the whole. A
 *     reset by the first one's peer is such an error, also where it comes together with the last bytes, which without a
 *     pipe is an end (options.report_resets);
 *   - the second is closed: if it failed the first is destroyed with TR_EPIPE. If not, or if the first one's own side
 *     was ended already, the first is ended, after what it still has to write, and what it still receives is dropped:
 *     so an answer is sent to its end though nobody reads the questions any more;
 *   - there is no memory for a piece of it: both are destroyed, the first with TR_ENOMEM; likewise the second, if it
 *     has none to take part (keep_open keeps it);
 *   - there is no second: the first is destroyed with TR_EPIPE. A ref that names an actor of another kind is a mistake
 *     that nobody notices.
 *
 * The second's write_limit should be above the window: what is refused for it destroys the second.
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
    bool keep_open;        /* the end of the first, whatever its kind, does not end the second */
};

/*
 * Begins: from here on everything goes to the socket named to. A pipe that `from` had before ends without a word.
 * options may be NULL. It resumes a paused socket.
 * Thread: owner of from. Returns: TR_OK; TR_EINVAL; TR_EBADREF; TR_EDESTROYED; TR_ENOMEM.
 * Document: c.pipe(c) in net.createServer's sample (v0.4 on).
 */
tr_status tr_socket_pipe(struct tr_socket *from, tr_ref to, const struct tr_pipe_options *options);

/* Ends the pipe: data comes as an event again, and the end of this socket is not handed on. Without a pipe it does
 * nothing.
 * Thread: owner. */
void tr_socket_unpipe(struct tr_socket *from);

TR_DECLARATIONS_END
#endif
