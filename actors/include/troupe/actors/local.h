/*
 * What a worker has once: a state that all actors of a worker share, such as a cache, a pool of connections or a table
 * of counters. Only that worker touches it, so it needs no lock, and an actor finds it without a message.
 *
 * A kind of state is opened on a worker when an actor there first asks for it, and closed when the runtime has ended
 * all actors. It is not there on workers where nobody asks.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 * workers start or after they have ended.
 */
#ifndef TROUPE_ACTORS_LOCAL_H
#define TROUPE_ACTORS_LOCAL_H

#include <stddef.h>
#include <troupe/actors/actor.h>
#include <troupe/core/declare.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

/*
 * A kind of state. Usually a static constant; its address is what names it.
 * Memory: it must outlive the runtime.
 */
struct tr_local_kind {
    const char *name; /* in the watchdog's reports; not empty */

    size_t size; /* bytes of state, at most 1 GiB, aligned for any type, zero before open */

    /* Runs on the worker, within the call of the actor that asks first; may be NULL. self is that actor: it tells the
     * runtime, the loop and the worker's number, and is not to be kept, since the state outlives it. It may ask for
     * other kinds. Any status but TR_OK: there is no state, and the next who asks tries again. */
    tr_status (*open)(void *state, tr_actor *self);

    /* Runs on the worker at the runtime's end; may be NULL. All actors of all workers have ended by then, and the
     * worker's loop is empty: libuv handles that open has put on it are closed, without their callbacks. The kinds of a
     * worker are closed in the reverse order of their opening, so those that open has asked for are still there. */
    void (*close)(void *state);
};

/*
 * The state of a kind on self's worker, which is opened if it is not there. A look-up of one that is there costs a few
 * nanoseconds. The address stays the same.
 *
 * Memory:  the worker's, until its end.
 * Thread:  owner of self.
 * Returns: the state; NULL for whatever tr_local_open() gives a status.
 */
void *tr_local(tr_actor *self, const struct tr_local_kind *kind);

/*
 * The same, for those who want to know why not. *out is only set with TR_OK.
 * Thread:  owner of self.
 * Returns: TR_OK
 *          TR_EINVAL     self, kind or out is NULL
 *          TR_ENONAME    kind->name is NULL or empty
 *          TR_EBADSTATE  kind->size is above 1 GiB
 *          TR_EBUSY      the kind is being opened on this worker: its open function asks for it, itself or by way of
 *                        another kind
 *          TR_ENOMEM
 *          what open returned
 */
tr_status tr_local_open(tr_actor *self, const struct tr_local_kind *kind, void **out);

TR_DECLARATIONS_END
#endif
