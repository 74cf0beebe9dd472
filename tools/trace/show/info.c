/*
 * The command that says what a trace holds. The headers of its files tell that, so it takes no time that grows with the
 * events; what is wrong with these it does not see. Times are as they were recorded.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "escape.h"
#include "progress.h"
#include "reader.h"
#include "show.h"
#include "text.h"
#include "text_of_time.h"

static void
print_span(const struct trace *trace)
{
    uint64_t first = UINT64_MAX, last = 0;
    char text[TEXT_SIZE];
    for (size_t i = 0; i < trace->stream_count; i++) {
        first = trace->streams[i].first_time < first ? trace->streams[i].first_time : first;
        last = trace->streams[i].last_time > last ? trace->streams[i].last_time : last;
    }
    if (trace->stream_count == 0)
        return;
    uint64_t ns = metadata_duration_ns(trace->metadata, last - first);
    printf("begins      %s\n", text_of_time(trace->metadata, first, text));
    printf("ends        %s\n", text_of_time(trace->metadata, last, text));
    printf("lasts       %" PRIu64 ".%09" PRIu64 " s\n", ns / 1000000000u, ns % 1000000000u);
}

static void
print_processes(const struct trace *trace)
{
    printf("\n%-10s %8s %8s %-10s %-8s %s\n", "process", "pid", "workers", "child", "ended", "directory");
    for (size_t i = 0; i < trace->member_count; i++) {
        const struct member *member = &trace->members[i];
        const struct metadata *metadata = member->metadata;
        printf("%-10u %8" PRIu64 " %8" PRIu64 " %-10s %-8s ", member->range.number, metadata->pid, metadata->workers,
               metadata->member[0] != '\0' ? metadata->member : "-", metadata->closed ? "properly" : "no");
        print_escaped(stdout, member->path);
        putchar('\n');
    }
}

static void
print_streams(const struct trace *trace)
{
    char name[TEXT_SIZE], events[TEXT_SIZE], overwritten[TEXT_SIZE], discarded[TEXT_SIZE];
    printf("\n%-10s %8s %16s %16s %16s\n", "worker", "files", "events", "overwritten", "discarded");
    for (size_t i = 0; i < trace->stream_count; i++) {
        const struct stream *stream = &trace->streams[i];
        printf("%-10s %8zu %16s %16s %16s\n", text_of_stream(stream->number, name), stream->segment_count,
               text_of_count(stream->events, events), text_of_count(stream->overwritten, overwritten),
               text_of_count(stream->discarded, discarded));
    }
}

static void
print_counts(const struct trace *trace)
{
    char count[TEXT_SIZE];
    printf("\n%-19s %16s\n", "event", "count");
    for (size_t id = 0; id < EVENT_IDS; id++) {
        if (trace->counts[id] > 0)
            printf("%-19s %16s\n", trace->metadata->names[id], text_of_count(trace->counts[id], count));
    }
}

static void
print_trace(const struct trace *trace)
{
    progress_give_way();
    const struct metadata *metadata = trace->metadata;
    printf("trace      ");
    for (size_t i = 0; i < trace->path_count; i++)
        printf(" %s", trace->paths[i]);
    putchar('\n');
    printf("mode        %s\n", metadata->mode);
    printf("ended       %s\n", metadata->closed ? "properly" : "no: it was cut off, or is still being written");
    printf("clock       %" PRIu64 " ticks a second\n", metadata->frequency);
    print_span(trace);
    if (trace->member_count > 1)
        print_processes(trace);
    print_streams(trace);
}

static const struct option options[] = {
    {"counts", no_argument, NULL, 'c'},
    {NULL, 0, NULL, 0},
};

static const struct option_text texts[] = {
    {"counts", NULL, "how many events of each name there are, too: all of them are read for that"},
    {NULL, NULL, NULL},
};

static int
run(int count, char **words)
{
    bool counts = false;
    int status = take_options(&command_info, count, words, take_flag, &counts);
    int directories = status == 0 ? count_directories(count, words, 0) : status;
    if (directories < 1)
        return directories;
    const char *const *paths = (const char *const *)words + optind;
    size_t path_count = (size_t)directories;
    struct trace *trace = counts ? trace_open(paths, path_count) : trace_open_headers(paths, path_count);
    print_trace(trace);
    if (counts)
        print_counts(trace);
    trace_close(trace);
    return 0;
}

const struct command command_info = {
    .name = "info",
    .usage = "[--counts] DIRECTORY...",
    .summary = "what the trace holds: streams, times, events, losses\n"
               "It reads the headers of the files alone, so it is quick whatever the trace's size.",
    .example = "troupe-trace info dir      # how long it is, and whether anything was lost",
    .options = options,
    .texts = texts,
    .run = run,
};
