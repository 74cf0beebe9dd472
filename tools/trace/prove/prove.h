/*
 * The command that says whether a trace keeps the rules.
 */
#ifndef TROUPE_TRACE_PROVE_H
#define TROUPE_TRACE_PROVE_H

#include "command.h"

extern const struct command command_check;

#endif
