#include "names.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/trace_format.h>

#include "bad_input.h"
#include "table.h"

#define MOST_NAMES (1u << 22)

struct names {
    struct table texts; /* char *, by number */
    struct table tags;  /* char *, by the number of a behavior and the tag */
    struct table known; /* uint32_t, the number of a text, by two hashes of it; of names that are joined */
};

struct names *
names_new(void)
{
    struct names *names = must_calloc(1, sizeof(*names));
    table_init(&names->texts, sizeof(char *));
    table_init(&names->tags, sizeof(char *));
    table_init(&names->known, sizeof(uint32_t));
    return names;
}

static void
free_texts(struct table *texts)
{
    struct table_entry text;
    for (size_t place = 0; table_next(texts, &place, &text);)
        free(*(char **)text.value);
    table_fini(texts);
}

void
names_free(struct names *names)
{
    free_texts(&names->texts);
    free_texts(&names->tags);
    table_fini(&names->known);
    free(names);
}

/* An entry, as it lies in a file. */
struct entry {
    char bytes[TRI_TRACE_TAG_NAME_TEXT + TRI_TRACE_NAME_MAX + 2];
    size_t size; /* that were there to be read */
    const char *file;
    uint64_t offset;
};

static uint32_t
number_at(const struct entry *entry, size_t at)
{
    uint32_t number;
    memcpy(&number, entry->bytes + at, sizeof(number));
    return number;
}

/* Keeps the text, which begins there, under a key. Returns its length. */
static size_t
keep(struct table *table, uint64_t a, uint64_t b, const struct entry *entry, size_t at)
{
    size_t length = entry->size > at ? strlen(entry->bytes + at) : 0;
    if (at + length >= entry->size || length > TRI_TRACE_NAME_MAX)
        bad_input(entry->file, entry->offset, "a name is cut off or too long");
    if (table_get(table, a, b) != NULL)
        bad_input(entry->file, entry->offset + TRI_TRACE_NAME_NUMBER, "name %" PRIu64 " is told twice", a);
    if (table->count == MOST_NAMES)
        bad_input(entry->file, entry->offset, "more than %u names", MOST_NAMES);
    char *text = must_calloc(length + 1, 1);
    memcpy(text, entry->bytes + at, length);
    *(char **)table_put(table, a, b) = text;
    return length;
}

/* A part of a file, so that not each entry is a read of its own. */
struct piece {
    const struct source *source;
    const char *file;
    uint64_t offset;
    size_t held;
    char bytes[16384];
};

/* Copies what is at offset; returns how much was there. */
static size_t
copy_from(struct piece *piece, uint64_t offset, char *out, size_t size)
{
    if (offset < piece->offset || offset + size > piece->offset + piece->held) {
        piece->offset = offset;
        piece->held = source_read(piece->source, piece->file, offset, piece->bytes, sizeof(piece->bytes));
    }
    size_t got = size < piece->held - (offset - piece->offset) ? size : piece->held - (size_t)(offset - piece->offset);
    memcpy(out, piece->bytes + (offset - piece->offset), got);
    return got;
}

/* Reads what is at offset; returns where it ends. */
static uint64_t
read_entry(struct names *names, struct piece *piece, uint64_t offset, uint64_t end)
{
    const char *file = piece->file;
    struct entry entry = {.file = file, .offset = offset};
    uint64_t left = end - offset;
    size_t most = left < sizeof(entry.bytes) - 1 ? (size_t)left : sizeof(entry.bytes) - 1;
    entry.size = copy_from(piece, offset, entry.bytes, most);
    if (entry.size < most)
        bad_input(file, offset + entry.size, "the file ends within a name");
    uint16_t id;
    memcpy(&id, entry.bytes + TRI_TRACE_NAME_ID, sizeof(id));
    size_t at = id == TRI_TRACE_TAG_NAME ? TRI_TRACE_TAG_NAME_TEXT : TRI_TRACE_NAME_TEXT;
    if (entry.size <= at)
        bad_input(file, offset, "a name is cut off or too long");
    if (id > TRI_TRACE_TAG_NAME)
        bad_input(file, offset + TRI_TRACE_NAME_ID, "unknown event id %u among the names", id);
    uint32_t number = number_at(&entry, TRI_TRACE_NAME_NUMBER);
    size_t length = id == TRI_TRACE_TAG_NAME
                        ? keep(&names->tags, number, number_at(&entry, TRI_TRACE_TAG_NAME_TAG), &entry, at)
                        : keep(&names->texts, number, 0, &entry, at);
    return offset + at + length + 1;
}

void
names_read(struct names *names, const struct source *source, const char *file, uint64_t end)
{
    struct piece *piece = must_calloc(1, sizeof(*piece));
    piece->source = source;
    piece->file = file;
    uint64_t offset = sizeof(struct tri_trace_packet);
    while (offset < end) {
        offset = read_entry(names, piece, offset, end);
        offset = (offset + TRI_TRACE_STEP - 1) / TRI_TRACE_STEP * TRI_TRACE_STEP;
    }
    free(piece);
}

/* -- Together. -- */

static uint64_t
hash(const char *text, uint64_t hash)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

static void
copy_text(struct table *into, uint64_t a, uint64_t b, const char *text)
{
    char *copy = must_calloc(strlen(text) + 1, 1);
    memcpy(copy, text, strlen(text));
    *(char **)table_put(into, a, b) = copy;
}

/* The number of a text that may be new. */
static uint32_t
join_text(struct names *names, const char *text)
{
    uint64_t a = hash(text, UINT64_C(0xcbf29ce484222325)), b = hash(text, 1);
    const uint32_t *known = table_get(&names->known, a, b);
    if (known != NULL)
        return *known;
    uint32_t number = (uint32_t)names->texts.count + 1;
    *(uint32_t *)table_put(&names->known, a, b) = number;
    copy_text(&names->texts, number, 0, text);
    return number;
}

static uint32_t
number_of(const struct table *numbers, uint64_t own)
{
    const uint32_t *number = table_get(numbers, own, 0);
    return number != NULL ? *number : 0;
}

void
names_join(struct names *names, const struct names *from, struct table *numbers)
{
    struct table_entry text, tag;
    for (size_t place = 0; table_next(&from->texts, &place, &text);) {
        uint32_t number = join_text(names, *(char *const *)text.value);
        *(uint32_t *)table_put(numbers, text.key.a, 0) = number;
    }
    for (size_t place = 0; table_next(&from->tags, &place, &tag);) {
        uint32_t behavior = number_of(numbers, tag.key.a);
        if (table_get(&names->tags, behavior, tag.key.b) == NULL)
            copy_text(&names->tags, behavior, tag.key.b, *(char *const *)tag.value);
    }
}

const char *
names_find(const struct names *names, uint32_t number)
{
    char *const *text = table_get(&names->texts, number, 0);
    return text != NULL ? *text : NULL;
}

const char *
names_tag(const struct names *names, uint32_t behavior, uint32_t tag)
{
    char *const *text = table_get(&names->tags, behavior, tag);
    return text != NULL ? *text : NULL;
}
