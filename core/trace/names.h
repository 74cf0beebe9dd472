/*
 * Names: texts, their numbers, and the stream of files that gives both to readers. And the names of tags, which have no
 * numbers, since a tag is one.
 *
 * Thread: one at a time, under the recorder's lock of the book; setup.
 */
#ifndef TROUPE_CORE_TRACE_NAMES_H
#define TROUPE_CORE_TRACE_NAMES_H

#include <stdint.h>
#include <troupe/core/trace_format.h>

struct tri_segments;

struct tri_names {
    char **texts; /* the one with number n is texts[n - 1] */
    uint32_t count, room;
    uint32_t *slots; /* a hash table of numbers, 0: empty; twice as large as room */
    uint64_t *tags;  /* a hash table of behaviors' numbers and tags that have their names, 0: empty */
    uint32_t tag_count, tag_room;
    struct tri_segments *segments; /* set by the recorder, which closes it too */
    const uint8_t *uuid;           /* of the trace */
    struct tri_trace_packet *packet;
    uint64_t lost;
};

/*
 * The number of a text, which is recorded when it is first asked for; equal texts have equal numbers. 0: no memory.
 * Where a name cannot be recorded, readers see its number.
 */
uint32_t tri_names_number(struct tri_names *names, const char *text);

/* Records the name of a tag among the messages of a behavior, whose number is not 0, unless it has one. */
void tri_names_tag(struct tri_names *names, uint32_t behavior, uint32_t tag, const char *text);

/* Frees the texts and the tables. */
void tri_names_fini(struct tri_names *names);

#endif
