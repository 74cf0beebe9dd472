/*
 * Which events are drawn: those of chosen actors, with both ends of their messages, in a part of the time, and not more
 * than a browser can take.
 */
#ifndef TROUPE_TRACE_CHOICE_H
#define TROUPE_TRACE_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "order.h"

struct choice {
    uint64_t *actors;     /* that are chosen */
    const char **classes; /* all actors of these are */
    size_t actor_count, class_count;
    const char *since_text, *until_text; /* NULL: from the beginning, to the end */
    uint64_t since, until;               /* timestamps; `until` is not in it */
    uint64_t limit;                      /* most events */

    struct table names;    /* uint32_t: what an actor's behavior is called, by ref */
    struct table messages; /* bool: an end of it is of a chosen actor, by id */
};

/* Rows for getopt_long(), what they do, and how they are told in a usage. */
#define CHOICE_OPTIONS                                                                                                 \
    {"actor", required_argument, NULL, 'a'}, {"class", required_argument, NULL, 'c'},                                  \
        {"since", required_argument, NULL, 'S'}, {"until", required_argument, NULL, 'U'},                              \
    {                                                                                                                  \
        "limit", required_argument, NULL, 'L'                                                                          \
    }
#define CHOICE_TEXTS                                                                                                   \
    {"actor", "REF", "this actor; REF is worker:slot.generation, as dump prints it; may be given more than once"},     \
        {"class", "NAME", "actors whose behavior has this name; may be given more than once"},                         \
        {"since", "TIME", "from then on; TIME counts from the trace's begin, such as 250ms or 1.5s"},                  \
        {"until", "TIME", "until then"},                                                                               \
    {                                                                                                                  \
        "limit", "N", "events at most; 200000 in a page if it is not given, all in an export"                          \
    }
#define CHOICE_USAGE "[--actor REF]... [--class NAME]... [--since TIME] [--until TIME] [--limit N]"

void choice_init(struct choice *choice);
void choice_fini(struct choice *choice);

/* Takes one of those options with its argument, optarg. Returns 0, or what run() of a command returns. */
int choice_take(struct choice *choice, int option);

/* Reads the trace once, if it must know who exchanged messages. Returns 0, or RUN_REFUSED: it names what is not there. */
int choice_prepare(struct choice *choice, const struct trace *trace);

/* Must see all events, in their order. */
bool choice_wants(struct choice *choice, const struct trace *trace, const struct step *step);

#endif
