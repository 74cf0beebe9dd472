/*
 * Socket activation: descriptors that were opened before this process began and are passed to it, as systemd does
 * (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES; sd_listen_fds(3)). Give them to tr_server_listen() with from_fd.
 *
 * The first call of any of these functions reads the environment and removes the variables from it, so that child
 * processes do not take them for theirs. From then on each descriptor is closed on exec.
 *
 * Thread:  setup: here, one thread before others use the environment.
 */
#ifndef TROUPE_NET_ACTIVATION_H
#define TROUPE_NET_ACTIVATION_H

#include <troupe/core/declare.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

/*
 * How many descriptors were passed to this process; 0 when none were, or when they are meant for another process.
 * Thread:  setup.
 */
unsigned tr_activation_count(void);

/*
 * The descriptor of that number, from 0, and its name (LISTEN_FDNAMES; "unknown" if it has none, as in systemd). name
 * may be NULL.
 * Memory:  the descriptor is the caller's; the name is a constant.
 * Thread:  setup.
 * Returns: TR_OK
 *          TR_EINVAL  fd is NULL
 *          TR_ENOENT  index is not below tr_activation_count()
 *          TR_EBADF   it was closed
 */
tr_status tr_activation_fd(unsigned index, int *fd, const char **name);

/*
 * The first descriptor of that name.
 * Memory:  the descriptor is the caller's.
 * Thread:  setup.
 * Returns: TR_OK
 *          TR_EINVAL  NULL
 *          TR_ENOENT  there is none of that name
 *          TR_EBADF   it was closed
 */
tr_status tr_activation_fd_named(const char *name, int *fd);

TR_DECLARATIONS_END
#endif
