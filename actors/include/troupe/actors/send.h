/*
 * Sending: now, later or periodically; blocking work for the thread pool; and messages that nobody receives.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 * workers start or after they have ended.
 */
#ifndef TROUPE_ACTORS_SEND_H
#define TROUPE_ACTORS_SEND_H

#include <troupe/actors/actor.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>

TR_DECLARATIONS_BEGIN

struct tr_runtime;

/*
 * Sends a message to an actor. Messages from one actor to another arrive in the order in which they were sent.
 *
 * Memory:  on success the message moves and is empty then; on failure it is still the caller's.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK         it will be received or become a dead letter
 *          TR_EINVAL     self or message is NULL
 *          TR_EBADREF    not the name of an actor of this runtime
 *          TR_EBADTAG    the tag is TR_TAG_RESERVED or above
 *          TR_EGONE      the actor lived on this worker and has stopped
 *          TR_EFULL      its mailbox on this worker is full, or options.lane_limit messages wait for its worker
 *          TR_EMEMORYLIMIT  options.memory_limit is reached, and the message would bring new memory: see there
 *          TR_ESTOPPING  it lives on another worker and this one has ended: only in callbacks of libuv handles
 *          TR_ENOMEM
 */
tr_status tr_send(tr_actor *self, tr_ref to, tr_message *message);

/*
 * Sends a copy of size bytes, as tr_send().
 * Memory:  data is the caller's; when it fails there is nothing to clean up.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK, TR_EINVAL, TR_EBADREF, TR_EBADTAG, TR_EGONE, TR_EFULL, TR_EMEMORYLIMIT, TR_ESTOPPING, TR_ENOMEM: see
 *          tr_send().
 */
static inline tr_status
tr_tell(tr_actor *self, tr_ref to, uint32_t tag, const void *data, size_t size)
{
    tr_message message = tr_message_copy(tag, data, size);
    tr_status status = tr_send(self, to, &message);
    if (status != TR_OK)
        tr_message_drop(&message);
    return status;
}

/*
 * Backpressure: does the receiver keep up? At 0 it does. Above 0, a sender that can slow down does so until it is 0
 * again. The number is a rough count of the messages that are on their way, and no more than that.
 *
 * It is above 0 as soon as one of these holds:
 *   - 4,096 messages wait in the mailbox of `to`, and then until no more than 2,048 do; or half of what its behavior's
 *     limits allow, if that is less; with TR_MAILBOX_MUTE then until a quarter does. This counts for each receiver,
 *     from all senders, also for one on this worker;
 *   - this worker has 1,024 messages on their way to the worker of `to`, or 32,768 / workers if that is less, but no
 *     less than 192.
 *
 * Senders that hold back while it is not 0, and check before each message or once for 64, lose no message: up to 64
 * workers have fewer than 65,536 messages waiting or on their way to one actor. (A mailbox whose limit is lower than
 * what may be on its way can still overflow.) Timers, offloaded functions and the library itself do not check.
 *
 * To wait, send a message to yourself or use tr_send_after(): while a handler asks in a loop, nothing moves.
 *
 * Thread:  owner of self.
 * Returns: how many messages, see above; 0 if self is NULL or `to` is not the name of an actor of this runtime.
 */
size_t tr_backlog(tr_actor *self, tr_ref to);

/* Names a delayed or periodic send of one actor. 0 is none. */
typedef uint64_t tr_timer;

/*
 * Sends a message once, not before delay_ms have passed. The timer belongs to self and ends with it. A message that is
 * refused when its time comes becomes a dead letter; if there is no memory for it then, or options.memory_limit is
 * reached, it is sent when there is.
 *
 * Memory:  on success the message moves. out may be NULL.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL   self or message is NULL
 *          TR_EBADREF  not the name of an actor of this runtime
 *          TR_EBADTAG  the tag is TR_TAG_RESERVED or above
 *          TR_EGONE    self was killed
 *          TR_EMEMORYLIMIT  options.memory_limit is reached, and the payload was made since, or 1,024 messages of
 *                           actors of this worker wait for their time
 *          TR_ENOMEM
 */
tr_status tr_send_after(tr_actor *self, tr_ref to, uint64_t delay_ms, tr_message *message, tr_timer *out);

/*
 * Sends a message every period_ms, first after one period, without drift: a late one does not delay the next. After a
 * stall of several periods one message is sent, and the rhythm continues. A slice is held once more for each. A
 * message with a pointer is refused, because it cannot be sent twice.
 *
 * Memory:  on success the message moves. out may be NULL.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL     self or message is NULL, or the payload is a pointer
 *          TR_EBADLIMIT  period_ms is 0
 *          TR_EBADREF, TR_EBADTAG, TR_EGONE, TR_EMEMORYLIMIT, TR_ENOMEM: see tr_send_after()
 */
tr_status tr_send_every(tr_actor *self, tr_ref to, uint64_t period_ms, tr_message *message, tr_timer *out);

/*
 * Cancels a timer. It sends nothing more, but a message that it has sent may still be in the mailbox.
 * Thread:  owner of self.
 * Returns: TR_OK
 *          TR_EINVAL  self is NULL
 *          TR_EGONE   it was over already, or was never one of self's
 */
tr_status tr_timer_cancel(tr_actor *self, tr_timer timer);

/* Why nobody received a message. */
enum tr_dead_reason {
    TR_DEAD_NO_ACTOR,     /* the receiver had stopped */
    TR_DEAD_MAILBOX_FULL, /* no room: its mailbox was full, or the way to its worker; refused, or newest dropped */
    TR_DEAD_DROPPED,      /* it had waited longest in a full mailbox */
    TR_DEAD_STOPPED,      /* it was in the mailbox when its actor ended */
    TR_DEAD_INIT_FAILED,  /* it waited for an actor whose init failed */
    TR_DEAD_LATE,         /* an answer to a question that has its outcome already */
    TR_DEAD_EXPIRED,      /* a question whose deadline had passed before it was handled */
    TR_DEAD_REPLACED,     /* a later message with the same tag took its place */
    TR_DEAD_BAD_MESSAGE,  /* its payload was not what its tag says */
    TR_DEAD_MEMORY,       /* the runtime held as much as its memory limit allows */
};

/* The tag of the notices of dead letters that a subscriber gets. */
#define TR_TAG_DEAD_LETTER (TR_TAG_RESERVED + 2u)

struct tr_dead_letter {
    tr_ref to;
    tr_ref from;
    uint32_t tag;
    uint32_t reason; /* enum tr_dead_reason */
};

/*
 * From now on the subscriber gets a notice, TR_TAG_DEAD_LETTER, for every dead letter of the runtime. The letter's
 * payload is not kept.
 *
 *   - There is one subscriber at a time. TR_NOBODY ends the subscription.
 *   - Dead letters that the subscriber's own mailbox causes are only counted.
 *   - Notices obey the limits of other messages, options.lane_limit and the subscriber's own mailbox. Those that find
 *     no room are lost, and counted in notices_lost.
 *
 * Thread:  any.
 * Returns: TR_OK
 *          TR_EINVAL   runtime is NULL
 *          TR_EBADREF  not the name of an actor of this runtime
 */
tr_status tr_dead_letters_subscribe(struct tr_runtime *runtime, tr_ref subscriber);

/*
 * Makes a dead letter, with the reason TR_DEAD_BAD_MESSAGE, of a message that self has received and cannot use: its
 * payload is not what its tag says, or nobody knows the tag. It was received already, so it counts as one more message,
 * which dies. If it is a question the asker hears so, unless he is answered (ask.h). The functions of typed.h call it.
 *
 * Memory:  takes the payload. Tag and sender can still be read.
 * Thread:  owner of self.
 * Returns: TR_OK
 *          TR_EINVAL   self or message is NULL, or it was rejected already
 *          TR_EBADTAG  the tag is TR_TAG_RESERVED or above: the message stays as it is
 */
tr_status tr_reject(tr_actor *self, tr_message *message);

/*
 * A blocking function for a thread of the pool, and what happens to its result. Of each job that was accepted exactly
 * one of these happens, on the actor's worker:
 *
 *   the message   work has run: a message with this tag brings the pointer that work returned, with destroy as its
 *                 destructor;
 *   destroy       work has run, but the actor has ended: destroy(result), unless the result is NULL;
 *   cancel        the runtime ended before work began: cancel(argument), to free what work would have freed. Without a
 *                 cancel function destroy(NULL) is called: there is no result.
 *
 * destroy and cancel may be NULL.
 */
struct tr_job {
    void *(*work)(void *argument); /* runs on a thread that is no worker */
    void *argument;
    uint32_t tag;
    void (*destroy)(void *result); /* gets NULL if work did not run and there is no cancel */
    void (*cancel)(void *argument);
};

/*
 * Runs a job on a thread of the pool. The runtime's end waits for a function that runs. It cancels those that have not
 * begun when no actor is left or the deadline has passed. A function may make calls that wait for the runtime, such as
 * tr_runtime_spawn(): they are answered, with TR_ESTOPPING at the latest.
 *
 * Memory:  job is copied; argument is the caller's, and work or cancel may free it.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL     self, job or job->work is NULL
 *          TR_EBADTAG    the tag is TR_TAG_RESERVED or above
 *          TR_EGONE      self was killed
 *          TR_ESTOPPING  the runtime's end is killing self
 *          TR_ENOMEM
 */
tr_status tr_offload_job(tr_actor *self, const struct tr_job *job);

/*
 * As tr_offload_job(), without a cancel function: for arguments that nobody has to free, or that the actor keeps.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK, TR_EINVAL, TR_EBADTAG, TR_EGONE, TR_ESTOPPING, TR_ENOMEM: see tr_offload_job().
 */
tr_status tr_offload(tr_actor *self, void *(*work)(void *argument), void *argument, uint32_t tag,
                     void (*destroy)(void *result));

TR_DECLARATIONS_END
#endif
