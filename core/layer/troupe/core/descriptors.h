/*
 * Descriptors: their ends, their duplicates, and the limit that the process has on them.
 */
#ifndef TROUPE_CORE_DESCRIPTORS_H
#define TROUPE_CORE_DESCRIPTORS_H

#include <stdbool.h>
#include <troupe/core/status.h>

/* Closes it. Thread: any. */
void tri_close(int fd);

/* A second one, closed on exec, for the same file. Thread: any. TR_OK, TR_EBADF, TR_EMFILE. */
tr_status tri_duplicate(int fd, int *out);

/* Can it be read? Waits for that up to wait_ms, -1: as long as it takes, 0: not at all. A signal ends the wait. Thread:
 * any. */
bool tri_await_readable(int fd, int wait_ms);

/*
 * Doubles the soft limit, as far as the hard one goes, and that too if the process may raise it. false: there is no
 * more.
 * Thread: setup.
 */
bool tri_descriptors_raise(void);

#endif
