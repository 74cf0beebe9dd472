/*
 * What the processes of a crew share.
 */
#ifndef TESTS_NET_CREW_STAGE_H
#define TESTS_NET_CREW_STAGE_H

#include "crew.h"

#include <stdarg.h>

struct crew_stage {
    int orders[CREW_MOST]; /* of each child: its end */
    int words;             /* the parent's end */
};
extern struct crew_stage crew_stage;

/* Waits until there is something to read. false: there was nothing within the tests' limit. */
bool crew_is_ready(int fd);

/* Sends a line as one record. */
void crew_say(int fd, const char *format, va_list arguments);

/* crew_child.c: a child, which obeys. */
int crew_be_child(tr_cluster_child *self, void *data);

#endif
