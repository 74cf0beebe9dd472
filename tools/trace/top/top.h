/*
 * The command that shows what a program does now.
 */
#ifndef TROUPE_TRACE_TOP_H
#define TROUPE_TRACE_TOP_H

#include "command.h"

extern const struct command command_top;

#endif
