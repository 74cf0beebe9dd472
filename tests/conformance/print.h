/*
 * Printing the result of a scenario, one line for each log entry, so that two results can be compared with diff.
 */
#ifndef CONFORMANCE_PRINT_H
#define CONFORMANCE_PRINT_H

#include <jansson.h>

/* results: by transport. */
void print_results(const char *name, json_t *results);

#endif
