/*
 * A key-value server that speaks RESP, the protocol of redis: redis-cli and redis-benchmark are its clients.
 *
 *   kv [PORT [WORKERS [SHARDS]]]       by default 6379, a worker for each CPU, a shard for each worker
 *
 *     client --- connection ---+--- shard 0      a part of the keys, chosen by their hash
 *     client --- connection ---+--- shard 1
 *     client --- connection ---+--- channels     who has subscribed to what
 *
 * Each of them is an actor, and they share nothing. A connection sorts the commands that it has read by the actors that
 * carry them out, and sends each of these one message: kv_connection.c. The shards (kv_shard.c, kv_keys.c) are spread
 * over the workers. kv_resp.c reads commands and writes replies, kv_batch.c is what is sent, kv_table.c is where keys
 * are, and kv_verbs.c has the list of commands.
 *
 * What redis promises and this does not: a command on several keys, such as MSET, is not one step. Each shard does its
 * part when it comes to it.
 */
#include "kv_actors.h"
#include "kv_verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <troupe/actors/runtime.h>

#define SHARDS_MAX 1024

static tr_ref shards[SHARDS_MAX];

struct arguments {
    uint16_t port;
    unsigned workers, shards; /* 0: the default */
};

/* Reads a number of at most SHARDS_MAX. */
static tr_status
read_number(const char *text, unsigned *out)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    *out = (unsigned)number;
    return *text == '\0' || *end != '\0' || number > SHARDS_MAX ? TR_EBADLIMIT : TR_OK;
}

static tr_status
read_arguments(int argc, char **argv, struct arguments *out)
{
    tr_status status = argc > 1 ? tr_port_parse(argv[1], &out->port) : TR_OK;
    if (status == TR_OK && argc > 2)
        status = read_number(argv[2], &out->workers);
    if (status == TR_OK && argc > 3)
        status = read_number(argv[3], &out->shards);
    return status;
}

static tr_status
spawn_on(tr_runtime *runtime, const struct tr_behavior *behavior, unsigned number, tr_ref *out)
{
    struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = number % tr_runtime_workers(runtime)};
    return tr_runtime_spawn(runtime, behavior, &place, out);
}

static tr_status
serve(tr_runtime *runtime, const struct arguments *arguments, struct tr_address *at)
{
    struct tr_listen_options listen = {.port = arguments->port, .any_port = true};
    unsigned count = arguments->shards > 0 ? arguments->shards : tr_runtime_workers(runtime);
    tr_ref channels;
    tr_status status = spawn_on(runtime, &kv_channels, 0, &channels);
    for (unsigned i = 0; status == TR_OK && i < count; i++)
        status = spawn_on(runtime, &kv_shard, i, &shards[i]);
    if (status != TR_OK)
        return status;
    struct tr_server_options server = kv_server(shards, count, channels);
    return tr_runtime_listen(runtime, &server, &listen, NULL, at);
}

int
main(int argc, char **argv)
{
    struct arguments arguments = {.port = 6379};
    struct tr_address at;
    tr_runtime *runtime = NULL;
    kv_hash_init();
    kv_verbs_init();
    tr_status status = read_arguments(argc, argv, &arguments);
    struct tr_runtime_options options = {.workers = arguments.workers};
    if (status == TR_OK)
        status = tr_runtime_start(&options, &runtime);
    if (status == TR_OK)
        status = serve(runtime, &arguments, &at);
    if (status == TR_OK) {
        fprintf(stderr, "kv: listening on port %u, %u workers\n", at.port, tr_runtime_workers(runtime));
        tr_runtime_wait(runtime); /* for Ctrl-C */
    } else {
        fprintf(stderr, "kv: %s\n", tr_status_text(status));
    }
    tr_status end = tr_runtime_stop(runtime, 2000, NULL);
    return status == TR_OK && end == TR_OK ? 0 : 1;
}
