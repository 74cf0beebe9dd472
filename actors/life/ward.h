/*
 * Wards: what keeps the name of a supervised actor over its deaths.
 *
 * A ward is one block of memory that its supervisor makes and that goes to and fro: with the order to spawn the actor,
 * or to restart it, to the actor; with the notice of its end back to the supervisor. So a notice cannot be lost for
 * lack of memory, a restart needs none, and whoever has the ward knows that the other waits.
 *
 *   with the supervisor   the actor has not begun yet, or it rests
 *   with the actor        it lives, or has ended and is about to rest
 *
 * An actor rests when it has ended and is ready to live again: its name is valid, its mail and those who begin to watch
 * it are held. tri_ward_release() ends that, and makes the end of an actor that lives a final one.
 *
 * Thread: owner of the worker, unless it says otherwise.
 */
#ifndef TROUPE_ACTORS_WARD_H
#define TROUPE_ACTORS_WARD_H

#include "actor_internal.h"
#include "extra.h"

/* To the supervisor, in its mailbox. */
#define TRI_TAG_WARD_LIVES (TR_TAG_RESERVED + 0x201u) /* words[0] is the name: it has begun */
#define TRI_TAG_WARD_ENDED (TR_TAG_RESERVED + 0x202u) /* a pointer to the struct tri_ward: it has ended */

struct tri_bequest {
    void *data;
    void (*destroy)(void *data); /* NULL: nothing to do. Any thread */
};

struct tri_ward {
    /* The supervisor's: set before the ward goes to the actor. */
    tr_ref supervisor;
    const void *argument;
    void (*release)(void *argument); /* when the ward is freed; NULL: the copy below, or nothing. Any thread */
    bool keeps_mailbox;
    tr_status (*prepare)(tr_actor *actor,
                         struct tri_ward *ward); /* before each init, which runs with TR_OK; NULL: nothing */
    char *name;                                  /* from malloc(), for that; NULL: none */

    /* The actor's. */
    const struct tr_behavior *behavior; /* with which each life begins */
    struct tri_table_entry entry;       /* of the wards of its worker; the key is the name */
    struct tri_word lives, ended;       /* to the supervisor */
    tr_status init_status;              /* of the init of this life: so the reason is there without memory, too */
    bool announces;                     /* `lives` could not be sent yet */
    bool doomed;                        /* the ward is freed when it has been sent */
    bool begins_later;                  /* the actor says itself when it has begun */
    bool released;                      /* its end is final: the supervisor does not want the ward back */

    /* What one tells the other. */
    tr_ref actor;
    struct tri_bequest bequest;
    tr_status status; /* why it has ended */
    struct tri_text *text;
    bool gone; /* and it does not rest: the name is valid no more */

    alignas(max_align_t) unsigned char copy[]; /* of the argument, whose type is the program's */
};

/* A ward with a copy of the argument, or with the pointer alone if size is 0. NULL without memory. Thread: any. */
struct tri_ward *tri_ward_new(tr_ref supervisor, const void *argument, size_t size);

/* NULL: nothing. Thread: any that has it. */
void tri_ward_free(void *ward);

/* The actor begins, or is about to; takes the ward. */
void tri_ward_adopt(tr_actor *actor, struct tri_ward *ward);

/* The ward of an actor that has one; NULL: it has none. */
struct tri_ward *tri_ward_find(const tr_actor *actor);

static inline struct tri_ward *
tri_ward_of(const tr_actor *actor)
{
    return TRI_UNLIKELY((actor->flags & TRI_ACTOR_WARD) != 0) ? tri_ward_find(actor) : NULL;
}

/* The actor has begun: tells the supervisor. */
void tri_ward_begun(tr_actor *actor);

/* The actor has ended and rests: the supervisor gets the ward back. */
void tri_ward_tell_end(struct tri_worker *worker, struct tri_ward *ward);

/* The name of the ward's actor is invalid: tells the supervisor, which gets the ward back. */
void tri_ward_gone(struct tri_worker *worker, struct tri_ward *ward, tr_status status);

/* The same of a name to which no actor came. */
void tri_ward_never_begun(struct tri_worker *worker, struct tri_ward *ward, tr_ref actor, tr_status status);

/*
 * The supervisor orders that an actor that rests lives again; takes the ward. It comes back when that one ends, as
 * always.
 */
void tri_ward_restart(struct tri_worker *worker, struct tri_ward *ward);

/*
 * The supervisor orders that the actor's next end is final, and that it stops, how says in which way. If it rests it
 * ends now. The word is from malloc(), and is freed.
 */
void tri_ward_release(struct tri_worker *worker, tr_ref actor, enum tr_stop_mode how, struct tri_word *word);

#endif
