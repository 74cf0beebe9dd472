/*
 * A trace as it lies on disk: its files, sorted into streams, and the events of each stream one after the other.
 * What is read of the events is told to progress.h.
 *
 * Opening reads every file once and refuses whatever the recorder could not have written, so that the commands need
 * not doubt anything. Of a trace that is still written, what was there at that moment is read. A stream's events are
 * not kept in memory: a cursor reads them again, a piece at a time. What the headers of the files tell can be had
 * without that.
 */
#ifndef TROUPE_TRACE_READER_H
#define TROUPE_TRACE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/trace_format.h>

#include "member.h"
#include "metadata.h"
#include "names.h"
#include "roles.h"
#include "spans.h"
#include "table.h"

#define STREAM_NUMBERS (TRI_TRACE_OUTSIDE + 1u)

/* A file of events. */
struct segment {
    char *name;
    uint64_t sequence;
    uint64_t begin;     /* timestamp, as it was recorded */
    uint64_t first;     /* events of the stream before it that are here */
    uint64_t end;       /* offset in bytes behind the last event */
    uint64_t discarded; /* events of the stream, up to the end of this file */
    uint64_t tail;      /* those of them that came after its events: its last event, `lost`, says how many */
};

/* From an event on times are so much later than they were recorded. */
struct shift {
    uint64_t from; /* the event's place in its stream, from 0 */
    uint64_t ticks;
};

struct stream {
    uint32_t number; /* the worker's; that of threads outside is_outside() */
    const struct member *member;
    struct segment *segments;
    size_t segment_count;

    /* As the headers of its files tell. */
    uint64_t bytes; /* of all its events */
    uint64_t events;
    uint64_t overwritten;           /* by the flight recorder, before the first that is here */
    uint64_t discarded;             /* because no segment was to be had, or missing with a whole file in between */
    uint64_t first_time, last_time; /* of its first and its last event */

    /* As its events tell. */
    uint64_t before; /* message ids that it had given when its worker was attached; 0: it was there from the begin */
    struct shift *shifts; /* corrections of its clock, which order.h finds; by `from` */
    size_t shift_count;

    uint64_t last_sent; /* the largest count in the ids of the messages that are sent here; 0: none is sent */
    struct spans sent;  /* the counts in these ids */
};

struct trace {
    const char *const *paths; /* that were given */
    size_t path_count;
    size_t below;           /* sub-directories of these that held a trace when it was opened */
    struct member *members; /* the traces of processes that it is of, at least one */
    size_t member_count;
    struct metadata *metadata; /* what all have in common: that of the only one */
    struct names *names;
    struct stream *streams; /* by number */
    size_t stream_count;
    uint64_t bytes;   /* of all events */
    uint32_t *places; /* of streams, plus 1, by number; 0: there is none */

    /* As the events tell. */
    bool partial;         /* something was switched off for a while: what is missing may not have been recorded */
    bool in_the_middle;   /* it begins while the program ran already, or ends while it runs on */
    bool has_parcels;     /* events of them */
    struct table parcels; /* struct spans: the counts of those that are sent, by the process in their ids */
    uint64_t *counts;     /* of events, by id */

    /* What clocks.h has found. */
    bool corrected;          /* it has looked, and corrected what there was */
    uint64_t contradictions; /* messages and parcels that came to their end before they were sent, by their times */
    uint64_t worst_ticks;    /* the largest of them */
};

/*
 * Opens the trace in a directory, or in the file that `pack` made of one, or the traces in several together. Ends the
 * program if one cannot be read.
 *
 *   - To the trace of a process of a cluster belong those of the other processes that lie in its sub-directories. Other
 *     sub-directories with traces of their own are named on stderr.
 *   - Of a directory that holds no trace all sub-directories with traces are taken.
 *   - What is reached twice is read once.
 */
struct trace *trace_open(const char *const *paths, size_t count);

/* The same in two steps: its files are known, and how large they are; and its events are read. */
struct trace *trace_find(const char *const *paths, size_t count);
void trace_check(struct trace *trace);

/*
 * As trace_open(), but only the headers of the files and each stream's last event are read, which takes no time that
 * grows with the events. What only events tell is zero, and nothing that is wrong with them is refused.
 */
struct trace *trace_open_headers(const char *const *paths, size_t count);

void trace_close(struct trace *trace);

/* The stream of a number; NULL: the trace holds nothing of it. */
static inline const struct stream *
trace_stream(const struct trace *trace, uint32_t number)
{
    uint32_t place = number < STREAM_NUMBERS ? trace->places[number] : 0;
    return place > 0 ? &trace->streams[place - 1] : NULL;
}

/* Events that are known to be missing. */
uint64_t trace_lost(const struct trace *trace);
uint64_t stream_lost(const struct stream *stream);

/* Reads events of a stream, with corrected times; they are changed if their process is one of several. Ends the program
 * if there are fewer. */
void stream_read_events(const struct trace *trace, const struct stream *stream, const struct segment *segment,
                        uint64_t offset, struct tri_trace_record *out, size_t count);

/* From the event of a place on, which is behind those that were told before, times are so much later. */
void stream_shift(struct stream *stream, uint64_t from, uint64_t ticks);

/* How much later the event of a place is. */
uint64_t stream_shift_at(const struct stream *stream, uint64_t place);

/* Goes through a stream. */
struct cursor {
    const struct trace *trace;
    const struct stream *stream;
    size_t segment;                  /* being read */
    struct kept file;                /* its file */
    uint64_t offset;                 /* in its file, of the next event */
    uint64_t ahead;                  /* bytes of its stream that it has not read: what progress.h is told */
    bool gap;                        /* events are missing somewhere before the next one */
    bool at_loss;                    /* a gap begins after the event given last */
    struct tri_trace_record *buffer; /* as large as its largest piece was: streams of few events take little */
    size_t room, held, given;        /* events in the buffer */
};

void cursor_init(struct cursor *cursor, const struct trace *trace, const struct stream *stream);

/* The same for one that looks again at what a pass reads: progress.h is told nothing. */
void cursor_init_aside(struct cursor *cursor, const struct trace *trace, const struct stream *stream);

void cursor_fini(struct cursor *cursor);

/* Reads its next piece, unless what was printed before is lost: output_check(). false: it is through. */
bool cursor_fill(struct cursor *cursor);

/* The next event, good until the next call; NULL at the end. cursor->gap is true if events are missing before it. */
static inline const struct tri_trace_record *
cursor_next(struct cursor *cursor)
{
    cursor->gap |= cursor->at_loss;
    cursor->at_loss = false;
    if (cursor->given == cursor->held && !cursor_fill(cursor))
        return NULL;
    const struct tri_trace_record *record = &cursor->buffer[cursor->given++];
    cursor->offset += sizeof(*record);
    cursor->at_loss = cursor->trace->metadata->roles[record->id] == ROLE_lost;
    return record;
}

#endif
