/*
 * Segments: the files of one stream. Each is mapped into memory and holds one packet.
 *
 * A reader would stumble over a packet without events, so a file is made under a name that begins with a dot, which
 * readers ignore, and is shown under its real name once it holds one. Its blocks are reserved when it is made: a full
 * disk, or a limit on the size of files, refuses the file instead of killing the writer with SIGBUS or SIGXFSZ. A
 * stream either keeps all its segments, as far as a budget that it may share with others reaches, or a fixed number:
 * then the oldest is hidden, filled anew, and shown again under the next name, so that a reader never sees a
 * half-overwritten one.
 *
 * Who keeps all keeps copies on ext4 and xfs: a full segment is copied to a file that takes its name, and is filled
 * anew itself. Where a host gives memory late that takes a quarter of the time that it takes to bring the pages of
 * another mapped file into memory, and the stream meets no page for the first time. The copy is made while the next
 * segment fills. Where two names cannot be exchanged without being missed by who lists the directory, or there is no
 * room for the copy, the segment stays, and the next one is another file.
 *
 * Making a file and bringing its pages into memory takes up to a millisecond, and for ever where a disk hangs. So all
 * files but the first of each stream are made by a thread of their own, the maker, ahead of their use. A stream that
 * needs one which is not there yet waits for a short time only, and not again until the maker has come back with it.
 */
#ifndef TROUPE_CORE_TRACE_SEGMENT_H
#define TROUPE_CORE_TRACE_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/status.h>
#include <troupe/core/trace_format.h>
#include <uv.h>

struct tri_maker; /* the thread and its queue */

struct tri_segment {
    struct tri_trace_packet *packet; /* the mapping; NULL: there is no file */
    uint64_t sequence;               /* counts the segments of the stream */
    bool shown;
};

struct tri_segments {
    /* Constant. */
    int directory;
    size_t bytes;        /* of each file */
    unsigned keep;       /* so many files, the oldest is overwritten; 0: all */
    int64_t *bytes_left; /* atomic, for further files of all streams that share it; NULL: keep alone is the limit */
    char stream[24];     /* begins the names of the files */
    struct tri_maker *maker;
    uint64_t wait_ns; /* for a file that the maker has not made yet */

    /* The maker's own. */
    bool exchanges; /* the file system can exchange the names of two files, and nobody misses one meanwhile */

    /* Under the maker's lock. */
    unsigned asked;                   /* the maker has, or will have, old and row[next]; atomic */
    struct tri_segments *asked_after; /* in the maker's queue */

    /* The stream's thread. */
    struct tri_segment old; /* left, but still mapped */
    bool late;              /* the maker did not come back in time for what was asked last */
    uint64_t next_sequence;
    unsigned current, next;   /* places in row; equal until the first segment is shown */
    unsigned room;            /* places in row that are used */
    struct tri_segment row[]; /* a ring */
};

/*
 * Starts the maker. path names the trace when the maker says that it can make no further file. alone: it has no thread,
 * and each file is made by who asks for it.
 * Thread: setup. Returns TR_OK; TR_ENOMEM; what the system answers.
 */
tr_status tri_maker_start(struct tri_maker **out, const char *path, bool alone);

/* Ends it; what was asked of it may be left undone. NULL does nothing. Thread: setup. */
void tri_maker_stop(struct tri_maker *maker);

/*
 * Makes the first file, hidden. bytes_left may be NULL; wait_ns is how long tri_segments_next() may wait. Thread:
 * setup. Returns TR_OK; TR_ENOMEM; TR_ENOSPC when bytes_left is used up; what the system answers. On failure nothing is
 * left.
 */
tr_status tri_segments_open(struct tri_segments **out, struct tri_maker *maker, int directory, const char *stream,
                            size_t bytes, unsigned keep, int64_t *bytes_left, uint64_t wait_ns);

/* Unmaps all, removes what was never shown, and frees. NULL does nothing. The maker has ended. Thread: setup. */
void tri_segments_close(struct tri_segments *segments);

/* Unmaps all and frees, in a process that was forked: the files are the other's. Thread: setup. */
void tri_segments_forget(struct tri_segments *segments);

/* Asks the maker for the next segment, once the first has been shown. Thread: the stream's own. */
void tri_segments_prepare(struct tri_segments *segments);

/* Is the maker at work on what was asked for last? Thread: the stream's own. */
bool tri_segments_are_awaited(const struct tri_segments *segments);

/* Is what came too late there now, so that tri_segments_next() need not wait? Thread: the stream's own. */
bool tri_segments_arrived(const struct tri_segments *segments);

/*
 * The next segment, hidden and to be filled; NULL if there is none to be had, now at least. Until it is shown, asking
 * again gives the same one. Waits for the maker at most as long as the stream may. Thread: the stream's own.
 */
struct tri_segment *tri_segments_next(struct tri_segments *segments);

/*
 * Shows what tri_segments_next() gave: it is the current one now, and with keep 0 the one before is left. false: the
 * system refused, and the segment is still the next one. Thread: the stream's own.
 */
bool tri_segments_show(struct tri_segments *segments, struct tri_segment *segment);

#endif
