/*
 * What each socket and each server told its program, in the words of its callbacks: connect, data, end, close.
 *
 * Events of a trace are taken in their order, and an endpoint is given with all that it told when it is over, or all of
 * them at the end, in the order in which they began. What is held is bounded: when it is too much, those that are over
 * are given and forgotten, and if that is not enough all others, which go on then.
 */
#ifndef TROUPE_TRACE_TOLD_H
#define TROUPE_TRACE_TOLD_H

#include "filter.h"
#include "order.h"

#define TOLD_HELD 131072u /* tellings and endpoints, before some are given */

/* What comes with a telling. */
enum luggage {
    WITH_NOTHING,
    WITH_BYTES,     /* value */
    WITH_CODE,      /* value is a status; other the number of a code of its own, 0: none */
    WITH_HAD_ERROR, /* value */
    WITH_MS,        /* value */
    WITH_REASON,    /* value is a word of listener_reject */
    WITH_OTHER,     /* other is a ref */
    WITH_MARK,      /* value is the number of a text, other the mark's number */
};

#define TELLINGS(X)                                                                                                    \
    X(accepted, WITH_OTHER)                                                                                            \
    X(adopted, WITH_NOTHING)                                                                                           \
    X(again, WITH_NOTHING)                                                                                             \
    X(lookup, WITH_CODE)                                                                                               \
    X(connect, WITH_NOTHING)                                                                                           \
    X(secure, WITH_NOTHING)                                                                                            \
    X(ready, WITH_NOTHING)                                                                                             \
    X(data, WITH_BYTES)                                                                                                \
    X(fd, WITH_NOTHING)                                                                                                \
    X(end, WITH_NOTHING)                                                                                               \
    X(drain, WITH_NOTHING)                                                                                             \
    X(timeout, WITH_MS)                                                                                                \
    X(goaway, WITH_NOTHING)                                                                                            \
    X(written, WITH_CODE)                                                                                              \
    X(error, WITH_CODE)                                                                                                \
    X(close, WITH_HAD_ERROR)                                                                                           \
    X(listening, WITH_NOTHING)                                                                                         \
    X(connection, WITH_OTHER)                                                                                          \
    X(drop, WITH_REASON)                                                                                               \
    X(handshake_failed, WITH_CODE)                                                                                     \
    X(closed, WITH_NOTHING)                                                                                            \
    X(mark, WITH_MARK)

enum telling_kind {
#define KIND(name, luggage) TOLD_##name,
    TELLINGS(KIND)
#undef KIND
};

struct telling {
    uint64_t time; /* timestamp */
    uint64_t other;
    uint32_t value;
    enum telling_kind kind;
};

struct endpoint {
    uint64_t ref;
    bool is_server;
    bool is_over;
    bool continues; /* a part of it was given before */
    bool goes_on;   /* and this is not the last */
    uint32_t code;  /* the number of the code of the error that it tells next; 0: it has none of its own */
    struct telling *tellings;
    size_t count, room;
    struct endpoint *next;
};

struct told {
    const struct trace *trace;
    const struct filter *filter; /* who, and when */
    void (*give)(const struct told *told, const struct endpoint *endpoint);
    struct endpoint *first, **last; /* in the order of their begin */
    struct table endpoints;         /* struct endpoint *, by ref */
    struct table names;             /* uint32_t, by ref: the number of a text */
    size_t held;
};

/* The word for a kind of telling, as callbacks are called; of a server's close, too, it is "close". */
const char *telling_word(enum telling_kind kind);
enum luggage telling_luggage(enum telling_kind kind);

/* What the program calls an endpoint: X of a mark "name X" whose number is its ref. NULL: nothing. */
const char *told_name(const struct told *told, uint64_t ref);

void told_init(struct told *told, const struct trace *trace, const struct filter *filter,
               void (*give)(const struct told *told, const struct endpoint *endpoint));

/* Takes the next event. */
void told_take(struct told *told, const struct step *step);

/* There are no more: gives what is left. */
void told_end(struct told *told);

#endif
