/*
 * What the file `metadata` says: the clock, and the names of the events and of the library's tags.
 *
 * The recorder writes the text, one thing to a line, and those lines are understood here; whatever else stands in it is
 * for readers that know CTF 1.8's whole language.
 */
#ifndef TROUPE_TRACE_METADATA_H
#define TROUPE_TRACE_METADATA_H

#include <stdbool.h>
#include <stdint.h>

#include "roles.h"
#include "source.h"
#include "table.h"

#define EVENT_IDS 65536u

struct metadata {
    uint8_t uuid[16];
    uint64_t format; /* version */
    char mode[16];
    bool closed;                          /* false: the process was cut off, or still runs */
    uint64_t frequency, offset_s, offset; /* of the clock */
    unsigned ids_end;                     /* no event has this id or a greater one */
    char *names[EVENT_IDS];               /* by id; NULL: there is no such event */
    uint8_t roles[EVENT_IDS];             /* by id: enum role */
    uint32_t offsets[EVENT_IDS];          /* by id: of the line that names it */
    uint64_t workers, pid;
    uint64_t pid_namespace; /* in which that is its pid; 0: that is not told */
    uint64_t runtimes;      /* that the process, or the member of a cluster, had begun when this was written */
    char clock[32];         /* what it is: as far as there is room */
    char boot[40];          /* of the machine: equal for traces whose clocks are the same; "" if that is not told */
    char cluster[40];       /* of which the process is one; "": of none */
    char member[16];        /* "parent", or the child's number */
    uint64_t serial;        /* of the child in its cluster; 0: the parent's */
    struct table tags;      /* char *, by number: names of the library's own */
    struct table statuses;  /* char *, by value as uint32_t: their codes, such as ECONNRESET */
};

/* Reads the text among the files of a trace. path is the trace's, for what is wrong. */
struct metadata *metadata_read(const struct source *source, const char *path);

/*
 * Adds what from knows and into does not. ids, of EVENT_IDS, gets from's ids as they are in into. Returns the new into
 * if that is NULL. Of what is no table, the first one's stays.
 */
struct metadata *metadata_join(struct metadata *into, const struct metadata *from, uint16_t *ids);

void metadata_free(struct metadata *metadata);

/* A time of the trace's clock in nanoseconds since 1970. */
uint64_t metadata_ns(const struct metadata *metadata, uint64_t ticks);

/* What so many ticks last, in nanoseconds. */
uint64_t metadata_duration_ns(const struct metadata *metadata, uint64_t ticks);

/* The id of a name; -1: there is no such event. */
int metadata_find(const struct metadata *metadata, const char *name);

/* The name of a tag of the library's own; NULL: it has none. */
const char *metadata_tag(const struct metadata *metadata, uint32_t tag);

/* The code of a status, which is a tr_status as it stands in an event; NULL: the trace does not tell it. */
const char *metadata_status(const struct metadata *metadata, uint32_t status);

#endif
