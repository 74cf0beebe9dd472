/*
 * What a signal that ends the program must not leave behind: half a line on the terminal, a file that has no name yet.
 *
 * SIGINT, SIGTERM, SIGHUP and SIGQUIT end the program as ever, so that a shell sees by which signal it ended; before
 * that they call what was given here. A signal that is ignored, or that somebody else handles, stays so.
 */
#ifndef TROUPE_TRACE_INTERRUPT_H
#define TROUPE_TRACE_INTERRUPT_H

/*
 * From now on such a signal calls that first. It may run in the middle of anything: it calls only what is safe in a
 * handler of signals. A second call for the same does nothing.
 */
void before_interrupt(void (*call)(void));

#endif
