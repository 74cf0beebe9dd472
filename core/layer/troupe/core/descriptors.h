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

/*
 * Doubles the soft limit, as far as the hard one goes, and that too if the process may raise it. false: there is no
 * more.
 * Thread: setup.
 */
bool tri_descriptors_raise(void);

#endif
