/*
 * Which socket is whose? /proc/PID/fd has the numbers of a process's sockets, and /proc/PID/net/unix the name that each
 * was bound to. The library binds to a name of its own, which begins as OWN_NAME and is gone by the time that the file
 * has its real one (core/system/private_socket.c). So the name tells that this is such a socket, and in which directory
 * its file is; which of the files there it is, the kernel tells of a connection to it: who listens.
 */
#include "peer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "bad_input.h"

#define OWN_NAME "/.trn"
#define ANSWER_S 20 /* a worker that hangs costs the other side one second, and there may be many */
#define LINE 512u

/* -- The process's sockets. -- */

struct numbers {
    uint64_t *numbers;
    size_t count;
};

static bool
has_number(const struct numbers *sockets, uint64_t number)
{
    for (size_t i = 0; i < sockets->count; i++)
        if (sockets->numbers[i] == number)
            return true;
    return false;
}

static void
note_descriptor(int directory, const char *name, struct numbers *sockets)
{
    char target[64];
    ssize_t length = readlinkat(directory, name, target, sizeof(target) - 1);
    uint64_t number;
    if (length <= 0)
        return;
    target[length] = '\0';
    if (sscanf(target, "socket:[%" SCNu64 "]", &number) != 1)
        return;
    sockets->numbers = must_realloc(sockets->numbers, sockets->count + 1, sizeof(number));
    sockets->numbers[sockets->count++] = number;
}

/* Returns an errno. */
static int
read_descriptors(pid_t pid, struct numbers *sockets)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
    DIR *list = opendir(path);
    if (list == NULL)
        return errno;
    for (struct dirent *entry; (entry = readdir(list)) != NULL;)
        note_descriptor(dirfd(list), entry->d_name, sockets);
    closedir(list);
    return 0;
}

/* -- Their files. -- */

static bool
address_of(const char *directory, const char *name, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s", directory, name);
    return length > 0 && (size_t)length < sizeof(address->sun_path);
}

/* A descriptor that is connected to the process; -1: somebody else listens there, or nobody. */
static int
connect_to(const struct sockaddr_un *address, pid_t pid)
{
    struct ucred who;
    socklen_t size = sizeof(who);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    const struct timeval limit = {.tv_sec = ANSWER_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.pid == pid)
        return fd;
    close(fd);
    return -1;
}

/* The library's are for their owner alone: others are left in peace. */
static bool
may_be_one(int directory, const char *name)
{
    struct stat found;
    return fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(found.st_mode) &&
           (found.st_mode & 0777) == 0600;
}

/* All in one directory, once. */
static void
look_into(const char *path, pid_t pid, struct peers *peers)
{
    DIR *list = opendir(path);
    struct sockaddr_un address;
    if (list == NULL)
        return;
    for (struct dirent *entry; peers->count < PEERS_AT_MOST && (entry = readdir(list)) != NULL;) {
        if (!may_be_one(dirfd(list), entry->d_name) || !address_of(path, entry->d_name, &address))
            continue;
        int fd = connect_to(&address, pid);
        if (fd >= 0)
            peers->fds[peers->count++] = fd;
    }
    closedir(list);
}

struct directories {
    char **paths;
    size_t count;
};

static void
add_directory(struct directories *directories, pid_t pid, const char *name)
{
    char path[LINE + 64];
    int length = (int)(strstr(name, OWN_NAME) - name);
    if (name[0] == '/')
        snprintf(path, sizeof(path), "%.*s", length, name);
    else
        snprintf(path, sizeof(path), "/proc/%ld/cwd/%.*s", (long)pid, length, name);
    for (size_t i = 0; i < directories->count; i++)
        if (strcmp(directories->paths[i], path) == 0)
            return;
    directories->paths = must_realloc(directories->paths, directories->count + 1, sizeof(char *));
    directories->paths[directories->count++] = strdup(path);
}

/* A line is: address, holds, protocol, flags, type, state, number, name. */
static void
find_directories(pid_t pid, const struct numbers *sockets, struct directories *directories)
{
    char path[64], line[LINE], name[LINE];
    uint64_t number;
    snprintf(path, sizeof(path), "/proc/%ld/net/unix", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "%*s %*s %*s %*s %*s %*s %" SCNu64 " %511[^\n]", &number, name) == 2 &&
            strstr(name, OWN_NAME) != NULL && has_number(sockets, number))
            add_directory(directories, pid, name);
    }
    fclose(file);
}

void
peers_find(pid_t pid, struct peers *peers)
{
    struct numbers sockets = {0};
    struct directories directories = {0};
    *peers = (struct peers){.error = read_descriptors(pid, &sockets)};
    find_directories(pid, &sockets, &directories);
    for (size_t i = 0; i < directories.count; i++) {
        look_into(directories.paths[i], pid, peers);
        free(directories.paths[i]);
    }
    free(directories.paths);
    free(sockets.numbers);
}

/* -- Talking. -- */

void
peer_ask(int fd, const char *line, char *answer, size_t size)
{
    size_t held = 0;
    answer[0] = '\0';
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line))
        return;
    while (held + 1 < size && memchr(answer, '\n', held) == NULL) {
        ssize_t got = recv(fd, answer + held, size - 1 - held, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        held += (size_t)got;
    }
    answer[held] = '\0';
    answer[strcspn(answer, "\n")] = '\0';
}

void
peers_close(struct peers *peers)
{
    for (size_t i = 0; i < peers->count; i++)
        close(peers->fds[i]);
}
