/*
 * Names: an actor is known by a text, such as "db" or "room/42", to everybody in its runtime.
 *
 * A name is 1 to 127 bytes of text without a NUL, and one actor at a time has it; an actor may have several. It has
 * them until it releases them or ends, and they are gone before anybody can be told of its end. Looking a name up takes
 * no lock, so it can be done for each message; who wants to know at once when a name goes to an actor, or away, watches
 * it.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 * workers start or after they have ended.
 */
#ifndef TROUPE_ACTORS_NAMES_H
#define TROUPE_ACTORS_NAMES_H

#include <troupe/actors/actor.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

struct tr_runtime;

#define TR_NAME_SIZE 128u /* bytes that hold any name, and a NUL */

/*
 * From now on self has this name. If two register it at the same moment, exactly one gets it. If self has it already,
 * nothing happens. What an init registers is gone again if it fails.
 *
 * Memory:  name is copied.
 * Thread:  owner of self. Waits for nobody but others that register, release, watch or unwatch.
 * Returns: TR_OK
 *          TR_EINVAL     self or name is NULL
 *          TR_EBADNAME   the name is empty, or longer than 127 bytes
 *          TR_ENAMETAKEN another actor has it
 *          TR_EGONE      self is ending, or has agreed to
 *          TR_ENOMEM
 */
tr_status tr_name_register(tr_actor *self, const char *name);

/*
 * Self has this name no longer; another actor may register it at once.
 * Thread:  owner of self. Waits as tr_name_register().
 * Returns: TR_OK
 *          TR_EINVAL    self or name is NULL
 *          TR_EBADNAME  the name is empty, or longer than 127 bytes
 *          TR_ENOTNAMED self does not have it
 */
tr_status tr_name_release(tr_actor *self, const char *name);

/*
 * The actor that has this name. It may have ended, or released the name, when the call returns: what is sent to it then
 * becomes a dead letter, and never reaches another. A name that somebody had during the whole call is found.
 *
 * Thread:  owner of self. Takes no lock, and writes to no memory that others read.
 * Returns: the actor; TR_NOBODY if no actor has the name, if it is no name, or if an argument is NULL.
 */
tr_ref tr_whereis(const tr_actor *self, const char *name);

/* The same from outside. Thread: any. Returns: as tr_whereis(). */
tr_ref tr_runtime_whereis(const struct tr_runtime *runtime, const char *name);

/*
 * The name that self has had longest, for logs and reports; NULL if it has none, and for NULL.
 * Memory:  valid until self releases it or ends.
 * Thread:  owner of self.
 */
const char *tr_name_of(const tr_actor *self);

/* The tag of the messages to those that watch a name. */
#define TR_TAG_NAME (TR_TAG_RESERVED + 0x10u)

struct tr_name_change {
    tr_ref ref;              /* who has the name now; TR_NOBODY: nobody */
    char name[TR_NAME_SIZE]; /* with a NUL */
};

/*
 * Self watches a name: it gets a TR_TAG_NAME with a struct tr_name_change
 *
 *   - at once, if an actor has the name now;
 *   - each time that the name goes to an actor from now on, and each time that it goes away from one.
 *
 * So waiting for a name that is not there yet, and hearing of its end, are the same call. Every change is told, in the
 * order in which they happened, also to a full mailbox and without memory. What is told by the change comes before what
 * the actor that caused it sends to self afterwards. Watching a name again that self watches changes nothing. A watch
 * ends with self.
 *
 * Memory:  name is copied. The payload of a TR_TAG_NAME is the message's; who takes it out frees it with free().
 * Thread:  owner of self. Waits as tr_name_register().
 * Returns: TR_OK
 *          TR_EINVAL    self or name is NULL
 *          TR_EBADNAME  the name is empty, or longer than 127 bytes
 *          TR_EGONE     self is ending, or has agreed to
 *          TR_ENOMEM
 */
tr_status tr_name_watch(tr_actor *self, const char *name);

/*
 * Self watches this name no longer. It gets no TR_TAG_NAME of it any more, not even one that waits in its mailbox.
 * Thread:  owner of self. Waits as tr_name_register().
 * Returns: TR_OK
 *          TR_EINVAL      self or name is NULL
 *          TR_EBADNAME    the name is empty, or longer than 127 bytes
 *          TR_ENOTWATCHED self does not watch it
 */
tr_status tr_name_unwatch(tr_actor *self, const char *name);

TR_DECLARATIONS_END
#endif
