/*
 * Socket activation: descriptors that were opened before this process began and are handed to it, as systemd does
 * (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES; sd_listen_fds(3)). Give them to tr_server_listen() with from_fd.
 */
#ifndef TROUPE_NET_ACTIVATION_H
#define TROUPE_NET_ACTIVATION_H

#include <troupe/core/declare.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

/*
 * How many descriptors were handed to this process; 0 when none were, or when they are meant for another process. The
 * first call reads the environment and takes the variables out of it, so that children don't take them for theirs.
 * Thread: setup (one thread, before others use the environment).
 */
unsigned tr_activation_count(void);

/*
 * The descriptor of that number, from 0, and its name (LISTEN_FDNAMES; "unknown" if it has none, as systemd's). Each is
 * closed on exec from the first call on. name may be NULL.
 * Owner:   the descriptor is the caller's; the name a constant.
 * Thread:  setup.
 * Returns: TR_OK; TR_EINVAL; TR_ENOENT (there are not so many); TR_EBADF (it was closed).
 */
tr_status tr_activation_fd(unsigned index, int *fd, const char **name);

/* The first descriptor of that name. Thread: setup. Returns: as tr_activation_fd(). */
tr_status tr_activation_fd_named(const char *name, int *fd);

TR_DECLARATIONS_END
#endif
