/*
 * A socket for one user.
 *
 * It is bound to a name of its own beside the path, gets its rights, and listens; then its file gets the path as a
 * second name, which fails if anything lies there. So whoever finds the path finds a socket that listens and has its
 * rights, and no file is ever replaced by accident.
 *
 * A file is stale if it is a socket of the same user and refuses to be connected to. Between that look and its removal
 * another process may put its own there. Those that do as we do keep out of each other's way by a lock on the directory
 * (flock(2), which leaves nothing behind). Of all others a file is saved by being taken away instead of removed: it is
 * looked at again where nobody else looks, and put back unless it is the one that refused.
 */
#include <troupe/core/private_socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <troupe/core/status_from.h>
#include <unistd.h>

#define BACKLOG 16
#define LOCK_TRIES 100
#define LOCK_PAUSE_NS 1000000

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) <= TRI_PRIVATE_PATH, "any path of a socket fits");

struct place {
    const char *path;
    char directory[TRI_PRIVATE_PATH];
    char own[TRI_PRIVATE_PATH];   /* the name to which the socket is bound */
    char aside[TRI_PRIVATE_PATH]; /* where what may be stale is looked at again */
};

const char *
tri_private_socket_wanted(void)
{
    const char *text = secure_getenv("TR_INSPECT");
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* -- Names. -- */

static tr_status
expand(const char *path, char out[TRI_PRIVATE_PATH])
{
    const char *number = strstr(path, "%p");
    int length = number == NULL ? snprintf(out, TRI_PRIVATE_PATH, "%s", path)
                                : snprintf(out, TRI_PRIVATE_PATH, "%.*s%d%s", (int)(number - path), path, (int)getpid(),
                                           number + 2);
    if (length == 0)
        return TR_EBADPATH;
    return length < TRI_PRIVATE_PATH ? TR_OK : TR_ENAMETOOLONG;
}

static bool
name_beside(char out[TRI_PRIVATE_PATH], const char *directory, char kind)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* a process of that number may have died here before */
    int length = snprintf(out, TRI_PRIVATE_PATH, "%s/.tr%c%07d.%08lx", directory, kind, (int)getpid(),
                          (unsigned long)now.tv_nsec); /* of one length, so that a path fits always or never */
    return length < TRI_PRIVATE_PATH;
}

static tr_status
choose_names(struct place *place, const char *path)
{
    const char *slash = strrchr(path, '/');
    int length = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    place->path = path;
    snprintf(place->directory, sizeof(place->directory), "%.*s", length, slash == NULL ? "." : path);
    bool fit = name_beside(place->own, place->directory, 'n') && name_beside(place->aside, place->directory, 'o');
    return fit ? TR_OK : TR_ENAMETOOLONG;
}

static bool
address_of(const char *path, struct sockaddr_un *address)
{
    size_t length = strlen(path);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (length >= sizeof(address->sun_path))
        return false;
    memcpy(address->sun_path, path, length + 1);
    return true;
}

/* -- The lock. -- */

/* Gives the descriptor that holds it; -1: there is none, as of a directory that cannot be read. */
static tr_status
lock_directory(const char *directory, int *out)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
    int fd = *out = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK)
            return TR_OK;
        if (i == LOCK_TRIES) {
            close(fd);
            return TR_EBUSY;
        }
        nanosleep(&pause, NULL);
    }
    return TR_OK;
}

static void
unlock_directory(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* -- What lies at the path. -- */

static bool
is_refused(const char *path)
{
    struct sockaddr_un address;
    int fd = address_of(path, &address) ? socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0)
        return false;
    bool refused = connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static tr_status
check_stale(const char *path, struct stat *out)
{
    if (lstat(path, out) != 0)
        return tri_status_from_errno(errno);
    if (!S_ISSOCK(out->st_mode) || out->st_uid != geteuid())
        return TR_EEXIST;
    return is_refused(path) ? TR_OK : TR_EADDRINUSE;
}

static tr_status
remove_stale(const struct place *place)
{
    struct stat seen, taken;
    tr_status status = check_stale(place->path, &seen);
    if (status != TR_OK)
        return status == TR_ENOENT ? TR_OK : status;
    if (rename(place->path, place->aside) != 0)
        return tri_status_from_errno(errno);
    status = check_stale(place->aside, &taken);
    if (status == TR_OK && (taken.st_dev != seen.st_dev || taken.st_ino != seen.st_ino))
        status = TR_EADDRINUSE;
    if (status != TR_OK && link(place->aside, place->path) != 0)
        return status; /* something else is there by now: what was taken stays under the name beside it */
    unlink(place->aside);
    return status;
}

/* -- Opening. -- */

static tr_status
take_path(const struct place *place)
{
    if (link(place->own, place->path) == 0)
        return TR_OK;
    if (errno != EEXIST)
        return tri_status_from_errno(errno);
    tr_status status = remove_stale(place);
    if (status == TR_OK && link(place->own, place->path) != 0)
        status = errno == EEXIST ? TR_EADDRINUSE : tri_status_from_errno(errno);
    return status;
}

static tr_status
take_path_alone(const struct place *place)
{
    int lock;
    tr_status status = lock_directory(place->directory, &lock);
    if (status != TR_OK)
        return status;
    status = take_path(place);
    unlock_directory(lock);
    return status;
}

/* Nobody gets in before listen(), so nobody does before the rights are set. */
static tr_status
listen_at(const struct place *place, struct tri_private_socket *out)
{
    struct stat made;
    if (chmod(place->own, S_IRUSR | S_IWUSR) != 0 || listen(out->fd, BACKLOG) != 0 || lstat(place->own, &made) != 0)
        return tri_status_from_errno(errno);
    out->device = made.st_dev;
    out->inode = made.st_ino;
    return take_path_alone(place);
}

static tr_status
bind_to(const struct place *place, struct tri_private_socket *out)
{
    struct sockaddr_un address;
    if (!address_of(place->own, &address))
        return TR_ENAMETOOLONG;
    if (bind(out->fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return tri_status_from_errno(errno);
    tr_status status = listen_at(place, out);
    unlink(place->own);
    return status;
}

tr_status
tri_private_socket_open(const char *path, struct tri_private_socket *out)
{
    struct place place;
    tr_status status = expand(path, out->path);
    if (status == TR_OK)
        status = choose_names(&place, out->path);
    if (status != TR_OK)
        return status;
    out->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (out->fd < 0)
        return tri_status_from_errno(errno);
    status = bind_to(&place, out);
    if (status != TR_OK)
        close(out->fd);
    return status;
}

void
tri_private_socket_remove(const struct tri_private_socket *socket)
{
    struct stat now;
    if (lstat(socket->path, &now) == 0 && now.st_dev == socket->device && now.st_ino == socket->inode)
        unlink(socket->path);
}
