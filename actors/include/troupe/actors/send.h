/*
 * Sending: now, later, again and again, and what becomes of messages that nobody receives.
 */
#ifndef TROUPE_ACTORS_SEND_H
#define TROUPE_ACTORS_SEND_H

#include <troupe/actors/actor.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>

TR_DECLARATIONS_BEGIN

struct tr_runtime;

/*
 * Sends a message to an actor.
 *
 * Owner:   the message moves on success and is empty then; on failure it is still the caller's.
 * Order:   messages from one actor to another arrive as they were sent.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK, it will be received or become a dead letter; TR_ESTOPPING, it is for another worker and this one has
 *          come to its end, which only callbacks of libuv handles live to see; TR_EGONE, the actor lived on this worker
 *          and has stopped; TR_EFULL, its mailbox (on this worker) is full, or options.lane_limit messages wait for its
 *          worker; TR_EINVAL; TR_EBADREF; TR_EBADTAG; TR_ENOMEM.
 */
tr_status tr_send(tr_actor *self, tr_ref to, tr_message *message);

/* Sends a copy of size bytes; when it fails nothing is left to the caller. Otherwise as tr_send(). */
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
 * Does the receiver keep up? 0: go on. Above 0: a sender that can slow down does so until it is 0 again; the number
 * says roughly how many messages are on their way, and no more than that.
 *
 * It is above 0 as soon as one of these holds:
 *   - 4,096 messages wait in the mailbox of `to`, and until no more than 2,048 do; or half of what its behavior's
 *     limits allow, if that is less. Whoever sent them: this counts for each receiver, also one on the own worker;
 *   - this worker has 1,024 messages under way to the worker of `to`, or 32,768 / workers if that is less, but no less
 *     than 192.
 * So senders that hold back while it is not 0, and look before each message or once for 64, lose none: up to 64 workers
 * have fewer than 65,536 messages waiting or under way to one actor. (A mailbox that is limited to less than what may
 * be under way can still overflow.) Timers, offloaded functions and the library itself do not ask.
 *
 * Wait by a message to yourself or by tr_send_after(); in a handler that goes on asking nothing moves.
 * Thread: owner of self.
 */
size_t tr_backlog(tr_actor *self, tr_ref to);

/* Names a delayed or periodic send of one actor. 0 names none. */
typedef uint64_t tr_timer;

/*
 * Sends a message once, delay_ms from now at the earliest. The timer belongs to self and ends with it.
 *
 * Owner:   the message moves on success. out may be NULL.
 * Thread:  owner. Resolution: milliseconds.
 * Returns: TR_OK; TR_EINVAL; TR_EBADREF; TR_EBADTAG; TR_EGONE (self was killed); TR_ENOMEM. A message that is refused
 *          when its time comes becomes a dead letter; one for which there is no memory then is sent when there is.
 */
tr_status tr_send_after(tr_actor *self, tr_ref to, uint64_t delay_ms, tr_message *message, tr_timer *out);

/*
 * Sends a message every period_ms, first after one period, without drift: a late one does not delay the next. After a
 * stall of several periods one message is sent, and the rhythm goes on. A slice is held anew for each; a message with a
 * pointer cannot be sent twice and is refused.
 *
 * Returns: as tr_send_after(); TR_EINVAL also for a pointer; TR_EBADLIMIT for a period of 0.
 */
tr_status tr_send_every(tr_actor *self, tr_ref to, uint64_t period_ms, tr_message *message, tr_timer *out);

/*
 * Cancels; afterwards the timer sends nothing more, though a message it has sent may be in the mailbox.
 * Thread: owner. Returns: TR_OK; TR_EGONE if it was over already or was never one of self's.
 */
tr_status tr_timer_cancel(tr_actor *self, tr_timer timer);

/* Why nobody received a message. */
enum tr_dead_reason {
    TR_DEAD_NO_ACTOR,     /* the receiver had stopped */
    TR_DEAD_MAILBOX_FULL, /* its mailbox was full: refused or newest dropped */
    TR_DEAD_DROPPED,      /* it waited longest in a full mailbox */
    TR_DEAD_STOPPED,      /* it was in the mailbox when its actor ended */
    TR_DEAD_INIT_FAILED,  /* it waited for an actor whose init failed */
};

/* The tag of dead letters as a subscriber gets them. */
#define TR_TAG_DEAD_LETTER (TR_TAG_RESERVED + 2u)

struct tr_dead_letter {
    tr_ref to;
    tr_ref from;
    uint32_t tag;
    uint32_t reason; /* enum tr_dead_reason */
};

/*
 * From now on self gets a TR_TAG_DEAD_LETTER for every dead letter of the runtime; the letter's payload is not kept.
 * TR_NOBODY in place of a subscriber ends it. There is one subscriber at a time. Dead letters that the subscriber's own
 * mailbox causes are counted only. These notices are under the same limits as other messages, options.lane_limit and
 * the subscriber's own mailbox: those that find no room are lost, and counted in notices_lost.
 * Thread: any. Returns: TR_OK; TR_EINVAL; TR_EBADREF.
 */
tr_status tr_dead_letters_subscribe(struct tr_runtime *runtime, tr_ref subscriber);

/*
 * A blocking function for a thread of the pool, and what becomes of it. Of each job that was accepted exactly one
 * comes:
 *
 *   the message   work has run: a message with this tag that carries the pointer which work returned, with destroy as
 *                 its destructor;
 *   destroy       work has run, but the actor has ended: destroy(result), unless the result is NULL;
 *   cancel        the runtime ended before work began: cancel(argument), for what work would have freed. Without a
 *                 cancel function destroy(NULL) is called: there is no result.
 *
 * Both functions may be NULL; they are called on the actor's worker.
 */
struct tr_job {
    void *(*work)(void *argument); /* runs on a thread that is no worker */
    void *argument;
    uint32_t tag;
    void (*destroy)(void *result); /* takes NULL, if there is no cancel */
    void (*cancel)(void *argument);
};

/*
 * Runs a job on a thread of the pool. The runtime's end waits for a function that runs, and cancels those that have not
 * begun when nothing lives any more or the deadline has passed. A function that makes a call which waits for the
 * runtime, such as tr_runtime_spawn(), gets an answer from it, TR_ESTOPPING at the latest.
 *
 * Owner:   job is copied; argument is the caller's; work or cancel may free it.
 * Thread:  owner.
 * Returns: TR_OK; TR_EINVAL; TR_EBADTAG; TR_EGONE (self was killed); TR_ESTOPPING (self is being killed by the
 *          runtime's end); TR_ENOMEM.
 */
tr_status tr_offload_job(tr_actor *self, const struct tr_job *job);

/* The same without a cancel function: for arguments that nobody has to free, or that the actor keeps. */
tr_status tr_offload(tr_actor *self, void *(*work)(void *argument), void *argument, uint32_t tag,
                     void (*destroy)(void *result));

TR_DECLARATIONS_END
#endif
