/*
 * The commands that turn a trace into what other programs show: a browser, and readers of other formats.
 */
#ifndef TROUPE_TRACE_DRAW_H
#define TROUPE_TRACE_DRAW_H

#include "command.h"

extern const struct command command_timeline;
extern const struct command command_seq;
extern const struct command command_export;

#endif
