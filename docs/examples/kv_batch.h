/*
 * Batches: commands on their way from a connection to one actor, and their replies on the way back.
 *
 * A batch is one message however many commands it has. It has bytes of its own, and moves: it is in the hands of the
 * connection, of the actor, or of the runtime between them, and whoever has it when it is not needed any more frees it.
 */
#ifndef KV_BATCH_H
#define KV_BATCH_H

#include "kv_verbs.h"

enum { KV_TAG_BATCH, KV_TAG_SWEEP, KV_TAG_LEFT }; /* the example's messages */

struct kv_batch {
    unsigned place;       /* whom it is for: the connection's number for an actor */
    unsigned count;       /* commands without a reply */
    size_t subscriptions; /* of the connection, if the channels' actor has had the batch */
    struct kv_bytes calls;
    struct kv_bytes replies; /* each behind its size, which is of type size_t */
    size_t taken;            /* bytes of replies */
};

struct kv_batch *kv_batch_new(unsigned place); /* NULL: without memory */
void kv_batch_free(void *batch);

/* Empties a batch for the next round. */
void kv_batch_reset(struct kv_batch *batch);

/* Without memory: something is missing in it. */
static inline bool
kv_batch_failed(const struct kv_batch *batch)
{
    return batch->calls.failed || batch->replies.failed;
}

/* Adds a command. Memory: the arguments are copied. */
void kv_batch_add(struct kv_batch *batch, const struct kv_verb *verb, uint64_t hash, const struct kv_text *list,
                  size_t count);

/* Carries out what was added. `call` has what the actor has; its other fields are for this function. */
void kv_batch_run(struct kv_batch *batch, struct kv_call *call);

/* Replies with an error to all that was added. */
void kv_batch_refuse(struct kv_batch *batch, const char *error);

/* Replies without a command: what is appended to replies between the two calls is one reply. */
size_t kv_batch_open(struct kv_batch *batch);
void kv_batch_close(struct kv_batch *batch, size_t opened);

/* The next reply, in the order of the commands. Memory: the batch's. */
struct kv_text kv_batch_take(struct kv_batch *batch);

/* Sends the batch that is in a message back, with its replies. Thread: the owner of self. */
void kv_batch_return(tr_actor *self, tr_message *message);

#endif
