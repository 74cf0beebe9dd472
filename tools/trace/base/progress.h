/*
 * How far a long command has come: one line on stderr, written over again and again.
 *
 *     troupe-trace: 42 %, 21.3 million events a second, 12 s left
 *
 * It comes when the command has worked for a second, a few times in a second at most, and only if stderr is a terminal
 * that is not "dumb" and this process stands in its foreground. What is printed next wipes it away first, and so does a
 * signal that ends the program. Once the
 * result is being printed it comes back only if that goes into a file: elsewhere it would stand between the lines.
 *
 * What is to be done is counted in bytes that are read, of all passes over a trace: who reads says what he will read,
 * and what he has read. The clock is looked at for each piece, not for each event.
 */
#ifndef TROUPE_TRACE_PROGRESS_H
#define TROUPE_TRACE_PROGRESS_H

#include <stdint.h>

/* There is no line from now on. */
void progress_off(void);

/* How often the command reads a trace after it was opened: before that. */
void progress_passes(unsigned passes);

/* A trace of so many bytes is opened: what all passes over it read is ahead. */
void progress_trace(uint64_t bytes);

/* More than was known before is ahead. */
void progress_more(uint64_t bytes);

/* The reading of so many bytes begins, which were ahead; if nothing is ahead any more it is more than was known. */
void progress_begin(uint64_t bytes);

/* So many of the bytes that began are read, with so many events; or need not be read, with none. */
void progress_read(uint64_t bytes, uint64_t events);

/* Something is printed to stderr now: the line is wiped, and may come back. */
void progress_wipe(void);

/* The result is printed from now on. */
void progress_give_way(void);

#endif
