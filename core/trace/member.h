/*
 * What a process is among those whose traces are read together.
 *
 * Thread: setup.
 */
#ifndef TROUPE_CORE_TRACE_MEMBER_H
#define TROUPE_CORE_TRACE_MEMBER_H

#include <limits.h>

struct tri_member {
    char cluster[40]; /* "": it is of none */
    char name[16];
    unsigned serial;
};

/* This process's, for traces that are opened from now on. */
extern struct tri_member tri_member;
extern unsigned tri_member_runtimes; /* atomic: that it has begun since it is what it is, with a trace or without */
extern char tri_member_directory[PATH_MAX]; /* "": that of TR_TRACE */

#endif
