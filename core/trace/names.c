#include "names.h"

#include <ck_pr.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/clock.h>

#include "packet.h"
#include "segment.h"

#define MOST_TAGS 65536u /* names of tags: who gives every tag its own must not fill the disk */

static uint32_t
hash(const char *text)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

/* The slot that holds text's number, or the empty one where it belongs. */
static uint32_t *
find_slot(const struct tri_names *names, const char *text)
{
    uint32_t mask = names->room * 2 - 1;
    uint32_t at = hash(text) & mask;
    while (names->slots[at] != 0 && strcmp(names->texts[names->slots[at] - 1], text) != 0)
        at = (at + 1) & mask;
    return &names->slots[at];
}

static bool
grow_names(struct tri_names *names)
{
    uint32_t room = names->room > 0 ? names->room * 2 : 64;
    char **texts = realloc(names->texts, room * sizeof(*texts));
    if (texts == NULL)
        return false;
    names->texts = texts;
    uint32_t *slots = calloc(room * 2, sizeof(*slots));
    if (slots == NULL)
        return false;
    free(names->slots);
    names->slots = slots;
    names->room = room;
    for (uint32_t number = 1; number <= names->count; number++)
        *find_slot(names, texts[number - 1]) = number;
    return true;
}

/* What goes to the file: a name, or that of a tag. */
struct entry {
    uint16_t id;
    uint32_t numbers[2];
    unsigned number_count;
    const char *text;
    size_t length; /* of the part of the text that is recorded */
};

/* Bytes on disk, with the zero byte. */
static size_t
size_of(const struct entry *entry)
{
    return TRI_TRACE_NAME_NUMBER + entry->number_count * sizeof(uint32_t) + entry->length + 1;
}

/* Where the next entry of that size goes in the segment; NULL: it is full. */
static char *
place_for(const struct tri_names *names, size_t size)
{
    if (names->packet == NULL)
        return NULL;
    size_t used = (size_t)(names->packet->content_size / 8);
    size_t at = (used + TRI_TRACE_STEP - 1) / TRI_TRACE_STEP * TRI_TRACE_STEP;
    return at + size <= names->segments->bytes ? (char *)names->packet + at : NULL;
}

static void
write_entry(struct tri_trace_packet *packet, char *place, uint64_t now, const struct entry *entry)
{
    char *text = place + size_of(entry) - entry->length - 1;
    memcpy(place + TRI_TRACE_NAME_TIMESTAMP, &now, sizeof(now));
    memcpy(place + TRI_TRACE_NAME_ID, &entry->id, sizeof(entry->id));
    memcpy(place + TRI_TRACE_NAME_NUMBER, entry->numbers, entry->number_count * sizeof(uint32_t));
    memcpy(text, entry->text, entry->length);
    text[entry->length] = '\0';
    tri_packet_commit(packet, text + entry->length + 1);
}

static bool
write_to_next_segment(struct tri_names *names, uint64_t now, const struct entry *entry)
{
    struct tri_segment *segment = tri_segments_next(names->segments);
    if (segment == NULL)
        return false;
    tri_packet_begin(names->segments, segment, names->uuid, TRI_TRACE_CLASS_NAMES, TRI_TRACE_OUTSIDE, names->lost);
    segment->packet->timestamp_begin = now;
    write_entry(segment->packet, (char *)(segment->packet + 1), now, entry);
    if (!tri_segments_show(names->segments, segment))
        return false;
    names->packet = segment->packet;
    return true;
}

static void
record(struct tri_names *names, struct entry entry)
{
    uint64_t now = tri_ticks();
    entry.length = strnlen(entry.text, TRI_TRACE_NAME_MAX);
    char *place = place_for(names, size_of(&entry));
    if (place != NULL) {
        write_entry(names->packet, place, now, &entry);
    } else if (!write_to_next_segment(names, now, &entry)) {
        names->lost++;
        if (names->packet != NULL)
            ck_pr_store_64(&names->packet->events_discarded, names->lost);
    }
}

uint32_t
tri_names_number(struct tri_names *names, const char *text)
{
    if (names->count == names->room && !grow_names(names))
        return 0;
    uint32_t *slot = find_slot(names, text);
    if (*slot != 0)
        return *slot;
    char *copy = strdup(text);
    if (copy == NULL)
        return 0;
    names->texts[names->count++] = copy;
    *slot = names->count;
    record(names, (struct entry){.numbers = {names->count}, .number_count = 1, .text = text});
    return names->count;
}

/* Names of tags. The key of one is never 0: its behavior has a number. */

static uint64_t *
find_tag(const struct tri_names *names, uint64_t key)
{
    uint32_t mask = names->tag_room - 1;
    uint32_t at = (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
    while (names->tags[at] != 0 && names->tags[at] != key)
        at = (at + 1) & mask;
    return &names->tags[at];
}

/* Room for one more, half of it empty. */
static bool
grow_tags(struct tri_names *names)
{
    struct tri_names grown = {.tag_room = names->tag_room > 0 ? names->tag_room * 2 : 64};
    grown.tags = calloc(grown.tag_room, sizeof(*grown.tags));
    if (grown.tags == NULL)
        return false;
    for (uint32_t i = 0; i < names->tag_room; i++)
        if (names->tags[i] != 0)
            *find_tag(&grown, names->tags[i]) = names->tags[i];
    free(names->tags);
    names->tags = grown.tags;
    names->tag_room = grown.tag_room;
    return true;
}

void
tri_names_tag(struct tri_names *names, uint32_t behavior, uint32_t tag, const char *text)
{
    uint64_t key = (uint64_t)behavior << 32 | tag;
    if (names->tag_count == MOST_TAGS || (names->tag_count >= names->tag_room / 2 && !grow_tags(names)))
        return;
    uint64_t *slot = find_tag(names, key);
    if (*slot != 0)
        return;
    *slot = key;
    names->tag_count++;
    record(names,
           (struct entry){.id = TRI_TRACE_TAG_NAME, .numbers = {behavior, tag}, .number_count = 2, .text = text});
}

void
tri_names_fini(struct tri_names *names)
{
    for (uint32_t i = 0; i < names->count; i++)
        free(names->texts[i]);
    free(names->texts);
    free(names->slots);
    free(names->tags);
}
