/*
 * The text that describes a trace, in CTF 1.8's language: its clock, its streams, its events, the names of tags.
 *
 * It is written again, beside the old one and then in its place, whenever a table is added and at the end; so whatever
 * moment the process dies in, a whole text lies in the directory. Making the first also claims the directory.
 */
#ifndef TROUPE_CORE_TRACE_METADATA_H
#define TROUPE_CORE_TRACE_METADATA_H

#include "member.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/status.h>
#include <troupe/core/trace.h>

/* One moment on three clocks. */
struct tri_trace_moment {
    uint64_t ticks;
    uint64_t monotonic_ns;
    uint64_t real_ns;
};

struct tri_metadata {
    int directory;
    const char *mode; /* "flight", "file" */
    unsigned workers;
    uint8_t uuid[16];
    struct tri_member member;
    uint64_t pid_namespace; /* in which the process has its pid; 0: the system does not tell */
    char boot[40];          /* the machine since its last start; "": the system does not tell */
    struct tri_trace_moment opened;
    uint64_t frequency; /* ticks in a second */
    const struct tri_trace_table **tables;
    size_t table_count;
    bool closed; /* the trace is whole */
};

/*
 * Claims the directory and writes the first text. directory stays the caller's and must be open until the end.
 * Returns TR_OK; TR_EEXIST, it holds a trace already; TR_ENOMEM; what the system answers.
 */
tr_status tri_metadata_open(struct tri_metadata *metadata, int directory, const char *mode, unsigned workers);

/* Adds a table, unless it is there. Returns TR_OK; TR_ENOMEM; what the system answers, and then it is not added. */
tr_status tri_metadata_add(struct tri_metadata *metadata, const struct tri_trace_table *table);

/* Writes the last text, which says that the trace is whole. */
void tri_metadata_close(struct tri_metadata *metadata);

/* Gives the claim up instead: removes the text. */
void tri_metadata_abandon(struct tri_metadata *metadata);

#endif
