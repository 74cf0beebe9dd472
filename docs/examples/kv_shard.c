/*
 * A shard: an actor with a part of the keys. Nobody else ever touches them, so nothing is locked.
 *
 * A key whose time has run out is removed when somebody asks for it. For those that nobody asks for, the shard looks
 * through a part of its table ten times a second.
 */
#include "kv_actors.h"
#include "kv_batch.h"

#include <troupe/actors/send.h>

#define SWEEP_MS 100
#define SWEEP_BUCKETS 5000 /* each time */

struct shard {
    struct kv_table keys;
    struct kv_call call;
    size_t swept; /* where the next sweep begins */
};

static void
shard_receive(tr_actor *self, void *state, tr_message *message)
{
    struct shard *shard = state;
    shard->call.now_ms = tr_now(self);
    if (message->tag == KV_TAG_SWEEP) {
        kv_table_sweep(&shard->keys, &shard->swept, SWEEP_BUCKETS, shard->call.now_ms);
    } else {
        kv_batch_run(message->payload.pointer.address, &shard->call);
        kv_batch_return(self, message);
    }
}

static tr_status
shard_init(tr_actor *self, void *state, const void *argument)
{
    struct shard *shard = state;
    tr_message sweep = tr_message_signal(KV_TAG_SWEEP);
    (void)argument;
    shard->call = (struct kv_call){.self = self, .keys = &shard->keys, .random = tr_self(self)};
    return tr_send_every(self, tr_self(self), SWEEP_MS, &sweep, NULL);
}

static void
shard_stopped(tr_actor *self, void *state)
{
    struct shard *shard = state;
    (void)self;
    kv_table_clear(&shard->keys);
    kv_args_free(&shard->call.args);
}

const struct tr_behavior kv_shard = {.name = "shard",
                                     .state_size = sizeof(struct shard),
                                     .init = shard_init,
                                     .receive = shard_receive,
                                     .stopped = shard_stopped};
