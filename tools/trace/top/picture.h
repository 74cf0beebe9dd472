/*
 * What a program's workers, classes and actors did in an interval: what `top` shows.
 */
#ifndef TROUPE_TRACE_PICTURE_H
#define TROUPE_TRACE_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"
#include "words.h"

struct worker_line {
    uint32_t number;
    uint64_t received, sent;
    double awake, busy; /* parts of the interval: not asleep, and in handlers */
};

/* An actor, or all of a class. */
struct actor_line {
    char class[WORD_SIZE];
    uint64_t ref;    /* 0: a class */
    uint64_t actors; /* that live; of an actor 1 */
    uint64_t received;
    uint64_t busy_ns, longest_ns; /* in handlers, and in one call at most */
    uint64_t deepest;             /* mailbox; of a class the deepest of one */
};

struct picture {
    uint64_t ns;          /* the interval */
    bool whole;           /* from the program's begin on, not from the picture before */
    bool ended;           /* the program has: there will be no more */
    bool gone;            /* it has, and has not closed its trace */
    char last[TEXT_SIZE]; /* the time of its last event */
    uint64_t events, received, sent, flying;
    struct worker_line *workers;
    struct actor_line *classes, *actors; /* of actors those that did something */
    size_t worker_count, class_count, actor_count;
};

/* What lines of actors can be sorted by: what is most first, but by names as they are. */
enum column {
    COLUMN_class,
    COLUMN_busy,
    COLUMN_received,
    COLUMN_mailbox,
    COLUMN_each,
    COLUMN_longest,
    COLUMNS,
};

extern const char *const column_names[COLUMNS];

/* Sorts workers by busy time and the others by a column. */
void picture_sort(struct picture *picture, enum column column);
void picture_fini(struct picture *picture);

/* The mean time of a call. */
uint64_t line_each_ns(const struct actor_line *line);

#endif
