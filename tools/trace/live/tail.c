#include "tail.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bad_input.h"
#include "gather.h"
#include "progress.h"

#define HEADER sizeof(struct tri_trace_packet)
#define PIECE 1024u

static bool
has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* A file may be gone at any time, if the recorder keeps the newest events only: false, or less than was asked for. */
static bool
read_there(const struct member *member, const char *name, uint64_t offset, void *out, size_t size)
{
    struct kept file = {0};
    size_t done;
    bad_input_within(member->within);
    bool there = source_read_there(&member->source, &file, name, offset, out, size, &done) && done == size;
    kept_close(&file);
    return there;
}

/* A file that is gone, or has no event yet, has nothing to say. */
static bool
read_packet(const struct member *member, const char *name, struct tri_trace_packet *packet)
{
    if (!read_there(member, name, 0, packet, HEADER) || packet->content_size / 8 <= HEADER)
        return false;
    if (packet->magic != TRI_TRACE_MAGIC)
        bad_input(name, 0, "bad magic 0x%08x", packet->magic);
    if (packet->stream_instance_id > TRI_TRACE_OUTSIDE)
        bad_input(name, offsetof(struct tri_trace_packet, stream_instance_id), "there is no such stream");
    return true;
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
add_event(struct tail *tail, uint32_t stream, const struct tri_trace_record *record)
{
    if (tail->count == tail->room) {
        tail->room = tail->room > 0 ? tail->room * 2 : PIECE;
        tail->events = must_realloc(tail->events, tail->room, sizeof(*tail->events));
    }
    tail->events[tail->count++] = (struct tail_event){stream, *record};
}

/* false: the file is gone. */
static bool
add_piece(struct tail *tail, const struct member *member, const char *name, uint32_t stream, uint64_t offset,
          size_t count)
{
    struct tri_trace_record records[PIECE];
    if (!read_there(member, name, offset, records, count * sizeof(records[0])))
        return false;
    member_change(member, tail->trace->metadata, records, count);
    for (size_t i = 0; i < count; i++) {
        if (tail->trace->metadata->names[records[i].id] == NULL)
            bad_input(name, offset + i * TRI_TRACE_STEP, "unknown event id %u", records[i].id);
        add_event(tail, stream, &records[i]);
    }
    return true;
}

/* The stream has more than is read now: nothing that is later than its last is given. */
static void
end_early(struct tail *tail)
{
    uint64_t last = tail->events[tail->count - 1].record.timestamp;
    tail->more = true;
    tail->horizon = last < tail->horizon ? last : tail->horizon;
}

/* Reads what is new in a file, and no more than `most` events. Returns how many it has read. */
static size_t
read_events(struct tail *tail, const struct member *member, const char *name, const struct tri_trace_packet *packet,
            size_t most)
{
    size_t before = tail->count;
    uint32_t stream = member_stream(member, (uint32_t)packet->stream_instance_id);
    uint64_t *offset = table_put(&tail->offsets, stream, packet->packet_seq_num);
    uint64_t end = packet->content_size / 8;
    if (*offset < HEADER)
        *offset = HEADER;
    while (*offset + TRI_TRACE_STEP <= end && tail->count - before < most) {
        uint64_t left = (end - *offset) / TRI_TRACE_STEP, room = most - (tail->count - before);
        size_t count = (size_t)(left < room ? left : room);
        count = count < PIECE ? count : PIECE;
        if (!add_piece(tail, member, name, stream, *offset, count))
            return tail->count - before;
        *offset += count * TRI_TRACE_STEP;
    }
    if (*offset + TRI_TRACE_STEP <= end)
        end_early(tail);
    return tail->count - before;
}

/* -- The files of a directory. -- */

/* The names that begin so, in the order of their numbers. The caller frees them with free_list(). */
static char **
list_files(const struct member *member, const char *prefix, size_t *count)
{
    int directory = dup(member->source.directory);
    DIR *list = directory >= 0 ? fdopendir(directory) : NULL;
    char **names = NULL;
    *count = 0;
    if (list == NULL)
        give_up("%s cannot be listed: %s", member->path, strerror(errno));
    rewinddir(list);
    for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        if (!has_prefix(entry->d_name, prefix))
            continue;
        names = must_realloc(names, *count + 1, sizeof(*names));
        names[*count] = must_calloc(strlen(entry->d_name) + 1, 1);
        strcpy(names[(*count)++], entry->d_name);
    }
    closedir(list);
    if (*count > 1)
        qsort(names, *count, sizeof(*names), by_text);
    return names;
}

static void
free_list(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* Reads a process's files of streams, which come stream by stream. One of which events are held back has to wait. */
static void
read_streams(struct tail *tail, const struct member *member, const char *prefix)
{
    size_t count, left = 0;
    uint64_t stream = UINT64_MAX;
    char **names = list_files(member, prefix, &count);
    for (size_t i = 0; i < count; i++) {
        struct tri_trace_packet packet;
        if (!read_packet(member, names[i], &packet))
            continue;
        if (packet.stream_instance_id != stream) {
            stream = packet.stream_instance_id;
            left = table_get(&tail->ahead, member_stream(member, (uint32_t)stream), 0) == NULL ? TAIL_MOST : 0;
        }
        if (left > 0)
            left -= read_events(tail, member, names[i], &packet, left);
    }
    free_list(names, count);
}

/* Calls for each file whose name begins so. */
static void
each_file(struct tail *tail, struct member *member, const char *prefix,
          void (*call)(struct tail *tail, struct member *member, const char *name))
{
    size_t count;
    char **names = list_files(member, prefix, &count);
    for (size_t i = 0; i < count; i++)
        call(tail, member, names[i]);
    free_list(names, count);
}

/* -- Names. -- */

static uint64_t
size_of_names(const struct member *member, const char *name)
{
    struct tri_trace_packet packet;
    return read_packet(member, name, &packet) ? packet.content_size / 8 : 0;
}

static void
add_names_size(struct tail *tail, struct member *member, const char *name)
{
    tail->names_size += size_of_names(member, name);
}

static void
read_names(struct tail *tail, struct member *member, const char *name)
{
    uint64_t size = size_of_names(member, name);
    if (size > 0)
        names_read(member->joined ? member->names : tail->trace->names, &member->source, name, size);
}

/* Names that are joined keep the numbers that they had. */
static void
join_names(struct tail *tail, struct member *member)
{
    names_free(member->names);
    member->names = names_new();
    each_file(tail, member, "names.", read_names);
    member_join_names(member, tail->trace->names);
}

static void
read_all_names(struct tail *tail)
{
    struct trace *trace = tail->trace;
    if (!trace->members[0].joined) {
        names_free(trace->names);
        trace->names = names_new();
        each_file(tail, &trace->members[0], "names.", read_names);
        return;
    }
    for (size_t i = 0; i < trace->member_count; i++)
        join_names(tail, &trace->members[i]);
}

/* Reads all of them again if there are more. */
static void
refresh_names(struct tail *tail)
{
    uint64_t before = tail->names_size;
    tail->names_size = 0;
    for (size_t i = 0; i < tail->trace->member_count; i++)
        each_file(tail, &tail->trace->members[i], "names.", add_names_size);
    if (tail->names_size != before)
        read_all_names(tail);
}

/* -- Looking. -- */

static int
by_time(const void *a, const void *b)
{
    const struct tail_event *x = a, *y = b;
    if (x->record.timestamp != y->record.timestamp)
        return x->record.timestamp < y->record.timestamp ? -1 : 1;
    return x->stream != y->stream ? (x->stream < y->stream ? -1 : 1) : x < y ? -1 : x > y;
}

/* What was held back goes to the front. */
static void
begin_look(struct tail *tail)
{
    if (tail->held > 0)
        memmove(tail->events, tail->events + tail->count, tail->held * sizeof(*tail->events));
    tail->count = tail->held;
    tail->held = 0;
    tail->more = false;
    tail->horizon = UINT64_MAX;
}

/* Holds back what is behind the horizon. */
static void
hold_back(struct tail *tail)
{
    size_t all = tail->count;
    while (tail->count > 0 && tail->events[tail->count - 1].record.timestamp > tail->horizon)
        tail->count--;
    tail->held = all - tail->count;
    table_fini(&tail->ahead);
    table_init(&tail->ahead, sizeof(bool));
    for (size_t i = tail->count; i < all; i++)
        table_put(&tail->ahead, tail->events[i].stream, 0);
}

static void
refresh_metadata(struct tail *tail)
{
    struct trace *trace = tail->trace;
    bool alone = trace->metadata == trace->members[0].metadata;
    for (size_t i = 0; i < trace->member_count; i++) {
        struct member *member = &trace->members[i];
        bad_input_within(member->within);
        struct metadata *metadata = metadata_read(&member->source, member->path);
        metadata_free(member->metadata);
        member->metadata = metadata;
    }
    if (alone)
        trace->metadata = trace->members[0].metadata;
    else
        members_join_again(trace->members, trace->member_count, trace->metadata);
}

/* Processes of a cluster begin while one looks. Those that were there have the numbers that they had. */
static void
refresh_members(struct tail *tail)
{
    const char *const *paths = tail->trace->paths;
    size_t count = tail->trace->path_count;
    if (!trace_has_grown(tail->trace))
        return;
    trace_close(tail->trace);
    process_ranges_forget();
    tail->trace = trace_open(paths, count);
    tail->names_size = 0;
}

/* Whether it is closed is asked before its events are read: what came until then is read. */
void
tail_look(struct tail *tail)
{
    refresh_members(tail);
    refresh_metadata(tail);
    bool closed = tail->trace->metadata->closed;
    begin_look(tail);
    for (size_t i = 0; i < tail->trace->member_count; i++) {
        read_streams(tail, &tail->trace->members[i], "worker-");
        read_streams(tail, &tail->trace->members[i], "outside.");
    }
    refresh_names(tail);
    if (tail->count > 1)
        qsort(tail->events, tail->count, sizeof(*tail->events), by_time);
    hold_back(tail);
    tail->closed = closed && !tail->more && tail->held == 0;
}

/* What was there when the trace was opened has been read. */
static void
skip_all(struct tail *tail)
{
    for (size_t i = 0; i < tail->trace->stream_count; i++) {
        const struct stream *stream = &tail->trace->streams[i];
        for (size_t j = 0; j < stream->segment_count; j++)
            *(uint64_t *)table_put(&tail->offsets, stream->number, stream->segments[j].sequence) =
                stream->segments[j].end;
    }
}

/* What is packed is not written any more, and has no files to look at. */
static void
refuse_packed(const struct trace *trace)
{
    for (size_t i = 0; i < trace->member_count; i++) {
        if (trace->members[i].source.packed != NULL)
            give_up("%s is packed: nothing will be added to it", trace->members[i].path);
    }
}

void
tail_open(struct tail *tail, const char *const *paths, size_t count, bool all)
{
    memset(tail, 0, sizeof(*tail));
    table_init(&tail->offsets, sizeof(uint64_t));
    table_init(&tail->ahead, sizeof(bool));
    progress_off(); /* it goes on as long as the program does */
    tail->trace = trace_open(paths, count);
    refuse_packed(tail->trace);
    if (!all)
        skip_all(tail);
}

void
tail_close(struct tail *tail)
{
    table_fini(&tail->offsets);
    table_fini(&tail->ahead);
    free(tail->events);
    trace_close(tail->trace);
}
