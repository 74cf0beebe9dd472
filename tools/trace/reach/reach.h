/*
 * The commands that reach for programs that run: they begin and end traces.
 */
#ifndef TROUPE_TRACE_REACH_H
#define TROUPE_TRACE_REACH_H

#include <stddef.h>
#include <sys/types.h>

#include "command.h"

extern const struct command command_record;
extern const struct command command_attach;
extern const struct command command_detach;
extern const struct command command_snapshot;

#define REACH_AT_MOST 64u /* runtimes of one process */

/* The number of a process that an argument is; 0: it is none, or there is a file of that name. */
pid_t reach_process(const char *word);

/* Where the runtimes of a process record, the caller's to free each. Returns 0, or says why it cannot and returns the
 * status to end with. */
int reach_directories(pid_t pid, char *directories[REACH_AT_MOST], size_t *count);

#endif
