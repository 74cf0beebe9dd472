/*
 * The table of commands, and those that a connection answers itself.
 */
#include "kv_verbs.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>

#define SLOTS 256u   /* of the index below; a power of two, well above the number of commands */
#define PROTOCOL 2   /* RESP2 */
#define ANY UINT_MAX /* number of arguments */

static const struct kv_verb verbs[] = {
    {"APPEND", KV_KEY, 2, 2, kv_keys_append, 0},
    {"CLIENT", KV_HERE, 1, ANY, kv_here_client, 0},
    {"COMMAND", KV_HERE, 0, ANY, kv_here_command, 0},
    {"CONFIG", KV_HERE, 1, ANY, kv_here_config, 0},
    {"DBSIZE", KV_SHARDS_SUM, 0, 0, kv_keys_dbsize, 0},
    {"DECR", KV_KEY, 1, 1, kv_keys_decr, 0},
    {"DECRBY", KV_KEY, 2, 2, kv_keys_decrby, 0},
    {"DEL", KV_KEYS_SUM, 1, ANY, kv_keys_del, 0},
    {"ECHO", KV_HERE, 1, 1, kv_here_echo, 0},
    {"EXISTS", KV_KEYS_SUM, 1, ANY, kv_keys_exists, 0},
    {"EXPIRE", KV_KEY, 2, 2, kv_keys_expire, 0},
    {"FLUSHALL", KV_SHARDS_OK, 0, 1, kv_keys_flush, 0},
    {"FLUSHDB", KV_SHARDS_OK, 0, 1, kv_keys_flush, 0},
    {"GET", KV_KEY, 1, 1, kv_keys_get, 0},
    {"HELLO", KV_HERE, 0, ANY, kv_here_hello, 0},
    {"HGET", KV_KEY, 2, 2, kv_keys_hget, 0},
    {"HSET", KV_KEY, 3, ANY, kv_keys_hset, 0},
    {"INCR", KV_KEY, 1, 1, kv_keys_incr, 0},
    {"INCRBY", KV_KEY, 2, 2, kv_keys_incrby, 0},
    {"INFO", KV_HERE, 0, ANY, kv_here_info, 0},
    {"LLEN", KV_KEY, 1, 1, kv_keys_llen, 0},
    {"LPOP", KV_KEY, 1, 2, kv_keys_lpop, 0},
    {"LPUSH", KV_KEY, 2, ANY, kv_keys_lpush, 0},
    {"LRANGE", KV_KEY, 3, 3, kv_keys_lrange, 0},
    {"MGET", KV_KEYS_LIST, 1, ANY, kv_keys_mget, 0},
    {"MSET", KV_PAIRS, 2, ANY, kv_keys_set, 0},
    {"PEXPIRE", KV_KEY, 2, 2, kv_keys_pexpire, 0},
    {"PING", KV_HERE, 0, 1, kv_here_ping, KV_SUBSCRIBED},
    {"PTTL", KV_KEY, 1, 1, kv_keys_pttl, 0},
    {"PUBLISH", KV_CHANNELS, 2, 2, kv_channels_publish, 0},
    {"QUIT", KV_HERE, 0, ANY, kv_here_quit, KV_SUBSCRIBED},
    {"RPOP", KV_KEY, 1, 2, kv_keys_rpop, 0},
    {"RPUSH", KV_KEY, 2, ANY, kv_keys_rpush, 0},
    {"SADD", KV_KEY, 2, ANY, kv_keys_sadd, 0},
    {"SCARD", KV_KEY, 1, 1, kv_keys_scard, 0},
    {"SELECT", KV_HERE, 1, 1, kv_here_select, 0},
    {"SET", KV_KEY, 2, ANY, kv_keys_set, 0},
    {"SPOP", KV_KEY, 1, 1, kv_keys_spop, 0},
    {"STRLEN", KV_KEY, 1, 1, kv_keys_strlen, 0},
    {"SUBSCRIBE", KV_CHANNELS, 1, ANY, kv_channels_subscribe, KV_SUBSCRIBED | KV_LAST},
    {"TTL", KV_KEY, 1, 1, kv_keys_ttl, 0},
    {"TYPE", KV_KEY, 1, 1, kv_keys_type, 0},
    {"UNSUBSCRIBE", KV_CHANNELS, 0, ANY, kv_channels_unsubscribe, KV_SUBSCRIBED | KV_LAST},
    {"ZADD", KV_KEY, 3, ANY, kv_keys_zadd, 0},
    {"ZCARD", KV_KEY, 1, 1, kv_keys_zcard, 0},
    {"ZPOPMIN", KV_KEY, 1, 2, kv_keys_zpopmin, 0},
};

#define COUNT (sizeof(verbs) / sizeof(verbs[0]))

/* Finding a command by its name, in any case: each stands in the first free slot from its hash on. */
static const struct kv_verb *slots[SLOTS];

static unsigned
slot_of(struct kv_text name)
{
    unsigned first = name.data[0] & 0xdf, last = name.data[name.size - 1] & 0xdf,
             middle = name.data[name.size / 2] & 0xdf;
    return (unsigned)(first * 37 + middle * 11 + last * 3 + name.size * 7) % SLOTS;
}

void
kv_verbs_init(void)
{
    for (size_t i = 0; i < COUNT; i++) {
        unsigned slot = slot_of((struct kv_text){verbs[i].name, strlen(verbs[i].name)});
        while (slots[slot] != NULL)
            slot = (slot + 1) % SLOTS;
        slots[slot] = &verbs[i];
    }
}

const struct kv_verb *
kv_verb_find(struct kv_text name)
{
    if (name.size == 0)
        return NULL;
    unsigned slot = slot_of(name);
    while (slots[slot] != NULL && !kv_text_is(name, slots[slot]->name))
        slot = (slot + 1) % SLOTS;
    return slots[slot];
}

void
kv_reply_memory(struct kv_bytes *to)
{
    kv_reply_error(to, "OOM command not allowed: out of memory");
}

const char *
kv_verb_small(const struct kv_verb *verb, char text[KV_NAME_SIZE])
{
    size_t size = 0;
    for (; verb->name[size] != '\0' && size < KV_NAME_SIZE - 1; size++)
        text[size] = (char)tolower((unsigned char)verb->name[size]);
    text[size] = '\0';
    return text;
}

void
kv_reply_arguments(struct kv_bytes *to, const struct kv_verb *verb)
{
    char name[KV_NAME_SIZE];
    kv_reply_error(to, "ERR wrong number of arguments for '%s' command", kv_verb_small(verb, name));
}

/* What a connection answers itself. */

static struct kv_text
argument(const struct kv_call *call, size_t index)
{
    return index < call->args.count ? call->args.list[index] : (struct kv_text){"", 0};
}

static void
unknown_subcommand(struct kv_call *call, const char *name)
{
    struct kv_text what = argument(call, 0);
    kv_reply_error(call->reply, "ERR unknown subcommand '%.*s'. Try %s HELP.", (int)(what.size < 128 ? what.size : 128),
                   what.data, name);
}

void
kv_here_ping(struct kv_call *call)
{
    if (call->client->subscriptions > 0) {
        kv_reply_array(call->reply, 2);
        kv_reply_word(call->reply, "pong");
        kv_reply_bulk(call->reply, argument(call, 0));
    } else if (call->args.count == 0) {
        kv_reply_status(call->reply, "PONG");
    } else {
        kv_reply_bulk(call->reply, argument(call, 0));
    }
}

void
kv_here_echo(struct kv_call *call)
{
    kv_reply_bulk(call->reply, argument(call, 0));
}

void
kv_here_quit(struct kv_call *call)
{
    call->client->closing = true;
    kv_reply_status(call->reply, "OK");
}

void
kv_here_select(struct kv_call *call)
{
    int64_t index;
    if (!kv_integer(argument(call, 0), &index))
        kv_reply_error(call->reply, "ERR value is not an integer or out of range");
    else if (index != 0)
        kv_reply_error(call->reply, "ERR DB index is out of range");
    else
        kv_reply_status(call->reply, "OK");
}

void
kv_here_client(struct kv_call *call)
{
    struct kv_text what = argument(call, 0);
    if (kv_text_is(what, "ID"))
        kv_reply_integer(call->reply, (int64_t)call->client->number);
    else if (kv_text_is(what, "SETNAME") || kv_text_is(what, "SETINFO"))
        kv_reply_status(call->reply, "OK"); /* nobody asks for it */
    else if (kv_text_is(what, "GETNAME"))
        kv_reply_nil(call->reply);
    else
        unknown_subcommand(call, "CLIENT");
}

void
kv_here_command(struct kv_call *call)
{
    if (kv_text_is(argument(call, 0), "COUNT"))
        kv_reply_integer(call->reply, COUNT);
    else
        kv_reply_array(call->reply, 0); /* redis-cli completes names then without our help */
}

/* redis-benchmark asks how the server saves its data: not at all. */
void
kv_here_config(struct kv_call *call)
{
    if (!kv_text_is(argument(call, 0), "GET")) {
        unknown_subcommand(call, "CONFIG");
        return;
    }
    struct kv_text name = argument(call, 1);
    bool save = kv_text_is(name, "save"), append = kv_text_is(name, "appendonly");
    kv_reply_array(call->reply, save || append ? 2 : 0);
    if (save || append) {
        kv_reply_word(call->reply, save ? "save" : "appendonly");
        kv_reply_word(call->reply, save ? "" : "no");
    }
}

void
kv_here_hello(struct kv_call *call)
{
    int64_t version = PROTOCOL;
    if (call->args.count > 0 && (!kv_integer(argument(call, 0), &version) || version != PROTOCOL)) {
        kv_reply_error(call->reply, "NOPROTO unsupported protocol version");
        return;
    }
    kv_reply_array(call->reply, 8);
    kv_reply_word(call->reply, "server");
    kv_reply_word(call->reply, "troupe-kv");
    kv_reply_word(call->reply, "proto");
    kv_reply_integer(call->reply, PROTOCOL);
    kv_reply_word(call->reply, "id");
    kv_reply_integer(call->reply, (int64_t)call->client->number);
    kv_reply_word(call->reply, "mode");
    kv_reply_word(call->reply, "standalone");
}

void
kv_here_info(struct kv_call *call)
{
    kv_reply_word(call->reply, "# Server\r\nserver_name:troupe-kv\r\nredis_version:7.0.0\r\nredis_mode:standalone\r\n");
}
