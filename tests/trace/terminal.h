/*
 * A program on a terminal of the test's own: what its screen shows, keys, sizes, ends.
 *
 * The screen knows what troupe-trace writes: text, CR, LF, and the control sequences for the cursor's place, for
 * clearing, for the other screen, for the cursor and for colours. Others fail the test.
 */
#ifndef TESTS_TRACE_TERMINAL_H
#define TESTS_TRACE_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <termios.h>

#define TERMINAL_COLUMNS 200u
#define TERMINAL_ROWS 60u
#define TERMINAL_WRITTEN 65536u

struct terminal {
    int master;
    pid_t leader;          /* of the session: if the program were it, its end would throw away what it wrote last */
    pid_t child;           /* the program */
    int reports;           /* of the leader: the child's number, and its end */
    struct termios before; /* its modes when the program began */
    unsigned columns, rows, column, row;
    char cells[TERMINAL_ROWS][TERMINAL_COLUMNS + 1];   /* each line with a zero behind it */
    char beneath[TERMINAL_ROWS][TERMINAL_COLUMNS + 1]; /* of the first screen, while the other is shown */
    bool other, hidden;                                /* the other screen; no cursor */
    bool coloured;                                     /* there was a colour since the start */
    char written[TERMINAL_WRITTEN];                    /* the first bytes that came, with a zero behind them */
    size_t written_length;
    char sequence[32]; /* one that has not come to its end */
    size_t length;
};

/* Starts a program, that is looked for in PATH; TERM is what TESTS_TERM says, or xterm. words ends with NULL. */
void terminal_start(struct terminal *terminal, unsigned columns, unsigned rows, const char *const *words);

void terminal_press(struct terminal *terminal, const char *keys);
void terminal_resize(struct terminal *terminal, unsigned columns, unsigned rows);

/* Waits until a line of the screen has that part; or no line has it. */
void terminal_await(struct terminal *terminal, const char *part);
void terminal_await_without(struct terminal *terminal, const char *part);

/* Waits until the first line with that part is the one of this number, from 0 on. */
void terminal_await_at(struct terminal *terminal, const char *part, unsigned row);

/* The number of the first line with that part; it must be there. */
unsigned terminal_line(struct terminal *terminal, const char *part);

/* Waits for the end of the program, and takes what it wrote till then. Returns what waitpid() tells. */
int terminal_end(struct terminal *terminal);

/* Is it as it was found: the first screen, a cursor, the same modes? */
bool terminal_is_restored(const struct terminal *terminal);

#endif
