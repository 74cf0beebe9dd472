/*
 * The commands that a shard carries out on its keys. Each looks its key up, whose time may have run out, sees that the
 * value is of the right type, and replies. A key whose list, set or the like has become empty is removed.
 */
#include "kv_verbs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_TEXT 64 /* bytes of any number as text */

static struct kv_text
argument(const struct kv_call *call, size_t index)
{
    return call->args.list[index];
}

static void
not_an_integer(struct kv_call *call)
{
    kv_reply_error(call->reply, "ERR value is not an integer or out of range");
}

/* Reads an argument that must be a number; if it is none the client is told. */
static bool
integer_argument(struct kv_call *call, size_t index, int64_t *out)
{
    bool is_integer = kv_integer(argument(call, index), out);
    if (!is_integer)
        not_an_integer(call);
    return is_integer;
}

/* Reads the second argument, if there is one: how many. Otherwise it is 1. */
static bool
count_argument(struct kv_call *call, int64_t *out)
{
    *out = 1;
    bool is_count = call->args.count < 2 || (kv_integer(argument(call, 1), out) && *out >= 0);
    if (!is_count)
        kv_reply_error(call->reply, "ERR value is out of range, must be positive");
    return is_count;
}

static int64_t
smaller(int64_t count, size_t size)
{
    return count < (int64_t)size ? count : (int64_t)size;
}

/* Looking up. */

/* The entry of the command's key; NULL if it has none. */
static struct kv_entry *
find(struct kv_call *call)
{
    struct kv_entry *entry = kv_table_find(call->keys, call->hash, argument(call, 0));
    if (entry == NULL || entry->expires_ms == 0 || entry->expires_ms > call->now_ms)
        return entry;
    kv_table_remove(call->keys, entry);
    return NULL;
}

/* As find(). false: the value has another type, and the client was told. */
static bool
find_typed(struct kv_call *call, enum kv_type type, struct kv_entry **out)
{
    *out = find(call);
    if (*out == NULL || (*out)->value.type == type)
        return true;
    kv_reply_error(call->reply, "WRONGTYPE Operation against a key holding the wrong kind of value");
    return false;
}

static bool
begin_value(struct kv_value *value, enum kv_type type)
{
    struct kv_zset *zset = NULL;
    if (type == KV_ZSET && (zset = calloc(1, sizeof(*zset))) == NULL)
        return false;
    *value = (struct kv_value){.type = type};
    if (type == KV_ZSET)
        value->zset = zset;
    return true;
}

/* As find_typed(), and adds an empty value if there is none. NULL: the client was told why not. */
static struct kv_entry *
find_or_add(struct kv_call *call, enum kv_type type)
{
    struct kv_entry *entry;
    if (!find_typed(call, type, &entry))
        return NULL;
    if (entry != NULL)
        return entry;
    entry = kv_table_add(call->keys, call->hash, argument(call, 0));
    if (entry != NULL && begin_value(&entry->value, type))
        return entry;
    if (entry != NULL)
        kv_table_remove(call->keys, entry);
    kv_reply_memory(call->reply);
    return NULL;
}

static size_t
value_size(const struct kv_value *value)
{
    switch (value->type) {
    case KV_STRING: return value->string.size;
    case KV_LIST: return value->list.count;
    case KV_SET:
    case KV_HASH: return value->table.size;
    case KV_ZSET: return value->zset->members.size;
    default: return 0;
    }
}

static void
remove_if_empty(struct kv_call *call, struct kv_entry *entry)
{
    if (value_size(&entry->value) == 0)
        kv_table_remove(call->keys, entry);
}

/* After a change: replies with a number, or that memory ran out. */
static void
reply_changed(struct kv_call *call, struct kv_entry *entry, bool complete, size_t number)
{
    if (complete)
        kv_reply_integer(call->reply, (int64_t)number);
    else
        kv_reply_memory(call->reply);
    remove_if_empty(call, entry);
}

static void
reply_size(struct kv_call *call, enum kv_type type)
{
    struct kv_entry *entry;
    if (find_typed(call, type, &entry))
        kv_reply_integer(call->reply, entry == NULL ? 0 : (int64_t)value_size(&entry->value));
}

/* Keys. */

void
kv_keys_dbsize(struct kv_call *call)
{
    kv_reply_integer(call->reply, (int64_t)call->keys->size);
}

void
kv_keys_flush(struct kv_call *call)
{
    kv_table_clear(call->keys);
    kv_reply_status(call->reply, "OK");
}

void
kv_keys_exists(struct kv_call *call)
{
    kv_reply_integer(call->reply, find(call) != NULL);
}

void
kv_keys_del(struct kv_call *call)
{
    struct kv_entry *entry = find(call);
    if (entry != NULL)
        kv_table_remove(call->keys, entry);
    kv_reply_integer(call->reply, entry != NULL);
}

void
kv_keys_type(struct kv_call *call)
{
    static const char *const names[] = {
        [KV_STRING] = "string", [KV_LIST] = "list", [KV_SET] = "set", [KV_HASH] = "hash", [KV_ZSET] = "zset"};
    struct kv_entry *entry = find(call);
    kv_reply_status(call->reply, entry == NULL ? "none" : names[entry->value.type]);
}

/* Times. */

/* Reads a time from now on, in units of unit_ms, as a time of the clock. false: it is too large. */
static bool
expiry(const struct kv_call *call, int64_t time, int64_t unit_ms, int64_t *out)
{
    int64_t limit = INT64_MAX - (int64_t)call->now_ms;
    if (time > limit / unit_ms || time < -(limit / unit_ms))
        return false;
    *out = (int64_t)call->now_ms + time * unit_ms;
    return true;
}

static void
expire(struct kv_call *call, int64_t unit_ms, const char *name)
{
    int64_t time, at;
    if (!integer_argument(call, 1, &time))
        return;
    if (!expiry(call, time, unit_ms, &at)) {
        kv_reply_error(call->reply, "ERR invalid expire time in '%s' command", name);
        return;
    }
    struct kv_entry *entry = find(call);
    kv_reply_integer(call->reply, entry != NULL);
    if (entry != NULL && at <= (int64_t)call->now_ms)
        kv_table_remove(call->keys, entry);
    else if (entry != NULL)
        entry->expires_ms = (uint64_t)at;
}

void
kv_keys_expire(struct kv_call *call)
{
    expire(call, 1000, "expire");
}

void
kv_keys_pexpire(struct kv_call *call)
{
    expire(call, 1, "pexpire");
}

static void
time_left(struct kv_call *call, int64_t unit_ms)
{
    struct kv_entry *entry = find(call);
    int64_t left = entry == NULL ? -2 : -1;
    if (entry != NULL && entry->expires_ms != 0)
        left = ((int64_t)(entry->expires_ms - call->now_ms) + unit_ms / 2) / unit_ms;
    kv_reply_integer(call->reply, left);
}

void
kv_keys_ttl(struct kv_call *call)
{
    time_left(call, 1000);
}

void
kv_keys_pttl(struct kv_call *call)
{
    time_left(call, 1);
}

/* Strings. */

struct set_options {
    bool if_new, if_there; /* NX, XX */
    int64_t expires_ms;    /* 0: never */
};

/* Reads EX and PX. false: the client was told what is wrong. */
static bool
read_expiry(struct kv_call *call, size_t index, int64_t unit_ms, struct set_options *options)
{
    int64_t time;
    if (index >= call->args.count || options->expires_ms != 0) {
        kv_reply_error(call->reply, "ERR syntax error");
        return false;
    }
    if (!integer_argument(call, index, &time))
        return false;
    if (time > 0 && expiry(call, time, unit_ms, &options->expires_ms))
        return true;
    kv_reply_error(call->reply, "ERR invalid expire time in 'set' command");
    return false;
}

static bool
read_set_options(struct kv_call *call, struct set_options *options)
{
    for (size_t i = 2; i < call->args.count; i++) {
        struct kv_text word = argument(call, i);
        bool seconds = kv_text_is(word, "EX");
        if (seconds || kv_text_is(word, "PX")) {
            if (!read_expiry(call, ++i, seconds ? 1000 : 1, options))
                return false;
        } else if (kv_text_is(word, "NX") && !options->if_there) {
            options->if_new = true;
        } else if (kv_text_is(word, "XX") && !options->if_new) {
            options->if_there = true;
        } else {
            kv_reply_error(call->reply, "ERR syntax error");
            return false;
        }
    }
    return true;
}

/* Gives an entry a string in place of what it has. */
static bool
replace(struct kv_entry *entry, struct kv_text text)
{
    if (entry->value.type != KV_STRING || entry->value.string.capacity > 2 * text.size + 64) {
        kv_value_clear(&entry->value);
        begin_value(&entry->value, KV_STRING);
    }
    entry->value.string.size = 0;
    entry->value.string.failed = false;
    kv_bytes_append(&entry->value.string, text.data, text.size);
    return !entry->value.string.failed;
}

/* Gives the command's key a string, whatever it had. entry: the one that it has; NULL: none. */
static void
store(struct kv_call *call, struct kv_entry *entry, int64_t expires_ms)
{
    if (entry == NULL)
        entry = kv_table_add(call->keys, call->hash, argument(call, 0));
    if (entry != NULL && replace(entry, argument(call, 1))) {
        entry->expires_ms = (uint64_t)expires_ms;
        kv_reply_status(call->reply, "OK");
        return;
    }
    if (entry != NULL)
        kv_table_remove(call->keys, entry);
    kv_reply_memory(call->reply);
}

void
kv_keys_set(struct kv_call *call)
{
    struct set_options options = {0};
    if (!read_set_options(call, &options))
        return;
    struct kv_entry *entry = find(call);
    if ((options.if_new && entry != NULL) || (options.if_there && entry == NULL))
        kv_reply_nil(call->reply);
    else
        store(call, entry, options.expires_ms);
}

void
kv_keys_get(struct kv_call *call)
{
    struct kv_entry *entry;
    if (!find_typed(call, KV_STRING, &entry))
        return;
    if (entry == NULL)
        kv_reply_nil(call->reply);
    else
        kv_reply_bulk(call->reply, kv_bytes_text(&entry->value.string));
}

/* As GET, but what is no string is no error. */
void
kv_keys_mget(struct kv_call *call)
{
    struct kv_entry *entry = find(call);
    if (entry == NULL || entry->value.type != KV_STRING)
        kv_reply_nil(call->reply);
    else
        kv_reply_bulk(call->reply, kv_bytes_text(&entry->value.string));
}

void
kv_keys_strlen(struct kv_call *call)
{
    reply_size(call, KV_STRING);
}

void
kv_keys_append(struct kv_call *call)
{
    struct kv_entry *entry = find_or_add(call, KV_STRING);
    if (entry == NULL)
        return;
    struct kv_bytes *string = &entry->value.string;
    if (string->size + argument(call, 1).size > KV_BULK_LIMIT) {
        kv_reply_error(call->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
        return;
    }
    kv_bytes_append(string, argument(call, 1).data, argument(call, 1).size);
    if (string->failed)
        kv_reply_memory(call->reply);
    else
        kv_reply_integer(call->reply, (int64_t)string->size);
    string->failed = false;
}

/* Adds to the number that a string is; a key that is not there counts as 0. */
static void
add(struct kv_call *call, int64_t by)
{
    struct kv_entry *entry;
    int64_t number = 0;
    if (!find_typed(call, KV_STRING, &entry))
        return;
    if (entry != NULL && !kv_integer(kv_bytes_text(&entry->value.string), &number)) {
        not_an_integer(call);
        return;
    }
    if (__builtin_add_overflow(number, by, &number)) {
        kv_reply_error(call->reply, "ERR increment or decrement would overflow");
        return;
    }
    if (entry == NULL && (entry = find_or_add(call, KV_STRING)) == NULL)
        return;
    entry->value.string.size = 0;
    kv_bytes_number(&entry->value.string, number);
    kv_reply_integer(call->reply, number);
}

void
kv_keys_incr(struct kv_call *call)
{
    add(call, 1);
}

void
kv_keys_decr(struct kv_call *call)
{
    add(call, -1);
}

void
kv_keys_incrby(struct kv_call *call)
{
    int64_t by;
    if (integer_argument(call, 1, &by))
        add(call, by);
}

void
kv_keys_decrby(struct kv_call *call)
{
    int64_t by;
    if (!integer_argument(call, 1, &by))
        return;
    if (by == INT64_MIN)
        kv_reply_error(call->reply, "ERR decrement would overflow");
    else
        add(call, -by);
}

/* Lists. */

static void
push(struct kv_call *call, bool front)
{
    struct kv_entry *entry = find_or_add(call, KV_LIST);
    bool complete = entry != NULL;
    for (size_t i = 1; complete && i < call->args.count; i++)
        complete = kv_list_push(&entry->value.list, front, argument(call, i));
    if (entry != NULL)
        reply_changed(call, entry, complete, entry->value.list.count);
}

void
kv_keys_lpush(struct kv_call *call)
{
    push(call, true);
}

void
kv_keys_rpush(struct kv_call *call)
{
    push(call, false);
}

static void
pop_one(struct kv_call *call, struct kv_list *list, bool front)
{
    struct kv_item *item = kv_list_pop(list, front);
    kv_reply_bulk(call->reply, (struct kv_text){item->data, item->size});
    free(item);
}

static void
pop(struct kv_call *call, bool front)
{
    struct kv_entry *entry;
    int64_t count;
    bool many = call->args.count > 1;
    if (!count_argument(call, &count) || !find_typed(call, KV_LIST, &entry))
        return;
    if (entry == NULL) {
        kv_bytes_append(call->reply, many ? "*-1\r\n" : "$-1\r\n", 5);
        return;
    }
    count = smaller(count, entry->value.list.count);
    if (many)
        kv_reply_array(call->reply, (size_t)count);
    for (; count > 0; count--)
        pop_one(call, &entry->value.list, front);
    remove_if_empty(call, entry);
}

void
kv_keys_lpop(struct kv_call *call)
{
    pop(call, true);
}

void
kv_keys_rpop(struct kv_call *call)
{
    pop(call, false);
}

void
kv_keys_llen(struct kv_call *call)
{
    reply_size(call, KV_LIST);
}

/* Brings a range, which counts from the end where it is negative, into what there is: from *first until before *end. */
static void
clip(int64_t size, int64_t *first, int64_t *end)
{
    *first = *first >= 0 ? *first : *first + size > 0 ? *first + size : 0;
    *end = *end >= 0 ? *end : *end + size;
    *end = *end < size ? *end + 1 : size;
    if (*end < *first)
        *end = *first;
}

void
kv_keys_lrange(struct kv_call *call)
{
    struct kv_entry *entry;
    int64_t first, end;
    if (!integer_argument(call, 1, &first) || !integer_argument(call, 2, &end) || !find_typed(call, KV_LIST, &entry))
        return;
    clip(entry == NULL ? 0 : (int64_t)entry->value.list.count, &first, &end);
    kv_reply_array(call->reply, (size_t)(end - first));
    for (; first < end; first++)
        kv_reply_bulk(call->reply, kv_list_at(&entry->value.list, (size_t)first));
}

/* Sets and hashes: tables in a table. */

/* Finds or adds a member; NULL: without memory. */
static struct kv_entry *
member(struct kv_table *table, struct kv_text name, size_t *added)
{
    uint64_t hash = kv_hash(name);
    struct kv_entry *entry = kv_table_find(table, hash, name);
    if (entry != NULL || (entry = kv_table_add(table, hash, name)) == NULL)
        return entry;
    ++*added;
    return entry;
}

void
kv_keys_sadd(struct kv_call *call)
{
    struct kv_entry *entry = find_or_add(call, KV_SET);
    size_t added = 0;
    bool complete = entry != NULL;
    for (size_t i = 1; complete && i < call->args.count; i++)
        complete = member(&entry->value.table, argument(call, i), &added) != NULL;
    if (entry != NULL)
        reply_changed(call, entry, complete, added);
}

void
kv_keys_scard(struct kv_call *call)
{
    reply_size(call, KV_SET);
}

void
kv_keys_spop(struct kv_call *call)
{
    struct kv_entry *entry;
    if (!find_typed(call, KV_SET, &entry))
        return;
    if (entry == NULL) {
        kv_reply_nil(call->reply);
        return;
    }
    call->random = call->random * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
    struct kv_entry *popped = kv_table_any(&entry->value.table, call->random >> 24);
    kv_reply_bulk(call->reply, kv_entry_key(popped));
    kv_table_remove(&entry->value.table, popped);
    remove_if_empty(call, entry);
}

void
kv_keys_hset(struct kv_call *call)
{
    if (call->args.count % 2 == 0) {
        kv_reply_arguments(call->reply, call->verb);
        return;
    }
    struct kv_entry *entry = find_or_add(call, KV_HASH), *field;
    size_t added = 0;
    bool complete = entry != NULL;
    for (size_t i = 1; complete && i < call->args.count; i += 2) {
        field = member(&entry->value.table, argument(call, i), &added);
        complete = field != NULL && replace(field, argument(call, i + 1));
    }
    if (entry != NULL)
        reply_changed(call, entry, complete, added);
}

void
kv_keys_hget(struct kv_call *call)
{
    struct kv_entry *entry, *field = NULL;
    if (!find_typed(call, KV_HASH, &entry))
        return;
    if (entry != NULL)
        field = kv_table_find(&entry->value.table, kv_hash(argument(call, 1)), argument(call, 1));
    if (field == NULL)
        kv_reply_nil(call->reply);
    else
        kv_reply_bulk(call->reply, kv_bytes_text(&field->value.string));
}

/* Sorted sets. */

static bool
read_score(struct kv_text text, double *out)
{
    char copy[NUMBER_TEXT], *end;
    if (text.size == 0 || text.size >= sizeof(copy) || text.data[0] == ' ')
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    *out = strtod(copy, &end);
    return end == copy + text.size && !isnan(*out);
}

static void
reply_score(struct kv_call *call, double score)
{
    char text[NUMBER_TEXT];
    if (isinf(score))
        kv_reply_word(call->reply, score > 0 ? "inf" : "-inf");
    else if (snprintf(text, sizeof(text), "%.17g", score) > 0)
        kv_reply_word(call->reply, text);
}

/* Are the arguments scores and members? If not the client is told, and nothing has changed. */
static bool
check_scores(struct kv_call *call)
{
    double score;
    if (call->args.count % 2 == 0) {
        kv_reply_error(call->reply, "ERR syntax error");
        return false;
    }
    for (size_t i = 1; i < call->args.count; i += 2) {
        if (!read_score(argument(call, i), &score)) {
            kv_reply_error(call->reply, "ERR value is not a valid float");
            return false;
        }
    }
    return true;
}

void
kv_keys_zadd(struct kv_call *call)
{
    struct kv_entry *entry = check_scores(call) ? find_or_add(call, KV_ZSET) : NULL;
    size_t count = 0;
    bool complete = entry != NULL, added;
    for (size_t i = 1; complete && i < call->args.count; i += 2) {
        double score;
        read_score(argument(call, i), &score);
        complete = kv_zset_put(entry->value.zset, argument(call, i + 1), score, &added);
        count += complete && added;
    }
    if (entry != NULL)
        reply_changed(call, entry, complete, count);
}

void
kv_keys_zcard(struct kv_call *call)
{
    reply_size(call, KV_ZSET);
}

static void
pop_least(struct kv_call *call, struct kv_zset *zset)
{
    const struct kv_entry *least = kv_zset_least(zset);
    kv_reply_bulk(call->reply, kv_entry_key(least));
    reply_score(call, least->value.rank.score);
    kv_zset_remove_least(zset);
}

void
kv_keys_zpopmin(struct kv_call *call)
{
    struct kv_entry *entry;
    int64_t count;
    if (!count_argument(call, &count) || !find_typed(call, KV_ZSET, &entry))
        return;
    count = smaller(count, entry == NULL ? 0 : value_size(&entry->value));
    kv_reply_array(call->reply, 2 * (size_t)count);
    for (; count > 0; count--)
        pop_least(call, entry->value.zset);
    if (entry != NULL)
        remove_if_empty(call, entry);
}
