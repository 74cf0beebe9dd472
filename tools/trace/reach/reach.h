/*
 * The commands that reach for programs that run: they begin and end traces.
 */
#ifndef TROUPE_TRACE_REACH_H
#define TROUPE_TRACE_REACH_H

#include "command.h"

extern const struct command command_record;
extern const struct command command_attach;
extern const struct command command_detach;
extern const struct command command_snapshot;

#endif
