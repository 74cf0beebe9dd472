/*
 * Failing, and memory that goes with an actor.
 *
 * A C program has no exceptions: an actor that cannot go on says so, with a status and a text, and returns. It ends
 * then, what it owned is released, and the reason reaches all who watch it (watch.h): those who monitor it, those who
 * are linked with it, its supervisor. A crash of the process is not hidden: it ends the process.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 * workers start or after they have ended.
 */
#ifndef TROUPE_ACTORS_FAILURE_H
#define TROUPE_ACTORS_FAILURE_H

#include <stddef.h>
#include <troupe/actors/actor.h>
#include <troupe/core/declare.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

#define TR_FAILURE_TEXT_SIZE 256u /* bytes of a failure's text that are kept, with its NUL */

#if defined(__GNUC__)
#define TR_PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define TR_PRINTF_LIKE(text, first)
#endif

/*
 * Fails the calling actor: it ends as by tr_exit(), its stopped callback runs, and the status and the text are the
 * reason that those who watch it hear. Return from the callback afterwards. The first failure of an actor counts; a
 * later one, or one after tr_exit(), changes nothing. In init it is better to return the status.
 *
 * A status of TR_OK or above counts as TR_EUSER: a failure has a reason. Without memory for the text the status alone
 * is told; without memory for that, the actor seems to have ended by itself.
 *
 * Memory:  format may be NULL: there is no text. The text is copied, TR_FAILURE_TEXT_SIZE bytes at most.
 * Thread:  owner. With NULL it does nothing.
 */
void tr_fail(tr_actor *self, tr_status status, const char *format, ...) TR_PRINTF_LIKE(3, 4);

/*
 * Memory that goes with the actor: zeroed, aligned for any type, freed when the actor has ended, after its stopped
 * callback. It cannot be freed before: for what comes and goes use malloc().
 * Memory:  the actor's.
 * Units:   bytes, up to 1 GiB.
 * Thread:  owner.
 * Returns: the memory; NULL if self is NULL or was killed, if size is 0 or above 1 GiB, or without memory.
 */
void *tr_alloc(tr_actor *self, size_t size);

TR_DECLARATIONS_END
#endif
