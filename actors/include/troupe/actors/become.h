/*
 * Actors that are state machines: change the behavior, set messages aside for a later state, and notice that nothing
 * comes.
 *
 * A state is a behavior of its own: a constant struct with the receive function of that state, and with a name, which
 * traces and reports show. tr_become() goes from one to the next. What a state cannot use yet it stashes; the state
 * that can brings it back.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 * workers start or after they have ended.
 */
#ifndef TROUPE_ACTORS_BECOME_H
#define TROUPE_ACTORS_BECOME_H

#include <stddef.h>
#include <stdint.h>
#include <troupe/actors/actor.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

/*
 * From now on self has another behavior: the next message goes to its receive, and its stopping and stopped are those
 * that are called. Its init is not called: the state stays as it is.
 *
 * Memory:  the behavior must outlive the runtime.
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL        self or behavior is NULL
 *          TR_ENONAME       behavior->name is NULL or empty
 *          TR_EBADBEHAVIOR  behavior->receive is NULL
 *          TR_EBADSTATE     behavior->state_size is not that of the behavior before
 *          TR_EBADPOLICY    behavior->mailbox is not that of the behavior before
 *          TR_ENOTSUPPORTED self is a socket or a server
 */
tr_status tr_become(tr_actor *self, const struct tr_behavior *behavior);

#define TR_STASH_DEFAULT 1024u /* messages that an actor may have set aside */

/*
 * Sets the message that is being handled aside, until tr_unstash(). If it is a question it stays one, and its deadline
 * goes on; if it answers one tr_answers() says so again. What is set aside when the actor ends becomes dead letters;
 * but if a supervisor keeps its mailbox for the next life (keep_mailbox) it is in it, before all that waits.
 *
 * Memory:  on success the message moves; on failure it is still the caller's.
 * Thread:  owner of self, in receive, with the message that receive was given.
 * Returns: TR_OK
 *          TR_EINVAL  self or message is NULL
 *          TR_EFULL   as many are set aside as may be: TR_STASH_DEFAULT, or what tr_stash_limit() says
 *          TR_EGONE   self was killed
 *          TR_ENOMEM
 */
tr_status tr_stash(tr_actor *self, tr_message *message);

/*
 * Brings all that was set aside back, in the order in which it came, before everything that waits in the mailbox. It is
 * handled after the handler that runs has returned. No limit of the mailbox holds for it.
 * Thread:  owner of self.
 * Returns: how many messages those are; 0 for NULL.
 */
size_t tr_unstash(tr_actor *self);

/*
 * How many messages self may set aside. Those that are more by now stay.
 * Thread:  owner of self.
 * Returns: TR_OK
 *          TR_EINVAL     self is NULL
 *          TR_EBADLIMIT  messages is 0
 *          TR_EGONE      self was killed
 *          TR_ENOMEM
 */
tr_status tr_stash_limit(tr_actor *self, size_t messages);

/* The tag of the message that says that nothing has come: it has no payload. */
#define TR_TAG_RECEIVE_TIMEOUT (TR_TAG_RESERVED + 6u)

/*
 * From now on self gets a TR_TAG_RECEIVE_TIMEOUT whenever it has handled no message for timeout_ms, and none waits. It
 * is a message itself: if nothing else comes there is another one after the same time. 0 ends that, and none comes
 * afterwards, not even one that is in the mailbox.
 *
 * Thread:  owner of self.
 * Returns: TR_OK
 *          TR_EINVAL  self is NULL
 *          TR_EGONE   self was killed
 *          TR_ENOMEM  it is as it was before
 */
tr_status tr_receive_timeout(tr_actor *self, uint64_t timeout_ms);

TR_DECLARATIONS_END
#endif
