/*
 * The end for standard output that cannot be written: a command whose result is lost need not go on.
 */
#ifndef TROUPE_TRACE_OUTPUT_H
#define TROUPE_TRACE_OUTPUT_H

/*
 * Ends the program if a part of what was printed could not be written: says of which file, and why. Who reads a trace
 * asks for each piece, so a full disk ends a long command at once.
 */
void output_check(void);

/* Writes what is still held back, and checks that. */
void output_finish(void);

#endif
