/*
 * Which events are drawn: those of chosen actors, with both ends of their messages, in a part of the time, and not more
 * than a browser can take: the first of them, the last, or those around a moment.
 *
 * Its memory does not grow with the trace. A message that a chosen actor sends is marked while it is on its way, so its
 * end is known. Whether another one's message will come to a chosen actor its send does not tell: a scout looks ahead.
 */
#ifndef TROUPE_TRACE_CHOICE_H
#define TROUPE_TRACE_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scout.h"
#include "who.h"

struct choice {
    struct who who;
    const char *since_text, *until_text; /* NULL: from the beginning, to the end */
    struct scouted scouted;              /* with the times that these are */
    uint64_t limit;                      /* most events */
    uint64_t most;                       /* the largest limit that may be given */
    bool last;                           /* the last of them, instead of the first */
    const char *around_text;             /* those around this time; NULL: it is not given */
    uint64_t around;                     /* timestamp */
    uint64_t ahead;                      /* events that a scout looks ahead */
    uint64_t skipped;                    /* events before the first that is drawn */

    /* A pass. */
    const struct trace *trace;
    struct order order;
    struct holders holders;
    struct scout scout;    /* if somebody is chosen */
    struct table received; /* uint64_t: the message that was received last, if it was marked; by stream */
    uint64_t seen;         /* events that would be drawn, but for the limit */
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

void choice_init(struct choice *choice);
void choice_fini(struct choice *choice);

/* Takes one of those options with its argument, optarg. Returns 0, or what run() of a command returns. */
int choice_take(struct choice *choice, int option);

/* How often choice_begin() and choice_next() read the trace. */
unsigned choice_passes(const struct choice *choice);

/*
 * Begins to go through the trace; before that it is read once or twice if the first events are not wanted. Returns 0,
 * or RUN_REFUSED: it names what is not there, and nothing has begun.
 */
int choice_begin(struct choice *choice, const struct trace *trace);

/* The next event that is drawn, good until the next call. false: there are no more. */
bool choice_next(struct choice *choice, struct step *step);

/* What an actor's behavior is called, as far as events tell up to that one; 0: they do not. */
uint32_t choice_name(const struct choice *choice, uint64_t ref);

/* How many events are not drawn for the limit's sake: after the last one. */
uint64_t choice_left_out(const struct choice *choice);

/* Says on stderr how many sends are not drawn since the scout did not see their ends, if there are any. */
void choice_mention_late(const struct choice *choice);

void choice_end(struct choice *choice);

#endif
