/*
 * The list of the rules, and what was found about each.
 *
 * What contradicts a rule is a failure. What only misses something that may have stood among lost events is unknown.
 * And when anything at all was lost, no rule passes: what was lost may have broken it.
 */
#ifndef TROUPE_TRACE_FINDING_H
#define TROUPE_TRACE_FINDING_H

#include <stdio.h>

#include "order.h"

/* X(name, what it says). */
#define RULES(X)                                                                                                       \
    X(form, "an event's fields hold what its description says")                                                        \
    X(worker, "a worker starts, sleeps and wakes in turn, and stops")                                                  \
    X(switch, "what is said of single actors tells the categories that are on")                                        \
    X(sent_before, "what is received, or dies, was sent before")                                                       \
    X(once, "a message is sent once, and received once or a dead letter")                                              \
    X(tag, "a message is received with the tag that it was sent with")                                                 \
    X(arrival, "when all workers have stopped, every message was received or has died")                                \
    X(fifo, "messages of one actor to another are received in the order of their sends")                               \
    X(parcel, "what one process sends another has one end at most, and was sent before")                               \
    X(one_worker, "an actor is on the worker that its name tells")                                                     \
    X(life, "an actor is spawned, then acts, then is stopped")                                                         \
    X(restart, "an actor begins another life only after it has ended")                                                 \
    X(handler, "a handler ends once, for the message that its worker received last")                                   \
    X(timer, "a timer fires after it began, and not after its end")                                                    \
    X(monitor, "a monitor has one notice at most, and no notice comes without one")                                    \
    X(ask, "a question is sent once and has one outcome, in the actor that asked it")                                  \
    X(server, "a server and its listener open, pause, drain and close in turn")                                        \
    X(dealing, "a server's connections are no more than were dealt out to it")                                         \
    X(socket, "a socket's events come in their order, and close is the last")                                          \
    X(cluster, "children begin and end in turn, and both ends agree on what was sent")

enum rule {
#define RULE(name, text) RULE_##name,
    RULES(RULE)
#undef RULE
        RULE_COUNT,
};

extern const char *const rule_names[];

struct finding {
    uint64_t looked; /* how often the rule applied */
    uint64_t failed;
    uint64_t unknown;
};

#define RECENT_ACTORS 256u /* a power of two */

/* What the rules share while they look at a trace. */
struct check {
    const struct trace *trace;
    FILE *failures; /* the text of those that are shown, until it is known that the clocks are right */
    struct finding findings[RULE_COUNT];
    struct form *forms;                  /* of the rule form, by role: check_form.c */
    struct worker *workers;              /* of the rules worker and handler, by the stream's place: worker.h */
    bool has_worker_starts;              /* the trace has them */
    bool has_begins;                     /* those, or workers that were attached */
    uint32_t down;                       /* the tag of a monitor's notice; 0: it has no name in the trace */
    bool has_handler_ends;               /* likewise */
    struct table pairs[2];               /* of the rule fifo, by whether a tag is reserved: check_messages.c */
    uint64_t overtaker;                  /* likewise: the message that overtook the one at hand */
    size_t most_pairs[2];                /* that stand there before those of actors that have ended go */
    struct table monitors;               /* of the rule monitor: check_actors.c */
    size_t most_monitors;                /* likewise */
    struct table actors;                 /* struct actor, by slot: actor.h */
    struct actor *recent[RECENT_ACTORS]; /* those that were looked for there lately: actor.h */
    struct table timers;                 /* of the rule timer: check_handlers.c */
    struct table asks;                   /* of the rule ask: check_asks.c */
    size_t most_asks;                    /* that stand there before those that are over go */
    struct table sockets;                /* of the rule socket: check_sockets.c */
    struct table servers;                /* of the rule server: check_servers.c */
    struct table dealings;               /* of the rule dealing: check_dealing.c */
    struct table greetings;              /* likewise: those that wait for their header, or shake hands */
    struct table children;               /* of the rule cluster: check_cluster.c */
    struct table processes;              /* likewise */
    struct table deals;                  /* likewise */
    size_t most_deals;                   /* that stand there before those that are over go */
    bool forgets_deals;                  /* some have gone */
    struct table mails;                  /* likewise: the parcel received last, by the streams of both ends */
};

/* What is known of an actor has its place by worker and slot: when another one gets these, the one before has ended. */
#define SLOT_OF(ref) ((ref) & ((UINT64_C(1) << 36) - 1))

/* Is the birth of an actor in the trace, as far as it was looked at? check_actors.c */
bool check_saw_birth(const struct check *check, uint64_t ref);

/* A rule was broken: counts that, and notes the first few for the report, each with the event that it contradicts. */
void check_failed(struct check *check, enum rule rule, const struct step *step, const char *what);

/* The same, but it is only unknown if events are missing before this one in its stream, or if its actor was there
 * before a trace that begins in the middle: what is missing may be of that time. */
void check_missing(struct check *check, enum rule rule, const struct step *step, const char *what);

/* The same of what no event before the trace could explain: it is only unknown if events are missing in its stream. */
void check_contradicted(struct check *check, enum rule rule, const struct step *step, const char *what);

/* Has an actor ended, as far as the trace has told so far? */
bool check_has_ended(const struct check *check, uint64_t ref);

/*
 * Before something is put into a table whose entries do not go by themselves: removes what keeps() does not want, if
 * the table holds *most. From then on it may hold twice what was left.
 */
void check_sweep(struct check *check, struct table *table, size_t *most,
                 bool (*keeps)(const void *check, struct table_key key, const void *value));

#endif
