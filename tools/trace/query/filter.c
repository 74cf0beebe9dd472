#include "filter.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "text.h"

int
filter_take(struct filter *filter, int option)
{
    switch (option) {
    case 'c': filter->class = optarg; return 0;
    case 'e': filter->event = optarg; return 0;
    case 't': filter->text = optarg; return 0;
    case 'S': filter->since_text = optarg; return 0;
    case 'U': filter->until_text = optarg; return 0;
    case 'a':
        filter->by_actor = true;
        filter->actor_text = optarg;
        return parse_ref(optarg, &filter->actor) ? 0 : refuse("not the name of an actor", optarg);
    case 'w':
        filter->by_worker = true;
        filter->worker_text = optarg;
        return parse_stream(optarg, &filter->worker) ? 0 : refuse("not the number of a worker", optarg);
    default: return RUN_UNKNOWN_OPTION;
    }
}

static double
unit_of(const char *text)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}, {"h", 3600e9}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text, units[i].name) == 0)
            return units[i].ns;
    }
    return 0;
}

bool
parse_duration(const char *text, uint64_t *ns)
{
    size_t length = strspn(text, "0123456789.");
    char *end;
    double number = strtod(text, &end);
    if (length == 0 || length > 20 || end != text + length)
        return false;
    double value = number * unit_of(end + strspn(end, " "));
    if (value < 0 || value > 1e18 || (value == 0 && number > 0) || unit_of(end + strspn(end, " ")) == 0)
        return false;
    *ns = (uint64_t)(value + 0.5);
    return true;
}

uint64_t
ticks_of_ns(const struct trace *trace, uint64_t ns)
{
    uint64_t frequency = trace->metadata->frequency, second = UINT64_C(1000000000);
    return ns / second * frequency + ns % second * frequency / second;
}

void
span_of(const struct trace *trace, uint64_t *first, uint64_t *last)
{
    *first = trace->stream_count > 0 ? UINT64_MAX : 0;
    *last = 0;
    for (size_t i = 0; i < trace->stream_count; i++) {
        const struct stream *stream = &trace->streams[i];
        *first = stream->first_time < *first ? stream->first_time : *first;
        *last = stream->last_time > *last ? stream->last_time : *last;
    }
}

int
filter_time(const struct trace *trace, const char *text, uint64_t *timestamp)
{
    uint64_t first, last, ns;
    if (!parse_duration(text, &ns))
        return refuse("not a time since the trace's begin, such as 250ms or 1.5s", text);
    span_of(trace, &first, &last);
    uint64_t ticks = ticks_of_ns(trace, ns);
    *timestamp = ticks > UINT64_MAX - first ? UINT64_MAX : first + ticks;
    return 0;
}

/* The names between the commas of a list. */
static int
find_events(struct filter *filter, const struct trace *trace)
{
    char name[80];
    for (const char *at = filter->event; at != NULL; at = *at == ',' ? at + 1 : NULL) {
        size_t length = strcspn(at, ",");
        snprintf(name, sizeof(name), "%.*s", length < sizeof(name) ? (int)length : (int)sizeof(name), at);
        int id = metadata_find(trace->metadata, name);
        if (id < 0)
            return refuse("the trace knows no such event", name);
        if (filter->event_count == FILTER_EVENTS)
            return refuse("more events than a list may have, which are 32", filter->event);
        filter->events[filter->event_count++] = (uint16_t)id;
        at += length;
    }
    return 0;
}

int
filter_prepare(struct filter *filter, const struct trace *trace)
{
    filter->since = 0;
    filter->until = UINT64_MAX;
    filter->event_count = 0;
    if (filter->by_actor && !parse_ref(filter->actor_text, &filter->actor))
        return refuse("the traces have no such process or worker", filter->actor_text);
    if (filter->by_worker && !parse_stream(filter->worker_text, &filter->worker))
        return refuse("the traces have no such process or worker", filter->worker_text);
    int status = filter->event != NULL ? find_events(filter, trace) : 0;
    if (status == 0 && filter->since_text != NULL)
        status = filter_time(trace, filter->since_text, &filter->since);
    if (status == 0 && filter->until_text != NULL)
        status = filter_time(trace, filter->until_text, &filter->until);
    return status;
}

static bool
is_of_events(const struct filter *filter, uint16_t id)
{
    for (size_t i = 0; i < filter->event_count; i++) {
        if (filter->events[i] == id)
            return true;
    }
    return filter->event == NULL;
}

bool
filter_wants(const struct filter *filter, uint32_t worker, const struct tri_trace_record *record)
{
    return (!filter->by_actor || record->actor == filter->actor) && (!filter->by_worker || worker == filter->worker) &&
           is_of_events(filter, record->id) && record->timestamp >= filter->since && record->timestamp < filter->until;
}
