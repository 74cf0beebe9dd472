/*
 * The command that makes one small file of a trace.
 */
#ifndef TROUPE_TRACE_STORE_H
#define TROUPE_TRACE_STORE_H

#include "command.h"

extern const struct command command_pack;

#endif
