/*
 * Pipes.
 *
 *   first socket --bytes--> second socket --> kernel
 *        ^                       |
 *        +---- bytes taken ------+
 *
 * On one worker the bytes are written by a call, in the read that brought them, so that the slab they lie in is free
 * again at once. But only while no message waits for the other socket (host.h, the rule of calls and messages): what
 * was sent to it before, an order to connect or bytes that another actor writes, comes first. Then, and between two
 * workers always, everything goes by messages: a slice there, and back how much has gone to the kernel. Either way the
 * first socket counts what it has sent and not heard of; from its window on it is not read. A piece counts with what it
 * takes to let it wait, so that a window of single bytes is no more memory than one of large reads. The second tells
 * when its queue is empty: one word for all that waited.
 *
 * Both know each other by their refs alone. The second keeps a list of the pipes that end in it, to tell them when it
 * is closed; a pipe into nowhere is noticed by the message that comes back. Messages keep their order, so the second
 * takes whatever comes from a ref as of the pipe that was opened last by it. The way back is not as simple: a number
 * says which of the first one's pipes an answer is about.
 *
 * Memory. Each side will have to tell the other how the pipe ends, and has the memory for that word from the beginning
 * on: it is its own part of the pipe. The second one's comes with the word that opens it.
 */
#include "pipe_internal.h"

#include "destroy.h"
#include "queue.h"
#include "reader.h"
#include "turn.h"

#include <stdlib.h>
#include <troupe/net/pipe.h>

/* At the second: one for each pipe that ends there. */
struct tri_pipe_end {
    struct tri_word word; /* first; to the first: it is opened, bytes are taken, it is closed */
    struct tri_pipe_end *next;
    tr_ref from;
    uint64_t number;
    uint64_t waiting; /* of that, what is in the queue */
    bool keep_open;
    bool says; /* the word is under way */
    bool over; /* it is in no list, and free when the word is said */
};

/* What a piece takes while it waits: in the messages between the two, or in the second one's queue. */
static uint64_t
cost_of(tr_slice data)
{
    return data.size + TR_WRITE_COST_BYTES;
}

/* To the other one: by a call if tri_socket_reach() allows it, else by a message. */

static tr_message
words(uint32_t tag, uint64_t first, uint64_t second)
{
    uint64_t both[2] = {first, second};
    return tr_message_copy(tag, both, sizeof(both));
}

static void
say(tr_socket *socket, struct tri_word *word, tr_ref to, tr_message message)
{
    tri_word_send(socket->home->worker, word, tr_self(socket->actor), to, message);
}

/* What the first does. */

static void
stop_reading(tr_socket *socket)
{
    tri_socket_clear(socket, TRI_SOCKET_READING);
    tri_pace_look(socket);
    if (tri_socket_is_open(socket))
        tri_socket_poll(socket);
}

/* It is the caller's now: to be freed, or said goodbye with. */
static struct tri_pipe *
take_pipe(tr_socket *socket)
{
    struct tri_pipe *pipe = socket->extra->pipe;
    socket->extra->pipe = NULL;
    tri_socket_update_special(socket);
    return pipe;
}

static void
on_taken(tr_socket *first, uint64_t number, uint64_t cost)
{
    struct tri_pipe *pipe = first->extra != NULL ? first->extra->pipe : NULL;
    if (pipe == NULL || pipe->number != number)
        return;
    pipe->waiting -= cost;
    if (!tri_pipe_is_full(pipe))
        tri_reader_start(first);
}

/* The second is closed, or is not there. Whatever the first still has to write, if its side was ended, goes out. */
static void
on_other_closed(tr_socket *first, uint64_t number, bool failed)
{
    struct tri_pipe *pipe = first->extra != NULL ? first->extra->pipe : NULL;
    if (pipe == NULL || pipe->number != number)
        return;
    free(take_pipe(first));
    if (tri_socket_is_read_out(first) || tri_socket_has_any(first, TRI_SOCKET_DESTROYED))
        return;
    if (failed && !tri_socket_has_any(first, TRI_SOCKET_ENDING)) {
        tri_socket_destroy(first, TR_EPIPE, 0, TRI_CALL_WRITE);
        return;
    }
    first->extra->drops = true;
    tri_socket_update_special(first);
    tr_socket_end(first);
    tri_reader_start(first);
}

/* What the second does. */

static struct tri_pipe_end *
find_end(tr_socket *second, tr_ref from)
{
    struct tri_pipe_end *end = second->extra != NULL ? second->extra->sources : NULL;
    while (end != NULL && end->from != from)
        end = end->next;
    return end;
}

/* It is the caller's now: to be let go, or said goodbye with. */
static void
take_end(tr_socket *second, struct tri_pipe_end *end)
{
    struct tri_pipe_end **link = &second->extra->sources;
    while (*link != end)
        link = &(*link)->next;
    *link = end->next;
}

static void
let_go(struct tri_pipe_end *end)
{
    end->over = true;
    if (!end->says)
        free(end);
}

static void
on_said(struct tri_word *word)
{
    struct tri_pipe_end *end = (struct tri_pipe_end *)word;
    end->says = false;
    if (end->over)
        free(end);
}

/* One word at a time: what is still under way becomes the new one. */
static void
say_to_first(tr_socket *second, struct tri_pipe_end *end, tr_message message)
{
    if (end->says) {
        end->word.message = message;
        return;
    }
    end->says = true;
    end->word.done = on_said;
    say(second, &end->word, end->from, message);
}

static void
tell_taken(tr_socket *second, struct tri_pipe_end *end, uint64_t cost)
{
    tr_socket *first = tri_socket_reach(second->home, end->from);
    if (first != NULL) {
        on_taken(first, end->number, cost);
        return;
    }
    cost += end->says ? end->word.message.payload.words[1] : 0;
    say_to_first(second, end, words(TRI_TAG_PIPE_TAKEN, end->number, cost));
}

/* Takes the end. */
static void
tell_closed(tr_socket *second, struct tri_pipe_end *end, bool failed)
{
    tr_socket *first = tri_socket_reach(second->home, end->from);
    uint64_t number = end->number;
    if (first != NULL) {
        let_go(end);
        on_other_closed(first, number, failed);
        return;
    }
    end->over = true;
    say_to_first(second, end, words(TRI_TAG_PIPE_CLOSED, number, failed));
}

/* Takes the end. */
static void
on_open(tr_socket *second, struct tri_pipe_end *end)
{
    bool gone = tri_socket_has_any(second, TRI_SOCKET_DESTROYED | TRI_SOCKET_GONE);
    struct tri_extra *extra = gone ? NULL : tri_socket_extra(second);
    if (extra == NULL) {
        bool waits = !gone && !end->keep_open;
        tell_closed(second, end, true);
        if (waits)
            tri_socket_destroy(second, TR_ENOMEM, 0, TRI_CALL_READ); /* as if the first had been destroyed */
        return;
    }
    struct tri_pipe_end *before = find_end(second, end->from);
    if (before != NULL) {
        take_end(second, before);
        let_go(before);
    }
    end->next = extra->sources;
    extra->sources = end;
}

/* Its peer has ended and our side with it: it takes no more, but what waits is still sent. */
static bool
ends_with_peer(const tr_socket *second)
{
    return tri_socket_has_any(second, TRI_SOCKET_ENDING) && tri_socket_has_any(second, TRI_SOCKET_PEER_ENDED) &&
           !tri_socket_has_any(second, TRI_SOCKET_DESTROYED) && !tri_socket_wishes(second, TRI_WISH_HALF_OPEN);
}

static void
on_data(tr_socket *second, tr_ref from, tr_slice data)
{
    struct tri_pipe_end *end = find_end(second, from);
    if (end == NULL)
        return;
    if (ends_with_peer(second)) {
        take_end(second, end);
        tell_closed(second, end, false);
        return;
    }
    tr_status status = tr_socket_write_slice(second, data);
    if (status < TR_OK) {
        /* Our side has ended, or bytes cannot be kept: what comes has no place to go. */
        tri_socket_destroy(second, status, 0, TRI_CALL_WRITE);
    } else if (tri_writer_is_empty(second)) {
        tell_taken(second, end, cost_of(data));
    } else {
        end->waiting += cost_of(data);
    }
}

void
tri_pipe_drained(tr_socket *second)
{
    for (struct tri_pipe_end *end = second->extra->sources; end != NULL; end = end->next) {
        uint64_t cost = end->waiting;
        end->waiting = 0;
        if (cost > 0)
            tell_taken(second, end, cost);
    }
}

static void
on_end(tr_socket *second, tr_ref from)
{
    struct tri_pipe_end *end = find_end(second, from);
    if (end == NULL)
        return;
    bool keep_open = end->keep_open;
    take_end(second, end);
    let_go(end);
    if (!keep_open)
        tr_socket_end(second);
}

static void
on_cut(tr_socket *second, tr_ref from, bool incomplete)
{
    struct tri_pipe_end *end = find_end(second, from);
    if (end == NULL)
        return;
    bool keep_open = end->keep_open;
    take_end(second, end);
    let_go(end);
    if (incomplete && !keep_open)
        tri_socket_destroy(second, TR_EPIPE, 0, TRI_CALL_READ);
}

/* From the first to the second. */

/* Takes the second one's end. */
static void
open_at(tr_socket *first, tr_ref to, struct tri_pipe_end *end)
{
    tr_socket *second = tri_socket_reach(first->home, to);
    if (second != NULL)
        on_open(second, end);
    else
        say(first, &end->word, to, tr_message_pointer(TRI_TAG_PIPE_OPEN, end, sizeof(*end), free));
}

/* Takes the pipe. */
static void
cut(tr_socket *first, struct tri_pipe *pipe, bool incomplete)
{
    tr_socket *second = tri_socket_reach(first->home, pipe->to);
    if (second == NULL) {
        say(first, &pipe->word, pipe->to, words(TRI_TAG_PIPE_CUT, incomplete, 0));
        return;
    }
    free(pipe);
    on_cut(second, tr_self(first->actor), incomplete);
}

/* Bytes could not be sent. */
static void
on_lost(tr_socket *first, uint64_t number, tr_status why)
{
    if (why != TR_ENOMEM) {
        on_other_closed(first, number, true);
        return;
    }
    cut(first, take_pipe(first), true);
    tri_socket_destroy(first, why, 0, TRI_CALL_WRITE);
}

void
tri_pipe_data(tr_socket *first, tr_slice data)
{
    struct tri_pipe *pipe = first->extra->pipe;
    tr_socket *second = tri_socket_reach(first->home, pipe->to);
    pipe->waiting += cost_of(data);
    if (second != NULL) {
        on_data(second, tr_self(first->actor), data); /* which may end the pipe */
    } else {
        tr_slice_hold(data);
        tr_message message = tr_message_slice(TRI_TAG_PIPE_DATA, data);
        tr_status status = tri_send_system(first->home->worker, first->actor, pipe->to, &message);
        if (status != TR_OK)
            on_lost(first, pipe->number, status);
    }
    pipe = first->extra->pipe;
    if (pipe != NULL && tri_pipe_is_full(pipe))
        stop_reading(first);
}

void
tri_pipe_end(tr_socket *first)
{
    struct tri_pipe *pipe = first->extra != NULL ? first->extra->pipe : NULL;
    if (pipe == NULL)
        return;
    take_pipe(first);
    tr_socket *second = tri_socket_reach(first->home, pipe->to);
    if (second == NULL) {
        say(first, &pipe->word, pipe->to, words(TRI_TAG_PIPE_END, 0, 0));
        return;
    }
    free(pipe);
    on_end(second, tr_self(first->actor));
}

/* Closing. */

static void
close_as_second(tr_socket *second)
{
    bool failed = tri_socket_has_any(second, TRI_SOCKET_FAILED);
    struct tri_pipe_end *end;
    while ((end = second->extra->sources) != NULL) {
        take_end(second, end);
        tell_closed(second, end, failed);
    }
}

void
tri_pipe_closed(tr_socket *socket)
{
    if (socket->extra == NULL)
        return;
    if (tri_socket_is_read_out(socket)) {
        tri_pipe_end(socket); /* all of it went through, though it was closed before the end was told */
    } else if (socket->extra->pipe != NULL) {
        cut(socket, take_pipe(socket), true);
    }
    close_as_second(socket);
    socket->extra->drops = false;
    tri_socket_update_special(socket);
}

/* A second one whose first is gone without a word does not wait for more. */
void
tri_pipe_undelivered(tr_socket *socket, tr_ref to)
{
    const struct tri_pipe *pipe = socket->extra != NULL ? socket->extra->pipe : NULL;
    if (pipe != NULL && pipe->to == to)
        on_other_closed(socket, pipe->number, true);
    on_cut(socket, to, true);
}

static void
on_never(tr_socket *second, enum tri_pipe_never why)
{
    if (why == TRI_PIPE_OVER)
        tr_socket_end(second);
    else
        tri_socket_destroy(second, TR_EPIPE, 0, TRI_CALL_READ);
}

void
tri_pipe_never(struct tri_word *word, tr_ref to, enum tri_pipe_never why)
{
    struct tri_worker *worker = tri_worker_current();
    if (worker != NULL)
        tri_word_send(worker, word, TR_NOBODY, to, words(TRI_TAG_PIPE_NEVER, why, 0));
    else
        word->done(word); /* the runtime has ended */
}

void
tri_pipe_receive(tr_socket *socket, tr_message *message)
{
    const uint64_t *said = message->payload.words;
    switch (message->tag) {
    case TRI_TAG_PIPE_OPEN: on_open(socket, tr_message_take_pointer(message)); break;
    case TRI_TAG_PIPE_DATA: on_data(socket, message->from, message->payload.slice); break;
    case TRI_TAG_PIPE_END: on_end(socket, message->from); break;
    case TRI_TAG_PIPE_CUT: on_cut(socket, message->from, said[0] != 0); break;
    case TRI_TAG_PIPE_TAKEN: on_taken(socket, said[0], said[1]); break;
    case TRI_TAG_PIPE_CLOSED: on_other_closed(socket, said[0], said[1] != 0); break;
    case TRI_TAG_PIPE_NEVER: on_never(socket, (enum tri_pipe_never)said[0]); break;
    default: tri_actor_bounce(socket->actor, message); break; /* meant for something that is no socket */
    }
}

/* The public functions. */

/* The beginning of a character that the decoder still has was told to nobody: it is the first that goes through the
 * pipe. */
static tr_status
take_undecoded(tr_socket *first, tr_slice *out)
{
    struct tr_decoder *decoder = &first->extra->decoder;
    tr_status status = tr_slice_copy(decoder->bytes, decoder->held, out);
    if (status == TR_OK)
        decoder->held = 0;
    return status;
}

tr_status
tr_socket_pipe(tr_socket *from, tr_ref to, const struct tr_pipe_options *options)
{
    TRI_CHECK_SOCKET(from);
    if (from == NULL)
        return TR_EINVAL;
    if (to == TR_NOBODY || tr_ref_worker(to) >= tr_runtime_workers(tr_actor_runtime(from->actor)))
        return TR_EBADREF;
    if (tri_socket_has_any(from, TRI_SOCKET_DESTROYED))
        return TR_EDESTROYED;
    tr_slice undecoded;
    struct tri_pipe *pipe = tri_socket_extra(from) != NULL ? malloc(sizeof(*pipe)) : NULL;
    struct tri_pipe_end *end = pipe != NULL ? malloc(sizeof(*end)) : NULL;
    if (end == NULL || take_undecoded(from, &undecoded) != TR_OK) {
        free(end);
        free(pipe);
        return TR_ENOMEM;
    }
    uint32_t window = options != NULL && options->window_bytes != 0 ? options->window_bytes : TR_PIPE_WINDOW_BYTES;
    *pipe = (struct tri_pipe){
        .word = {.done = tri_word_free},
        .to = to,
        .number = ++from->home->pipes,
        .window = window,
        .keep_open = options != NULL && options->keep_open,
    };
    *end = (struct tri_pipe_end){.from = tr_self(from->actor), .number = pipe->number, .keep_open = pipe->keep_open};
    tr_socket_unpipe(from);
    from->extra->pipe = pipe;
    from->extra->drops = false;
    tri_socket_update_special(from);
    open_at(from, to, end);
    if (undecoded.size > 0 && from->extra->pipe != NULL)
        tri_pipe_data(from, undecoded);
    tr_slice_release(undecoded);
    tr_socket_resume(from);
    if (tri_socket_is_read_out(from))
        tri_socket_due(from, TRI_STEP(AFTER_END)); /* the end was told already: it goes on to the second alone */
    return TR_OK;
}

void
tr_socket_unpipe(tr_socket *from)
{
    TRI_CHECK_SOCKET(from);
    if (from == NULL || from->extra == NULL || from->extra->pipe == NULL)
        return;
    cut(from, take_pipe(from), false);
    tri_reader_start(from);
}
