/*
 * What the layer above needs to be an actor itself: sockets and servers are actors whose events come from libuv.
 */
#ifndef TROUPE_ACTORS_HOST_H
#define TROUPE_ACTORS_HOST_H

#include <troupe/actors/actor.h>
#include <troupe/actors/runtime.h>
#include <troupe/core/timers.h>
#include <troupe/core/trace.h>
#include <troupe/core/worker.h>

/*
 * Spawns an actor on this worker; parent may be NULL. init runs within the call; *out is NULL if the actor ended in it.
 * Thread: owner of worker. Returns as tr_spawn().
 */
tr_status tri_actor_spawn_here(struct tri_worker *worker, tr_actor *parent, const struct tr_behavior *behavior,
                               const void *argument, tr_actor **out);

/*
 * From here on the layer above says when this actor has ended, with tri_actor_end(): a user's tr_exit() on it only asks
 * it to stop, as TR_STOP_NOW. Called in its init. Thread: owner.
 */
void tri_actor_host(tr_actor *actor);

/* What tr_exit() is for other actors. Thread: owner. */
void tri_actor_end(tr_actor *actor);

/* The actor of that name on this worker, if it is there and of that behavior; else NULL. Thread: owner of worker. */
tr_actor *tri_actor_find(struct tri_worker *worker, tr_ref ref, const struct tr_behavior *behavior);

/* The worker on which an actor lives. */
struct tri_worker *tri_actor_worker(const tr_actor *actor);

/*
 * Brackets a callback that comes from libuv instead of a message, so that the watchdog knows who runs and an actor that
 * calls tr_exit() inside ends at the closing bracket. tag tells the watchdog what is being handled. They nest.
 * After tri_actor_leave() the actor may be gone.
 */
struct tri_actor_frame { /* who ran before */
    const char *name;
    tr_ref actor;
    uint32_t tag;
};
struct tri_actor_frame tri_actor_enter(tr_actor *actor, uint32_t tag);
void tri_actor_leave(tr_actor *actor, struct tri_actor_frame frame);

/*
 * Sends a message of the library's own: the tag may be a reserved one, and the mailbox limit does not apply. From
 * TRI_TAG_NET on the receiver gets it in receive like any other. Thread: owner of worker; self may be NULL.
 */
tr_status tri_send_system(struct tri_worker *worker, tr_actor *self, tr_ref to, tr_message *message);

/* The same from a thread that is no worker. Thread: any. */
tr_status tri_runtime_send_system(tr_runtime *runtime, tr_ref to, tr_message *message);

/* Tags above the actors' own, for the layer above. */
#define TRI_TAG_NET (TR_TAG_RESERVED + 0x1000u)

/*
 * Messages with tags from TRI_TAG_TOLD on come back in a way: when nobody receives one, its sender gets a
 * TRI_TAG_UNDELIVERED, whose words[0] is the ref that was meant.
 */
#define TRI_TAG_TOLD (TR_TAG_RESERVED + 0x2000u)
#define TRI_TAG_UNDELIVERED (TRI_TAG_NET + 0xfffu)

/* Is an actor gone? Then asker gets a TRI_TAG_UNDELIVERED about it; if not, nobody notices. Thread: owner of worker. */
void tri_actor_probe(struct tri_worker *worker, tr_ref asker, tr_ref ref);

/* What keeps the program alive has become so many more, or with a negative change fewer. Thread: any. */
void tri_runtime_live(tr_runtime *runtime, int change);

/* Is the calling thread a worker of any runtime? Then it must not block. Thread: any. */
bool tri_on_worker(void);

#endif
