/*
 * Socket files.
 *
 * A name is looked at twice at least, and may mean another file the second time. On Linux a file can be held without
 * opening it, and its rights set through what holds it, so that they cannot be set on anything else. Elsewhere the name
 * must do.
 */
#include "unix_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef O_PATH

bool
tri_socket_file_hold(const char *name, struct tri_socket_file *out)
{
    out->fd = open(name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (out->fd < 0)
        return false;
    if (fstat(out->fd, &out->status) == 0 && S_ISSOCK(out->status.st_mode))
        return true;
    close(out->fd);
    errno = EADDRINUSE; /* something else lies there */
    return false;
}

int
tri_socket_file_set_mode(const struct tri_socket_file *file, const char *name, mode_t mode)
{
    char self[32];
    (void)name;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", file->fd);
    return chmod(self, mode) == 0 ? 0 : errno;
}

#else

bool
tri_socket_file_hold(const char *name, struct tri_socket_file *out)
{
    out->fd = -1;
    return lstat(name, &out->status) == 0 && S_ISSOCK(out->status.st_mode);
}

int
tri_socket_file_set_mode(const struct tri_socket_file *file, const char *name, mode_t mode)
{
    (void)file;
    return fchmodat(AT_FDCWD, name, mode, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
}

#endif

void
tri_socket_file_release(struct tri_socket_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
}

bool
tri_socket_file_exists(const char *name)
{
    struct stat status;
    return lstat(name, &status) == 0 && S_ISSOCK(status.st_mode);
}

bool
tri_socket_file_is(const char *name, dev_t device, ino_t inode)
{
    struct stat status;
    return lstat(name, &status) == 0 && S_ISSOCK(status.st_mode) && status.st_dev == device && status.st_ino == inode;
}
