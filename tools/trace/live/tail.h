/*
 * What is written to a trace while one looks.
 *
 * Each look reads what was added to its files since the look before. Events of one look are given by time; an event may
 * be earlier than one of the look before, if its thread was slow to write it. Processes of a cluster that have begun
 * since then are read, too, each from its beginning.
 *
 * A look reads at most TAIL_MOST events of a stream, so that memory does not grow with what is there already. If a
 * stream has more, what others have that is later than its last is held back until the next look, which is then due at
 * once.
 */
#ifndef TROUPE_TRACE_TAIL_H
#define TROUPE_TRACE_TAIL_H

#include "reader.h"

#define TAIL_MOST 65536u

struct tail_event {
    uint32_t stream;
    struct tri_trace_record record;
};

struct tail {
    struct trace *trace;       /* its metadata and names are those of now; the streams, those of the beginning */
    struct table offsets;      /* uint64_t: how far a file was read, by stream and sequence number */
    uint64_t names_size;       /* of all files of names together */
    struct tail_event *events; /* given, and behind them those that are held back */
    size_t count, held, room;
    struct table ahead; /* bool: events of a stream are held back, by its number */
    uint64_t horizon;   /* timestamp: those behind it are held back */
    bool more;          /* there is more than was read */
    bool closed;        /* the program has ended properly, and all was read: there will be no more */
};

/* Begins with what comes from now on; or with all that is there. */
void tail_open(struct tail *tail, const char *const *paths, size_t count, bool all);
void tail_close(struct tail *tail);

/* Reads what was added: tail->events, tail->count of them, good until the next call. */
void tail_look(struct tail *tail);

#endif
