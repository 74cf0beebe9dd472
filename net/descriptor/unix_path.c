/*
 * The path of a unix socket that we listen on.
 *
 * bind(2) makes a file and never replaces one: a file, a directory, a symlink, another's socket in the way is
 * EADDRINUSE. Its rights are those of any new file, all that the umask leaves, and are only ever widened afterwards, so
 * there is no moment in which more is allowed than will be in the end. Nobody gets through before listen(2) anyway.
 *
 * What is ours: no call tells which file a socket is bound to, so we look at the name right after bind(2); whoever
 * replaces files of servers that are alive must be quicker than that to mislead us. From then on device and inode name
 * that file and no other, since the socket keeps the inode in use as long as it is open. Whoever removes the file must
 * therefore do so first and close the socket then. A file that is not ours any more, because somebody replaced it, is
 * left alone. The name is kept as an absolute one, for processes that change their directory. Linux has no call that
 * unlinks an inode and not a name, so a moment stays between looking and unlinking; whoever uses it has replaced the
 * file of a server that still listens.
 *
 * A stale file in the way is removed on demand: unix_stale.c.
 */
#include "unix_path.h"

#include "unix_file.h"
#include "unix_stale.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/status_from.h>
#include <unistd.h>

struct tri_unix_path {
    dev_t device;
    ino_t inode;
    char name[];
};

/* Binding. */

static struct tri_unix_path *
path_new(const char *name)
{
    char directory[PATH_MAX] = "";
    bool is_absolute = name[0] == '/';
    if (!is_absolute && getcwd(directory, sizeof(directory)) == NULL)
        directory[0] = '\0'; /* it was removed: the name leads nowhere from elsewhere */
    size_t size = strlen(directory) + 1 + strlen(name) + 1;
    struct tri_unix_path *path = malloc(sizeof(*path) + size);
    if (path != NULL)
        snprintf(path->name, size, "%s%s%s", directory, directory[0] != '\0' ? "/" : "", name);
    return path;
}

/* Gives the file that bind(2) has made the rights that it shall have. Returns an errno. */
static int
widen(const struct tri_unix_path *path, const char *name, mode_t more)
{
    struct tri_socket_file file;
    if (!tri_socket_file_hold(name, &file))
        return errno;
    bool is_ours = file.status.st_dev == path->device && file.status.st_ino == path->inode;
    int error = is_ours ? tri_socket_file_set_mode(&file, name, (file.status.st_mode & 07777) | more) : EADDRINUSE;
    tri_socket_file_release(&file);
    return error;
}

/* Looks at the file that bind(2) has made, for which no descriptor is needed: there may be none left. */
static int
claim(struct tri_unix_path *path, const char *name, const struct tri_unix_options *options)
{
    struct stat status;
    if (lstat(name, &status) != 0 || !S_ISSOCK(status.st_mode))
        return EADDRINUSE; /* somebody has taken it away already */
    path->device = status.st_dev;
    path->inode = status.st_ino;
    mode_t more = (options->readable_all ? S_IRUSR | S_IRGRP | S_IROTH : 0) |
                  (options->writable_all ? S_IWUSR | S_IWGRP | S_IWOTH : 0);
    int error = more != 0 ? widen(path, name, more) : 0;
    if (error != 0 && tri_socket_file_is(name, path->device, path->inode))
        unlink(name);
    return error;
}

static int
bind_once(int fd, const struct sockaddr_un *address, socklen_t size)
{
    return bind(fd, (const struct sockaddr *)address, size) == 0 ? 0 : errno;
}

/* Node says EACCES where the directory is missing. */
static tr_status
failed(struct tr_error *error, const char *call, int system)
{
    tr_status status = system == ENOENT ? TR_EACCES : tri_status_from_errno(system);
    *error = (struct tr_error){.status = status, .system = system, .call = call, .code = tr_status_code(status)};
    return status;
}

tr_status
tri_unix_bind(int fd, const struct sockaddr_un *address, socklen_t size, const struct tri_unix_options *options,
              struct tri_unix_path **out, struct tr_error *error)
{
    const char *name = address->sun_path;
    bool is_abstract = name[0] == '\0';
    struct tri_unix_path *path = is_abstract ? NULL : path_new(name);
    if (path == NULL && !is_abstract)
        return failed(error, "bind", ENOMEM);

    const char *call = "bind";
    int system = bind_once(fd, address, size);
    if (system == EADDRINUSE && options->unlink_stale && !is_abstract && tri_unix_stale_remove(address, size))
        system = bind_once(fd, address, size);
    if (system == 0 && !is_abstract) {
        call = "chmod";
        system = claim(path, name, options);
    }
    if (system != 0) {
        free(path);
        return failed(error, system == EADDRINUSE ? "bind" : call, system);
    }
    *out = path;
    return TR_OK;
}

bool
tri_unix_path_is_ours(const struct tri_unix_path *path)
{
    return tri_socket_file_is(path->name, path->device, path->inode);
}

void
tri_unix_path_remove(struct tri_unix_path *path)
{
    if (path == NULL)
        return;
    if (tri_unix_path_is_ours(path))
        unlink(path->name);
    free(path);
}

void
tri_unix_make_whole(struct sockaddr_un *address, socklen_t *size)
{
    char directory[PATH_MAX];
    size_t length = strnlen(address->sun_path, sizeof(address->sun_path));
    if (length == 0 || address->sun_path[0] == '/' || getcwd(directory, sizeof(directory)) == NULL)
        return;
    size_t before = strlen(directory) + 1; /* with a slash */
    if (before + length >= sizeof(address->sun_path))
        return;
    memmove(address->sun_path + before, address->sun_path, length);
    memcpy(address->sun_path, directory, before - 1);
    address->sun_path[before - 1] = '/';
    address->sun_path[before + length] = '\0';
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + before + length + 1);
}
