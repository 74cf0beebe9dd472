/*
 * What the layer above needs to be an actor itself: sockets and servers are actors whose events come from libuv.
 */
#ifndef TROUPE_ACTORS_HOST_H
#define TROUPE_ACTORS_HOST_H

#include <troupe/actors/actor.h>
#include <troupe/actors/runtime.h>
#include <troupe/core/mistake.h>
#include <troupe/core/timers.h>
#include <troupe/core/trace.h>
#include <troupe/core/worker.h>

/*
 * At the beginning of each public function of an actor: it is called on the actor's worker, and the actor has not
 * ended. NULL is no mistake here.
 */
#ifdef NDEBUG
#define TRI_CHECK_SELF(self) ((void)0)
#else
#define TRI_CHECK_SELF(self) tri_actor_check(self, __func__)
void tri_actor_check(const tr_actor *self, const char *function);
#endif

#define TRI_STATE_LIMIT (1u << 30) /* bytes of state that somebody may ask for: more is TR_EBADSTATE */

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

/*
 * The rule of calls and messages.
 *
 * An actor may act on another one of its worker by a call only while no message waits for that one. Otherwise it sends
 * a message, which waits its turn. So everything reaches an actor in the order in which it was done, whether it came
 * by a call or by a message.
 *
 * Why this is enough: what one actor sends to another of its worker is in the receiver's mailbox when the send returns.
 * A receiver whose mailbox is empty has therefore handled everything that actors of this worker sent to it, or is just
 * handling the last of it. Actors of other workers never call, so the lanes keep their order. Mail that came before an
 * actor was born is put into its mailbox directly after its init, in which nobody else runs.
 *
 * The rule holds for an actor's acts on itself, too: what it does because of a refusal or of its peer's end comes after
 * the messages that were sent to it before.
 *
 * By construction: the layer above reaches other actors through tri_actor_reach() alone, and that gives none for whom
 * a message waits.
 *
 * What need not obey it: stopping, probing and the end of a child (deliver.c) are not done in the name of a sender;
 * they act when they arrive, ahead of the mailbox, on the own worker as on others. A spawn acts on a new actor, to whom
 * nobody of this worker can have sent anything. A program that calls a function of an object directly acts at once.
 */

/*
 * The actor of that name, if it may be acted on by a call: it lives on this worker, is of that behavior, and no message
 * waits for it. Else NULL: then send. Thread: owner of worker.
 */
tr_actor *tri_actor_reach(struct tri_worker *worker, tr_ref ref, const struct tr_behavior *behavior);

/* The actor of that name if it lives on this worker, whatever waits for it: to name it, not to act on it. Thread: owner
 * of worker. */
tr_actor *tri_actor_find(struct tri_worker *worker, tr_ref ref);

/*
 * Calls visit(actor, argument) for each actor of that behavior on this worker. It looks at all actors of the worker,
 * and visit ends none of them. Thread: owner of worker.
 */
void tri_actors_visit(struct tri_worker *worker, const struct tr_behavior *behavior,
                      void (*visit)(tr_actor *actor, void *argument), void *argument);

/* Is the actor of that behavior? Thread: owner. */
bool tri_actor_is(const tr_actor *actor, const struct tr_behavior *behavior);

/* Do messages wait for the actor? Then what it does to itself goes by a message, too. Thread: owner. */
bool tri_actor_has_mail(const tr_actor *actor);

/*
 * Somebody is to produce nothing more for `to` until the mailbox of that one is relieved, on whatever worker it lives:
 * the actor, if it is hosted (tri_actor_host()). pressed(actor, true) is called within the call, pressed(actor, false)
 * when it may go on, maybe within the call too. An actor waits for one other at a time; one for which somebody waits
 * does not. Nothing happens without memory. The same becomes of a hosted actor in whose callback somebody sends to a
 * crowded actor whose mailbox mutes.
 * Thread: owner.
 */
void tri_actor_await_relief(tr_actor *actor, tr_ref to);

/* Who is to hear of that on this worker: one function for all hosted actors of all kinds. Thread: owner of worker. */
void tri_actors_on_pressure(struct tri_worker *worker, void (*pressed)(tr_actor *actor, bool is_pressed));

/* May something new be made, of the program's, or is the memory limit reached? TR_OK, or TR_EMEMORYLIMIT, and counted.
 * Thread: owner of worker. */
tr_status tri_actors_check_memory(struct tri_worker *worker);

/* Who is to hear that the runtime is below its memory limit again, at the end of a turn; one for each worker. That it
 * is at the limit worker->at_limit says. Thread: owner of worker. */
void tri_actors_on_memory(struct tri_worker *worker, void (*memory_free)(struct tri_worker *worker));

/* An actor that cannot use a message makes it a dead letter, as if it had found nobody. Thread: owner. */
void tri_actor_bounce(tr_actor *actor, tr_message *message);

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
 * TRI_TAG_NET on the receiver gets it in receive like any other. A message that is refused is dropped.
 * Thread: owner of worker; self may be NULL. Returns: TR_OK; TR_EGONE; TR_EBADREF; TR_ENOMEM.
 */
tr_status tri_send_system(struct tri_worker *worker, tr_actor *self, tr_ref to, tr_message *message);

/* The same, but a message that is refused stays the caller's. */
tr_status tri_send_system_or_keep(struct tri_worker *worker, tr_actor *self, tr_ref to, tr_message *message);

/*
 * A word that must not get lost and could not be sent for lack of memory. It is part of what the sender has already,
 * and stays valid until one of the two is called.
 */
struct tri_owed {
    bool (*send)(struct tri_worker *worker, struct tri_owed *owed); /* again; false: there is still no memory */
    void (*forget)(struct tri_owed *owed); /* the runtime ends, nobody can be told any more; NULL: nothing to do */
    tr_ref to;
    struct tri_owed *next;
};

/*
 * Each turn calls send until it has done its work, and the worker does not sleep before. Until then this worker sends
 * nothing else to that one, which would overtake the word: other sends are refused with TR_ENOMEM, other words that are
 * owed wait in line. Thread: owner of worker.
 */
void tri_owe(struct tri_worker *worker, struct tri_owed *owed);

/*
 * A word that somebody waits for, with the memory that it needs: its sender has this from the beginning, in a
 * pipe, in a question, beside an owner. So it cannot be lost for lack of memory.
 */
struct tri_word {
    struct tri_owed owed;                /* first */
    void (*done)(struct tri_word *word); /* the memory is free again; NULL: it is what the message carries */
    tr_ref from;
    tr_message message;
};

/*
 * Says it: now, or as soon as there is memory. The message's payload is made already, or lies in the message. `done` is
 * called within the call, or later, also when nobody is there to hear it. Thread: owner of worker.
 */
void tri_word_send(struct tri_worker *worker, struct tri_word *word, tr_ref from, tr_ref to, tr_message message);

/* A `done` for words that are the beginning of memory from malloc(): frees it. */
void tri_word_free(struct tri_word *word);

/* The same from a thread that is no worker. Thread: any. */
tr_status tri_runtime_send_system(tr_runtime *runtime, tr_ref to, tr_message *message);

/* Tags above the actors' own, for the layer above. */
#define TRI_TAG_NET (TR_TAG_RESERVED + 0x1000u)

/*
 * Messages with tags from TRI_TAG_TOLD on come back in a way: when nobody receives one, its sender gets a
 * TRI_TAG_UNDELIVERED, whose words[0] is the ref that was meant. If the receiver would be on the sender's own worker
 * the send fails with TR_EGONE instead, but only when no message waits for the sender: what the receiver did before its
 * end comes first (the rule above). A word is always answered with a message.
 */
#define TRI_TAG_TOLD (TR_TAG_RESERVED + 0x2000u)
#define TRI_TAG_UNDELIVERED (TRI_TAG_NET + 0xfffu)

/*
 * Is an actor gone? Then asker gets a TRI_TAG_UNDELIVERED about it; if not, nobody notices. false: there is no memory
 * to ask. Thread: owner of worker.
 */
bool tri_actor_probe(struct tri_worker *worker, tr_ref asker, tr_ref ref);

/*
 * What a hosted actor gets that is a member of a group, instead of the message that was published: its payload is that
 * one's, a slice or bytes. See group.h.
 */
#define TRI_TAG_PUBLISHED (TRI_TAG_NET + 0xffeu)

/* Where the members of a group come from that do not join: actors that the layer above knows of. */
struct tri_group_source {
    /* Calls visit(actor, argument) for each that lives on this worker; visit ends none of them. Thread: owner of
     * worker. */
    void (*visit)(struct tri_worker *worker, uint64_t context, void (*visit)(tr_actor *actor, void *argument),
                  void *argument);
    /* How many there are on all workers. Thread: any. */
    size_t (*count)(const tr_runtime *runtime, uint64_t context);
};

/* What the layer above calls a runtime is this to core. Thread: any. */
struct tri_runtime *tri_runtime_core(const tr_runtime *runtime);

/* A group of these, held once for the caller. NULL without memory. Thread: any. */
struct tr_group *tri_group_of_source(tr_runtime *runtime, const struct tri_group_source *source, uint64_t context);

/* Adds `change`, which may be negative, to the number of things that keep the program running. Thread: any. */
void tri_runtime_add_live(tr_runtime *runtime, int change);

/* Is the calling thread a worker of any runtime? Then it must not block. Thread: any. */
bool tri_on_worker(void);

#endif
