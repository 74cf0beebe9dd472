/*
 * Concurrent dictionary: a shard on every worker, and clients that read and write. A client knows by itself which shard
 * has a key, asks it, and goes on when it has the answer. Some keys are its own: of these it knows what it will read.
 * Others are of all: it adds to them, and a sum that it has read never becomes less.
 */
#include "random.h"
#include "savina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SHARDS_MOST 4u
#define KEYS_OWN 16u /* of each client */
#define KEYS_OF_ALL 16u
#define CLIENTS_MOST 32u
#define KEYS (KEYS_OF_ALL + CLIENTS_MOST * KEYS_OWN)
#define WRITES_PERCENT 10u

struct size {
    unsigned clients, calls; /* calls of each client */
    uint64_t seed;
};

struct shards {
    unsigned count;
    tr_ref at[SHARDS_MOST];
};

struct write {
    uint64_t key, value;
};

struct sums {
    uint64_t keys, values;
};

#define DICTIONARY(X)                                                                                                  \
    X(DICTIONARY_PLAY, dictionary_play, SIGNAL)                                                                        \
    X(DICTIONARY_READ, dictionary_read, VALUE(uint64_t))                                                               \
    X(DICTIONARY_ADD, dictionary_add, VALUE(struct write))                                                             \
    X(DICTIONARY_PUT, dictionary_put, VALUE(struct write))                                                             \
    X(DICTIONARY_VALUE, dictionary_value, VALUE(uint64_t))                                                             \
    X(DICTIONARY_SUM, dictionary_sum, SIGNAL)                                                                          \
    X(DICTIONARY_SUMS, dictionary_sums, VALUE(struct sums))                                                            \
    X(DICTIONARY_EXPECTED, dictionary_expected, VALUE(struct sums))

TR_PROTOCOL(dictionary, DICTIONARY, 1);

/* Shards: a value of 0 is none. */

struct shard {
    uint64_t values[KEYS];
};

static uint64_t *
value_of(tr_actor *self, struct shard *shard, uint64_t key)
{
    unsigned workers = tr_runtime_workers(tr_actor_runtime(self));
    assert_true(key < KEYS);
    assert_int_equal(tr_key_worker(key, workers), tr_ref_worker(tr_self(self)));
    return &shard->values[key];
}

static struct sums
sum(const struct shard *shard)
{
    struct sums sums = {0, 0};
    for (unsigned i = 0; i < KEYS; i++) {
        sums.keys += shard->values[i] != 0;
        sums.values += shard->values[i];
    }
    return sums;
}

static void
shard_receive(tr_actor *self, void *state, tr_message *message)
{
    const struct write *write;
    uint64_t *value;
    struct sums sums;
    switch (dictionary_tag_of(self, message)) {
    case DICTIONARY_READ: value = value_of(self, state, *dictionary_read(message)); break;
    case DICTIONARY_PUT:
        write = dictionary_put(message);
        *(value = value_of(self, state, write->key)) = write->value;
        break;
    case DICTIONARY_ADD:
        write = dictionary_add(message);
        *(value = value_of(self, state, write->key)) += write->value;
        break;
    case DICTIONARY_SUM:
        sums = sum(state);
        savina_reply(self, dictionary_sums_message(&sums));
        return;
    default: fail(); return;
    }
    savina_reply(self, dictionary_value_message(value));
}

static const struct tr_behavior shard_behavior = {
    .name = "shard", .state_size = sizeof(struct shard), .receive = shard_receive};

/* Clients. */

struct part {
    struct size size;
    struct shards shards;
    unsigned number;
};

struct client {
    struct part part;
    uint64_t seed;
    unsigned calls;
    uint64_t key;               /* of the call that is under way */
    uint64_t own[KEYS_OWN];     /* what its own keys have */
    uint64_t seen[KEYS_OF_ALL]; /* the last that it has read of the others */
    struct sums sums;           /* its own keys, and all that it has added */
};

static void on_value(tr_actor *self, void *context, const struct tr_answer *answer);

static void
ask(tr_actor *self, struct client *client, tr_message question)
{
    const struct shards *shards = &client->part.shards;
    savina_ask(self, shards->at[tr_key_worker(client->key, shards->count)], question, on_value);
}

static void
call_own(tr_actor *self, struct client *client, bool writes)
{
    unsigned number = random_below(&client->seed, KEYS_OWN);
    client->key = KEYS_OF_ALL + client->part.number * KEYS_OWN + number;
    if (!writes) {
        ask(self, client, dictionary_read_message(&client->key));
        return;
    }
    struct write write = {client->key, 1 + random_below(&client->seed, 1000)};
    client->sums.keys += client->own[number] == 0;
    client->sums.values += write.value - client->own[number];
    client->own[number] = write.value;
    ask(self, client, dictionary_put_message(&write));
}

static void
call_of_all(tr_actor *self, struct client *client, bool writes)
{
    client->key = random_below(&client->seed, KEYS_OF_ALL);
    struct write write = {client->key, 1 + random_below(&client->seed, 1000)};
    if (writes)
        client->sums.values += write.value;
    ask(self, client, writes ? dictionary_add_message(&write) : dictionary_read_message(&client->key));
}

static void
call(tr_actor *self, struct client *client)
{
    bool writes = random_below(&client->seed, 100) < WRITES_PERCENT;
    client->calls++;
    if (random_below(&client->seed, 2) == 0)
        call_own(self, client, writes);
    else
        call_of_all(self, client, writes);
}

static void
check(struct client *client, uint64_t value)
{
    if (client->key >= KEYS_OF_ALL) {
        assert_int_equal(value, client->own[(client->key - KEYS_OF_ALL) % KEYS_OWN]);
    } else {
        assert_true(value >= client->seen[client->key]);
        client->seen[client->key] = value;
    }
}

static void
on_value(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct client *client = context;
    assert_int_equal(answer->outcome, TR_ANSWERED);
    assert_non_null(dictionary_value(answer->message));
    check(client, *dictionary_value(answer->message));
    if (client->calls < client->part.size.calls) {
        call(self, client);
        return;
    }
    assert_int_equal(dictionary_expected_send(self, tr_parent(self), &client->sums), TR_OK);
    tr_exit(self);
}

static tr_status
client_init(tr_actor *self, void *state, const void *argument)
{
    struct client *client = state;
    client->part = *(const struct part *)argument;
    client->seed = client->part.size.seed + client->part.number;
    call(self, client);
    return TR_OK;
}

static const struct tr_behavior client_behavior = {
    .name = "client", .state_size = sizeof(struct client), .init = client_init, .receive = ignore};

/* The director: it has the clients' sums, and asks for those of the shards when all clients have ended. */

struct director {
    struct part part;
    struct savina_play play;
    struct sums expected, found;
    unsigned told;
};

static tr_status
director_init(tr_actor *self, void *state, const void *argument)
{
    struct director *director = state;
    (void)self;
    director->part = *(const struct part *)argument;
    return TR_OK;
}

static void
play(tr_actor *self, struct director *director)
{
    savina_begin(self, &director->play);
    for (unsigned i = 0; i < director->part.size.clients; i++) {
        director->part.number = i;
        savina_cast(self, &director->play, &client_behavior, i, &director->part, sizeof(director->part));
    }
}

/* Keys of all that nobody has written are not there: the sum of values says what there is. */
static void
on_sums(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct director *director = context;
    assert_int_equal(answer->outcome, TR_ANSWERED);
    assert_non_null(dictionary_sums(answer->message));
    director->found.keys += dictionary_sums(answer->message)->keys;
    director->found.values += dictionary_sums(answer->message)->values;
    assert_int_equal(tr_stop(self, answer->asked, TR_STOP_DRAIN), TR_OK);
    if (++director->told < director->part.shards.count)
        return;
    assert_int_equal(director->found.values, director->expected.values);
    assert_in_range(director->found.keys, director->expected.keys, director->expected.keys + KEYS_OF_ALL);
    savina_end(self, &director->play, dictionary_sums_message(&director->found));
}

static void
one_has_ended(tr_actor *self, struct director *director, const tr_message *message)
{
    savina_one_has_ended(&director->play, message);
    for (unsigned i = 0; director->play.cast == 0 && i < director->part.shards.count; i++)
        savina_ask(self, director->part.shards.at[i], dictionary_sum_message(), on_sums);
}

static void
director_receive(tr_actor *self, void *state, tr_message *message)
{
    struct director *director = state;
    switch (dictionary_tag_of(self, message)) {
    case DICTIONARY_PLAY: play(self, director); break;
    case DICTIONARY_EXPECTED:
        director->expected.keys += dictionary_expected(message)->keys;
        director->expected.values += dictionary_expected(message)->values;
        break;
    default: one_has_ended(self, director, message);
    }
}

static const struct tr_behavior director_behavior = {
    .name = "director", .state_size = sizeof(struct director), .init = director_init, .receive = director_receive};

static void
program(tr_runtime *runtime, const void *size)
{
    struct part part = {.size = *(const struct size *)size, .shards.count = tr_runtime_workers(runtime)};
    assert_int_equal(tr_runtime_spawn_each(runtime, &shard_behavior, NULL, part.shards.at), TR_OK);
    tr_message answer = savina_direct(runtime, &director_behavior, &part, sizeof(part), dictionary_play_message());
    assert_non_null(dictionary_sums(&answer));
    assert_true(dictionary_sums(&answer)->values > 0);
    tr_message_drop(&answer);
}

static void
what_a_client_writes_it_reads_and_nothing_that_is_added_is_lost_on_many_workers(void **state)
{
    (void)state;
    savina_on_workers(program, &(struct size){.clients = 20, .calls = 300, .seed = 12});
}

static void
what_a_client_writes_it_reads_and_nothing_that_is_added_is_lost_under_seeds(void **state)
{
    (void)state;
    savina_under_seeds(program, &(struct size){.clients = 6, .calls = 15, .seed = 12});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_client_writes_it_reads_and_nothing_that_is_added_is_lost_on_many_workers),
        cmocka_unit_test(what_a_client_writes_it_reads_and_nothing_that_is_added_is_lost_under_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
