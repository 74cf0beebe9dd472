/*
 * RESP, the protocol of redis: bytes that grow, commands read from them, replies written to them.
 *
 * Memory runs out rarely and anywhere, so struct kv_bytes remembers it: what cannot be appended is left out, and
 * `failed` is looked at once, where the bytes are used.
 */
#ifndef KV_RESP_H
#define KV_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KV_BULK_LIMIT (512L * 1024 * 1024) /* bytes of an argument, as redis's proto-max-bulk-len */
#define KV_ARGS_LIMIT (1024L * 1024)       /* arguments of a command */
#define KV_LINE_LIMIT (64u * 1024)         /* bytes of an inline command, and of a line with a number */

struct kv_text {
    const char *data;
    size_t size;
};

static inline bool
kv_text_equal(struct kv_text a, struct kv_text b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* Is it this word, in any case? */
bool kv_text_is(struct kv_text text, const char *word);

/* {0} is none. Memory: the struct's owner frees it with kv_bytes_free(). */
struct kv_bytes {
    char *data;
    size_t size, capacity;
    bool failed; /* memory ran out: something is missing */
};

/* Makes room for `size` bytes more, which `bytes->size` does not count yet. NULL: without memory. */
char *kv_bytes_grow(struct kv_bytes *bytes, size_t size);

static inline char *
kv_bytes_reserve(struct kv_bytes *bytes, size_t size)
{
    if (bytes->capacity - bytes->size < size)
        return kv_bytes_grow(bytes, size);
    return bytes->data + bytes->size;
}

static inline void
kv_bytes_append(struct kv_bytes *bytes, const void *data, size_t size)
{
    char *room = size > 0 ? kv_bytes_reserve(bytes, size) : NULL;
    if (room == NULL)
        return;
    memcpy(room, data, size);
    bytes->size += size;
}

static inline struct kv_text
kv_bytes_text(const struct kv_bytes *bytes)
{
    return (struct kv_text){bytes->data, bytes->size};
}

/* Empties them, and keeps their memory for the next time if it is not much. */
void kv_bytes_reset(struct kv_bytes *bytes);
void kv_bytes_free(struct kv_bytes *bytes);

/* The arguments of a command, the first one being its name. {0} is none. Memory: the owner uses kv_args_free(). */
struct kv_args {
    struct kv_text *list;
    size_t count, capacity;
    struct kv_bytes words; /* what the arguments of a line are, without their quotes */
};

bool kv_args_add(struct kv_args *args, struct kv_text text); /* false: without memory */
void kv_args_reset(struct kv_args *args);                    /* as kv_bytes_reset() */
void kv_args_free(struct kv_args *args);

enum kv_parse {
    KV_PARSE_WHOLE,   /* a command; or an empty one, without arguments */
    KV_PARSE_PARTIAL, /* more bytes are needed: at least *used in all */
    KV_PARSE_BAD,     /* no command: kv_parse() has written the error */
    KV_PARSE_MEMORY,
};

/*
 * Reads one command, in RESP or as a line with words.
 *
 * Memory:  args are views of data, or of args->words.
 * Units:   *used is in bytes: those of the command, or those that are needed to go on.
 */
enum kv_parse kv_parse(const char *data, size_t size, struct kv_args *args, size_t *used, struct kv_bytes *error);

/* Reads a number as redis does: all of the text, no blanks, no plus, no leading zeros. */
bool kv_integer(struct kv_text text, int64_t *out);

/* Replies. An error begins with its code, such as "ERR". */
void kv_reply_status(struct kv_bytes *to, const char *status);
void kv_reply_error(struct kv_bytes *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
void kv_reply_integer(struct kv_bytes *to, int64_t number);
void kv_reply_bulk(struct kv_bytes *to, struct kv_text text);
void kv_reply_word(struct kv_bytes *to, const char *word); /* a bulk, too */
void kv_reply_nil(struct kv_bytes *to);
void kv_reply_array(struct kv_bytes *to, size_t count); /* `count` replies follow */

/* Appends a number as text. */
void kv_bytes_number(struct kv_bytes *to, int64_t number);

#endif
