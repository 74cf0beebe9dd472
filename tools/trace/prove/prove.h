/*
 * The commands that say whether a trace keeps rules: the library's, and the program's own.
 */
#ifndef TROUPE_TRACE_PROVE_H
#define TROUPE_TRACE_PROVE_H

#include "command.h"

extern const struct command command_assert;
extern const struct command command_check;
extern const struct command command_diff;

#endif
