/*
 * The recorder: streams of events in mapped files, each with one writer.
 *
 * A worker writes to its own stream without asking anybody: an event goes to the next place of the stream's segment,
 * and then content_size, the commit word, moves behind it. All else waits for two moments: when a segment has proved
 * busy, the maker (segment.h) is asked for the next one, and when it is full, that one takes its place, if it is there
 * or comes within a short time: a disk that hangs costs events, not the program's time. Threads that
 * are no workers share one stream and a lock; names go to a stream of their own, under a lock too.
 *
 * The file is the memory: when the process is killed, the system keeps what was stored. The order of the stores makes
 * it readable. The event is whole before content_size counts it, and a file is shown only when it holds an event.
 * Whoever learns of a message from its sender learns of it after the sender's event was stored, so even in a trace that
 * was cut off no receive stands without its send.
 *
 * Faults. Nothing that goes wrong here is the program's business. What the variable TR_TRACE asks for and cannot be had
 * is a line on stderr; only options that the program sets itself are answered with a status. An event whose description
 * cannot be written into the metadata would make the whole trace unreadable, so a stream that would write such events
 * falls silent.
 *
 * Losses. When no segment can be had, events are counted in events_discarded of the last packet, and in the event
 * `lost`, for which every segment keeps its last place free. The recorder asks for a segment again from time to time,
 * so a disk that was full for a while costs what came meanwhile. The flight recorder loses by design: the sequence
 * numbers of the packets tell how many full ones were overwritten.
 */
#include <ck_pr.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdalign.h>
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

#include "metadata.h"
#include "segment.h"

#define DEFAULT_SEGMENT_BYTES (1u << 20)
#define MIN_SEGMENT_BYTES 4096u
#define MAX_SEGMENT_BYTES (1u << 30)
#define DEFAULT_SEGMENTS 8u
#define MAX_SEGMENTS 65536u
#define DEFAULT_LIMIT_BYTES (UINT64_C(1) << 30)
#define ASK_AGAIN 65536u /* events lost between two attempts to get a segment */
#define DEFAULT_WAIT_MS 20
#define MOST_TRACES 9999u /* of one directory, its sub-directories counted */
#define NS_PER_MS UINT64_C(1000000)
#define PREPARE_AFTER 8u /* a segment filled by this part will be followed by another: prepare that */

struct tri_trace_stream {
    /* The stream's thread. */
    alignas(TRI_CACHE_PAIR) struct tri_trace_record *next; /* where the next event goes; NULL: no segment yet */
    struct tri_trace_record *fast_end; /* where the fast path ends: once to ask the maker, then at full */
    struct tri_trace_record *full;     /* the segment's end */
    struct tri_trace_packet *packet;
    uint64_t newest; /* timestamp: the next is not smaller */
    uint64_t messages;
    bool silent; /* from now on its events are lost */
    uint16_t number;
    uint64_t lost;      /* events, ever */
    uint64_t lost_here; /* since the segment is full */
    struct tri_segments *segments;
    const uint8_t *uuid;
};

/* Texts and their numbers, and the stream that tells them to readers. */
struct names {
    char **texts; /* the one with number n is texts[n - 1] */
    uint32_t count, room;
    uint32_t *slots; /* a hash table of numbers, 0: empty; twice as large as room */
    struct tri_segments *segments;
    struct tri_trace_packet *packet;
    uint64_t lost;
};

struct tri_trace {
    int directory;
    char *path; /* the directory's */
    unsigned workers;
    int64_t bytes_left; /* atomic: for further segments of all streams */
    struct tri_maker *maker;

    uv_mutex_t outside_lock;
    struct tri_trace_stream *outside;

    uv_mutex_t book_lock;
    struct tri_metadata metadata;
    struct names names;

    struct tri_trace_stream streams[]; /* of the workers, then the outside */
};

/* -- Writing events. -- */

static inline void
fill(struct tri_trace_stream *stream, struct tri_trace_record *record, uint16_t id, uint16_t flags, uint32_t arg,
     uint64_t actor, uint64_t message)
{
    uint64_t now = tri_ticks();
    if (TRI_UNLIKELY(now < stream->newest))
        now = stream->newest; /* readers refuse a stream whose time goes back */
    stream->newest = now;
    record->timestamp = now;
    record->id = id;
    record->flags = flags;
    record->arg = arg;
    record->actor = actor;
    record->message = message;
}

/* The packet ends at `end` from now on: what lies before it is whole, whenever the process dies. */
static inline void
commit(struct tri_trace_packet *packet, const void *end)
{
    ck_pr_fence_store(); /* C1: the event before its count; pairs with the reader of the file, a process of its own */
    ck_pr_store_64(&packet->content_size, (uint64_t)((const char *)end - (const char *)packet) * 8);
}

static void
begin_packet(const struct tri_segments *segments, struct tri_segment *segment, const uint8_t uuid[16], unsigned class,
             unsigned number, uint64_t lost)
{
    struct tri_trace_packet *packet = segment->packet;
    memset(packet, 0, sizeof(*packet));
    packet->magic = TRI_TRACE_MAGIC;
    memcpy(packet->uuid, uuid, sizeof(packet->uuid));
    packet->stream_id = class;
    packet->stream_instance_id = number;
    packet->packet_size = (uint64_t)segments->bytes * 8;
    packet->packet_seq_num = segment->sequence;
    packet->events_discarded = lost;
    packet->worker = number;
}

/* Counts a loss, and keeps the segment's last event up to date with it. */
static void
lose(struct tri_trace_stream *stream)
{
    stream->lost++;
    stream->lost_here++;
    if (stream->packet == NULL)
        return;
    uint32_t arg = stream->lost_here < UINT32_MAX ? (uint32_t)stream->lost_here : UINT32_MAX;
    if (stream->lost_here == 1) {
        fill(stream, stream->full, TRI_TRACE_CORE_lost, 0, arg, 0, 0);
        commit(stream->packet, stream->full + 1);
    } else {
        ck_pr_store_32(&stream->full->arg, arg);
    }
    ck_pr_store_64(&stream->packet->events_discarded, stream->lost);
}

/* Writes an event as the first of the next segment. false: there is none. */
static bool
write_to_next_segment(struct tri_trace_stream *stream, uint16_t id, uint16_t flags, uint32_t arg, uint64_t actor,
                      uint64_t message)
{
    struct tri_segment *segment = tri_segments_next(stream->segments);
    if (segment == NULL)
        return false;
    struct tri_trace_packet *packet = segment->packet;
    begin_packet(stream->segments, segment, stream->uuid, TRI_TRACE_CLASS_EVENTS, stream->number, stream->lost);
    struct tri_trace_record *first = (struct tri_trace_record *)(packet + 1);
    fill(stream, first, id, flags, arg, actor, message);
    packet->timestamp_begin = first->timestamp;
    commit(packet, first + 1);
    if (!tri_segments_show(stream->segments, segment))
        return false;

    stream->packet = packet;
    stream->next = first + 1;
    stream->full = first + TRI_TRACE_FULL(stream->segments->bytes);
    stream->fast_end = first + TRI_TRACE_FULL(stream->segments->bytes) / PREPARE_AFTER;
    stream->lost_here = 0;
    return true;
}

static __attribute__((noinline)) void
write_elsewhere(struct tri_trace_stream *stream, uint16_t id, uint16_t flags, uint32_t arg, uint64_t actor,
                uint64_t message)
{
    if (stream->fast_end != stream->full) {
        tri_segments_prepare(stream->segments);
        stream->fast_end = stream->full;
        tri_trace_write(stream, id, flags, arg, actor, message);
        return;
    }
    bool ask = stream->lost_here % ASK_AGAIN == 0 || tri_segments_arrived(stream->segments);
    if (stream->silent || !ask || !write_to_next_segment(stream, id, flags, arg, actor, message))
        lose(stream);
}

void
tri_trace_write(struct tri_trace_stream *stream, uint16_t id, uint16_t flags, uint32_t arg, uint64_t actor,
                uint64_t message)
{
    struct tri_trace_record *record = stream->next;
    if (TRI_UNLIKELY(record == stream->fast_end)) {
        write_elsewhere(stream, id, flags, arg, actor, message);
        return;
    }
    fill(stream, record, id, flags, arg, actor, message);
    stream->next = record + 1;
    commit(stream->packet, record + 1);
}

uint64_t
tri_trace_message_id(struct tri_trace_stream *stream)
{
    return TRI_TRACE_MESSAGE(stream->number, ++stream->messages);
}

void
tri_trace_write_outside(struct tri_trace *trace, uint16_t id, uint16_t flags, uint32_t arg, uint64_t actor,
                        uint64_t message)
{
    uv_mutex_lock(&trace->outside_lock);
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

struct tri_trace_stream *
tri_trace_stream_of(struct tri_trace *trace, unsigned worker)
{
    return trace != NULL ? &trace->streams[worker] : NULL;
}

/* -- Names and tables. -- */

static uint32_t
hash(const char *text)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

/* The slot that holds text's number, or the empty one where it belongs. */
static uint32_t *
find_slot(const struct names *names, const char *text)
{
    uint32_t mask = names->room * 2 - 1;
    uint32_t at = hash(text) & mask;
    while (names->slots[at] != 0 && strcmp(names->texts[names->slots[at] - 1], text) != 0)
        at = (at + 1) & mask;
    return &names->slots[at];
}

static bool
grow_names(struct names *names)
{
    uint32_t room = names->room > 0 ? names->room * 2 : 64;
    char **texts = realloc(names->texts, room * sizeof(*texts));
    if (texts == NULL)
        return false;
    names->texts = texts;
    uint32_t *slots = calloc(room * 2, sizeof(*slots));
    if (slots == NULL)
        return false;
    free(names->slots);
    names->slots = slots;
    names->room = room;
    for (uint32_t number = 1; number <= names->count; number++)
        *find_slot(names, texts[number - 1]) = number;
    return true;
}

/* Where the next name of that size on disk goes in the segment; NULL: it is full. */
static char *
place_for_name(const struct names *names, size_t size)
{
    if (names->packet == NULL)
        return NULL;
    size_t used = (size_t)(names->packet->content_size / 8);
    size_t at = (used + TRI_TRACE_STEP - 1) / TRI_TRACE_STEP * TRI_TRACE_STEP;
    return at + size <= names->segments->bytes ? (char *)names->packet + at : NULL;
}

/* size counts the zero byte; a long text is cut before it. */
static void
write_name(struct tri_trace_packet *packet, char *place, uint64_t now, uint32_t number, const char *text, size_t size)
{
    memset(place, 0, TRI_TRACE_NAME_TEXT);
    memcpy(place + TRI_TRACE_NAME_TIMESTAMP, &now, sizeof(now));
    memcpy(place + TRI_TRACE_NAME_NUMBER, &number, sizeof(number));
    memcpy(place + TRI_TRACE_NAME_TEXT, text, size - 1);
    place[TRI_TRACE_NAME_TEXT + size - 1] = '\0';
    commit(packet, place + TRI_TRACE_NAME_TEXT + size);
}

static bool
write_name_to_next_segment(struct tri_trace *trace, uint64_t now, uint32_t number, const char *text, size_t size)
{
    struct names *names = &trace->names;
    struct tri_segment *segment = tri_segments_next(names->segments);
    if (segment == NULL)
        return false;
    begin_packet(names->segments, segment, trace->metadata.uuid, TRI_TRACE_CLASS_NAMES, TRI_TRACE_OUTSIDE, names->lost);
    segment->packet->timestamp_begin = now;
    write_name(segment->packet, (char *)(segment->packet + 1), now, number, text, size);
    if (!tri_segments_show(names->segments, segment))
        return false;
    names->packet = segment->packet;
    return true;
}

/* Tells readers of a name. Where that is impossible they see its number. */
static void
record_name(struct tri_trace *trace, uint32_t number, const char *text)
{
    struct names *names = &trace->names;
    uint64_t now = tri_ticks();
    size_t length = strlen(text);
    size_t size = (length < TRI_TRACE_NAME_MAX ? length : TRI_TRACE_NAME_MAX) + 1;
    char *place = place_for_name(names, TRI_TRACE_NAME_TEXT + size);
    if (place != NULL) {
        write_name(names->packet, place, now, number, text, size);
    } else if (!write_name_to_next_segment(trace, now, number, text, size)) {
        names->lost++;
        if (names->packet != NULL)
            ck_pr_store_64(&names->packet->events_discarded, names->lost);
    }
}

static uint32_t
number_of(struct tri_trace *trace, const char *text)
{
    struct names *names = &trace->names;
    if (names->count == names->room && !grow_names(names))
        return 0;
    uint32_t *slot = find_slot(names, text);
    if (*slot != 0)
        return *slot;
    char *copy = strdup(text);
    if (copy == NULL)
        return 0;
    names->texts[names->count++] = copy;
    *slot = names->count;
    record_name(trace, names->count, text);
    return names->count;
}

uint32_t
tri_trace_name(struct tri_trace *trace, const char *name)
{
    if (trace == NULL || name == NULL)
        return 0;
    uv_mutex_lock(&trace->book_lock);
    uint32_t number = number_of(trace, name);
    uv_mutex_unlock(&trace->book_lock);
    return number;
}

/* What it writes from now on is lost, and counted in the place where its next event would have stood. */
static void
silence(struct tri_trace_stream *stream)
{
    stream->silent = true;
    stream->full = stream->fast_end = stream->next;
}

static tr_status
declare(struct tri_trace *trace, const struct tri_trace_table *table)
{
    uv_mutex_lock(&trace->book_lock);
    tr_status status = tri_metadata_add(&trace->metadata, table);
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
    silence(&trace->streams[worker]);
    uv_mutex_lock(&trace->outside_lock);
    silence(trace->outside);
    uv_mutex_unlock(&trace->outside_lock);
}

/* -- Opening and closing. -- */

static const struct tri_trace_event core_events[] = {
#define ENTRY(id, name, doc) {id, #name, doc},
    TRI_TRACE_CORE_EVENTS(ENTRY)
#undef ENTRY
};

static const struct tri_trace_table core_table = {
    .events = core_events,
    .event_count = sizeof(core_events) / sizeof(core_events[0]),
};

/* "dir", "dir,file" or "dir,flight". copy is where the directory goes. */
static tr_status
read_environment(const char *text, char copy[PATH_MAX], struct tr_trace_options *options)
{
    const char *comma = strrchr(text, ',');
    size_t length = comma != NULL ? (size_t)(comma - text) : strlen(text);
    if (length == 0)
        return TR_EINVAL;
    if (length >= PATH_MAX)
        return TR_ENAMETOOLONG;
    if (comma == NULL || strcmp(comma, ",file") == 0)
        options->mode = TR_TRACE_FILE;
    else if (strcmp(comma, ",flight") == 0)
        options->mode = TR_TRACE_FLIGHT;
    else
        return TR_EINVAL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    options->directory = copy;
    return TR_OK;
}

/* Whole pages, upwards. false: out of range. */
static bool
round_segment_bytes(struct tr_trace_options *options)
{
    if (options->segment_bytes < MIN_SEGMENT_BYTES || options->segment_bytes > MAX_SEGMENT_BYTES)
        return false;
    options->segment_bytes = (options->segment_bytes + MIN_SEGMENT_BYTES - 1) / MIN_SEGMENT_BYTES * MIN_SEGMENT_BYTES;
    return true;
}

/* Without segment_bytes, files shrink until every stream has its share of the limit. */
static bool
choose_file_sizes(struct tr_trace_options *options, uint64_t share)
{
    if (options->segment_bytes == 0)
        options->segment_bytes = share < DEFAULT_SEGMENT_BYTES ? (size_t)(share / MIN_SEGMENT_BYTES * MIN_SEGMENT_BYTES)
                                                               : DEFAULT_SEGMENT_BYTES;
    return round_segment_bytes(options) && options->segment_bytes <= share;
}

static bool
choose_flight_sizes(struct tr_trace_options *options)
{
    if (options->segment_bytes == 0)
        options->segment_bytes = DEFAULT_SEGMENT_BYTES;
    return round_segment_bytes(options) && options->segments >= 2 && options->segments <= MAX_SEGMENTS;
}

static tr_status
choose_sizes(struct tr_trace_options *options, unsigned streams)
{
    if (options->limit_bytes == 0)
        options->limit_bytes = DEFAULT_LIMIT_BYTES;
    if (options->segments == 0)
        options->segments = DEFAULT_SEGMENTS;
    bool valid = options->mode == TR_TRACE_FILE ? choose_file_sizes(options, options->limit_bytes / streams)
                                                : choose_flight_sizes(options);
    return valid && options->limit_bytes <= INT64_MAX ? TR_OK : TR_EBADLIMIT;
}

/* Fills the defaults in. */
static tr_status
settle(struct tr_trace_options *options, unsigned streams)
{
    if (options->mode != TR_TRACE_FLIGHT && options->mode != TR_TRACE_FILE)
        return TR_EINVAL;
    if (options->directory == NULL || options->directory[0] == '\0')
        return TR_EINVAL;
    if (options->wait_ms == 0)
        options->wait_ms = DEFAULT_WAIT_MS;
    return choose_sizes(options, streams);
}

/* A trace's directory while it is being opened. */
struct place {
    char path[PATH_MAX + 16];
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
    for (uint32_t i = 0; i < trace->names.count; i++)
        free(trace->names.texts[i]);
    free(trace->names.texts);
    free(trace->names.slots);
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
        status = tri_maker_start(&trace->maker, trace->path);
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

static struct tri_trace *
new_trace(unsigned workers)
{
    struct tri_trace *trace;
    size_t size = sizeof(*trace) + (workers + 1) * sizeof(trace->streams[0]);
    trace = aligned_alloc(alignof(struct tri_trace), size); /* size is a multiple: both parts are */
    if (trace == NULL)
        return NULL;
    memset(trace, 0, size);
    trace->workers = workers;
    trace->outside = &trace->streams[workers];
    return trace;
}

/* Opens the recorder in a directory of a name that is tried. */
static tr_status
open_place(struct tri_trace *trace, const struct tr_trace_options *options, struct place *place)
{
    tr_status status = open_directory(place);
    if (status != TR_OK)
        return status;
    trace->path = strdup(place->path);
    if (trace->path == NULL) {
        status = TR_ENOMEM;
        goto leave_directory;
    }
    trace->directory = place->directory;
    status = open_files(trace, options);
    if (status != TR_OK)
        goto free_path;
    return TR_OK;

free_path:
    free(trace->path);
    trace->path = NULL;
leave_directory:
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

static tr_status
open_trace(const struct tr_trace_options *options, unsigned workers, struct tri_trace **out)
{
    struct tri_trace *trace = new_trace(workers);
    if (trace == NULL)
        return TR_ENOMEM;
    tr_status status = open_locks(trace);
    if (status != TR_OK)
        goto free_trace;
    status = find_place(trace, options);
    if (status != TR_OK)
        goto destroy_locks;
    *out = trace;
    return TR_OK;

destroy_locks:
    close_locks(trace);
free_trace:
    free(trace);
    return status;
}

static tr_status
open_as_told(struct tr_trace_options options, unsigned workers, struct tri_trace **out)
{
    tr_status status = settle(&options, workers + 2); /* of the workers, the outside, the names */
    return status == TR_OK ? open_trace(&options, workers, out) : status;
}

/* The user asked for a trace from outside the program: if there can be none, it runs as if nobody had asked. */
static void
open_as_asked(const char *text, const struct tr_trace_options *options, unsigned workers, struct tri_trace **out)
{
    char copy[PATH_MAX];
    struct tr_trace_options asked = *options;
    tr_status status = read_environment(text, copy, &asked);
    if (status == TR_EINVAL) {
        tri_say("no trace, since TR_TRACE is \"%.200s\" and not DIRECTORY, \"DIRECTORY,file\" or \"DIRECTORY,flight\"",
                text);
        return;
    }
    if (status == TR_OK)
        status = open_as_told(asked, workers, out);
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
    if (options->mode != TR_TRACE_OFF)
        return open_as_told(*options, workers, out);
    const char *environment = secure_getenv("TR_TRACE");
    if (environment != NULL && environment[0] != '\0')
        open_as_asked(environment, options, workers, out);
    return TR_OK;
}

void
tri_trace_close(struct tri_trace *trace)
{
    if (trace == NULL)
        return;
    close_streams(trace);
    tri_metadata_close(&trace->metadata);
    close(trace->directory);
    close_locks(trace);
    free(trace->path);
    free(trace);
}
