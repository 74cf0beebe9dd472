/*
 * A connection: it reads commands, has them carried out by the actors that have the keys, and writes the replies in
 * the order of the commands, whichever actor was the first to answer.
 *
 * It does so in rounds. A round is all whole commands that have come, up to a limit. They are sorted into batches, one
 * for each shard that has a key of theirs, and each batch is one message. When all batches are back the replies are put
 * together, and written with one call. Then the next round begins, with what came in the meantime. So a client that
 * sends one command after the other without waiting pays one message per shard and round, not per command.
 *
 * In a round the shards work at the same time. So that a subscriber who hears of something finds it done, a round has
 * commands for the keys or commands for the channels, never both; and a command after which other rules hold for the
 * connection, such as SUBSCRIBE, is the last of its round.
 *
 * Limits: while a round is under way, or what was written has not gone, no more than INPUT_HIGH bytes and one read wait
 * here; then the socket is paused, and the client has to wait. A subscriber who does not read is thrown out when
 * WRITE_LIMIT bytes wait for him.
 */
#include "kv_actors.h"
#include "kv_batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <troupe/net/remote.h>

#define ROUND_STEPS 1024u
#define INPUT_HIGH 65536u
#define QUOTED 128                      /* bytes of an unknown command that its error quotes */
#define WRITE_LIMIT (32u * 1024 * 1024) /* as redis's client-output-buffer-limit of subscribers */

/* Where the keys and channels are; set before the server listens, never changed afterwards. */
static const tr_ref *shards;
static unsigned shard_count; /* a shard's place is its index; that of the channels is shard_count */
static tr_ref channels;

/* How the replies of a round become one text: the next reply of a place, or a head behind which such steps follow. */
struct step {
    enum { REPLY_OF, SUM_OF, LIST_OF, OK_OF } kind;
    unsigned number; /* the place; or how many steps belong to the head */
};

enum round { ROUND_OPEN, ROUND_OF_KEYS, ROUND_OF_CHANNELS };

struct connection {
    struct kv_client client;
    struct kv_bytes input;
    size_t begun;  /* bytes of input whose commands have begun */
    size_t needed; /* it is no use to look at the input before it has so many more bytes */
    bool ended;    /* the peer sends no more */
    bool blocked;  /* what was written has not gone */
    bool paused;

    /* The round that is under way. */
    enum round round;
    bool last;             /* no further command belongs to it */
    bool failed;           /* memory ran out */
    unsigned awaited;      /* batches that are not back */
    struct kv_args args;   /* of the command that is being read */
    struct kv_bytes steps; /* of struct step */
    struct kv_bytes output;
    struct kv_batch here; /* the replies that need no other actor; its place is shard_count + 1 */

    struct kv_batch *batches[]; /* by place; NULL: it is under way, or there was none yet */
};

/* Planning a round. */

static unsigned
shard_of(uint64_t hash)
{
    return (unsigned)((hash >> 32) * shard_count >> 32);
}

static void
add_step(struct connection *connection, unsigned kind, size_t number)
{
    struct step step = {.kind = kind, .number = (unsigned)number};
    kv_bytes_append(&connection->steps, &step, sizeof(step));
}

static struct kv_batch *
batch_for(struct connection *connection, unsigned place)
{
    struct kv_batch **batch = &connection->batches[place];
    if (*batch == NULL)
        *batch = kv_batch_new(place);
    return *batch;
}

/* Has a command carried out by the actor at a place. */
static void
plan_at(struct connection *connection, unsigned place, const struct kv_verb *verb, uint64_t hash,
        const struct kv_text *list, size_t count)
{
    struct kv_batch *batch = batch_for(connection, place);
    if (batch == NULL) {
        connection->failed = true;
        return;
    }
    kv_batch_add(batch, verb, hash, list, count);
    add_step(connection, REPLY_OF, place);
}

/* Has a command carried out by the shard of the first argument. */
static void
plan_for_key(struct connection *connection, const struct kv_verb *verb, const struct kv_text *list, size_t count)
{
    uint64_t hash = kv_hash(list[0]);
    plan_at(connection, shard_of(hash), verb, hash, list, count);
}

/* Makes a command of each `each` arguments, whose replies are joined. */
static void
plan_for_each_key(struct connection *connection, unsigned kind, const struct kv_verb *verb, const struct kv_text *list,
                  size_t count, size_t each)
{
    add_step(connection, kind, count / each);
    for (size_t i = 0; i < count; i += each)
        plan_for_key(connection, verb, list + i, each);
}

static void
plan_for_all_shards(struct connection *connection, unsigned kind, const struct kv_verb *verb)
{
    add_step(connection, kind, shard_count);
    for (unsigned place = 0; place < shard_count; place++)
        plan_at(connection, place, verb, 0, NULL, 0);
}

/* Replies that need no other actor are between these two calls. */
static size_t
open_here(struct connection *connection)
{
    add_step(connection, REPLY_OF, connection->here.place);
    return kv_batch_open(&connection->here);
}

static void
close_here(struct connection *connection, size_t opened)
{
    kv_batch_close(&connection->here, opened);
}

static void
run_here(struct connection *connection, const struct kv_verb *verb, struct kv_text *list, size_t count)
{
    struct kv_call call = {.verb = verb,
                           .args = {.list = list, .count = count},
                           .client = &connection->client,
                           .reply = &connection->here.replies};
    size_t opened = open_here(connection);
    verb->run(&call);
    close_here(connection, opened);
}

/* Refusing. */

static int
at_most(size_t size, int limit)
{
    return size < (size_t)limit ? (int)size : limit;
}

static void
refuse_unknown(struct connection *connection)
{
    const struct kv_args *args = &connection->args;
    char list[2 * QUOTED + 4] = ""; /* an argument of QUOTED bytes may follow QUOTED - 1 */
    int size = 0;
    for (size_t i = 1; i < args->count && size < QUOTED; i++) {
        int length = at_most(args->list[i].size, QUOTED - size);
        size += snprintf(list + size, sizeof(list) - (size_t)size, "'%.*s' ", length, args->list[i].data);
    }
    size_t opened = open_here(connection);
    kv_reply_error(&connection->here.replies, "ERR unknown command '%.*s', with args beginning with: %s",
                   at_most(args->list[0].size, QUOTED), args->list[0].data, list);
    close_here(connection, opened);
}

static void
refuse_arguments(struct connection *connection, const struct kv_verb *verb)
{
    size_t opened = open_here(connection);
    kv_reply_arguments(&connection->here.replies, verb);
    close_here(connection, opened);
}

static void
refuse_to_subscriber(struct connection *connection, const struct kv_verb *verb)
{
    char name[KV_NAME_SIZE];
    size_t opened = open_here(connection);
    kv_reply_error(&connection->here.replies,
                   "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
                   "in this context",
                   kv_verb_small(verb, name));
    close_here(connection, opened);
}

/* After bytes that are no command nobody knows where the next one begins: the error is the last that we say. */
static void
refuse_bytes(struct connection *connection, const struct kv_bytes *error)
{
    size_t opened = open_here(connection);
    kv_bytes_append(&connection->here.replies, error->data, error->size);
    close_here(connection, opened);
    connection->client.closing = true;
}

static bool
has_arguments(const struct kv_verb *verb, size_t count)
{
    if (count < verb->least || count > verb->most)
        return false;
    return verb->route != KV_PAIRS || count % 2 == 0;
}

static void
plan(struct connection *connection, const struct kv_verb *verb, struct kv_text *list, size_t count)
{
    switch (verb->route) {
    case KV_HERE: run_here(connection, verb, list, count); break;
    case KV_KEY: plan_for_key(connection, verb, list, count); break;
    case KV_KEYS_SUM: plan_for_each_key(connection, SUM_OF, verb, list, count, 1); break;
    case KV_KEYS_LIST: plan_for_each_key(connection, LIST_OF, verb, list, count, 1); break;
    case KV_PAIRS: plan_for_each_key(connection, OK_OF, verb, list, count, 2); break;
    case KV_SHARDS_SUM: plan_for_all_shards(connection, SUM_OF, verb); break;
    case KV_SHARDS_OK: plan_for_all_shards(connection, OK_OF, verb); break;
    case KV_CHANNELS: plan_at(connection, shard_count, verb, 0, list, count); break;
    }
}

static void
plan_or_refuse(struct connection *connection, const struct kv_verb *verb)
{
    struct kv_args *args = &connection->args;
    if (verb == NULL)
        refuse_unknown(connection);
    else if (!has_arguments(verb, args->count - 1))
        refuse_arguments(connection, verb);
    else if (connection->client.subscriptions > 0 && (verb->flags & KV_SUBSCRIBED) == 0)
        refuse_to_subscriber(connection, verb);
    else
        plan(connection, verb, args->list + 1, args->count - 1);
}

/* May a command belong to this round? If so, it may decide what else does. */
static bool
joins(struct connection *connection, const struct kv_verb *verb)
{
    if (verb == NULL || verb->route == KV_HERE)
        return true;
    enum round round = verb->route == KV_CHANNELS ? ROUND_OF_CHANNELS : ROUND_OF_KEYS;
    if (connection->round != ROUND_OPEN && connection->round != round)
        return false;
    connection->round = round;
    connection->last = (verb->flags & KV_LAST) != 0;
    return true;
}

/* Reads a command into args. *used is how many bytes it has. false: there is no whole command. */
static bool
read_command(struct connection *connection, size_t *used)
{
    size_t left = connection->input.size - connection->begun;
    struct kv_bytes error = {0};
    if (left < connection->needed)
        return false;
    enum kv_parse outcome = kv_parse(connection->input.data + connection->begun, left, &connection->args, used, &error);
    connection->needed = outcome == KV_PARSE_PARTIAL ? *used : 1;
    if (outcome == KV_PARSE_BAD)
        refuse_bytes(connection, &error);
    if (outcome == KV_PARSE_MEMORY)
        connection->failed = true;
    kv_bytes_free(&error);
    return outcome == KV_PARSE_WHOLE;
}

static void
read_commands(struct connection *connection)
{
    size_t used;
    while (connection->steps.size < ROUND_STEPS * sizeof(struct step) && !connection->last && !connection->failed &&
           !connection->client.closing && read_command(connection, &used)) {
        const struct kv_args *args = &connection->args;
        const struct kv_verb *verb = args->count > 0 ? kv_verb_find(args->list[0]) : NULL;
        if (!joins(connection, verb))
            break; /* it is the first of the next round */
        connection->begun += used;
        if (args->count > 0)
            plan_or_refuse(connection, verb);
    }
}

/* Carrying a round out. */

static bool
has_failed(const struct connection *connection)
{
    bool failed = connection->failed || connection->steps.failed || connection->here.replies.failed;
    for (unsigned place = 0; place <= shard_count && !failed; place++)
        failed = connection->batches[place] != NULL && kv_batch_failed(connection->batches[place]);
    return failed;
}

static void
give_up(tr_socket *socket, tr_status status)
{
    struct connection *connection = tr_socket_state(socket);
    connection->client.closing = true;
    tr_socket_destroy(socket, status);
}

/* Sends a batch; it comes back as a message. If the runtime does not take it, its commands are refused. */
static void
send_batch(tr_socket *socket, unsigned place)
{
    struct connection *connection = tr_socket_state(socket);
    struct kv_batch *batch = connection->batches[place];
    tr_message message = tr_message_pointer(KV_TAG_BATCH, batch, sizeof(*batch), kv_batch_free);
    tr_ref to = place < shard_count ? shards[place] : channels;
    if (tr_send(tr_socket_actor(socket), to, &message) == TR_OK) {
        connection->batches[place] = NULL;
        connection->awaited++;
    } else {
        kv_batch_refuse(tr_message_take_pointer(&message), "BUSY too much waits for a shard, try again later");
    }
}

/* Begins a round. false: there is nothing to do. */
static bool
begin_round(tr_socket *socket)
{
    struct connection *connection = tr_socket_state(socket);
    connection->round = ROUND_OPEN;
    connection->last = false;
    read_commands(connection);
    if (has_failed(connection)) {
        give_up(socket, TR_ENOMEM);
        return false;
    }
    if (connection->steps.size == 0)
        return false;
    for (unsigned place = 0; place <= shard_count; place++) {
        if (connection->batches[place] != NULL && connection->batches[place]->count > 0)
            send_batch(socket, place);
    }
    return true;
}

/* Putting the replies together. */

static struct kv_text
next_reply(struct connection *connection, const struct step *step)
{
    struct kv_batch *batch = step->number > shard_count ? &connection->here : connection->batches[step->number];
    return kv_batch_take(batch);
}

static void
append_reply(struct connection *connection, const struct step *step)
{
    struct kv_text reply = next_reply(connection, step);
    kv_bytes_append(&connection->output, reply.data, reply.size);
}

/* Joins replies to one: the first error among them, or what is made of them all. */
static void
append_joined(struct connection *connection, const struct step *head)
{
    struct kv_text error = {0};
    int64_t sum = 0;
    for (const struct step *step = head + 1; step <= head + head->number; step++) {
        struct kv_text reply = next_reply(connection, step);
        int64_t number;
        if (reply.data[0] == '-' && error.data == NULL)
            error = reply;
        else if (reply.data[0] == ':' && kv_integer((struct kv_text){reply.data + 1, reply.size - 3}, &number))
            sum += number;
    }
    if (error.data != NULL)
        kv_bytes_append(&connection->output, error.data, error.size);
    else if (head->kind == SUM_OF)
        kv_reply_integer(&connection->output, sum);
    else
        kv_reply_status(&connection->output, "OK");
}

static void
join_replies(struct connection *connection)
{
    const struct step *step = (const struct step *)connection->steps.data;
    const struct step *end = step + connection->steps.size / sizeof(*step);
    while (step < end) {
        switch (step->kind) {
        case REPLY_OF: append_reply(connection, step); break;
        case LIST_OF: kv_reply_array(&connection->output, step->number); break; /* the elements follow by themselves */
        case SUM_OF:
        case OK_OF:
            append_joined(connection, step);
            step += step->number;
            break;
        }
        step++;
    }
}

static void
reset_round(struct connection *connection)
{
    for (unsigned place = 0; place <= shard_count; place++) {
        if (connection->batches[place] != NULL)
            kv_batch_reset(connection->batches[place]);
    }
    kv_batch_reset(&connection->here);
    kv_args_reset(&connection->args);
    kv_bytes_reset(&connection->steps);
    kv_bytes_reset(&connection->output);
}

static void
finish_round(tr_socket *socket)
{
    struct connection *connection = tr_socket_state(socket);
    if (!has_failed(connection))
        join_replies(connection);
    tr_status status = TR_ENOMEM;
    if (!has_failed(connection) && !connection->output.failed)
        status = tr_socket_write(socket, connection->output.data, connection->output.size);
    connection->blocked = status == TR_QUEUED;
    reset_round(connection);
    if (status < TR_OK)
        give_up(socket, status);
    else if (connection->client.closing)
        tr_socket_end(socket);
}

/* Pauses the socket while enough waits here and cannot begin. */
static void
pace(tr_socket *socket)
{
    struct connection *connection = tr_socket_state(socket);
    bool stuck = connection->awaited > 0 || connection->blocked;
    bool pause = stuck && connection->input.size - connection->begun > INPUT_HIGH;
    if (pause && !connection->paused)
        tr_socket_pause(socket);
    if (!pause && connection->paused)
        tr_socket_resume(socket);
    connection->paused = pause;
}

/* Goes on as far as it is possible now. */
static void
advance(tr_socket *socket)
{
    struct connection *connection = tr_socket_state(socket);
    while (connection->awaited == 0 && !connection->blocked && !connection->client.closing && begin_round(socket)) {
        if (connection->awaited == 0)
            finish_round(socket);
    }
    pace(socket);
    if (connection->ended && connection->awaited == 0 && !connection->blocked)
        tr_socket_end(socket);
}

/* Callbacks. */

static void
on_connection(tr_socket *socket)
{
    struct connection *connection = tr_socket_state(socket);
    connection->client.number = tr_socket_number(socket);
    connection->here.place = shard_count + 1;
}

/* Drops the input that has begun. */
static void
trim_input(struct connection *connection)
{
    struct kv_bytes *input = &connection->input;
    size_t left = input->size - connection->begun;
    if (left == 0)
        kv_bytes_reset(input);
    else if (connection->begun > 0)
        memmove(input->data, input->data + connection->begun, left);
    input->size = left;
    connection->begun = 0;
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    struct connection *connection = tr_socket_state(socket);
    if (connection->client.closing)
        return;
    trim_input(connection);
    kv_bytes_append(&connection->input, data.data, data.size);
    if (connection->input.failed)
        give_up(socket, TR_ENOMEM);
    else
        advance(socket);
}

/* A batch comes back. */
static void
on_message(tr_socket *socket, tr_message *message)
{
    struct connection *connection = tr_socket_state(socket);
    struct kv_batch *batch = tr_message_take_pointer(message);
    connection->batches[batch->place] = batch;
    if (batch->place == shard_count)
        connection->client.subscriptions = batch->subscriptions;
    if (--connection->awaited > 0)
        return;
    finish_round(socket);
    advance(socket);
}

static void
on_drain(tr_socket *socket)
{
    struct connection *connection = tr_socket_state(socket);
    connection->blocked = false;
    advance(socket);
}

static void
on_end(tr_socket *socket)
{
    struct connection *connection = tr_socket_state(socket);
    connection->ended = true;
    advance(socket);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    struct connection *connection = tr_socket_state(socket);
    (void)had_error;
    tr_tell(tr_socket_actor(socket), channels, KV_TAG_LEFT, NULL, 0);
    for (unsigned place = 0; place <= shard_count; place++)
        kv_batch_free(connection->batches[place]);
    kv_bytes_free(&connection->here.replies);
    kv_bytes_free(&connection->input);
    kv_bytes_free(&connection->steps);
    kv_bytes_free(&connection->output);
    kv_args_free(&connection->args);
}

struct tr_server_options
kv_server(const tr_ref *all, unsigned count, tr_ref channels_actor)
{
    static const struct tr_socket_events events = {
        .data = on_data, .message = on_message, .drain = on_drain, .end = on_end, .close = on_close};
    shards = all;
    shard_count = count;
    channels = channels_actor;
    return (struct tr_server_options){
        .connection = on_connection,
        .socket = {.events = &events,
                   .state_size = sizeof(struct connection) + (count + 1) * sizeof(struct kv_batch *),
                   .no_delay = true,
                   .allow_half_open = true,
                   .write_limit = WRITE_LIMIT}};
}
