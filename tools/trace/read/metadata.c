#include "metadata.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/trace_format.h>

#include "bad_input.h"

#define MOST_BYTES (16u << 20)
#define MOST_HERTZ UINT64_C(18000000000) /* keeps a second's ticks times 10^9 within 64 bits */
#define NS UINT64_C(1000000000)

struct text {
    char *bytes;
    size_t size;
};

static struct text
read_text(const struct source *source)
{
    uint64_t size = source_size(source, "metadata");
    if (size > MOST_BYTES)
        bad_input("metadata", MOST_BYTES, "is larger than %u bytes", MOST_BYTES);
    struct text text = {must_calloc((size_t)size + 1, 1), 0};
    text.size = source_read(source, "metadata", 0, text.bytes, (size_t)size);
    size_t zero = strnlen(text.bytes, text.size);
    if (zero < text.size)
        bad_input("metadata", zero, "is not a text");
    return text;
}

/* What follows prefix in a line, NULL if the line begins otherwise. */
static const char *
after(const char *line, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(line, prefix, length) == 0 ? line + length : NULL;
}

/* The number that stands in `text` before `end`. */
static uint64_t
number_before(const char *text, const char *end, uint64_t offset)
{
    char *stop;
    errno = 0;
    uint64_t number = isdigit((unsigned char)text[0]) ? strtoull(text, &stop, 10) : 0;
    if (!isdigit((unsigned char)text[0]) || errno != 0 || after(stop, end) == NULL)
        bad_input("metadata", offset, "a number is missing or too large");
    return number;
}

static unsigned
value_of_digit(char digit)
{
    return isdigit((unsigned char)digit) ? (unsigned)(digit - '0')
                                         : (unsigned)(tolower((unsigned char)digit) - 'a' + 10);
}

static void
read_uuid(struct metadata *metadata, const char *text, uint64_t offset)
{
    for (int i = 0; i < 16; i++) {
        if (*text == '-')
            text++;
        if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
            bad_input("metadata", offset, "the uuid is not one");
        metadata->uuid[i] = (uint8_t)(value_of_digit(text[0]) << 4 | value_of_digit(text[1]));
        text += 2;
    }
}

static char *
copy_name(const char *name, size_t length)
{
    char *copy = must_calloc(length + 1, 1);
    memcpy(copy, name, length);
    return copy;
}

/* Takes the name. */
static void
set_name(struct metadata *metadata, unsigned id, char *name)
{
    metadata->names[id] = name;
    if (id >= metadata->ids_end)
        metadata->ids_end = id + 1;
}

/* `rest` is what follows `event { name = "`. */
static void
read_event(struct metadata *metadata, const char *rest, uint64_t offset)
{
    size_t length = strspn(rest, "abcdefghijklmnopqrstuvwxyz0123456789_");
    const char *number = after(rest + length, "\"; id = ");
    if (length == 0 || length > 63 || number == NULL)
        bad_input("metadata", offset, "an event's name is not one");
    uint64_t id = number_before(number, "; stream_id = ", offset);
    const char *class = strstr(number, "; stream_id = ") + strlen("; stream_id = ");
    if (number_before(class, ";", offset) != TRI_TRACE_CLASS_EVENTS)
        return;
    if (id >= EVENT_IDS || metadata->names[id] != NULL)
        bad_input("metadata", offset, "event id %" PRIu64 " is taken or too large", id);
    set_name(metadata, (unsigned)id, copy_name(rest, length));
    metadata->roles[id] = (uint8_t)role_of_name(metadata->names[id]);
    metadata->offsets[id] = (uint32_t)offset;
}

/* `rest` is what follows `enum tag_`. */
static void
read_tag(struct metadata *metadata, const char *rest, uint64_t offset)
{
    uint64_t tag = number_before(rest, " : uint32_t { ", offset);
    const char *name = strstr(rest, "{ ") + strlen("{ ");
    size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    if (length == 0 || length > 63 || after(name + length, " = ") == NULL)
        bad_input("metadata", offset, "a tag's name is not one");
    if (tag > UINT32_MAX || table_get(&metadata->tags, tag, 0) != NULL)
        bad_input("metadata", offset, "tag %" PRIu64 " is taken or too large", tag);
    *(char **)table_put(&metadata->tags, tag, 0) = copy_name(name, length);
}

/* One ` WORD = number`. Gives what follows it, NULL: it is none. No sscanf here: it looks for the end of the whole
 * text. */
static const char *
read_status(struct metadata *metadata, const char *rest, uint64_t offset)
{
    const char *word = rest + 1;
    size_t length = *rest == ' ' ? strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") : 0;
    const char *number = length > 0 && length <= 63 ? after(word + length, " = ") : NULL;
    char *end;
    if (number == NULL || (*number != '-' && !isdigit((unsigned char)*number)))
        return NULL;
    errno = 0;
    long value = strtol(number, &end, 10);
    if (end == number || errno != 0 || value < INT32_MIN || value > INT32_MAX)
        return NULL;
    char **status = table_put(&metadata->statuses, (uint32_t)value, 0);
    if (*status != NULL)
        bad_input("metadata", offset, "status %ld is taken", value);
    *status = copy_name(word, length);
    return end;
}

/* `rest` is what follows `enum status : int32_t {`: pairs of a word and its number. */
static void
read_statuses(struct metadata *metadata, const char *rest, uint64_t offset)
{
    for (const char *next; (next = read_status(metadata, rest, offset)) != NULL; rest = next)
        next += *next == ',';
    if (after(rest, " };") == NULL)
        bad_input("metadata", offset, "the statuses are not a list of words and numbers");
}

/* Two ids whose names are equal stand side by side when all are sorted, the one that comes first in the file before. */
static int
by_name(const void *a, const void *b, void *argument)
{
    const struct metadata *metadata = argument;
    uint16_t x = *(const uint16_t *)a, y = *(const uint16_t *)b;
    int order = strcmp(metadata->names[x], metadata->names[y]);
    return order != 0 ? order : metadata->offsets[x] < metadata->offsets[y] ? -1 : 1;
}

static void
check_names(struct metadata *metadata)
{
    uint16_t *ids = must_calloc(EVENT_IDS, sizeof(*ids));
    size_t count = 0;
    for (unsigned id = 0; id < metadata->ids_end; id++) {
        if (metadata->names[id] != NULL)
            ids[count++] = (uint16_t)id;
    }
    qsort_r(ids, count, sizeof(*ids), by_name, metadata);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(metadata->names[ids[i - 1]], metadata->names[ids[i]]) == 0)
            bad_input("metadata", metadata->offsets[ids[i]], "event name %s is taken", metadata->names[ids[i]]);
    }
    free(ids);
}

/* A word in quotes; `what` is what it is. */
static void
read_word(char *word, size_t room, const char *rest, const char *what, uint64_t offset)
{
    size_t length = strspn(rest, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (length >= room || rest[length] != '"')
        bad_input("metadata", offset, "the %s is not one", what);
    memcpy(word, rest, length);
    word[length] = '\0';
}

/* Any text in quotes, or its beginning. */
static void
read_description(struct metadata *metadata, const char *rest)
{
    size_t length = strcspn(rest, "\"");
    length = length < sizeof(metadata->clock) ? length : sizeof(metadata->clock) - 1;
    memcpy(metadata->clock, rest, length);
    metadata->clock[length] = '\0';
}

static void
check_byte_order(const char *rest, uint64_t offset)
{
    const char *ours = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? "le;" : "be;";
    if (after(rest, ours) == NULL)
        bad_input("metadata", offset, "the trace was written on a machine of the other byte order");
}

static void
read_line(struct metadata *metadata, const char *line, uint64_t offset)
{
    const char *rest;
    if ((rest = after(line, "event { name = \"")) != NULL)
        read_event(metadata, rest, offset);
    else if ((rest = after(line, "enum tag_")) != NULL)
        read_tag(metadata, rest, offset);
    else if ((rest = after(line, "enum status : int32_t {")) != NULL)
        read_statuses(metadata, rest, offset);
    else if ((rest = after(line, "    uuid = \"")) != NULL)
        read_uuid(metadata, rest, offset);
    else if ((rest = after(line, "    byte_order = ")) != NULL)
        check_byte_order(rest, offset);
    else if ((rest = after(line, "    troupe_format = ")) != NULL)
        metadata->format = number_before(rest, ";", offset);
    else if ((rest = after(line, "    mode = \"")) != NULL)
        read_word(metadata->mode, sizeof(metadata->mode), rest, "mode", offset);
    else if ((rest = after(line, "    boot = \"")) != NULL)
        read_word(metadata->boot, sizeof(metadata->boot), rest, "boot", offset);
    else if ((rest = after(line, "    cluster = \"")) != NULL)
        read_word(metadata->cluster, sizeof(metadata->cluster), rest, "cluster", offset);
    else if ((rest = after(line, "    member = \"")) != NULL)
        read_word(metadata->member, sizeof(metadata->member), rest, "member", offset);
    else if ((rest = after(line, "    description = \"")) != NULL)
        read_description(metadata, rest);
    else if ((rest = after(line, "    serial = ")) != NULL)
        metadata->serial = number_before(rest, ";", offset);
    else if ((rest = after(line, "    workers = ")) != NULL)
        metadata->workers = number_before(rest, ";", offset);
    else if ((rest = after(line, "    pid = ")) != NULL)
        metadata->pid = number_before(rest, ";", offset);
    else if ((rest = after(line, "    pid_namespace = ")) != NULL)
        metadata->pid_namespace = number_before(rest, ";", offset);
    else if ((rest = after(line, "    runtimes = ")) != NULL)
        metadata->runtimes = number_before(rest, ";", offset);
    else if ((rest = after(line, "    closed = ")) != NULL)
        metadata->closed = number_before(rest, ";", offset) != 0;
    else if ((rest = after(line, "    freq = ")) != NULL)
        metadata->frequency = number_before(rest, ";", offset);
    else if ((rest = after(line, "    offset_s = ")) != NULL)
        metadata->offset_s = number_before(rest, ";", offset);
    else if ((rest = after(line, "    offset = ")) != NULL)
        metadata->offset = number_before(rest, ";", offset);
}

static void
read_lines(struct metadata *metadata, struct text text)
{
    char *line = text.bytes;
    while (*line != '\0') {
        char *end = strchrnul(line, '\n');
        bool last = *end == '\0';
        *end = '\0';
        read_line(metadata, line, (uint64_t)(line - text.bytes));
        line = last ? end : end + 1;
    }
}

struct metadata *
metadata_read(const struct source *source, const char *path)
{
    if (!source_has(source, "metadata"))
        give_up("%s is not a trace: it holds no file `metadata`", path);
    struct text text = read_text(source);
    if (after(text.bytes, "/* CTF 1.8 */\n") == NULL)
        bad_input("metadata", 0, "does not begin with `/* CTF 1.8 */`");
    struct metadata *metadata = must_calloc(1, sizeof(*metadata));
    table_init(&metadata->tags, sizeof(char *));
    table_init(&metadata->statuses, sizeof(char *));
    read_lines(metadata, text);
    check_names(metadata);
    if (metadata->format != TRI_TRACE_VERSION)
        bad_input("metadata", text.size, "no `troupe_format = %d`: another program or version wrote it",
                  TRI_TRACE_VERSION);
    if (metadata->frequency == 0 || metadata->frequency > MOST_HERTZ)
        bad_input("metadata", text.size, "the clock's frequency is missing or impossible");
    free(text.bytes);
    return metadata;
}

/* -- Together. -- */

static uint16_t
join_event(struct metadata *into, const struct metadata *from, unsigned id)
{
    bool same = into->names[id] != NULL && strcmp(into->names[id], from->names[id]) == 0;
    int known = same ? (int)id : metadata_find(into, from->names[id]);
    if (known >= 0)
        return (uint16_t)known;
    while (into->names[id] != NULL)
        id = (id + 1) % EVENT_IDS;
    return (uint16_t)id;
}

static void
join_events(struct metadata *into, const struct metadata *from, uint16_t *ids)
{
    for (unsigned id = 0; id < from->ids_end; id++) {
        const char *name = from->names[id];
        if (name == NULL)
            continue;
        ids[id] = join_event(into, from, id);
        if (into->names[ids[id]] != NULL)
            continue;
        set_name(into, ids[id], copy_name(name, strlen(name)));
        into->roles[ids[id]] = from->roles[id];
    }
}

static void
join_texts(struct table *into, const struct table *from)
{
    struct table_entry entry;
    for (size_t place = 0; table_next(from, &place, &entry);) {
        if (table_get(into, entry.key.a, entry.key.b) != NULL)
            continue;
        const char *text = *(char *const *)entry.value;
        *(char **)table_put(into, entry.key.a, entry.key.b) = copy_name(text, strlen(text));
    }
}

struct metadata *
metadata_join(struct metadata *into, const struct metadata *from, uint16_t *ids)
{
    if (into == NULL) {
        into = must_calloc(1, sizeof(*into));
        *into = (struct metadata){.format = from->format, .closed = true};
        into->frequency = from->frequency;
        into->offset_s = from->offset_s;
        into->offset = from->offset;
        memcpy(into->mode, from->mode, sizeof(into->mode));
        table_init(&into->tags, sizeof(char *));
        table_init(&into->statuses, sizeof(char *));
    }
    if (strcmp(into->mode, from->mode) != 0)
        snprintf(into->mode, sizeof(into->mode), "mixed");
    into->closed &= from->closed;
    join_events(into, from, ids);
    join_texts(&into->tags, &from->tags);
    join_texts(&into->statuses, &from->statuses);
    return into;
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
metadata_free(struct metadata *metadata)
{
    for (size_t i = 0; i < metadata->ids_end; i++)
        free(metadata->names[i]);
    free_texts(&metadata->tags);
    free_texts(&metadata->statuses);
    free(metadata);
}

uint64_t
metadata_duration_ns(const struct metadata *metadata, uint64_t ticks)
{
    return ticks / metadata->frequency * NS + ticks % metadata->frequency * NS / metadata->frequency;
}

uint64_t
metadata_ns(const struct metadata *metadata, uint64_t ticks)
{
    return metadata->offset_s * NS + metadata_duration_ns(metadata, metadata->offset + ticks);
}

int
metadata_find(const struct metadata *metadata, const char *name)
{
    for (size_t i = 0; i < metadata->ids_end; i++) {
        if (metadata->names[i] != NULL && strcmp(metadata->names[i], name) == 0)
            return (int)i;
    }
    return -1;
}

const char *
metadata_tag(const struct metadata *metadata, uint32_t tag)
{
    char *const *name = table_get(&metadata->tags, tag, 0);
    return name != NULL ? *name : NULL;
}

const char *
metadata_status(const struct metadata *metadata, uint32_t status)
{
    char *const *word = table_get(&metadata->statuses, status, 0);
    return word != NULL ? *word : NULL;
}
