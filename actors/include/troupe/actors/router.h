/*
 * Routers: a pool of equal actors behind one handle, or one name. A router is a group (group.h) that was opened with a
 * policy: its members are the pool, and a message that is routed to it goes to one of them. A message for all is
 * published.
 *
 *   TR_GROUP_ROUND_ROBIN  one after the other. Each worker that sends goes its own round
 *   TR_GROUP_BY_KEY       always the same member for one key. When a pool of N gets one more, that takes about 1/(N+1)
 *   of
 *                         the keys, and no other key moves; the keys of one that leaves go to all others. A member that
 *                         comes after another has left takes its place, and with it its keys: so does the successor of
 *                         one that has failed
 *   TR_GROUP_SMALLEST     the member for which tr_backlog() is least, and of equals one after the other. Members that
 *   have
 *                         less waiting than tr_backlog() shows are equal: give the members' behavior a mailbox limit,
 *                         of messages, to make it show half of that
 *
 * Choosing is the sender's: a message goes to the member directly, without a hop, in the order of what the sender sends
 * to it otherwise. It costs no lock, but looks at each member of the pool, at all of them by key and up to the first
 * that is free otherwise: pools have a few or a few hundred members.
 *
 * The pool grows and shrinks while messages come: actors join and leave, as described in group.h. What was routed to a
 * member that has left it still gets; what was routed to one that has ended on another worker, unseen, is a dead
 * letter, as any message to it. On its own worker a sender sees that, and the message goes to another.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 * workers start or after they have ended.
 */
#ifndef TROUPE_ACTORS_ROUTER_H
#define TROUPE_ACTORS_ROUTER_H

#include <troupe/actors/group.h>
#include <troupe/core/declare.h>

TR_DECLARATIONS_BEGIN

/*
 * Sends a message to one member of the pool. The key is for TR_GROUP_BY_KEY alone: any number, such as a hash of a
 * name. Where members refuse with TR_EFULL, the next one gets it, but not by key.
 *
 * Memory:  on success the message moves and is empty then; on failure it is still the caller's.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK            it will be received or become a dead letter
 *          TR_EINVAL        self, router or message is NULL
 *          TR_ENOTSUPPORTED the group was opened without a policy
 *          TR_EGONE         nobody is a member
 *          TR_EFULL         that of the key is full, or all are: see tr_send()
 *          TR_EBADTAG, TR_EMEMORYLIMIT, TR_ESTOPPING, TR_ENOMEM: see tr_send()
 */
tr_status tr_route(tr_actor *self, tr_group *router, uint64_t key, tr_message *message);

/*
 * Chooses a member as tr_route() does, whose turn it was then: for a question, or to stay with one.
 * Thread:  owner of self.
 * Returns: its name; TR_NOBODY if nobody is a member, the group was opened without a policy, or self or router is NULL.
 */
tr_ref tr_route_choose(tr_actor *self, tr_group *router, uint64_t key);

/*
 * As tr_route(), from a thread that is no worker. It takes a lock. TR_GROUP_SMALLEST is one after the other here.
 *
 * Memory:  on success the message moves and is empty then; on failure it is still the caller's.
 * Thread:  any. Never blocks for longer than a lock is held.
 * Returns: TR_OK, TR_ENOTSUPPORTED, TR_EGONE: see tr_route()
 *          TR_EINVAL  runtime, router or message is NULL
 *          TR_EFULL   options.outside_limit, of the workers of all members, or by key of that of the key's
 *          TR_EBADTAG, TR_EMEMORYLIMIT, TR_ESTOPPING, TR_ENOMEM: see tr_runtime_send()
 */
tr_status tr_runtime_route(struct tr_runtime *runtime, tr_group *router, uint64_t key, tr_message *message);

TR_DECLARATIONS_END
#endif
