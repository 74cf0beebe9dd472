/*
 * Groups: any number of actors that can be told something with one call.
 *
 * A group is a set of actors on any workers. Who publishes a message sends one to each worker that has members, and
 * there each member gets it: the payload is not copied for them. Sockets can be members, too: what is published is
 * written to them. A membership ends with the actor.
 *
 * A group has a handle, which several may hold; it may be used on any worker, and by threads that are no workers. One
 * that has a name is found by it, so nobody need pass the handle around. It is over when nobody holds it and nobody is
 * a member.
 *
 * What a new member gets: all that is published after its joining has returned, by its own actor or by anybody who has
 * learned of it through messages. Of what others publish at the same time it gets, from each of them, everything from
 * some message on, and nothing before. Who has left gets nothing that comes to its worker afterwards; what is in its
 * mailbox by then it still gets.
 *
 * Order: what one actor publishes and what it sends arrive at a member in the order in which they were published and
 * sent.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 * workers start or after they have ended.
 */
#ifndef TROUPE_ACTORS_GROUP_H
#define TROUPE_ACTORS_GROUP_H

#include <stddef.h>
#include <stdint.h>
#include <troupe/actors/actor.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

typedef struct tr_group tr_group; /* opaque */
struct tr_runtime;

#define TR_GROUP_NAME_MOST 255u /* bytes of a group's name */

/* Whom of the members a message gets that is routed to the group: see router.h. */
enum tr_group_policy {
    TR_GROUP_NO_ROUTES,   /* nobody: it is published to all */
    TR_GROUP_ROUND_ROBIN, /* one after the other */
    TR_GROUP_BY_KEY,      /* always the same for one key */
    TR_GROUP_SMALLEST,    /* whoever has least to do */
};

struct tr_group_options {
    uint32_t members; /* at most; 0: no limit */
    enum tr_group_policy policy;
};

/*
 * Opens a group: the one of that name, which is made if there is none, or, without a name, a new one. Options are those
 * of whoever makes it.
 *
 * Memory:  name may be NULL, and is copied. options may be NULL. *out is held once for the caller.
 * Thread:  any. It takes a lock: open a group once, and keep the handle.
 * Returns: TR_OK
 *          TR_EINVAL    runtime or out is NULL, or no such policy
 *          TR_EBADNAME  the name is empty or has more than TR_GROUP_NAME_MOST bytes
 *          TR_ENOMEM
 */
tr_status tr_group_open(struct tr_runtime *runtime, const char *name, const struct tr_group_options *options,
                        tr_group **out);

/*
 * Each hold is released once, and before the runtime's stop returns; handles that nobody released by then end with it.
 * With NULL they do nothing. Thread: any.
 */
void tr_group_hold(tr_group *group);
void tr_group_release(tr_group *group);

/* How many members there are, exactly, those that are being added included; 0 for NULL. Thread: any. */
size_t tr_group_count(const tr_group *group);

/*
 * Makes self a member, until it leaves or ends. Whoever is a member already stays one.
 * Memory:  a member holds the group.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL         self or group is NULL
 *          TR_EFULL          the group has as many members as its options allow
 *          TR_EGONE          self was killed
 *          TR_ENOTSUPPORTED  the group is one of a server's connections
 *          TR_ENOMEM
 */
tr_status tr_group_join(tr_actor *self, tr_group *group);

/*
 * Ends the membership of self.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL  self or group is NULL
 *          TR_EGONE   self is not a member
 */
tr_status tr_group_leave(tr_actor *self, tr_group *group);

/*
 * Makes another actor a member, such as a socket, or ends its membership. It acts when it arrives, whatever waits for
 * the actor; so what self publishes afterwards reaches the new member. An actor that is gone does not become one.
 *
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK       also if the actor is gone, is a member already, or is none
 *          TR_EBADREF  not the name of an actor of this runtime
 *          TR_ESTOPPING  the actor lives on another worker and this one has ended: only in callbacks of libuv handles
 *          TR_EINVAL, TR_EFULL, TR_EGONE, TR_ENOTSUPPORTED, TR_ENOMEM: see tr_group_join()
 */
tr_status tr_group_add(tr_actor *self, tr_ref actor, tr_group *group);
tr_status tr_group_remove(tr_actor *self, tr_ref actor, tr_group *group);

/*
 * Publishes a message: each member gets it, self too if it is one. A slice is held, not copied. What the mailbox of a
 * member refuses is a dead letter, as with other messages.
 *
 *   - A socket that is a member writes the payload's bytes, whatever the tag. A write that is refused, for its
 *     write_limit or otherwise, destroys it with the error, as tr_remote_write(). If its side has ended already, the
 *     message is a dead letter.
 *   - The call files the message for all members of self's own worker before it returns: that takes some nanoseconds
 *     for each.
 *   - A call that fails has published nothing.
 *
 * Memory:  on success the message moves and is empty then; on failure it is still the caller's.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK         also if nobody is a member
 *          TR_EINVAL     self, group or message is NULL, or the payload is a pointer, which cannot be given to many
 *          TR_EBADTAG    the tag is TR_TAG_RESERVED or above
 *          TR_EFULL      options.lane_limit messages wait for a worker that has members
 *          TR_EMEMORYLIMIT  options.memory_limit is reached
 *          TR_EGONE      self was killed
 *          TR_ENOMEM
 *          TR_ESTOPPING  this worker has ended: only in callbacks of libuv handles
 */
tr_status tr_group_publish(tr_actor *self, tr_group *group, tr_message *message);

/*
 * The same, but self does not get it.
 * Memory:  on success the message moves and is empty then; on failure it is still the caller's.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK, TR_EINVAL, TR_EBADTAG, TR_EFULL, TR_EMEMORYLIMIT, TR_EGONE, TR_ENOMEM, TR_ESTOPPING: see
 *          tr_group_publish().
 */
tr_status tr_group_publish_to_others(tr_actor *self, tr_group *group, tr_message *message);

/*
 * Publishes from a thread that is no worker. Each member's message counts for options.outside_limit of its worker until
 * it is read.
 *
 * Memory:  on success the message moves and is empty then; on failure it is still the caller's.
 * Thread:  any. Never blocks.
 * Returns: TR_OK         also if nobody is a member
 *          TR_EFULL      options.outside_limit, of a worker that has members
 *          TR_ESTOPPING  the runtime is stopping
 *          TR_EINVAL, TR_EBADTAG, TR_EMEMORYLIMIT, TR_ENOMEM: see tr_group_publish()
 */
tr_status tr_runtime_publish(struct tr_runtime *runtime, tr_group *group, tr_message *message);

/*
 * The members on self's worker, in no particular order.
 * Memory:  members has room for `room` names, and may be NULL if that is 0.
 * Thread:  owner of self.
 * Returns: how many there are, which may be more than room; 0 if self or group is NULL.
 */
size_t tr_group_local(tr_actor *self, tr_group *group, tr_ref *members, size_t room);

/* The tag of the answer to tr_group_list(): the payload is a struct tr_group_members. */
#define TR_TAG_GROUP_MEMBERS (TR_TAG_RESERVED + 0x21u)

struct tr_group_members {
    uint64_t token;        /* the caller's */
    size_t count;          /* of members */
    const tr_ref *members; /* in no particular order. Memory: the message's */
};

/*
 * Asks for the members on all workers: self gets one TR_TAG_GROUP_MEMBERS, which no limit of mailboxes refuses. The
 * workers are asked one after the other, so the list is not of one moment.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL  self or group is NULL
 *          TR_EGONE   self was killed
 *          TR_ENOMEM
 */
tr_status tr_group_list(tr_actor *self, tr_group *group, uint64_t token);

/* The tag of the events of a group that is watched: the payload is a struct tr_group_event. */
#define TR_TAG_GROUP (TR_TAG_RESERVED + 0x20u)

enum tr_group_change { TR_GROUP_JOINED, TR_GROUP_LEFT };

/* Names one watch of one actor. 0 is none. */
typedef uint64_t tr_group_watch;

struct tr_group_event {
    tr_ref member;
    tr_group *group; /* valid while the watch lasts */
    uint32_t change; /* enum tr_group_change */
    uint32_t count;  /* of members, when it happened */
    tr_group_watch watch;
};

/*
 * Watches a group: from now on self gets a TR_TAG_GROUP when somebody has joined or left, itself included, also by its
 * end, and none of what was before. They are never refused. A member's events come in their order, by turns. Who asks
 * tr_group_list() afterwards misses nobody: a member is in the list, or its event comes, or both. It ends with self.
 *
 * Memory:  the watch holds the group.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL         self, group or out is NULL
 *          TR_EGONE          self was killed
 *          TR_ENOTSUPPORTED  the group is one of a server's connections
 *          TR_ENOMEM
 */
tr_status tr_group_watch_start(tr_actor *self, tr_group *group, tr_group_watch *out);

/*
 * Stops a watch. No event of it comes afterwards, also none that was in the mailbox by then.
 * Thread:  owner of self.
 * Returns: TR_OK
 *          TR_EINVAL  self is NULL
 *          TR_EGONE   it was over already, or was never one of self's
 */
tr_status tr_group_watch_stop(tr_actor *self, tr_group_watch watch);

TR_DECLARATIONS_END
#endif
