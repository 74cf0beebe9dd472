/*
 * A line of `explain`: a topic, what is to be said of it, and the command that shows more.
 *
 * What is said comes in parts, the most important first. On a terminal those that it is too narrow for are left out, or
 * cut if much room is left; elsewhere all of it is printed. So a line is one line.
 */
#ifndef TROUPE_TRACE_ANSWER_H
#define TROUPE_TRACE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#define ANSWER_SIZE 1024u
#define ANSWER_PARTS 8u

struct answer {
    const char *topic;
    bool bad;
    char text[ANSWER_SIZE];    /* all parts, one behind the other */
    size_t ends[ANSWER_PARTS]; /* where each ends, in bytes */
    size_t parts;
    char more[ANSWER_SIZE / 8]; /* the command with its options, without the program and the directory */
};

/* Adds a part; words are printf's. */
void answer_say(struct answer *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says which command shows more. */
void answer_more(struct answer *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the line for a terminal of so many columns; 0: it is none. */
void answer_print(const struct answer *answer, unsigned columns);

#endif
