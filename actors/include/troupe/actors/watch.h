/*
 * Watching: to be told when another actor ends, and why.
 *
 *   a monitor   one way: the watcher gets one message when the other has ended
 *   a link      both ways: when one of the two fails, so does the other
 *
 * Both work for actors on any worker, and tell of every end: tr_exit(), tr_fail(), a stop, a kill, an init that failed,
 * the end of the runtime. What the other sent before its end comes before the notice. Nothing here waits or asks: a
 * worker that is busy for long is not dead.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 * workers start or after they have ended.
 */
#ifndef TROUPE_ACTORS_WATCH_H
#define TROUPE_ACTORS_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/actors/actor.h>
#include <troupe/core/declare.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

/* The tags of the notices: the payload is a struct tr_down. */
#define TR_TAG_DOWN (TR_TAG_RESERVED + 3u)      /* of a monitor */
#define TR_TAG_LINK_DOWN (TR_TAG_RESERVED + 4u) /* of a link, for an actor that asked for it: tr_link_trap() */

struct tr_down {
    tr_ref actor;       /* who has ended */
    tr_monitor monitor; /* which monitor told it; 0: a link */

    /* Why: TR_OK, by its own will or as it was asked to; what tr_fail() was given; what its init returned; TR_EKILLED;
     * TR_ESTOPPING, the runtime ends; TR_EGONE, it was not there when the watch began. */
    tr_status status;

    const char *text; /* what tr_fail() said, else "". Memory: the message's */
};

/*
 * Monitors an actor: self gets one TR_TAG_DOWN when the actor has ended, or at once if it is gone already. An actor may
 * monitor another several times; each monitor tells once. It ends with self.
 *
 * The notice is never refused, whatever limits self's mailbox has. If an init on another worker may fail, start the
 * monitor with the spawn (tr_spawn_options.monitor): a monitor that begins later may find nobody and hear TR_EGONE.
 *
 * Memory:  out may be NULL.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL   self is NULL
 *          TR_EBADREF  not the name of an actor of this runtime
 *          TR_ESELF    actor is self
 *          TR_EGONE    self was killed
 *          TR_ENOMEM
 *          TR_ESTOPPING  the actor lives on another worker and this one has ended: only in callbacks of libuv handles
 */
tr_status tr_monitor_start(tr_actor *self, tr_ref actor, tr_monitor *out);

/*
 * Stops a monitor. No notice of it comes afterwards, also none that was in the mailbox by then.
 * Thread:  owner of self.
 * Returns: TR_OK
 *          TR_EINVAL  self is NULL
 *          TR_EGONE   it was over already, or was never one of self's
 */
tr_status tr_monitor_stop(tr_actor *self, tr_monitor monitor);

/*
 * Links self with another actor. When one of the two ends with a reason other than TR_OK, the other fails with the same
 * reason (tr_fail()); unless it asked for messages instead. An end with TR_OK, or of the runtime (TR_ESTOPPING), only
 * ends the link. Actors that are linked in a circle all end, each once. A link with an actor that is gone acts at once:
 * self fails with TR_EGONE, or gets the message.
 *
 * An actor that fails by a link ends when the callback that it is in has returned; what waits in its mailbox becomes
 * dead letters.
 *
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK, TR_EINVAL, TR_EBADREF, TR_ESELF, TR_EGONE, TR_ENOMEM, TR_ESTOPPING: see tr_monitor_start().
 */
tr_status tr_link(tr_actor *self, tr_ref actor);

/*
 * Ends all links between self and an actor, whoever of the two began them. Afterwards the actor's end does not concern
 * self. What self's end means for the actor ends when the word has come there: if self ends later on, that is certain.
 * Without memory for the word TR_ENOMEM, and the links are as before.
 *
 * Thread:  owner of self.
 * Returns: TR_OK, also if there is no link
 *          TR_EINVAL  self is NULL
 *          TR_ENOMEM
 */
tr_status tr_unlink(tr_actor *self, tr_ref actor);

/*
 * From now on the end of a linked actor, for whatever reason, is a message, TR_TAG_LINK_DOWN, and self lives on; with
 * false, it is as at first.
 * Thread:  owner of self.
 * Returns: TR_OK
 *          TR_EINVAL  self is NULL
 *          TR_EGONE   self was killed
 *          TR_ENOMEM
 */
tr_status tr_link_trap(tr_actor *self, bool on);

TR_DECLARATIONS_END
#endif
