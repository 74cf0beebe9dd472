/*
 * Which files are sockets bound to? The kernel says so by device and inode, whatever name a file has and wherever it is
 * mounted.
 */
#ifndef TROUPE_NET_UNIX_BOUND_H
#define TROUPE_NET_UNIX_BOUND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The kernel's own number of the file system in which a directory lies. stat(2) may give another one (btrfs, overlays),
 * so a socket is bound there for a moment; if that cannot be, it is what stat(2) says. false: this system does not
 * tell.
 */
bool tri_unix_bound_device(const char *directory, uint32_t *device);

/*
 * Is a socket bound to that file of that device, be it listening already or not? Those that were accepted do not count.
 * Only sockets of our network namespace are known. false also if this system does not tell.
 */
bool tri_unix_is_bound(uint32_t device, ino_t inode);

#endif
