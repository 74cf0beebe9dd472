#include "names.h"

#include <ck_pr.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/clock.h>

#include "packet.h"
#include "segment.h"

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

/* Where the next name of that size on disk goes in the segment; NULL: it is full. */
static char *
place_for_name(const struct tri_names *names, size_t size)
{
    if (names->packet == NULL)
        return NULL;
    size_t used = (size_t)(names->packet->content_size / 8);
    size_t at = (used + TRI_TRACE_STEP - 1) / TRI_TRACE_STEP * TRI_TRACE_STEP;
    return at + size <= names->segments->bytes ? (char *)names->packet + at : NULL;
}

/* size counts the zero byte; a long text is cut before it. */
static void
write_name(struct tri_trace_packet *packet, char *place, uint64_t now, uint32_t number, const char *text, size_t size)
{
    memset(place, 0, TRI_TRACE_NAME_TEXT);
    memcpy(place + TRI_TRACE_NAME_TIMESTAMP, &now, sizeof(now));
    memcpy(place + TRI_TRACE_NAME_NUMBER, &number, sizeof(number));
    memcpy(place + TRI_TRACE_NAME_TEXT, text, size - 1);
    place[TRI_TRACE_NAME_TEXT + size - 1] = '\0';
    tri_packet_commit(packet, place + TRI_TRACE_NAME_TEXT + size);
}

static bool
write_name_to_next_segment(struct tri_names *names, uint64_t now, uint32_t number, const char *text, size_t size)
{
    struct tri_segment *segment = tri_segments_next(names->segments);
    if (segment == NULL)
        return false;
    tri_packet_begin(names->segments, segment, names->uuid, TRI_TRACE_CLASS_NAMES, TRI_TRACE_OUTSIDE, names->lost);
    segment->packet->timestamp_begin = now;
    write_name(segment->packet, (char *)(segment->packet + 1), now, number, text, size);
    if (!tri_segments_show(names->segments, segment))
        return false;
    names->packet = segment->packet;
    return true;
}

static void
record_name(struct tri_names *names, uint32_t number, const char *text)
{
    uint64_t now = tri_ticks();
    size_t length = strlen(text);
    size_t size = (length < TRI_TRACE_NAME_MAX ? length : TRI_TRACE_NAME_MAX) + 1;
    char *place = place_for_name(names, TRI_TRACE_NAME_TEXT + size);
    if (place != NULL) {
        write_name(names->packet, place, now, number, text, size);
    } else if (!write_name_to_next_segment(names, now, number, text, size)) {
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
    record_name(names, names->count, text);
    return names->count;
}

void
tri_names_fini(struct tri_names *names)
{
    for (uint32_t i = 0; i < names->count; i++)
        free(names->texts[i]);
    free(names->texts);
    free(names->slots);
}
