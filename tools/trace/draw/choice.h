/*
 * Which events are drawn: those of chosen actors, with both ends of their messages, in a part of the time, and not more
 * than a browser can take: the first of them, the last, or those around a moment.
 *
 * Of an actor it remembers what it is called until another one has its place, so that does not grow with those that
 * were. Whether the other end of a message is of a chosen actor it must know beforehand: that is a bit for each
 * message, and grows with the trace, by less than a hundredth of its size.
 */
#ifndef TROUPE_TRACE_CHOICE_H
#define TROUPE_TRACE_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "order.h"

struct choice {
    uint64_t *actors;     /* that are chosen */
    const char **texts;   /* how they were named */
    const char **classes; /* all actors of these are */
    size_t actor_count, class_count;
    const char *since_text, *until_text; /* NULL: from the beginning, to the end */
    uint64_t since, until;               /* timestamps; `until` is not in it */
    uint64_t limit;                      /* most events */
    uint64_t most;                       /* the largest limit that may be given */
    bool last;                           /* the last of them, instead of the first */
    const char *around_text;             /* those around this time; NULL: it is not given */
    uint64_t around;                     /* timestamp */
    uint64_t skipped;                    /* events before the first that is drawn */
    uint64_t seen;                       /* events that would be drawn, but for the limit */

    struct table names;    /* struct named, by worker and slot */
    struct table messages; /* bits: an end of it is of a chosen actor, and may be drawn; by id, many in a row */
};

/* Rows for getopt_long(), what they do, and how they are told in a usage. */
#define CHOICE_OPTIONS                                                                                                 \
    {"actor", required_argument, NULL, 'a'}, {"class", required_argument, NULL, 'c'},                                  \
        {"since", required_argument, NULL, 'S'}, {"until", required_argument, NULL, 'U'},                              \
        {"last", no_argument, NULL, 'E'}, {"around", required_argument, NULL, 'A'},                                    \
    {                                                                                                                  \
        "limit", required_argument, NULL, 'L'                                                                          \
    }
#define CHOICE_TEXTS                                                                                                   \
    {"actor", "REF", "this actor; REF is worker:slot.generation, as dump prints it; may be given more than once"},     \
        {"class", "NAME", "actors whose behavior has this name; may be given more than once"},                         \
        {"since", "TIME", "from then on; TIME counts from the trace's begin, such as 250ms or 1.5s"},                  \
        {"until", "TIME", "until then"},                                                                               \
        {"last", NULL, "the last events, where there are more than the limit; else it is the first"},                  \
        {"around", "TIME", "the events around then, where there are more than the limit"},                             \
    {                                                                                                                  \
        "limit", "N", "events at most; 200000 in a page if it is not given, 1000000 at most; all in an export"         \
    }
#define CHOICE_USAGE                                                                                                   \
    "[--actor REF]... [--class NAME]... [--since TIME] [--until TIME] [--last | --around TIME] [--limit N]"

/* What an actor's behavior is called, as far as events tell that were seen; 0: they do not. */
uint32_t choice_name(const struct choice *choice, uint64_t ref);

void choice_init(struct choice *choice);
void choice_fini(struct choice *choice);

/* Takes one of those options with its argument, optarg. Returns 0, or what run() of a command returns. */
int choice_take(struct choice *choice, int option);

/*
 * Reads the trace once, if it must know who exchanged messages, and twice more if the first events are not wanted.
 * Returns 0, or RUN_REFUSED: it names what is not there.
 */
int choice_prepare(struct choice *choice, const struct trace *trace);

/* How often that is. */
unsigned choice_passes(const struct choice *choice);

/* Is the event drawn? Must see all events, in their order. */
bool choice_wants(struct choice *choice, const struct trace *trace, const struct step *step);

/* How many events are not drawn for the limit's sake, without ends of messages beyond it: after the last one. */
uint64_t choice_left_out(const struct choice *choice);

#endif
