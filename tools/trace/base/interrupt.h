/*
 * What a signal that ends or stops the program must not leave behind: half a line on the terminal, a file that has no
 * name yet.
 *
 * SIGINT, SIGTERM, SIGHUP and SIGQUIT end the program as ever, so that a shell sees by which signal it ended, and
 * SIGTSTP (Ctrl-Z) stops it; before that they call what was given here. A signal that is ignored, or that somebody else
 * handles, stays so.
 */
#ifndef TROUPE_TRACE_INTERRUPT_H
#define TROUPE_TRACE_INTERRUPT_H

/*
 * From now on a signal that ends the program calls that first. It may run in the middle of anything: it calls only what
 * is safe in a handler of signals. A second call for the same does nothing.
 */
void before_interrupt(void (*call)(void));

/* The same for the signal that stops it. There is one such call. */
void before_stop(void (*call)(void));

#endif
