/*
 * The terminal that standard output is, if it is one.
 */
#ifndef TROUPE_TRACE_TERMINAL_H
#define TROUPE_TRACE_TERMINAL_H

/* How wide and how high it is now; 0: it is none, or does not tell. */
unsigned terminal_columns(void);
unsigned terminal_rows(void);

/* How wide another one is: that of stderr. */
unsigned terminal_columns_of(int fd);

#endif
