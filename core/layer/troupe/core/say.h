/*
 * What the library says to people: lines on standard error.
 *
 * Saying something must do no harm. A line is written in one piece and without stdio's lock; where standard error takes
 * nothing now (a pipe that nobody reads, a terminal that is stopped) it is left out instead of waited for; and a signal
 * that the writing causes (SIGPIPE, SIGXFSZ) does not reach the program.
 */
#ifndef TROUPE_CORE_SAY_H
#define TROUPE_CORE_SAY_H

#include <signal.h>
#include <stdbool.h>

#define TRI_SAY_MAX 1024 /* bytes of a line; a longer one is cut */

/* Writes "troupe: ", the text and a line feed. Control characters of the text become '?'. Thread: any. */
void tri_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Between these two, a write that meets a limit or a closed pipe fails and raises no signal. They nest. Thread: any,
 * both on the same.
 */
struct tri_quiet {
    sigset_t before;
    sigset_t pending; /* what waited for the thread already */
};

void tri_quiet_begin(struct tri_quiet *quiet);
void tri_quiet_end(const struct tri_quiet *quiet);

#endif
