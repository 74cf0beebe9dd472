/*
 * The end for input that is no trace: says what is wrong and where, and leaves with EXIT_BAD_INPUT.
 */
#ifndef TROUPE_TRACE_BAD_INPUT_H
#define TROUPE_TRACE_BAD_INPUT_H

#include <stdint.h>
#include <stdlib.h>

enum {
    EXIT_RULE_FAILED = 1,
    EXIT_BAD_INPUT = 2,
    EXIT_EVENTS_LOST = 3,
};

/* From now on leave() calls that first: to print what is held back. NULL: nothing. */
void before_leaving(void (*call)(void));

/* From now on the end calls that first, before anything is said: to put the terminal in order. NULL: nothing. */
void before_last_words(void (*call)(void));

/* Ends the program in the middle of its work: what is printed is flushed, nothing is torn down. */
_Noreturn void leave(int status);

/*
 * In which directory, told with a "/" at its end, the files lie that are read now; "": in the one that was given. The
 * text is borrowed.
 */
void bad_input_within(const char *directory);

/* Names the file, escaped, and the offset in it, in bytes. */
_Noreturn void bad_input(const char *file, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for what has no place in a file: arguments, memory, the system. */
_Noreturn void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What realloc() and calloc() give, or the end. */
void *must_realloc(void *memory, size_t count, size_t size);
void *must_calloc(size_t count, size_t size);

#endif
