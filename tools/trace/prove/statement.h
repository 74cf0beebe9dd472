/*
 * The language of `troupe-trace assert`: what a program's own rules are, one to a line.
 *
 *     # a comment
 *     socket_accepted before socket_data
 *     never receive 7 after receive 9 of session
 *     never dead_letter mailbox_full
 *     receive PONG within 5 ms of send PING
 *     for each session: socket_accepted before socket_data
 *
 * An event is its name, what it says if that matters (a tag, a word, a status, a name), and `of` the class of its
 * actor. What contains spaces stands in quotation marks.
 */
#ifndef TROUPE_TRACE_STATEMENT_H
#define TROUPE_TRACE_STATEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "reader.h"

enum statement_kind {
    STATEMENT_before, /* every second is after a first */
    STATEMENT_never,  /* there is no second; if there is a first, none after it */
    STATEMENT_within, /* every first is followed by a second, not later than that */
};

struct pattern {
    int event; /* id; -1: there is no such pattern */
    enum { SAYS_ANYTHING, SAYS_IN_ARG, SAYS_IN_FLAGS, SAYS_NAME } says;
    uint32_t value; /* of that field */
    char *name;     /* SAYS_NAME: the text that arg is the number of */
    char *class;    /* NULL: any */
};

struct statement {
    unsigned line;
    char *text; /* the line */
    enum statement_kind kind;
    struct pattern first, second;
    uint64_t ticks; /* of STATEMENT_within */
    char *each;     /* the class for whose actors it holds one by one; NULL: for all together */
};

struct statements {
    struct statement *rows;
    size_t count;
};

/* Reads a file, or ends the program with the line and the column of what is wrong in it. */
void statements_read(struct statements *statements, const struct trace *trace, const char *file);
void statements_free(struct statements *statements);

#endif
