/*
 * Asking a worker who lives on it, a portion at a time.
 */
#ifndef TROUPE_ACTORS_INSPECT_INQUIRY_H
#define TROUPE_ACTORS_INSPECT_INQUIRY_H

#include "actor_internal.h"

#include <troupe/actors/inspect.h>

#define TRI_PORTION 1024u        /* slots that a worker looks at for one answer, at most */
#define TRI_PORTION_TEXT 0x8000u /* bytes of names in it; with more it has fewer slots */
#define TRI_ANSWER_MS 1000u      /* a worker that needs longer is stuck */
#define TRI_FIRST_SLOT 1u        /* slot 0 is nobody's */

struct tri_inquiry_order;

/* One who asks, on one thread at a time. */
struct tri_inquiry {
    tr_runtime *runtime;
    struct tri_inquiry_order **unanswered; /* by worker; NULL: none */
};

tr_status tri_inquiry_init(struct tri_inquiry *inquiry, tr_runtime *runtime);

/* What is unanswered is given up. */
void tri_inquiry_fini(struct tri_inquiry *inquiry);

/* What a worker answers. */
struct tri_portion {
    uint32_t next; /* the slot from which to ask on; 0: that was all */
    uint32_t count;
    uint32_t text_size; /* in use */
    struct tr_actor_info actors[TRI_PORTION];
    char text[TRI_PORTION_TEXT]; /* the names that they are registered under */
};

/*
 * Asks a worker who lives in the slots from `from` on, and waits for the answer. While a worker owes an answer it is
 * not asked again, and nobody waits for it a second time.
 *
 * Memory:  *out is the caller's until tri_portion_free().
 * Thread:  any that is no worker.
 * Returns: TR_OK; TR_EDEADLINE, the worker has not answered in time; TR_ESTOPPING, it has ended; TR_ENOMEM.
 */
tr_status tri_inquiry_ask(struct tri_inquiry *inquiry, unsigned worker, uint32_t from, struct tri_portion **out);

void tri_portion_free(struct tri_portion *portion);

/* An order to answer has arrived. Always true. Thread: owner of the worker. */
bool tri_inquiry_arrived(struct tri_actors *home, tr_ref to, tr_message *message);

#endif
