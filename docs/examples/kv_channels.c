/*
 * The channels: one actor knows who has subscribed to what.
 *
 * What is published goes to each subscriber's socket, as a write of the same slice: it is copied for none of them. A
 * confirmation comes from the same actor, in a batch, and what one actor sends to a socket arrives in order. So nobody
 * gets a message of a channel before the confirmation that he has subscribed to it, or after the one that he has not.
 */
#include "kv_actors.h"
#include "kv_batch.h"

#include <troupe/net/remote.h>

/* Both tables have tables as their values, with members that have none: the one is the other, turned round. */
struct kv_channels {
    struct kv_table listeners; /* of a channel: the names of sockets */
    struct kv_table channels;  /* of a socket */
    struct kv_call call;
};

static struct kv_text
name_of(const tr_ref *socket)
{
    return (struct kv_text){(const char *)socket, sizeof(*socket)};
}

static struct kv_entry *
find(const struct kv_table *table, struct kv_text key)
{
    return kv_table_find(table, kv_hash(key), key);
}

static struct kv_entry *
find_or_add(struct kv_table *table, struct kv_text key)
{
    struct kv_entry *entry = find(table, key);
    return entry != NULL ? entry : kv_table_add(table, kv_hash(key), key);
}

/* Adds a member to the table of a key. false: without memory; an empty table may be left. */
static bool
add(struct kv_table *table, struct kv_text key, struct kv_text member)
{
    struct kv_entry *entry = find_or_add(table, key);
    if (entry == NULL)
        return false;
    entry->value.type = KV_SET;
    return find_or_add(&entry->value.table, member) != NULL;
}

static void
drop(struct kv_table *table, struct kv_text key, struct kv_text member)
{
    struct kv_entry *entry = find(table, key), *found = entry == NULL ? NULL : find(&entry->value.table, member);
    if (found != NULL)
        kv_table_remove(&entry->value.table, found);
    if (entry != NULL && entry->value.table.size == 0)
        kv_table_remove(table, entry);
}

static size_t
count_of(const struct kv_table *table, struct kv_text key)
{
    const struct kv_entry *entry = find(table, key);
    return entry == NULL ? 0 : entry->value.table.size;
}

static void
drop_both(struct kv_channels *all, struct kv_text channel, struct kv_text socket)
{
    drop(&all->listeners, channel, socket);
    drop(&all->channels, socket, channel);
}

static void
confirm(struct kv_call *call, const char *what, const struct kv_text *channel)
{
    call->subscriptions = count_of(&call->channels->channels, name_of(&call->from));
    kv_reply_array(call->reply, 3);
    kv_reply_word(call->reply, what);
    if (channel == NULL)
        kv_reply_nil(call->reply);
    else
        kv_reply_bulk(call->reply, *channel);
    kv_reply_integer(call->reply, (int64_t)call->subscriptions);
}

void
kv_channels_subscribe(struct kv_call *call)
{
    struct kv_channels *all = call->channels;
    for (size_t i = 0; i < call->args.count; i++) {
        struct kv_text channel = call->args.list[i], socket = name_of(&call->from);
        if (add(&all->listeners, channel, socket) && add(&all->channels, socket, channel)) {
            confirm(call, "subscribe", &channel);
        } else {
            drop_both(all, channel, socket);
            kv_reply_memory(call->reply);
        }
    }
}

/* Takes a socket out of the first of its channels. Without `call` nobody is told. false: it has none. */
static bool
drop_first(struct kv_channels *all, tr_ref socket, struct kv_call *call)
{
    const struct kv_entry *own = find(&all->channels, name_of(&socket));
    struct kv_entry *first = own == NULL ? NULL : kv_table_any(&own->value.table, 0);
    struct kv_bytes name = {0};
    if (first == NULL)
        return false;
    kv_bytes_append(&name, first->key, first->key_size);
    struct kv_text channel = kv_bytes_text(&name);
    drop_both(all, channel, name_of(&socket));
    if (call != NULL)
        confirm(call, "unsubscribe", &channel);
    kv_bytes_free(&name);
    return true;
}

void
kv_channels_unsubscribe(struct kv_call *call)
{
    for (size_t i = 0; i < call->args.count; i++) {
        drop_both(call->channels, call->args.list[i], name_of(&call->from));
        confirm(call, "unsubscribe", &call->args.list[i]);
    }
    if (call->args.count > 0)
        return;
    if (!drop_first(call->channels, call->from, call))
        confirm(call, "unsubscribe", NULL);
    while (drop_first(call->channels, call->from, call))
        continue;
}

/* What subscribers get. Memory: one hold is the caller's. */
static tr_status
make_push(const struct kv_text *channel, const struct kv_text *text, tr_slice *out)
{
    struct kv_bytes bytes = {0};
    kv_reply_array(&bytes, 3);
    kv_reply_word(&bytes, "message");
    kv_reply_bulk(&bytes, *channel);
    kv_reply_bulk(&bytes, *text);
    tr_status status = bytes.failed ? TR_ENOMEM : tr_slice_copy(bytes.data, bytes.size, out);
    kv_bytes_free(&bytes);
    return status;
}

/* Writes a push to all who listen; one for whom there is no memory misses it. */
static void
write_to_all(tr_actor *self, const struct kv_table *listeners, tr_slice push)
{
    for (size_t i = 0; i < listeners->bucket_count; i++) {
        for (const struct kv_entry *entry = listeners->buckets[i]; entry != NULL; entry = entry->next) {
            tr_ref socket;
            memcpy(&socket, entry->key, sizeof(socket));
            tr_remote_write(self, socket, push);
        }
    }
}

void
kv_channels_publish(struct kv_call *call)
{
    struct kv_text channel = call->args.list[0];
    const struct kv_entry *entry = find(&call->channels->listeners, channel);
    size_t count = entry == NULL ? 0 : entry->value.table.size;
    tr_slice push;
    if (count > 0 && make_push(&channel, &call->args.list[1], &push) != TR_OK) {
        kv_reply_memory(call->reply);
        return;
    }
    if (count > 0) {
        write_to_all(call->self, &entry->value.table, push);
        tr_slice_release(push);
    }
    kv_reply_integer(call->reply, (int64_t)count);
}

static tr_status
channels_init(tr_actor *self, void *state, const void *argument)
{
    struct kv_channels *all = state;
    (void)argument;
    all->call = (struct kv_call){.self = self, .channels = all};
    return TR_OK;
}

static void
channels_receive(tr_actor *self, void *state, tr_message *message)
{
    struct kv_channels *all = state;
    if (message->tag == KV_TAG_LEFT) {
        while (drop_first(all, message->from, NULL))
            continue;
    } else {
        struct kv_batch *batch = message->payload.pointer.address;
        tr_ref from = message->from;
        all->call.from = from;
        all->call.subscriptions = count_of(&all->channels, name_of(&from));
        kv_batch_run(batch, &all->call);
        batch->subscriptions = all->call.subscriptions;
        kv_batch_return(self, message);
    }
}

static void
channels_stopped(tr_actor *self, void *state)
{
    struct kv_channels *all = state;
    (void)self;
    kv_table_clear(&all->listeners);
    kv_table_clear(&all->channels);
    kv_args_free(&all->call.args);
}

const struct tr_behavior kv_channels = {.name = "channels",
                                        .state_size = sizeof(struct kv_channels),
                                        .init = channels_init,
                                        .receive = channels_receive,
                                        .stopped = channels_stopped};
