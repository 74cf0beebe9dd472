/*
 * The commands: their names, how many arguments they take, who carries them out, and what they do.
 */
#ifndef KV_VERBS_H
#define KV_VERBS_H

#include "kv_table.h"

#include <troupe/actors/actor.h>

/* Who carries a command out, and what becomes of the replies if these are several actors. */
enum kv_route {
    KV_HERE,       /* the connection itself */
    KV_KEY,        /* the shard of the first argument */
    KV_KEYS_SUM,   /* for each argument its shard; the replies are added up */
    KV_KEYS_LIST,  /* for each argument its shard; the replies become an array */
    KV_PAIRS,      /* for each two arguments the shard of the first; one OK */
    KV_SHARDS_SUM, /* all shards; the replies are added up */
    KV_SHARDS_OK,  /* all shards; one OK */
    KV_CHANNELS,   /* the actor of the channels */
};

enum {
    KV_SUBSCRIBED = 1, /* subscribers may use it, too */
    KV_LAST = 2,       /* what follows waits for its reply */
};

/* What the commands that a connection carries out itself may change. */
struct kv_client {
    uint64_t number;
    size_t subscriptions; /* above 0: a subscriber, who may use few commands only */
    bool closing;         /* nothing more is read; it ends when all replies are sent */
};

/* A command that is being carried out. */
struct kv_call {
    const struct kv_verb *verb;
    struct kv_args args; /* without the name */
    uint64_t hash;       /* of the first argument, if it is a key */
    struct kv_bytes *reply;

    /* Those that the actor has which carries it out. */
    tr_actor *self;
    struct kv_client *client;
    struct kv_table *keys;
    uint64_t now_ms, random; /* of shards */
    struct kv_channels *channels;
    tr_ref from;          /* the connection */
    size_t subscriptions; /* of it: the channels' actor sets it */
};

struct kv_verb {
    const char *name;
    enum kv_route route;
    unsigned least, most;              /* arguments */
    void (*run)(struct kv_call *call); /* appends a reply, whatever happens */
    unsigned flags;
};

/* Thread: setup, before all else. */
void kv_verbs_init(void);

/* NULL: there is no such command. */
const struct kv_verb *kv_verb_find(struct kv_text name);

#define KV_NAME_SIZE 16 /* bytes that hold any name, and a NUL */

/* Writes a command's name in small letters, as redis's errors have it. Returns: text. */
const char *kv_verb_small(const struct kv_verb *verb, char text[KV_NAME_SIZE]);

void kv_reply_memory(struct kv_bytes *to);                                /* memory ran out */
void kv_reply_arguments(struct kv_bytes *to, const struct kv_verb *verb); /* wrong number of arguments */

/* kv_verbs.c, kv_keys.c, kv_channels.c */
void kv_here_client(struct kv_call *call);
void kv_here_command(struct kv_call *call);
void kv_here_config(struct kv_call *call);
void kv_here_echo(struct kv_call *call);
void kv_here_hello(struct kv_call *call);
void kv_here_info(struct kv_call *call);
void kv_here_ping(struct kv_call *call);
void kv_here_quit(struct kv_call *call);
void kv_here_select(struct kv_call *call);

void kv_keys_append(struct kv_call *call);
void kv_keys_dbsize(struct kv_call *call);
void kv_keys_decr(struct kv_call *call);
void kv_keys_decrby(struct kv_call *call);
void kv_keys_del(struct kv_call *call);
void kv_keys_exists(struct kv_call *call);
void kv_keys_expire(struct kv_call *call);
void kv_keys_flush(struct kv_call *call);
void kv_keys_get(struct kv_call *call);
void kv_keys_hget(struct kv_call *call);
void kv_keys_hset(struct kv_call *call);
void kv_keys_incr(struct kv_call *call);
void kv_keys_incrby(struct kv_call *call);
void kv_keys_llen(struct kv_call *call);
void kv_keys_lpop(struct kv_call *call);
void kv_keys_lpush(struct kv_call *call);
void kv_keys_lrange(struct kv_call *call);
void kv_keys_mget(struct kv_call *call);
void kv_keys_pexpire(struct kv_call *call);
void kv_keys_pttl(struct kv_call *call);
void kv_keys_rpop(struct kv_call *call);
void kv_keys_rpush(struct kv_call *call);
void kv_keys_sadd(struct kv_call *call);
void kv_keys_scard(struct kv_call *call);
void kv_keys_set(struct kv_call *call);
void kv_keys_spop(struct kv_call *call);
void kv_keys_strlen(struct kv_call *call);
void kv_keys_ttl(struct kv_call *call);
void kv_keys_type(struct kv_call *call);
void kv_keys_zadd(struct kv_call *call);
void kv_keys_zcard(struct kv_call *call);
void kv_keys_zpopmin(struct kv_call *call);

void kv_channels_publish(struct kv_call *call);
void kv_channels_subscribe(struct kv_call *call);
void kv_channels_unsubscribe(struct kv_call *call);

#endif
