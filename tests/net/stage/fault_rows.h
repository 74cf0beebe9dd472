/*
 * Errors of the system, row by row: the call that fails, with what, and what a play of it must come to.
 */
#ifndef TESTS_FAULT_ROWS_H
#define TESTS_FAULT_ROWS_H

#include "cast.h"
#include "fault.h"

/* The client and the peer are as new, and nothing fails. */
void fault_set_up(void);

/* One row: a call that fails, and how the connection fares. */
struct fault_row {
    const char *name;
    enum fault_call call;
    int error;
    unsigned times;
    const char *log;   /* of the socket */
    const char *heard; /* by the peer */
};

#define ROW(call, error, times, log, heard)                                                                            \
    {                                                                                                                  \
#call " " #error, FAULT_##call, error, times, log, heard                                                       \
    }

/* The row that is played. */
extern const struct fault_row *row_now;

/* A hook. */
void ends_at_ready(struct endpoint *self, const char *event);

#endif
