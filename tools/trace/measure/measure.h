/*
 * What a trace's events amount to: rates, waits, times in handlers, mailboxes, workers, deals, ends.
 *
 * Events come by time, one after the other, from a file or while they are written. What is kept grows with the actors
 * that live, the classes, the tags and the workers, not with the events; where a trace names too many of them, all
 * further ones share one row.
 *
 * A handler begins with a receive. It ends with `handled`, or, where that is not recorded, with the next event that
 * cannot be in it: another receive, sleep, or news of a socket. Then the time of the last handler before the worker
 * looks into its loop contains that look.
 */
#ifndef TROUPE_TRACE_MEASURE_H
#define TROUPE_TRACE_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "depth.h"
#include "flight.h"
#include "histogram.h"
#include "reader.h"

/* Which receives are counted. */
struct measured {
    bool by_actor, by_worker, by_class;
    bool deeds; /* what each actor did is kept, too */
    uint64_t actor;
    uint32_t worker;
    const char *class;
    uint64_t since, until; /* timestamps; `until` is not in it */
};

/* A class of actors: all whose behavior has one name. */
struct kind {
    uint32_t name; /* 0: those whose begin is not in the trace */
    uint64_t spawned, failed, restarts, received;
    uint64_t busy;    /* ticks in handlers */
    uint64_t deepest; /* mailbox */
    uint64_t deepest_actor, deepest_time;
    uint32_t last_failure; /* a status */
    bool counted;          /* its name is that which is asked for */
};

/* Messages of one tag to one class. Times are in ticks. */
struct row {
    size_t kind;
    uint32_t tag;
    bool rest; /* this row stands for all that are too many */
    struct histogram waits, works;
    uint64_t longest_wait, longest_wait_message, longest_wait_sender, longest_wait_actor;
    uint64_t longest_work_message, longest_work_actor;
};

/* An actor that lives. */
struct person {
    size_t kind;
    size_t row; /* of the last receive, plus 1 */
    uint32_t row_tag;
    size_t server; /* the kind of the server that a socket is of, plus 1; 0: of none */
    struct depth depth;
};

/* What an actor did since deeds were forgotten. Times are in ticks. */
struct deed {
    size_t kind;
    uint64_t received;
    uint64_t busy, longest; /* in handlers, and in one call */
    uint64_t deepest;       /* mailbox */
};

/* What a worker did. */
struct hand {
    uint32_t number;
    uint64_t events, received, sent;
    uint64_t first, last;  /* timestamps */
    uint64_t asleep, busy; /* ticks */
    size_t kind;           /* that it worked for last */
    uint64_t ticks;        /* for that, and not in `works` yet */
    bool sleeps;
    uint64_t slept; /* when it began to sleep */
    struct {
        bool open;
        uint64_t actor, message, began;
        uint64_t counted; /* ticks of it that are in `busy` already */
        size_t row;
    } handler;
};

/* How many, of a few things that belong together; see the fields of struct measure. */
struct tally {
    uint64_t count, example;
};

struct measure {
    const struct trace *trace;
    struct measured measured;
    uint64_t first, last; /* timestamps */
    uint64_t events, sent, received;
    uint64_t contradictions; /* ends that came before their sends, by time */
    struct flight flight;
    struct kind *kinds;
    size_t kind_count;
    struct row *rows;
    size_t row_count;
    struct hand *hands; /* by stream */
    size_t hand_count;
    uint32_t *hand_of;    /* its place in hands by number, plus 1; 0: none */
    struct table persons; /* struct person, by ref */
    struct table deeds;   /* struct deed, by ref; if they are asked for */
    struct table graves;  /* size_t: the kinds of actors that ended not long ago, by ref */
    struct table kind_of; /* size_t, by name */
    struct table row_of;  /* size_t, by kind and tag */
    struct table works;   /* uint64_t: ticks, by worker and kind */
    struct table deaths;  /* struct tally, by kind << 32 | sender's kind and reason; the example is a message */
    struct table errors;  /* struct tally, by kind and status; the example is a socket, or a handshake */
    struct table ports;   /* uint32_t, by listener */
    struct table deals;   /* struct tally, by port and worker; the example is a server; a count of 0: it may get some */
    struct table stalls;  /* struct tally, by kind and tag; the example is an actor */
    struct table early;   /* uint64_t: the time of the end of a dead letter whose send is still to come, by id */
    uint64_t crashes;     /* of workers */
    uint64_t crash_actor; /* of the last; 0: no handler ran */
    size_t crash_kind;
    uint16_t crash_signal;
    uint32_t crash_tag;
    uint64_t *ended; /* refs in graves, a ring */
    size_t ended_count;
};

struct measure *measure_new(const struct trace *trace, const struct measured *measured);
void measure_free(struct measure *measure);

void measure_note(struct measure *measure, const struct stream *stream, const struct tri_trace_record *record);

/* The same, of the stream of a number. */
void measure_note_of(struct measure *measure, uint32_t stream, const struct tri_trace_record *record);

/* While more is written: counts what is open until then as far as it has come: handlers, sleeps. */
void measure_until(struct measure *measure, uint64_t timestamp);

void measure_forget_deeds(struct measure *measure);

/* After the last event, once: what is still open ends with the trace. */
void measure_end(struct measure *measure);

/* All of it. */
struct measure *measure_trace(const struct trace *trace, const struct measured *measured);

/* The name of a kind. */
uint32_t measure_class(const struct measure *measure, size_t kind);

/* The kind of an actor, also of one that has just ended; that of those unknown, if it is. */
size_t measure_kind(const struct measure *measure, uint64_t actor);

/* All that a table holds, sorted by compare, or as it comes; good until it changes. The caller frees it. */
struct table_entry *entries_of(const struct table *table, size_t *count, int (*compare)(const void *a, const void *b));

#endif
