/*
 * The commands that show what a trace holds.
 */
#ifndef TROUPE_TRACE_SHOW_H
#define TROUPE_TRACE_SHOW_H

#include "command.h"

extern const struct command command_info;
extern const struct command command_dump;
extern const struct command command_explain;
extern const struct command command_follow;
extern const struct command command_path;
extern const struct command command_sockets;
extern const struct command command_stats;

#endif
