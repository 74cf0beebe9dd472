/*
 * The recorder: streams of events in mapped files, each with one writer.
 *
 * A worker writes to its own stream without asking anybody (stream.c). Threads that are no workers share one stream and
 * a lock; names go to a stream of their own (names.h), under a lock too.
 *
 * When the process is killed, the files hold what was stored (packet.h). Whoever learns of a message from its sender
 * learns of it after the sender's event was stored, so even in a trace that was cut off no receive stands without its
 * send.
 *
 * Faults. Nothing that goes wrong here is the program's business. What the variable TR_TRACE asks for and cannot be had
 * is a line on stderr; only options that the program sets itself are answered with a status. An event whose description
 * cannot be written into the metadata would make the whole trace unreadable, so a stream that would write such events
 * falls silent.
 *
 * Begin and end. A recorder can end and begin again while the program runs (tri_trace_end(), tri_trace_begin()). Its
 * memory stays until its runtime is freed, so a thread outside that found it just before the end still finds it
 * afterwards: under the lock of the outside, or of the book, it sees that nothing is open, and writes nothing. (If it
 * has begun again meanwhile, the event goes to the new trace, which it belongs to as well.) A worker's stream has no
 * lock, so both need every worker to have left its stream: the layer above sees to that. Messages are counted on from
 * one trace to the next: one that was sent in the first and is received in the second is taken for no other.
 *
 * The flight recorder loses events by design: the sequence numbers of the packets say how many full ones were
 * overwritten. Other losses are the streams' (stream.c).
 */
#include <ck_pr.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <troupe/core/clock.h>
#include <troupe/core/say.h>
#include <troupe/core/status_from.h>
#include <troupe/core/trace.h>
#include <troupe/core/trace_format.h>
#include <unistd.h>
#include <uv.h>

#include "member.h"
#include "metadata.h"
#include "names.h"
#include "picks.h"
#include "segment.h"
#include "settings.h"
#include "snapshot.h"
#include "stream.h"

#define MOST_TRACES 9999u /* of one directory, its sub-directories counted */
#define NS_PER_MS UINT64_C(1000000)

struct tri_trace {
    struct tri_trace_head head; /* of all that is written to the stream of the outside */
    int directory;
    bool alone;                /* there is no other thread, and the recorder starts none */
    char path[TRI_TRACE_PATH]; /* the directory's */
    unsigned workers;
    int64_t bytes_left; /* atomic: for further segments of all streams */
    struct tri_maker *maker;

    bool open; /* there are files. Written under both locks, read under one of them */

    uv_mutex_t outside_lock;
    struct tri_trace_stream *outside;

    uv_mutex_t book_lock; /* before the other, where both are needed */
    struct tri_metadata metadata;
    struct tri_names names;
    struct tri_picks picks;

    struct tri_trace_stream streams[]; /* of the workers, then the outside */
};

/* -- Writing, from any thread. -- */

void
tri_trace_write_outside(struct tri_trace *trace, uint16_t id, uint16_t flags, uint32_t arg, uint64_t actor,
                        uint64_t message)
{
    uv_mutex_lock(&trace->outside_lock);
    if (trace->open)
        tri_trace_write(trace->outside, id, flags, arg, actor, message);
    uv_mutex_unlock(&trace->outside_lock);
}

uint64_t
tri_trace_message_id_outside(struct tri_trace *trace)
{
    uv_mutex_lock(&trace->outside_lock);
    uint64_t id = tri_trace_message_id(trace->outside);
    uv_mutex_unlock(&trace->outside_lock);
    return id;
}

uint64_t
tri_trace_messages(const struct tri_trace_stream *stream)
{
    return stream->messages;
}

struct tri_trace_stream *
tri_trace_stream_of(struct tri_trace *trace, unsigned worker)
{
    return trace != NULL ? &trace->streams[worker] : NULL;
}

uint32_t
tri_trace_name(struct tri_trace *trace, const char *name)
{
    if (trace == NULL || name == NULL)
        return 0;
    uv_mutex_lock(&trace->book_lock);
    uint32_t number = trace->open ? tri_names_number(&trace->names, name) : 0;
    uv_mutex_unlock(&trace->book_lock);
    return number;
}

/* The text at an address may be another one by now. */
uint32_t
tri_trace_name_again(struct tri_trace *trace, struct tri_trace_stream *stream, const char *name)
{
    size_t place = (uintptr_t)name * UINT64_C(0x9e3779b97f4a7c15) >> 32 & (TRI_STREAM_NAMES - 1);
    const char *known = stream->names[place].asked == name ? stream->names[place].text : NULL;
    if (TRI_LIKELY(known != NULL && strcmp(known, name) == 0))
        return stream->names[place].number;
    uv_mutex_lock(&trace->book_lock);
    uint32_t number = tri_names_number(&trace->names, name);
    const char *text = number != 0 ? trace->names.texts[number - 1] : NULL;
    uv_mutex_unlock(&trace->book_lock);
    stream->names[place].asked = name;
    stream->names[place].text = text;
    stream->names[place].number = number;
    return number;
}

void
tri_trace_name_tag(struct tri_trace *trace, const char *behavior, uint32_t tag, const char *name)
{
    uv_mutex_lock(&trace->book_lock);
    uint32_t number = trace->open ? tri_names_number(&trace->names, behavior) : 0;
    if (number != 0)
        tri_names_tag(&trace->names, number, tag, name);
    uv_mutex_unlock(&trace->book_lock);
}

static tr_status
declare(struct tri_trace *trace, const struct tri_trace_table *table)
{
    uv_mutex_lock(&trace->book_lock);
    tr_status status = trace->open ? tri_metadata_add(&trace->metadata, table) : TR_OK;
    uv_mutex_unlock(&trace->book_lock);
    return status;
}

void
tri_trace_declare(struct tri_trace *trace, unsigned worker, const struct tri_trace_table *table)
{
    tr_status status = trace != NULL ? declare(trace, table) : TR_OK;
    if (status == TR_OK)
        return;
    tri_say("the trace in %s records nothing more of worker %u, since it cannot describe what comes: %s", trace->path,
            worker, tr_status_text(status));
    tri_stream_silence(&trace->streams[worker]);
    uv_mutex_lock(&trace->outside_lock);
    tri_stream_silence(trace->outside);
    uv_mutex_unlock(&trace->outside_lock);
}

/* A descriptor of its own: the recorder may end meanwhile. */
static tr_status
hold_directory(struct tri_trace *trace, int *out)
{
    uv_mutex_lock(&trace->book_lock);
    *out = trace->open ? fcntl(trace->directory, F_DUPFD_CLOEXEC, 0) : -1;
    tr_status status = !trace->open ? TR_ENOTSUPPORTED : *out < 0 ? tri_status_from_errno(errno) : TR_OK;
    uv_mutex_unlock(&trace->book_lock);
    return status;
}

tr_status
tri_trace_snapshot(struct tri_trace *trace, const char *directory)
{
    int from;
    tr_status status = hold_directory(trace, &from);
    if (status != TR_OK)
        return status;
    status = tri_snapshot(from, directory);
    close(from);
    return status;
}

bool
tri_trace_path(struct tri_trace *trace, char out[TRI_TRACE_PATH])
{
    uv_mutex_lock(&trace->book_lock);
    bool open = trace->open;
    snprintf(out, TRI_TRACE_PATH, "%s", open ? trace->path : "");
    uv_mutex_unlock(&trace->book_lock);
    return open;
}

/* -- What is recorded. -- */

static void
want_in(struct tri_trace_head *head, uint32_t categories, uint32_t looks)
{
    uint32_t wanted = looks != 0 ? looks | categories << TRI_TRACE_LOOKS_SHIFT : categories;
    ck_pr_store_32(&head->wanted, wanted | TRI_CATEGORY_ALWAYS);
}

/* Under the lock of the book. */
static void
want(struct tri_trace *trace, uint32_t categories)
{
    uint32_t picks = trace->picks.picked > 0 ? TRI_TRACE_PICKS : 0;
    for (unsigned i = 0; i <= trace->workers; i++) {
        struct tri_trace_stream *stream = &trace->streams[i];
        want_in(&stream->head, categories, picks | (stream->meet != NULL ? TRI_TRACE_MEETS : 0));
    }
    want_in(&trace->head, categories, picks);
}

/* Of actors that do not differ. */
static uint32_t
categories_of(const struct tri_trace_head *head)
{
    uint32_t wanted = ck_pr_load_32(&head->wanted);
    return ((wanted & TRI_TRACE_LOOKS) != 0 ? wanted >> TRI_TRACE_LOOKS_SHIFT : wanted) & TRI_CATEGORY_ALL;
}

/* What is said about it comes before what is left out, and after what is no longer: readers know that some is missing.
 */
void
tri_trace_switch_categories(struct tri_trace *trace, uint32_t categories)
{
    uv_mutex_lock(&trace->book_lock);
    tri_trace_switched_outside(trace, 0, TRI_TRACE_AS_OTHERS, categories);
    want(trace, categories);
    uv_mutex_unlock(&trace->book_lock);
}

tr_status
tri_trace_switch_actor(struct tri_trace *trace, uint64_t actor, enum tri_trace_switch how)
{
    uv_mutex_lock(&trace->book_lock);
    tri_trace_switched_outside(trace, actor, (uint16_t)how, categories_of(&trace->head));
    tr_status status = tri_picks_set(&trace->picks, actor, how);
    want(trace, categories_of(&trace->head));
    uv_mutex_unlock(&trace->book_lock);
    return status;
}

void
tri_trace_meet(struct tri_trace *trace, unsigned worker, tri_trace_meet_function *meet, void *host)
{
    uv_mutex_lock(&trace->book_lock);
    trace->streams[worker].meet = meet;
    trace->streams[worker].host = host;
    want(trace, categories_of(&trace->head));
    uv_mutex_unlock(&trace->book_lock);
}

bool
tri_trace_looks(const struct tri_trace_head *head, uint32_t category, uint64_t actor, uint64_t message)
{
    if ((ck_pr_load_32(&head->wanted) & TRI_TRACE_MEETS) != 0) {
        const struct tri_trace_stream *stream = TRI_CONTAINER_OF(head, const struct tri_trace_stream, head);
        stream->meet(stream->host, actor, message);
    }
    enum tri_trace_switch how = actor != 0 ? tri_picks_of(head->picks, actor) : TRI_TRACE_AS_OTHERS;
    return how == TRI_TRACE_AS_OTHERS ? (categories_of(head) & category) != 0 : how == TRI_TRACE_ON;
}

/* -- Opening and closing. -- */

static const struct tri_trace_event core_events[] = {TRI_TRACE_CORE_EVENTS(TRI_TRACE_DESCRIPTION)};

static const struct tri_trace_table core_table = {
    .events = core_events,
    .event_count = sizeof(core_events) / sizeof(core_events[0]),
};

/* A trace's directory while it is being opened. */
struct place {
    char path[TRI_TRACE_PATH];
    int directory;
    bool made; /* it did not exist */
};

static tr_status
open_directory(struct place *place)
{
    place->made = mkdir(place->path, 0777) == 0;
    if (!place->made && errno != EEXIST)
        return tri_status_from_errno(errno);
    place->directory = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return place->directory < 0 ? tri_status_from_errno(errno) : TR_OK;
}

static void
leave_directory(struct place *place)
{
    close(place->directory);
    if (place->made)
        rmdir(place->path);
}

/* The files that a stream of events keeps, and what it shares with others. */
static tr_status
open_streams(struct tri_trace *trace, const struct tr_trace_options *options)
{
    bool flight = options->mode == TR_TRACE_FLIGHT;
    uint64_t wait_ns = options->wait_ms > 0 ? (uint64_t)options->wait_ms * NS_PER_MS : 0;
    int64_t *budget = flight ? NULL : &trace->bytes_left;
    for (unsigned i = 0; i <= trace->workers; i++) {
        struct tri_trace_stream *stream = &trace->streams[i];
        char name[24] = "outside";
        if (i < trace->workers)
            snprintf(name, sizeof(name), "worker-%u", i);
        stream->number = i < trace->workers ? (uint16_t)i : TRI_TRACE_OUTSIDE;
        stream->uuid = trace->metadata.uuid;
        tr_status status = tri_segments_open(&stream->segments, trace->maker, trace->directory, name,
                                             options->segment_bytes, flight ? options->segments : 0, budget, wait_ns);
        if (status != TR_OK)
            return status;
    }
    trace->names.uuid = trace->metadata.uuid;
    /* A flight recorder forgets events, never names: they may be as many as fit into one stream's files. */
    return tri_segments_open(&trace->names.segments, trace->maker, trace->directory, "names", options->segment_bytes, 0,
                             &trace->bytes_left, wait_ns);
}

static void
close_streams(struct tri_trace *trace)
{
    tri_maker_stop(trace->maker);
    for (unsigned i = 0; i <= trace->workers; i++)
        tri_segments_close(trace->streams[i].segments);
    tri_segments_close(trace->names.segments);
    tri_names_fini(&trace->names);
}

static tr_status
open_files(struct tri_trace *trace, const struct tr_trace_options *options)
{
    bool flight = options->mode == TR_TRACE_FLIGHT;
    trace->bytes_left = flight ? (int64_t)(options->segments * options->segment_bytes) : (int64_t)options->limit_bytes;
    tr_status status =
        tri_metadata_open(&trace->metadata, trace->directory, flight ? "flight" : "file", trace->workers);
    if (status != TR_OK)
        return status;
    status = tri_metadata_add(&trace->metadata, &core_table);
    if (status == TR_OK)
        status = tri_maker_start(&trace->maker, trace->path, trace->alone);
    if (status == TR_OK)
        status = open_streams(trace, options);
    if (status != TR_OK) {
        close_streams(trace);
        tri_metadata_abandon(&trace->metadata);
    }
    return status;
}

static tr_status
open_locks(struct tri_trace *trace)
{
    int error = uv_mutex_init(&trace->outside_lock);
    if (error != 0)
        return tri_status_from_uv(error);
    error = uv_mutex_init(&trace->book_lock);
    if (error != 0)
        uv_mutex_destroy(&trace->outside_lock);
    return tri_status_from_uv(error);
}

static void
close_locks(struct tri_trace *trace)
{
    uv_mutex_destroy(&trace->outside_lock);
    uv_mutex_destroy(&trace->book_lock);
}

static void
reset_stream(struct tri_trace *trace, struct tri_trace_stream *stream)
{
    uint64_t messages = stream->messages;
    *stream = (struct tri_trace_stream){.messages = messages};
    stream->head.picks = &trace->picks;
}

/* As nobody else has it, or after the end: threads outside may look at what is wanted, and at the picks. */
static void
reset(struct tri_trace *trace)
{
    uv_mutex_lock(&trace->book_lock);
    uv_mutex_lock(&trace->outside_lock);
    for (unsigned i = 0; i <= trace->workers; i++)
        reset_stream(trace, &trace->streams[i]);
    memset(&trace->names, 0, sizeof(trace->names));
    trace->maker = NULL;
    tri_picks_clear(&trace->picks);
    want(trace, TRI_CATEGORY_ALL);
    uv_mutex_unlock(&trace->outside_lock);
    uv_mutex_unlock(&trace->book_lock);
}

static tr_status
new_trace(unsigned workers, struct tri_trace **out)
{
    struct tri_trace *trace;
    size_t size = sizeof(*trace) + (workers + 1) * sizeof(trace->streams[0]);
    trace = aligned_alloc(alignof(struct tri_trace), size); /* size is a multiple: both parts are */
    if (trace == NULL)
        return TR_ENOMEM;
    memset(trace, 0, size);
    trace->workers = workers;
    trace->outside = &trace->streams[workers];
    trace->head.picks = &trace->picks;
    tr_status status = open_locks(trace);
    if (status != TR_OK) {
        free(trace);
        return status;
    }
    *out = trace;
    return TR_OK;
}

static void
free_trace(struct tri_trace *trace)
{
    close_locks(trace);
    free(trace);
}

static void
set_open(struct tri_trace *trace, bool open)
{
    uv_mutex_lock(&trace->book_lock);
    uv_mutex_lock(&trace->outside_lock);
    trace->open = open;
    uv_mutex_unlock(&trace->outside_lock);
    uv_mutex_unlock(&trace->book_lock);
}

/* Opens the recorder in a directory of a name that is tried. */
static tr_status
open_place(struct tri_trace *trace, const struct tr_trace_options *options, struct place *place)
{
    tr_status status = open_directory(place);
    if (status != TR_OK)
        return status;
    memcpy(trace->path, place->path, sizeof(trace->path));
    trace->directory = place->directory;
    status = open_files(trace, options);
    if (status != TR_OK)
        leave_directory(place);
    return status;
}

/*
 * Takes the directory, or if that holds a trace, the first of its sub-directories 2, 3 ... that holds none. Whoever
 * makes the file `metadata` first has it, so processes that start at the same time each get one.
 */
static tr_status
find_place(struct tri_trace *trace, const struct tr_trace_options *options)
{
    struct place place;
    if (strlen(options->directory) >= PATH_MAX)
        return TR_ENAMETOOLONG;
    snprintf(place.path, sizeof(place.path), "%s", options->directory);
    tr_status status = open_place(trace, options, &place);
    for (unsigned number = 2; status == TR_EEXIST && number <= MOST_TRACES; number++) {
        snprintf(place.path, sizeof(place.path), "%s/%u", options->directory, number);
        status = open_place(trace, options, &place);
    }
    return status;
}

/* *trace may be NULL: then it is made, and is the caller's even if it cannot be opened. */
static tr_status
open_as_told(struct tr_trace_options options, unsigned workers, struct tri_trace **trace)
{
    tr_status status = tri_settings_complete(&options, workers + 2); /* of the workers, the outside, the names */
    if (status == TR_OK && *trace == NULL)
        status = new_trace(workers, trace);
    if (status != TR_OK)
        return status;
    reset(*trace);
    status = find_place(*trace, &options);
    if (status == TR_OK)
        set_open(*trace, true);
    return status;
}

/* Without a trace there is no recorder either. */
static tr_status
open_or_none(const struct tr_trace_options *options, unsigned workers, struct tri_trace **out)
{
    tr_status status = open_as_told(*options, workers, out);
    if (status != TR_OK && *out != NULL) {
        free_trace(*out);
        *out = NULL;
    }
    return status;
}

/* The user asked for a trace from outside the program: if there can be none, it runs as if nobody had asked. */
static void
open_as_asked(const char *text, const struct tr_trace_options *options, unsigned workers, struct tri_trace **out)
{
    char copy[PATH_MAX];
    struct tr_trace_options asked = *options;
    tr_status status = tri_settings_read(text, copy, &asked);
    if (status == TR_EINVAL) {
        tri_say("no trace, since TR_TRACE is \"%.200s\" and not DIRECTORY, \"DIRECTORY,file\" or \"DIRECTORY,flight\"",
                text);
        return;
    }
    if (tri_member_directory[0] != '\0')
        asked.directory = tri_member_directory;
    if (status == TR_OK)
        status = open_or_none(&asked, workers, out);
    if (status != TR_OK)
        tri_say("no trace in %.600s (TR_TRACE): %s", text, tr_status_text(status));
}

tr_status
tri_trace_open(const struct tr_trace_options *options, unsigned workers, struct tri_trace **out)
{
    *out = NULL;
    if (workers > TR_WORKERS_MAX)
        return TR_ETOOMANYWORKERS;
    tri_clock_init();
    ck_pr_inc_uint(&tri_member_runtimes);
    if (options->mode != TR_TRACE_OFF)
        return open_or_none(options, workers, out);
    const char *text = tri_settings_text();
    if (text != NULL)
        open_as_asked(text, options, workers, out);
    return TR_OK;
}

tr_status
tri_trace_begin(const struct tr_trace_options *options, unsigned workers, struct tri_trace **trace)
{
    tr_status status = open_as_told(*options, workers, trace);
    if (status == TR_OK)
        tri_trace_attached_outside(*trace, tri_trace_messages((*trace)->outside));
    return status;
}

void
tri_trace_open_alone(struct tri_trace **out)
{
    const char *text = tri_settings_text();
    *out = NULL;
    tri_clock_init();
    if (text == NULL || new_trace(0, out) != TR_OK)
        return;
    (*out)->alone = true;
    open_as_asked(text, &(struct tr_trace_options){0}, 0, out);
    if (*out == NULL || (*out)->open)
        return;
    free_trace(*out);
    *out = NULL;
}

static void
forget_files(struct tri_trace *trace)
{
    tri_maker_stop(trace->maker);
    for (unsigned i = 0; i <= trace->workers; i++)
        tri_segments_forget(trace->streams[i].segments);
    tri_segments_forget(trace->names.segments);
    tri_names_fini(&trace->names);
    free(trace->metadata.tables);
    close(trace->directory);
}

void
tri_trace_forget(struct tri_trace *trace)
{
    if (trace == NULL)
        return;
    if (trace->open)
        forget_files(trace);
    free_trace(trace);
}

void
tri_trace_end(struct tri_trace *trace)
{
    set_open(trace, false);
    close_streams(trace);
    tri_metadata_close(&trace->metadata);
    close(trace->directory);
}

void
tri_trace_close(struct tri_trace *trace)
{
    if (trace == NULL)
        return;
    if (trace->open)
        tri_trace_end(trace);
    free_trace(trace);
}
