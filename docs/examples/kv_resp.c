/*
 * RESP: see redis.io/docs/reference/protocol-spec. The limits and the texts of errors are redis's.
 *
 *   *2 CRLF $3 CRLF GET CRLF $1 CRLF k CRLF      an array of bulks is a command
 *   GET "k" LF                                   and so is a line, for those who type
 */
#include "kv_resp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define KEEP_BYTES 8192u /* of what is emptied: more than that is given back */
#define BULK_LEAST 6u    /* "$0" and two ends of lines: what an argument has at least */

bool
kv_text_is(struct kv_text text, const char *word)
{
    return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}

char *
kv_bytes_grow(struct kv_bytes *bytes, size_t size)
{
    size_t capacity = 2 * bytes->capacity;
    if (capacity < bytes->size + size)
        capacity = bytes->size + size;
    char *data = realloc(bytes->data, capacity);
    if (data == NULL) {
        bytes->failed = true;
        return NULL;
    }
    bytes->data = data;
    bytes->capacity = capacity;
    return data + bytes->size;
}

void
kv_bytes_reset(struct kv_bytes *bytes)
{
    if (bytes->capacity > KEEP_BYTES)
        kv_bytes_free(bytes);
    bytes->size = 0;
    bytes->failed = false;
}

void
kv_bytes_free(struct kv_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct kv_bytes){0};
}

bool
kv_args_add(struct kv_args *args, struct kv_text text)
{
    if (args->count == args->capacity) {
        size_t capacity = args->capacity == 0 ? 8 : 2 * args->capacity;
        struct kv_text *list = realloc(args->list, capacity * sizeof(*list));
        if (list == NULL)
            return false;
        args->list = list;
        args->capacity = capacity;
    }
    args->list[args->count++] = text;
    return true;
}

void
kv_args_reset(struct kv_args *args)
{
    if (args->capacity * sizeof(*args->list) > KEEP_BYTES)
        kv_args_free(args);
    args->count = 0;
}

void
kv_args_free(struct kv_args *args)
{
    free(args->list);
    kv_bytes_free(&args->words);
    *args = (struct kv_args){0};
}

/* Reading numbers. */

bool
kv_integer(struct kv_text text, int64_t *out)
{
    bool negative = text.size > 1 && text.data[0] == '-';
    size_t at = negative, digits = text.size - at;
    uint64_t number = 0, limit = (uint64_t)INT64_MAX + negative;
    if (digits == 0 || digits > 19 || (text.data[at] == '0' && text.size > 1))
        return false;
    for (; at < text.size; at++) {
        unsigned digit = (unsigned)text.data[at] - '0';
        if (digit > 9)
            return false;
        number = number * 10 + digit; /* 19 digits fit into 64 bits without a sign */
    }
    *out = negative ? (int64_t)(0 - number) : (int64_t)number;
    return number <= limit;
}

/* Reading commands. */

struct reader {
    const char *data;
    size_t size, at; /* all before `at` has been read */
    size_t needed;   /* bytes, when something is missing */
    struct kv_args *args;
    struct kv_bytes *error;
};

static enum kv_parse
bad(struct reader *reader, const char *what)
{
    kv_reply_error(reader->error, "ERR Protocol error: %s", what);
    return KV_PARSE_BAD;
}

static enum kv_parse
partial(struct reader *reader, size_t needed)
{
    reader->needed = needed;
    return KV_PARSE_PARTIAL;
}

/* Reads the rest of a line that is a number. */
static enum kv_parse
read_number(struct reader *reader, const char *too_long, const char *wrong, int64_t *out)
{
    const char *line = reader->data + reader->at;
    size_t left = reader->size - reader->at;
    const char *end = memchr(line, '\r', left);
    if (end == NULL)
        return left > KV_LINE_LIMIT ? bad(reader, too_long) : partial(reader, reader->size + 1);
    size_t size = (size_t)(end - line);
    if (left < size + 2)
        return partial(reader, reader->size + 1);
    reader->at += size + 2;
    return kv_integer((struct kv_text){line, size}, out) ? KV_PARSE_WHOLE : bad(reader, wrong);
}

/* Reads an argument, after which `more` others come. */
static enum kv_parse
read_bulk(struct reader *reader, size_t more)
{
    int64_t size;
    if (reader->at == reader->size)
        return partial(reader, reader->size + BULK_LEAST * (more + 1));
    char first = reader->data[reader->at];
    if (first != '$') {
        kv_reply_error(reader->error, "ERR Protocol error: expected '$', got '%c'", first);
        return KV_PARSE_BAD;
    }
    reader->at++;
    enum kv_parse outcome = read_number(reader, "too big bulk count string", "invalid bulk length", &size);
    if (outcome != KV_PARSE_WHOLE)
        return outcome;
    if (size < 0 || size > KV_BULK_LIMIT)
        return bad(reader, "invalid bulk length");
    if (reader->size - reader->at < (size_t)size + 2)
        return partial(reader, reader->at + (size_t)size + 2 + BULK_LEAST * more);
    struct kv_text text = {reader->data + reader->at, (size_t)size};
    reader->at += (size_t)size + 2;
    return kv_args_add(reader->args, text) ? KV_PARSE_WHOLE : KV_PARSE_MEMORY;
}

static enum kv_parse
read_array(struct reader *reader)
{
    int64_t count;
    reader->at = 1;
    enum kv_parse outcome = read_number(reader, "too big mbulk count string", "invalid multibulk length", &count);
    if (outcome == KV_PARSE_WHOLE && count > KV_ARGS_LIMIT)
        return bad(reader, "invalid multibulk length");
    for (; outcome == KV_PARSE_WHOLE && count > 0; count--)
        outcome = read_bulk(reader, (size_t)count - 1);
    return outcome;
}

/* Reading lines. */

static bool
is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

static int
hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *found = c == '\0' ? NULL : strchr(digits, c | 0x20);
    return found == NULL || (c < '0') ? -1 : (int)(found - digits);
}

/* What a backslash inside double quotes and the character after it mean; *at goes to the last one that was used. */
static char
unescape(const char **at, const char *end)
{
    static const char names[] = "nrtba", meanings[] = "\n\r\t\b\a";
    const char *c = ++*at;
    if (*c == 'x' && end - c > 2 && hex_digit(c[1]) >= 0 && hex_digit(c[2]) >= 0) {
        *at += 2;
        return (char)(hex_digit(c[1]) * 16 + hex_digit(c[2]));
    }
    const char *name = *c == '\0' ? NULL : strchr(names, *c);
    return name == NULL ? *c : meanings[name - names];
}

/* Reads what is in quotes, from the opening one on, to *out. NULL: they do not close, or no blank follows. */
static const char *
read_quoted(const char *at, const char *end, char **out)
{
    char quote = *at++;
    for (; at < end && *at != quote; at++) {
        bool escape = *at == '\\' && at + 1 < end && (quote == '"' || at[1] == '\'');
        if (escape && quote == '"')
            *(*out)++ = unescape(&at, end);
        else
            *(*out)++ = escape ? *++at : *at;
    }
    return at < end && (at + 1 == end || is_blank(at[1])) ? at + 1 : NULL;
}

/* Reads a word, parts of which may be in quotes, to *out. NULL: as read_quoted(). */
static const char *
read_word(const char *at, const char *end, char **out)
{
    while (at != NULL && at < end && !is_blank(*at)) {
        if (*at == '"' || *at == '\'')
            at = read_quoted(at, end, out);
        else
            *(*out)++ = *at++;
    }
    return at;
}

static enum kv_parse
read_words(struct reader *reader, const char *at, const char *end)
{
    struct kv_args *args = reader->args;
    kv_bytes_reset(&args->words);
    char *out = kv_bytes_reserve(&args->words, (size_t)(end - at) + 1); /* words only become shorter: it never moves */
    if (out == NULL)
        return KV_PARSE_MEMORY;
    for (;;) {
        while (at < end && is_blank(*at))
            at++;
        if (at == end)
            return KV_PARSE_WHOLE;
        char *word = out;
        at = read_word(at, end, &out);
        if (at == NULL)
            return bad(reader, "unbalanced quotes in request");
        if (!kv_args_add(args, (struct kv_text){word, (size_t)(out - word)}))
            return KV_PARSE_MEMORY;
    }
}

static enum kv_parse
read_line(struct reader *reader)
{
    const char *end = memchr(reader->data, '\n', reader->size);
    if (end == NULL)
        return reader->size > KV_LINE_LIMIT ? bad(reader, "too big inline request") : partial(reader, reader->size + 1);
    reader->at = (size_t)(end - reader->data) + 1;
    if (end > reader->data && end[-1] == '\r')
        end--;
    return read_words(reader, reader->data, end);
}

enum kv_parse
kv_parse(const char *data, size_t size, struct kv_args *args, size_t *used, struct kv_bytes *error)
{
    struct reader reader = {.data = data, .size = size, .args = args, .error = error};
    args->count = 0;
    enum kv_parse outcome = size == 0 ? partial(&reader, 1) : data[0] == '*' ? read_array(&reader) : read_line(&reader);
    *used = outcome == KV_PARSE_PARTIAL ? reader.needed : reader.at;
    return outcome;
}

/* Writing replies. */

#define NUMBER_SIZE 24 /* bytes of any number of 64 bits */

/* Writes a number so that it ends at `end`; returns where it begins. */
static char *
print_number(char *end, int64_t number)
{
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        *--end = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0)
        *--end = '-';
    return end;
}

void
kv_bytes_number(struct kv_bytes *to, int64_t number)
{
    char text[NUMBER_SIZE], *end = text + sizeof(text), *begin = print_number(end, number);
    kv_bytes_append(to, begin, (size_t)(end - begin));
}

/* A line that is a number behind a sign of its kind. */
static void
number_line(struct kv_bytes *to, char kind, int64_t number)
{
    char text[NUMBER_SIZE + 3], *end = text + sizeof(text), *begin;
    *--end = '\n';
    *--end = '\r';
    begin = print_number(end, number);
    *--begin = kind;
    kv_bytes_append(to, begin, (size_t)(text + sizeof(text) - begin));
}

void
kv_reply_status(struct kv_bytes *to, const char *status)
{
    size_t size = strlen(status);
    char *room = kv_bytes_reserve(to, size + 3);
    if (room == NULL)
        return;
    room[0] = '+';
    memcpy(room + 1, status, size);
    memcpy(room + 1 + size, "\r\n", 2);
    to->size += size + 3;
}

void
kv_reply_error(struct kv_bytes *to, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '\r' || *c == '\n')
            *c = ' '; /* an error is one line, whatever it quotes */
    }
    kv_bytes_append(to, "-", 1);
    kv_bytes_append(to, text, strlen(text));
    kv_bytes_append(to, "\r\n", 2);
}

void
kv_reply_integer(struct kv_bytes *to, int64_t number)
{
    number_line(to, ':', number);
}

void
kv_reply_bulk(struct kv_bytes *to, struct kv_text text)
{
    number_line(to, '$', (int64_t)text.size);
    kv_bytes_append(to, text.data, text.size);
    kv_bytes_append(to, "\r\n", 2);
}

void
kv_reply_word(struct kv_bytes *to, const char *word)
{
    kv_reply_bulk(to, (struct kv_text){word, strlen(word)});
}

void
kv_reply_nil(struct kv_bytes *to)
{
    kv_bytes_append(to, "$-1\r\n", 5);
}

void
kv_reply_array(struct kv_bytes *to, size_t count)
{
    number_line(to, '*', (int64_t)count);
}
