/*
 * Socket files that a dead server left behind.
 *
 * A file is stale if connecting to it is refused and no socket is bound to it: one that is bound and will listen a
 * moment later refuses too. Linux tells which files sockets are bound to (unix_bound.h), by device and inode and not by
 * name: the same name may be another file elsewhere, in another mount namespace or under another root, and the same
 * file may have many names. On other systems, and of sockets in another network namespace, we do not learn it. To look
 * and then to unlink would be a trap: of two servers that come up at once the slower one would unlink the socket of the
 * faster, who then listens where nobody finds it. No system call unlinks a file only if it is a certain one. But taking
 * a file away by renaming it is atomic, only one can have it, and then it lies where nobody else looks: there it is
 * looked at again.
 *
 *   - is it the inode that refused? It is held meanwhile, so that its number cannot go to another;
 *   - is it still stale? The first time its server may not have been there yet.
 *
 * If not, somebody else was faster, and the file goes back. In between the path must not be free, or a third server
 * might bind it. So the file changes places with a dummy, in one step: a file of ours that is no socket. Others who are
 * after the stale file may change places with it in their turn, and then with what was put there by then; each goes on
 * until what it got is no socket. Whoever has the stale file, and only one has, frees the path, where nothing but
 * dummies lay since.
 *
 * A server that binds looks after listen(2) whether its file is still in place (listen.c), in case that it was taken
 * for a stale one before it listened. So of servers that meet one wins, or none, and never two.
 *
 * Where a file system cannot exchange two files, the file is moved away and put back, unless something else is
 * there by then. There a third server that binds within these few microseconds keeps the path.
 */
#include "unix_stale.h"

#include "unix_bound.h"
#include "unix_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_ROOM sizeof(((struct sockaddr_un *)0)->sun_path)

/* Staleness. */

static bool
is_refused(const struct sockaddr_un *address, socklen_t size)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, (const struct sockaddr *)address, size) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* A name that is too long to connect to is not asked a second time. */
static bool
is_refused_aside(const char *aside)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(aside);
    if (length >= PATH_ROOM)
        return true;
    memcpy(address.sun_path, aside, length + 1);
    return is_refused(&address, sizeof(address));
}

/* Two names. */

struct swap {
    const char *name;
    char directory[PATH_ROOM + 16]; /* ours, beside it */
    char aside[PATH_ROOM + 20];     /* in it */
    bool exchanged;                 /* a dummy lies at the name meanwhile */
};

/* Returns 0, or an errno: EINVAL or ENOSYS where it cannot be done at all. */
#ifdef RENAME_EXCHANGE

static int
exchange(const struct swap *swap)
{
    return renameat2(AT_FDCWD, swap->name, AT_FDCWD, swap->aside, RENAME_EXCHANGE) == 0 ? 0 : errno;
}

#else

static int
exchange(const struct swap *swap)
{
    (void)swap;
    return ENOSYS;
}

#endif

static bool
make_dummy(const char *name)
{
    int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool
move_aside(struct swap *swap)
{
    int error = make_dummy(swap->aside) ? exchange(swap) : errno;
    swap->exchanged = error == 0;
    if (swap->exchanged)
        return true;
    unlink(swap->aside);
    return (error == EINVAL || error == ENOSYS) && rename(swap->name, swap->aside) == 0;
}

static void
put_back(const struct swap *swap)
{
    if (swap->exchanged)
        while (exchange(swap) == 0 && tri_socket_file_exists(swap->aside)) {
        }
    if (tri_socket_file_exists(swap->aside) && link(swap->aside, swap->name) != 0 && errno != EEXIST)
        rename(swap->aside, swap->name); /* a file system without links, or another user's file */
    unlink(swap->aside);
}

static void
drop(const struct swap *swap)
{
    unlink(swap->aside);
    if (swap->exchanged)
        unlink(swap->name);
}

/* Moves the file away, looks at it again where nobody else does, and drops it if it is still stale. */
static bool
take_if_stale(struct swap *swap, const struct tri_socket_file *file)
{
    uint32_t device = 0;
    bool can_ask = tri_unix_bound_device(swap->directory, &device);
    dev_t file_device = file->status.st_dev;
    ino_t inode = file->status.st_ino;
    if ((can_ask && tri_unix_is_bound(device, inode)) || !tri_socket_file_is(swap->name, file_device, inode) ||
        !move_aside(swap))
        return false;
    bool taken = tri_socket_file_is(swap->aside, file_device, inode) && is_refused_aside(swap->aside) &&
                 !(can_ask && tri_unix_is_bound(device, inode));
    if (taken)
        drop(swap);
    else
        put_back(swap);
    return taken;
}

/* Unlinks the held file if it lies there and nobody serves it. */
static bool
take_away(const char *name, const struct tri_socket_file *file)
{
    struct swap swap = {.name = name};
    const char *slash = strrchr(name, '/');
    snprintf(swap.directory, sizeof(swap.directory), "%.*s.XXXXXX", slash != NULL ? (int)(slash - name) + 1 : 0, name);
    if (mkdtemp(swap.directory) == NULL)
        return false;
    snprintf(swap.aside, sizeof(swap.aside), "%s/s", swap.directory);
    bool taken = take_if_stale(&swap, file);
    rmdir(swap.directory);
    return taken;
}

bool
tri_unix_stale_remove(const struct sockaddr_un *address, socklen_t size)
{
    struct tri_socket_file file;
    if (!tri_socket_file_hold(address->sun_path, &file))
        return false;
    bool removed = is_refused(address, size) && take_away(address->sun_path, &file);
    tri_socket_file_release(&file);
    return removed;
}
