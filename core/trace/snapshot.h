/*
 * A copy of a trace that is being written.
 */
#ifndef TROUPE_CORE_TRACE_SNAPSHOT_H
#define TROUPE_CORE_TRACE_SNAPSHOT_H

#include <troupe/core/status.h>

/*
 * Copies the trace in an open directory to another, which is made if it does not exist. Without the file `metadata`
 * there it has failed, and what it has copied stays.
 * Returns TR_OK; TR_EEXIST, there is a trace, or a file of one; TR_ENOMEM; what the system answers. Thread: any.
 */
tr_status tri_snapshot(int from, const char *path);

#endif
