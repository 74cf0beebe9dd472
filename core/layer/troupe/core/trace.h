/*
 * The recorder's face to the layers: what an event is, and how it is written.
 *
 * A layer has a table of its events (trace_events.h), numbered from its own base, declares it in a struct
 * tri_trace_table, and records each by the function that comes of its row, in the stream of the worker it runs on. Off,
 * that is one load and one branch. The files on disk describe themselves: see docs/trace-format.md.
 */
#ifndef TROUPE_CORE_TRACE_H
#define TROUPE_CORE_TRACE_H

#include <ck_pr.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/compiler.h>
#include <troupe/core/options.h>
#include <troupe/core/status.h>
#include <troupe/core/trace_events.h>
#include <troupe/core/trace_row.h>
#include <troupe/core/trace_stream.h>

struct tri_trace; /* a runtime's recorder; a struct tri_trace_stream is a worker's part of it */

/* Where each layer's numbers begin. */
enum {
    TRI_TRACE_CORE = 0x001,
    TRI_TRACE_ACTORS = 0x100,
    TRI_TRACE_NET = 0x200,
};

/* One kind of event. */
struct tri_trace_event {
    uint16_t id;
    const char *name;                                  /* lower case and underscores */
    const char *doc;                                   /* one sentence that says what the fields mean */
    struct tri_trace_field flags, arg, actor, message; /* on disk of 16, 32, 64 and 64 bits */
};

/* A tag of a layer's own messages, by the name that readers of a trace show. */
struct tri_trace_tag {
    uint32_t tag;
    const char *name; /* letters, digits and underscores */
};

/* What a layer declares. */
struct tri_trace_table {
    const struct tri_trace_event *events;
    size_t event_count;
    const struct tri_trace_tag *tags;
    size_t tag_count;
};

#define TRI_TRACE_CORE_NUMBER(id, name, ...) TRI_TRACE_CORE_##name = id,
enum { TRI_TRACE_CORE_EVENTS(TRI_TRACE_CORE_NUMBER) };

/*
 * Opens the recorder as options and the environment's TR_TRACE say. *out is NULL when nothing is to be recorded, and
 * when the variable asks for what cannot be done: then a line on stderr says so.
 * workers streams are made, and one more for all threads that are no workers.
 * Thread:  setup.
 * Returns: TR_OK; of options that are on: TR_EINVAL (no directory, an unknown mode); TR_ETOOMANYWORKERS; TR_EBADLIMIT
 *          (sizes out of range, or a limit that does not hold a file for each stream); TR_EEXIST (the directory holds
 *          9,999 traces); TR_ENOMEM; what the system answers. On failure nothing is left.
 */
tr_status tri_trace_open(const struct tr_trace_options *options, unsigned workers, struct tri_trace **out);

/*
 * What the traces that this process opens from now on are parts of: those of the processes of a cluster are read
 * together. Texts are copied: the cluster's name is as long as a uuid at most, the member's 15 bytes. directory takes
 * the place of the one that TR_TRACE names; NULL: it does not. Thread: setup; in the child of a fork its only thread.
 */
void tri_trace_be_member(const char *cluster, const char *member, unsigned serial, const char *directory);

/*
 * Opens a recorder of threads outside, as TR_TRACE says, that starts no thread: for a process that forks. *out is NULL
 * when nothing is to be recorded. What the variable asks for and cannot be had is a line on stderr. Thread: setup.
 */
void tri_trace_open_alone(struct tri_trace **out);

/* Frees the recorder of the process that has forked this one: its files stay as they are. NULL does nothing. Thread:
 * setup. */
void tri_trace_forget(struct tri_trace *trace);

/* Ends the recorder if it has not ended, and frees it; NULL does nothing. Thread: setup. */
void tri_trace_close(struct tri_trace *trace);

/*
 * Ends a recorder: says in the metadata that the trace is whole, and closes all files. Its memory stays: what threads
 * outside do with it from now on has no effect. Thread: one at a time, while no worker uses its stream.
 */
void tri_trace_end(struct tri_trace *trace);

/*
 * Opens a recorder that has ended in another directory, with all categories and no actor that differs from the others;
 * or makes one if *trace is NULL. It is the caller's then, also if that fails. Returns as tri_trace_open() of options
 * that are on. Thread: one at a time, while no worker uses its stream.
 */
tr_status tri_trace_begin(const struct tr_trace_options *options, unsigned workers, struct tri_trace **trace);

/* Where it writes; false: nowhere, it has ended. trace is not NULL. Thread: any. */
#define TRI_TRACE_PATH 4112u
bool tri_trace_path(struct tri_trace *trace, char out[TRI_TRACE_PATH]);

/* The stream of a worker; NULL if trace is NULL. Thread: any. */
struct tri_trace_stream *tri_trace_stream_of(struct tri_trace *trace, unsigned worker);

/*
 * Adds a table to the metadata, before a worker writes the first of its events: an event that the files do not
 * describe makes them unreadable. If it cannot be written down, a line on stderr says so, and what this worker and the
 * threads outside write from then on is lost, and counted. To declare it again does no harm; NULL for trace does
 * nothing. The table must outlive the recorder.
 * Thread: the worker's own; setup.
 */
void tri_trace_declare(struct tri_trace *trace, unsigned worker, const struct tri_trace_table *table);

/* The number under which the trace knows a name, which is recorded when it is first asked for; 0 if trace or name is
 * NULL or memory is short. Equal texts have equal numbers. Thread: any. */
uint32_t tri_trace_name(struct tri_trace *trace, const char *name);

/* The same of a name that the stream's thread asks for again and again. Thread: the stream's own. */
uint32_t tri_trace_name_again(struct tri_trace *trace, struct tri_trace_stream *stream, const char *name);

/*
 * Records the name of a tag among the messages of actors of a behavior, unless that has been done. trace and the texts
 * are not NULL. More than 65,536 names are not recorded, nor is one for which memory is short. Thread: any.
 */
void tri_trace_name_tag(struct tri_trace *trace, const char *behavior, uint32_t tag, const char *name);

/* How many message ids a stream has given. Thread: the stream's own; setup. */
uint64_t tri_trace_messages(const struct tri_trace_stream *stream);

/*
 * Is half of the stream's file full, and the next one not there yet? Who has events that can wait for it leaves the
 * room to others. false as well if no file is to be had. Thread: the stream's own.
 */
bool tri_trace_is_short(const struct tri_trace_stream *stream);

/* Writes one event of this moment; `what` is TRI_TRACE_WHAT(). Thread: the stream's own. */
void tri_trace_put(struct tri_trace_stream *stream, uint64_t what, uint64_t actor, uint64_t message);

/* The same if the event is wanted, of a category and actor, with TRI_TRACE_LOOKS. Thread: the stream's own. */
void tri_trace_put_looked(struct tri_trace_stream *stream, uint64_t what, uint64_t actor, uint64_t message,
                          uint32_t category);

/* Writes one event from a thread that is no worker, under a lock. trace is not NULL. Thread: any. */
void tri_trace_write_outside(struct tri_trace *trace, uint16_t id, uint16_t flags, uint32_t arg, uint64_t actor,
                             uint64_t message);

/* A new message id for a thread that is no worker. trace is not NULL. Thread: any. */
uint64_t tri_trace_message_id_outside(struct tri_trace *trace);

/* Is an event recorded, of a category that can be switched off and an actor, 0 if it is none's? With TRI_TRACE_LOOKS.
 * Thread: any; of a stream, its own. */
bool tri_trace_looks(const struct tri_trace_head *head, uint32_t category, uint64_t actor, uint64_t message);

/* Likewise, always. */
static inline bool
tri_trace_wants(const struct tri_trace_head *head, uint32_t category, uint64_t actor)
{
    uint32_t wanted = ck_pr_load_32(&head->wanted);
    return TRI_LIKELY((wanted & category) != 0) ||
           ((wanted & TRI_TRACE_LOOKS) != 0 && tri_trace_looks(head, category, actor, 0));
}

/* What of an actor is recorded. */
enum tri_trace_switch {
    TRI_TRACE_AS_OTHERS, /* by category */
    TRI_TRACE_ON,        /* all */
    TRI_TRACE_OFF,       /* nothing */
};

/*
 * From now on events of these categories alone are recorded. What other threads are recording meanwhile may be before
 * or after. The trace says so, in the stream of the threads outside. trace is not NULL. Thread: any.
 */
void tri_trace_switch_categories(struct tri_trace *trace, uint32_t categories);

/* The same for an actor. Returns TR_OK; TR_EFULL (512 actors differ from the others). Thread: any. */
tr_status tri_trace_switch_actor(struct tri_trace *trace, uint64_t actor, enum tri_trace_switch how);

/*
 * From now on, until the recorder ends, meet is told of each event of a category that can be switched off before it is
 * recorded in a worker's stream, also of those that are not wanted. NULL: nobody is. trace is not NULL.
 * Thread: the worker's own, not in meet.
 */
void tri_trace_meet(struct tri_trace *trace, unsigned worker, tri_trace_meet_function *meet, void *host);

/* Copies the trace as it is now: tr_trace_snapshot(). trace is not NULL. Thread: any. */
tr_status tri_trace_snapshot(struct tri_trace *trace, const char *directory);

/* Writes one event of this moment if it is wanted. Thread: the stream's own. */
static TRI_INLINE void
tri_trace_put_wanted(struct tri_trace_stream *stream, uint64_t what, uint64_t actor, uint64_t message,
                     uint32_t category)
{
    uint32_t wanted = ck_pr_load_32(&stream->head.wanted);
    if (TRI_LIKELY((wanted & category) != 0))
        tri_trace_put(stream, what, actor, message);
    else if ((wanted & TRI_TRACE_LOOKS) != 0)
        tri_trace_put_looked(stream, what, actor, message, category);
}

/* Writes one event, of whatever category. Thread: the stream's own. */
static inline void
tri_trace_write(struct tri_trace_stream *stream, uint16_t id, uint16_t flags, uint32_t arg, uint64_t actor,
                uint64_t message)
{
    tri_trace_put(stream, TRI_TRACE_WHAT(id, flags, arg), actor, message);
}

/* The same if there is a recorder. Thread: the stream's own. */
static inline void
tri_trace(struct tri_trace_stream *stream, uint16_t id, uint16_t flags, uint32_t arg, uint64_t actor, uint64_t message)
{
    if (TRI_UNLIKELY(stream != NULL))
        tri_trace_write(stream, id, flags, arg, actor, message);
}

TRI_TRACE_ALWAYS_EVENTS(TRI_TRACE_FUNCTIONS_ALWAYS)
TRI_TRACE_WORKER_EVENTS(TRI_TRACE_FUNCTIONS_WORKERS)
TRI_TRACE_MARK_EVENTS(TRI_TRACE_FUNCTIONS_MARKS)

#endif
