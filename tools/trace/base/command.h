/*
 * What a command of troupe-trace is: a row in the table of main.c. It parses its own options, reads a trace and prints
 * to standard output.
 */
#ifndef TROUPE_TRACE_COMMAND_H
#define TROUPE_TRACE_COMMAND_H

struct option; /* of <getopt.h> */

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
    const struct option *options;    /* for getopt_long(); a row of zeros is the last */
    const struct option_text *texts; /* of all of them but --help; a row of zeros is the last; NULL: it has none */

    /* Gets the command's name and its arguments. Returns the exit status, or one of the values below. */
    int (*run)(int count, char **words);
};

enum {
    RUN_HELP = -1,           /* the usage is asked for */
    RUN_UNKNOWN_OPTION = -2, /* an option that is none of `options`, or lacks its argument; nothing is printed yet */
    RUN_REFUSED = -3,        /* wrong arguments; refuse() has printed what is wrong */
};

#define OPTION_HELP 'h' /* what getopt_long() must return for --help, a row of each command's options */

/* The options that all commands have. */
extern const struct option_text common_texts[];

/* What run() returns for a result of getopt_long() that is not one of its own options. */
int refuse_option(int option);

/* Prints what is wrong with the arguments. `what` is the argument, or an empty text. Returns RUN_REFUSED. */
int refuse(const char *why, const char *what);

/*
 * How many directories are left after the options and so many other arguments. RUN_REFUSED: there is none; if no other
 * argument was to be there, refuse() has said so.
 */
int count_directories(int count, char **words, int skipped);

#endif
