/*
 * What a command of troupe-trace is: a row in the table of main.c. It parses its own options, reads a trace and prints
 * to standard output.
 */
#ifndef TROUPE_TRACE_COMMAND_H
#define TROUPE_TRACE_COMMAND_H

#include <getopt.h>
#include <stddef.h>

/* What --help and the manual say of an option, and completion offers. */
struct option_text {
    const char *name;     /* without the dashes */
    const char *argument; /* its word, A|B|C if it is one of these; NULL: it has none */
    const char *text;     /* what it does */
};

struct command {
    const char *name;
    const char *usage;               /* its arguments */
    const char *summary;             /* what it does; further lines are for its own --help alone */
    const char *example;             /* a line for the shell, and what it is good for */
    const char *letters;             /* what else getopt_long() is to know: options of a letter; NULL: nothing */
    const struct option *options;    /* its own, for getopt_long(); a row of zeros is the last; NULL: it has none */
    const struct option_text *texts; /* of its own; a row of zeros is the last; NULL: it has none */

    /* Gets the command's name and its arguments. Returns the exit status, or one of the values below. */
    int (*run)(int count, char **words);
};

enum {
    RUN_HELP = -1,           /* the usage is asked for */
    RUN_UNKNOWN_OPTION = -2, /* an option that it does not have, or that lacks its argument; nothing is printed yet */
    RUN_REFUSED = -3,        /* wrong arguments; refuse() has printed what is wrong */
};

/* The options that all commands have: no command knows them. */
extern const struct option_text common_texts[];

/* The options of several commands and of all, for getopt_long(). The caller frees them. */
struct option *options_of(const struct command *const *commands, size_t count);

/*
 * Goes through a command's options; behind them, from optind on, are its arguments. take() gets each of its own with
 * its argument, optarg, and returns 0, or what run() returns. Returns 0, or what run() returns.
 */
int take_options(const struct command *command, int count, char **words, int (*take)(void *argument, int option),
                 void *argument);

/* A take() for a command that has one option, which is there or not. */
int take_flag(void *flag, int option);

/* Prints what is wrong with the arguments. `what` is the argument, or an empty text. Returns RUN_REFUSED. */
int refuse(const char *why, const char *what);

/*
 * How many directories are left after the options and so many other arguments. RUN_REFUSED: there is none; if no other
 * argument was to be there, refuse() has said so.
 */
int count_directories(int count, char **words, int skipped);

#endif
