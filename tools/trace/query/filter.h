/*
 * Which events a command looks at: the options that are the same for all of them.
 */
#ifndef TROUPE_TRACE_FILTER_H
#define TROUPE_TRACE_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "reader.h"

#define FILTER_EVENTS 32u

struct filter {
    const char *actor_text, *worker_text; /* NULL: any */
    bool by_actor, by_worker;
    uint64_t actor;
    uint32_t worker;
    const char *class, *event; /* NULL: any; event is a list with commas */
    const char *text;          /* what a line holds; NULL: any. For who prints lines to look at */
    const char *since_text, *until_text;
    uint16_t events[FILTER_EVENTS]; /* ids of that list */
    size_t event_count;
    uint64_t since, until; /* timestamps; `until` is not in it */
};

/* Rows for getopt_long(), for who and when, what they do, and how they are told in a usage. `event`, 'e', and `text`,
 * 't', are a command's own. */
#define FILTER_WHO                                                                                                     \
    {"actor", required_argument, NULL, 'a'}, {"class", required_argument, NULL, 'c'},                                  \
        {"worker", required_argument, NULL, 'w'}, {"since", required_argument, NULL, 'S'},                             \
    {                                                                                                                  \
        "until", required_argument, NULL, 'U'                                                                          \
    }
#define FILTER_WHO_TEXTS                                                                                               \
    {"actor", "REF", "what is of this actor alone; REF is worker:slot.generation, as dump prints it"},                 \
        {"class", "NAME", "what is of actors whose behavior has this name"},                                           \
        {"worker", "N", "what is of this worker: its number, or \"outside\" for other threads"},                       \
        {"since", "TIME", "from then on; TIME counts from the trace's begin, such as 250ms or 1.5s"},                  \
    {                                                                                                                  \
        "until", "TIME", "until then"                                                                                  \
    }
#define FILTER_EVENT_TEXT                                                                                              \
    {                                                                                                                  \
        "event", "NAME",                                                                                               \
            "events of this name, or of several with commas; info --counts lists those that the trace holds"           \
    }
#define FILTER_TEXT_TEXT                                                                                               \
    {                                                                                                                  \
        "text", "WORDS", "events whose line for people holds this; upper and lower case are the same"                  \
    }
#define FILTER_WHO_USAGE "[--actor REF] [--class NAME] [--worker N] [--since TIME] [--until TIME]"

/* Takes one of those options with its argument, optarg. Returns 0, or what run() of a command returns. */
int filter_take(struct filter *filter, int option);

/* Finds in a trace what the options name. Returns 0, or RUN_REFUSED: it is not there. */
int filter_prepare(struct filter *filter, const struct trace *trace);

/* Is an event of a worker wanted, as far as its actor's class does not decide? */
bool filter_wants(const struct filter *filter, uint32_t worker, const struct tri_trace_record *record);

/* A duration such as 5ms, "1.5 s", 20us; false: it is none. */
bool parse_duration(const char *text, uint64_t *ns);

/* A time since the trace's begin, as an option says it. Returns 0, or RUN_REFUSED: it is none. */
int filter_time(const struct trace *trace, const char *text, uint64_t *timestamp);

/* How many ticks of the trace's clock that is. */
uint64_t ticks_of_ns(const struct trace *trace, uint64_t ns);

/* When the trace begins and ends. */
void span_of(const struct trace *trace, uint64_t *first, uint64_t *last);

#endif
