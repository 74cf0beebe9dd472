#include "reader.h"
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"
#include "gather.h"
#include "output.h"
#include "progress.h"

#define HEADER sizeof(struct tri_trace_packet)
#define PIECE 1024u /* events that a cursor reads at once */

/* Cursors of a trace with more streams open a file anew for each piece: descriptors are few. */
#define MOST_KEPT 64u

/* -- Reading a file. -- */

static void
read_on(const struct trace *trace, const struct member *member, struct kept *file, const char *name, uint64_t offset,
        struct tri_trace_record *out, size_t count)
{
    bad_input_within(member->within);
    size_t got = source_read_on(&member->source, file, name, offset, out, count * sizeof(*out));
    if (got < count * sizeof(*out))
        bad_input(name, offset + got, "the file ends within its content");
    member_change(member, trace->metadata, out, count);
}

/* -- Corrected times. -- */

/* How many shifts begin at or before a place. */
static size_t
shifts_until(const struct stream *stream, uint64_t place)
{
    size_t low = 0, high = stream->shift_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (stream->shifts[middle].from <= place)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t
stream_shift_at(const struct stream *stream, uint64_t place)
{
    size_t shifts = shifts_until(stream, place);
    return shifts > 0 ? stream->shifts[shifts - 1].ticks : 0;
}

void
stream_shift(struct stream *stream, uint64_t from, uint64_t ticks)
{
    size_t count = stream->shift_count;
    if ((count & (count - 1)) == 0) /* a power of two: full */
        stream->shifts = must_realloc(stream->shifts, count > 0 ? count * 2 : 1, sizeof(*stream->shifts));
    stream->shifts[stream->shift_count++] = (struct shift){from, ticks};
}

/* Times of the end of the clock stay there. */
static void
shift_events(const struct stream *stream, uint64_t place, struct tri_trace_record *records, size_t count)
{
    size_t next = shifts_until(stream, place);
    uint64_t ticks = stream_shift_at(stream, place);
    for (size_t i = 0; i < count; i++) {
        while (next < stream->shift_count && stream->shifts[next].from <= place + i)
            ticks = stream->shifts[next++].ticks;
        uint64_t time = records[i].timestamp;
        records[i].timestamp = time > UINT64_MAX - ticks ? UINT64_MAX : time + ticks;
    }
}

static void
stream_read_on(const struct trace *trace, const struct stream *stream, struct kept *file, const struct segment *segment,
               uint64_t offset, struct tri_trace_record *out, size_t count)
{
    read_on(trace, stream->member, file, segment->name, offset, out, count);
    if (stream->shift_count > 0)
        shift_events(stream, segment->first + (offset - HEADER) / TRI_TRACE_STEP, out, count);
}

void
stream_read_events(const struct trace *trace, const struct stream *stream, const struct segment *segment,
                   uint64_t offset, struct tri_trace_record *out, size_t count)
{
    struct kept file = {0};
    stream_read_on(trace, stream, &file, segment, offset, out, count);
    kept_close(&file);
}

#define AT(field) offsetof(struct tri_trace_packet, field)

static void
check_identity(const struct member *member, const char *name, const struct tri_trace_packet *packet)
{
    if (packet->magic == __builtin_bswap32(TRI_TRACE_MAGIC))
        bad_input(name, AT(magic), "was written on a machine of the other byte order");
    if (packet->magic != TRI_TRACE_MAGIC)
        bad_input(name, AT(magic), "bad magic 0x%08" PRIx32, packet->magic);
    if (memcmp(packet->uuid, member->metadata->uuid, sizeof(packet->uuid)) != 0)
        bad_input(name, AT(uuid), "belongs to another trace");
    if (packet->stream_id != TRI_TRACE_CLASS_EVENTS && packet->stream_id != TRI_TRACE_CLASS_NAMES)
        bad_input(name, AT(stream_id), "unknown class of streams %" PRIu32, packet->stream_id);
    if (packet->stream_instance_id > TRI_TRACE_OUTSIDE)
        bad_input(name, AT(stream_instance_id), "there is no stream %" PRIu64, packet->stream_instance_id);
    if (packet->worker != packet->stream_instance_id)
        bad_input(name, AT(worker), "worker and stream differ");
}

static void
check_sizes(const char *name, uint64_t size, const struct tri_trace_packet *packet)
{
    if (packet->packet_size / 8 != size || packet->packet_size % 8 != 0)
        bad_input(name, AT(packet_size), "packet_size is %" PRIu64 " bits, the file has %" PRIu64 " bytes",
                  packet->packet_size, size);
    if (packet->content_size > packet->packet_size)
        bad_input(name, AT(content_size), "content_size %" PRIu64 " is larger than packet_size", packet->content_size);
    if (packet->content_size % 8 != 0 || packet->content_size / 8 <= HEADER)
        bad_input(name, AT(content_size), "content_size %" PRIu64 " holds no event", packet->content_size);
    bool events = packet->stream_id == TRI_TRACE_CLASS_EVENTS;
    if (events && (packet->content_size / 8 - HEADER) % TRI_TRACE_STEP != 0)
        bad_input(name, AT(content_size), "content_size %" PRIu64 " ends within an event", packet->content_size);
}

static void
read_packet(const struct member *member, const char *name, struct tri_trace_packet *packet)
{
    bad_input_within(member->within);
    uint64_t size = source_size(&member->source, name);
    size_t got = source_read(&member->source, name, 0, packet, HEADER);
    if (got < HEADER)
        bad_input(name, got, "the file ends within its header");
    check_identity(member, name, packet);
    check_sizes(name, size, packet);
}

/* -- Files into streams. -- */

static struct stream *
add_stream(struct trace *trace, const struct member *member, uint32_t number)
{
    size_t count = trace->stream_count;
    if ((count & (count - 1)) == 0) /* a power of two: full */
        trace->streams = must_realloc(trace->streams, count > 0 ? count * 2 : 1, sizeof(*trace->streams));
    trace->streams[count] = (struct stream){.number = number, .member = member};
    trace->places[number] = (uint32_t)++trace->stream_count;
    return &trace->streams[count];
}

static struct stream *
find_or_add_stream(struct trace *trace, const struct member *member, uint32_t number)
{
    uint32_t place = trace->places[number];
    return place > 0 ? &trace->streams[place - 1] : add_stream(trace, member, number);
}

static void
add_segment(struct trace *trace, const struct member *member, const char *name, const struct tri_trace_packet *packet)
{
    uint32_t number = (uint32_t)packet->stream_instance_id;
    if (member->joined && number != TRI_TRACE_OUTSIDE && number >= member->range.count)
        bad_input(name, AT(stream_instance_id), "there is no worker %" PRIu32, number);
    struct stream *stream = find_or_add_stream(trace, member, member_stream(member, number));
    size_t count = stream->segment_count;
    if ((count & (count - 1)) == 0) /* a power of two: full */
        stream->segments = must_realloc(stream->segments, count > 0 ? count * 2 : 1, sizeof(*stream->segments));
    char *copy = must_calloc(strlen(name) + 1, 1);
    memcpy(copy, name, strlen(name));
    stream->segments[stream->segment_count++] = (struct segment){
        .name = copy,
        .sequence = packet->packet_seq_num,
        .begin = member_time(member, packet->timestamp_begin),
        .end = packet->content_size / 8,
        .discarded = packet->events_discarded,
    };
    uint64_t bytes = packet->content_size / 8 - HEADER;
    stream->bytes += bytes;
    trace->bytes += bytes;
}

static void
add_file(struct trace *trace, const struct member *member, const char *name)
{
    struct tri_trace_packet packet;
    read_packet(member, name, &packet);
    if (packet.stream_id == TRI_TRACE_CLASS_NAMES)
        names_read(member->joined ? member->names : trace->names, &member->source, name, packet.content_size / 8);
    else
        add_segment(trace, member, name, &packet);
}

/* Where files go to. */
struct adding {
    struct trace *trace;
    const struct member *member;
};

static void
add_entry(void *argument, const char *name)
{
    const struct adding *adding = argument;
    bool of_another = is_number_of_trace(name) && source_has_directory(&adding->member->source, name);
    if (!of_another && strcmp(name, "metadata") != 0)
        add_file(adding->trace, adding->member, name);
}

static void
add_files(struct trace *trace, struct member *member)
{
    struct adding adding = {trace, member};
    bad_input_within(member->within);
    source_each(&member->source, member->path, add_entry, &adding);
    if (member->joined)
        member_join_names(member, trace->names);
}

static int
by_number(const void *a, const void *b)
{
    uint32_t x = ((const struct stream *)a)->number, y = ((const struct stream *)b)->number;
    return x < y ? -1 : x > y;
}

static int
by_sequence(const void *a, const void *b)
{
    uint64_t x = ((const struct segment *)a)->sequence, y = ((const struct segment *)b)->sequence;
    return x < y ? -1 : x > y;
}

/* -- What a stream holds and lacks. -- */

/* A product that stays at the top instead of wrapping round: the factors come from a file. */
static uint64_t
times(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t
plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void
refuse_return(const char *name, uint64_t offset, uint64_t before, uint64_t time)
{
    if (time < before)
        bad_input(name, offset, "time goes back by %" PRIu64 " ticks", before - time);
}

static void
count_losses(struct stream *stream)
{
    struct segment *first = &stream->segments[0];
    uint64_t full = TRI_TRACE_FULL(source_size(&stream->member->source, first->name));
    stream->overwritten = times(first->sequence, full);
    stream->discarded = stream->segments[stream->segment_count - 1].discarded;
    for (size_t i = 1; i < stream->segment_count; i++) {
        struct segment *before = &stream->segments[i - 1], *segment = &stream->segments[i];
        if (segment->sequence == before->sequence)
            bad_input(segment->name, AT(packet_seq_num), "packet %" PRIu64 " of this stream is there twice",
                      segment->sequence);
        if (segment->discarded < before->discarded)
            bad_input(segment->name, AT(events_discarded), "events_discarded goes back");
        stream->discarded = plus(stream->discarded, times(segment->sequence - before->sequence - 1, full));
    }
}

static void
count_events(struct stream *stream)
{
    stream->first_time = stream->segments[0].begin;
    for (size_t i = 0; i < stream->segment_count; i++) {
        struct segment *segment = &stream->segments[i];
        segment->first = stream->events;
        stream->events += (segment->end - HEADER) / TRI_TRACE_STEP;
    }
}

static void
read_last_time(const struct trace *trace, struct stream *stream)
{
    const struct segment *last = &stream->segments[stream->segment_count - 1];
    struct tri_trace_record record;
    struct kept file = {0};
    read_on(trace, stream->member, &file, last->name, last->end - sizeof(record), &record, 1);
    kept_close(&file);
    refuse_return(last->name, last->end - sizeof(record), stream->first_time, record.timestamp);
    stream->last_time = record.timestamp;
}

/* -- What its events tell. -- */

static void
note_send(struct stream *stream, const struct tri_trace_record *record)
{
    uint64_t count = TRI_TRACE_MESSAGE_COUNT(record->message);
    if (TRI_TRACE_MESSAGE_STREAM(record->message) != stream->number)
        return;
    if (count > stream->last_sent)
        stream->last_sent = count;
    spans_add(&stream->sent, count);
}

/* What goes to another process. */
static void
note_parcel(struct trace *trace, enum role role, uint64_t parcel)
{
    trace->has_parcels = true;
    if (!role_sends_parcel(role) || parcel == 0)
        return;
    struct spans *sent = table_put(&trace->parcels, TRI_TRACE_MESSAGE_STREAM(parcel), 0);
    spans_add(sent, TRI_TRACE_MESSAGE_COUNT(parcel));
}

static void
note_other(struct trace *trace, struct stream *stream, enum role role, const struct tri_trace_record *record)
{
    trace->partial |= role == ROLE_switched;
    trace->in_the_middle |= role == ROLE_attached || role == ROLE_detached;
    if (role == ROLE_attached)
        stream->before = record->message;
    if (role_sends_parcel(role) || role_ends_parcel(role))
        note_parcel(trace, role, record->message);
}

/* What a cursor has just read. */
static void
check_piece(struct trace *trace, struct stream *stream, const struct cursor *cursor)
{
    const char *name = stream->segments[cursor->segment].name;
    const struct metadata *metadata = trace->metadata;
    for (size_t i = 0; i < cursor->held; i++) {
        const struct tri_trace_record *record = &cursor->buffer[i];
        uint64_t offset = cursor->offset + i * sizeof(*record);
        if (metadata->names[record->id] == NULL)
            bad_input(name, offset + offsetof(struct tri_trace_record, id), "unknown event id %u", record->id);
        refuse_return(name, offset, stream->last_time, record->timestamp);
        stream->last_time = record->timestamp;
        trace->counts[record->id]++;
        enum role role = (enum role)metadata->roles[record->id];
        if (role == ROLE_send)
            note_send(stream, record);
        else if (role != ROLE_receive)
            note_other(trace, stream, role, record);
    }
}

static void
check_ends(const struct trace *trace, struct segment *segment, const struct cursor *cursor)
{
    const struct tri_trace_record *first = &cursor->buffer[0], *last = &cursor->buffer[cursor->held - 1];
    if (cursor->offset == HEADER && first->timestamp != segment->begin)
        bad_input(segment->name, AT(timestamp_begin), "timestamp_begin is not the first event's");
    segment->tail = trace->metadata->roles[last->id] == ROLE_lost ? last->arg : 0;
}

static void
check_stream(struct trace *trace, struct stream *stream)
{
    struct cursor cursor;
    cursor_init(&cursor, trace, stream);
    for (; cursor_fill(&cursor); cursor.offset += cursor.held * TRI_TRACE_STEP) {
        check_ends(trace, &stream->segments[cursor.segment], &cursor);
        check_piece(trace, stream, &cursor);
    }
    cursor_fini(&cursor);
}

/* -- A trace. -- */

/* The recorder's own number of a process's sub-directory, if all are in one; else they are counted. */
static unsigned
number_of(const struct trace *trace, size_t place, bool alone)
{
    const char *within = trace->members[place].within;
    size_t digits = strspn(within, "0123456789");
    if (alone && place > 0 && digits > 0 && digits <= 4 && within[digits] == '/')
        return (unsigned)atoi(within);
    return (unsigned)place + 1;
}

/* Workers are numbered from 0: the metadata tells how many there are, files may show more. */
static uint32_t
workers_of(const struct member *member)
{
    uint64_t workers = member->metadata->workers;
    return workers < WORKERS_TOGETHER ? (uint32_t)workers : WORKERS_TOGETHER;
}

static void
join(struct trace *trace, bool alone)
{
    bool whole = trace->member_count == 1;
    for (size_t i = 0; i < trace->member_count; i++) {
        struct member *member = &trace->members[i];
        unsigned number = whole ? 0 : number_of(trace, i, alone && trace->members[0].within[0] == '\0');
        member->range = process_range_new(number, workers_of(member), whole);
    }
    if (whole && trace->members[0].range.outside == TRI_TRACE_OUTSIDE && trace->members[0].range.base == 0)
        trace->metadata = trace->members[0].metadata;
    else
        trace->metadata = members_join(trace->members, trace->member_count);
}

static void
sort_streams(struct trace *trace)
{
    if (trace->stream_count > 0)
        qsort(trace->streams, trace->stream_count, sizeof(*trace->streams), by_number);
    for (size_t i = 0; i < trace->stream_count; i++) {
        struct stream *stream = &trace->streams[i];
        trace->places[stream->number] = (uint32_t)i + 1;
        qsort(stream->segments, stream->segment_count, sizeof(*stream->segments), by_sequence);
        count_losses(stream);
        count_events(stream);
    }
}

struct trace *
trace_find(const char *const *paths, size_t count)
{
    struct trace *trace = must_calloc(1, sizeof(*trace));
    trace->paths = paths;
    trace->path_count = count;
    trace_gather(trace);
    join(trace, count == 1);
    trace->names = names_new();
    trace->counts = must_calloc(EVENT_IDS, sizeof(*trace->counts));
    trace->places = must_calloc(STREAM_NUMBERS, sizeof(*trace->places));
    table_init(&trace->parcels, sizeof(struct spans));
    for (size_t i = 0; i < trace->member_count; i++)
        add_files(trace, &trace->members[i]);
    sort_streams(trace);
    progress_trace(trace->bytes);
    return trace;
}

struct trace *
trace_open_headers(const char *const *paths, size_t count)
{
    struct trace *trace = trace_find(paths, count);
    for (size_t i = 0; i < trace->stream_count; i++)
        read_last_time(trace, &trace->streams[i]);
    return trace;
}

void
trace_check(struct trace *trace)
{
    for (size_t i = 0; i < trace->stream_count; i++)
        check_stream(trace, &trace->streams[i]);
}

struct trace *
trace_open(const char *const *paths, size_t count)
{
    struct trace *trace = trace_find(paths, count);
    trace_check(trace);
    return trace;
}

void
trace_close(struct trace *trace)
{
    for (size_t i = 0; i < trace->stream_count; i++) {
        for (size_t j = 0; j < trace->streams[i].segment_count; j++)
            free(trace->streams[i].segments[j].name);
        free(trace->streams[i].segments);
        spans_fini(&trace->streams[i].sent);
        free(trace->streams[i].shifts);
    }
    struct table_entry entry;
    for (size_t place = 0; table_next(&trace->parcels, &place, &entry);)
        spans_fini(entry.value);
    table_fini(&trace->parcels);
    free(trace->streams);
    free(trace->places);
    free(trace->counts);
    names_free(trace->names);
    if (trace->metadata != trace->members[0].metadata)
        metadata_free(trace->metadata);
    for (size_t i = 0; i < trace->member_count; i++)
        member_close(&trace->members[i]);
    free(trace->members);
    free(trace);
}

uint64_t
stream_lost(const struct stream *stream)
{
    return plus(stream->overwritten, stream->discarded);
}

uint64_t
trace_lost(const struct trace *trace)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < trace->stream_count; i++)
        lost = plus(lost, stream_lost(&trace->streams[i]));
    return lost;
}

/* -- Cursors. -- */

/* Were events discarded before the first of this file, and after those of the one before? `until` were by then. */
static bool
has_loss_before(const struct segment *segment, uint64_t until)
{
    return plus(until, segment->tail) < segment->discarded;
}

void
cursor_init_aside(struct cursor *cursor, const struct trace *trace, const struct stream *stream)
{
    memset(cursor, 0, sizeof(*cursor));
    cursor->trace = trace;
    cursor->stream = stream;
    cursor->offset = HEADER;
    cursor->gap = trace->partial || stream->overwritten > 0 || has_loss_before(&stream->segments[0], 0);
}

void
cursor_init(struct cursor *cursor, const struct trace *trace, const struct stream *stream)
{
    cursor_init_aside(cursor, trace, stream);
    cursor->ahead = stream->bytes;
    progress_begin(stream->bytes);
}

/* What it has not read it will not read. */
void
cursor_fini(struct cursor *cursor)
{
    if (cursor->ahead > 0)
        progress_read(cursor->ahead, 0);
    kept_close(&cursor->file);
    free(cursor->buffer);
}

static void
tell_progress(struct cursor *cursor)
{
    uint64_t bytes = cursor->held * sizeof(*cursor->buffer);
    if (cursor->ahead < bytes)
        return;
    cursor->ahead -= bytes;
    progress_read(bytes, cursor->held);
}

/* Goes on to the next file. Whatever is missing between the two is a gap. */
static void
next_segment(struct cursor *cursor)
{
    const struct segment *before = &cursor->stream->segments[cursor->segment++];
    kept_close(&cursor->file);
    cursor->offset = HEADER;
    if (cursor->segment == cursor->stream->segment_count)
        return;
    const struct segment *now = &cursor->stream->segments[cursor->segment];
    cursor->gap |= now->sequence != before->sequence + 1 || has_loss_before(now, before->discarded);
}

static void
make_room(struct cursor *cursor)
{
    if (cursor->room >= cursor->held)
        return;
    cursor->buffer = must_realloc(cursor->buffer, cursor->held, sizeof(*cursor->buffer));
    cursor->room = cursor->held;
}

bool
cursor_fill(struct cursor *cursor)
{
    const struct stream *stream = cursor->stream;
    if (cursor->segment < stream->segment_count && cursor->offset == stream->segments[cursor->segment].end)
        next_segment(cursor);
    if (cursor->segment == stream->segment_count)
        return false;
    output_check();
    const struct segment *segment = &stream->segments[cursor->segment];
    uint64_t left = (segment->end - cursor->offset) / TRI_TRACE_STEP;
    cursor->held = left < PIECE ? (size_t)left : PIECE;
    cursor->given = 0;
    make_room(cursor);
    stream_read_on(cursor->trace, stream, &cursor->file, segment, cursor->offset, cursor->buffer, cursor->held);
    if (cursor->trace->stream_count > MOST_KEPT)
        kept_close(&cursor->file);
    tell_progress(cursor);
    return true;
}
