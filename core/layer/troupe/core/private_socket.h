/*
 * A unix socket on which a process answers its own user: what TR_INSPECT names.
 */
#ifndef TROUPE_CORE_PRIVATE_SOCKET_H
#define TROUPE_CORE_PRIVATE_SOCKET_H

#include <stdint.h>
#include <troupe/core/status.h>

#define TRI_PRIVATE_PATH 108 /* bytes that hold any path of a socket, and a NUL */

struct tri_private_socket {
    int fd; /* it listens and does not block; the caller closes it */

    /* Private. */
    char path[TRI_PRIVATE_PATH];
    uint64_t device, inode;
};

/* What the environment variable TR_INSPECT says; NULL: nothing. Programs with rights of their own do not heed it.
 * Thread: any. */
const char *tri_private_socket_wanted(void);

/*
 * Listens at a path, in which %p is the number of the process; nobody but the user may connect (0600). A socket file
 * that a dead process of the same user left there is replaced, anything else never is.
 *
 * Thread:  any. It waits for 100 ms at most, and only for others that do the same in that directory.
 * Returns: TR_OK
 *          TR_EBADPATH      the path is empty
 *          TR_ENAMETOOLONG
 *          TR_EEXIST        what lies there is no socket, or another user's
 *          TR_EADDRINUSE    somebody listens there
 *          TR_EBUSY         others have the directory locked
 *          what the system answers, such as TR_EACCES or TR_ENOENT
 */
tr_status tri_private_socket_open(const char *path, struct tri_private_socket *out);

/* Removes the file if it is still the one that was made. Thread: any. */
void tri_private_socket_remove(const struct tri_private_socket *socket);

#endif
