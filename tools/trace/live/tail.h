/*
 * What is written to a trace while one looks.
 *
 * Each look reads what was added to its files since the look before. Events of one look are given by time; an event may
 * be earlier than one of the look before, if its thread was slow to write it.
 */
#ifndef TROUPE_TRACE_TAIL_H
#define TROUPE_TRACE_TAIL_H

#include "reader.h"

struct tail_event {
    uint32_t stream;
    struct tri_trace_record record;
};

struct tail {
    struct trace *trace;  /* its metadata and names are those of now; the streams, those of the beginning */
    struct table offsets; /* uint64_t: how far a file was read, by stream and sequence number */
    uint64_t names_size;  /* of all files of names together */
    struct tail_event *events;
    size_t count, room;
    bool closed; /* the program has ended properly: there will be no more */
};

/* Begins with what comes from now on; or with all that is there. */
void tail_open(struct tail *tail, const char *directory, bool all);
void tail_close(struct tail *tail);

/* Reads what was added: tail->events, tail->count of them, good until the next call. */
void tail_look(struct tail *tail);

#endif
