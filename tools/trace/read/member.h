/*
 * The trace of one process among those that are read together.
 *
 * Each process numbers its workers, messages, names and events by itself, and has a clock of its own. When several are
 * read, their events are changed as they are read: workers and streams get the numbers of the process's range
 * (process.h), events and names those that the trace as a whole gives them, times become those of the common clock.
 * After that nobody need know that there were several. The trace of one process is read as it is.
 *
 * The common clock is that of the first process, if all clocks are: those of one machine since its last start, counted
 * by the same counter, which then compare to the tick. Else it counts nanoseconds since 1970, as far as each clock
 * knows them: order.h corrects what contradicts that.
 */
#ifndef TROUPE_TRACE_MEMBER_H
#define TROUPE_TRACE_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/trace_format.h>

#include "metadata.h"
#include "names.h"
#include "process.h"
#include "source.h"
#include "table.h"

struct member {
    char *path;                /* of the directory, or what it would be within a packed file */
    char *within;              /* the same, as bad_input_within() tells it */
    struct source source;      /* of its files */
    struct metadata *metadata; /* its own */
    struct process_range range;

    /* Of several: */
    bool joined;          /* events are changed */
    bool converted;       /* and their times */
    unsigned cluster;     /* counts the clusters that are read */
    uint16_t *ids;        /* by its own id */
    struct names *names;  /* its own */
    struct table numbers; /* uint32_t: of names, by its own number */
};

/*
 * Opens what a source holds, and takes the source. false: there is no trace in it, and it stays the caller's. Ends the
 * program if there is one that cannot be read.
 */
bool member_open(struct member *member, const struct source *source, const char *path, const char *within);
void member_close(struct member *member);

/* Prepares members to be read together. Gives what they have in common, which is the caller's. */
struct metadata *members_join(struct member *members, size_t count);

/* The same, when their metadata has been read again. */
void members_join_again(struct member *members, size_t count, struct metadata *common);

/* The names of a member have been read, or again. */
void member_join_names(struct member *member, struct names *names);

/* Changes events that were just read, if that is to be: `common` is what all have in common. */
void member_change(const struct member *member, const struct metadata *common, struct tri_trace_record *records,
                   size_t count);

/* A stream and a time as all call them. */
uint32_t member_stream(const struct member *member, uint32_t number);
uint64_t member_time(const struct member *member, uint64_t ticks);

#endif
