/*
 * A copy of a trace that is being written, as good as one that was cut off at this moment.
 *
 * Nobody is held up: the files are copied as any other process could. A file that is about to be filled anew loses its
 * name first, so what was copied from one that is still under its name afterwards is right. Otherwise it is done again
 * with the file that has the name now; if none has, the flight recorder has overwritten it. Names and metadata come
 * last, since what is in the other files needs them; metadata in one piece, so a directory that has them holds a whole
 * copy. Streams are copied one after the other, so a message may be received in one and not be sent in another, as in
 * every trace that is open.
 */
#include "snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <troupe/core/say.h>
#include <troupe/core/status_from.h>
#include <troupe/core/trace_format.h>
#include <unistd.h>

#include "write_all.h"

#define PIECE 65536u

struct copy {
    int from, to; /* directories */
    char *buffer; /* PIECE bytes */
    bool again;   /* the file that was copied has lost its name meanwhile */
    int error;    /* errno of the first failure; 0: none */
};

/* `left` bytes, or up to the end of the file. */
static bool
copy_bytes(const struct copy *copy, int in, int out, uint64_t left)
{
    while (left > 0) {
        ssize_t got = read(in, copy->buffer, left < PIECE ? (size_t)left : PIECE);
        if (got <= 0)
            return got == 0;
        if (tri_write_all(out, copy->buffer, (size_t)got) != 0)
            return false;
        left -= (uint64_t)got;
    }
    return true;
}

/* As much as its header counts at this moment; the rest of the file is empty. */
static bool
copy_packet(const struct copy *copy, int in, int out)
{
    struct tri_trace_packet packet;
    if (read(in, &packet, sizeof(packet)) != (ssize_t)sizeof(packet))
        return false;
    return tri_write_all(out, &packet, sizeof(packet)) == 0 &&
           copy_bytes(copy, in, out, packet.content_size / 8 - sizeof(packet)) &&
           ftruncate(out, (off_t)(packet.packet_size / 8)) == 0;
}

/* Is the open file the one that has the name? */
static bool
has_name(const struct copy *copy, int fd, const char *name)
{
    struct stat opened, named;
    return fstat(fd, &opened) == 0 && fstatat(copy->from, name, &named, 0) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev;
}

static bool
copy_packet_file(struct copy *copy, int in, const char *name)
{
    int out = openat(copy->to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (out < 0)
        return false;
    bool copied = copy_packet(copy, in, out);
    close(out);
    copy->again = !has_name(copy, in, name);
    if (copy->again)
        unlinkat(copy->to, name, 0); /* overwritten meanwhile, perhaps */
    return copied || copy->again;
}

/* Under a name that readers do not see, until they are whole. */
static bool
copy_metadata(struct copy *copy, int in, const char *name)
{
    int out = openat(copy->to, ".metadata", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (out < 0)
        return false;
    bool copied = copy_bytes(copy, in, out, UINT64_MAX);
    close(out);
    return copied && renameat(copy->to, ".metadata", copy->to, name) == 0;
}

typedef bool copy_function(struct copy *copy, int in, const char *name);

static void
copy_file_once(struct copy *copy, const char *name, copy_function *copy_open)
{
    copy->again = false;
    int in = openat(copy->from, name, O_RDONLY | O_CLOEXEC);
    if (in < 0) {
        copy->error = errno == ENOENT ? copy->error : errno; /* the flight recorder took it */
        return;
    }
    errno = EIO; /* of a file that is shorter than it says */
    if (!copy_open(copy, in, name) && copy->error == 0)
        copy->error = errno;
    close(in);
}

static void
copy_file(struct copy *copy, const char *name, copy_function *copy_open)
{
    do
        copy_file_once(copy, name, copy_open);
    while (copy->again);
}

/* The files of names, or all others. */
static void
copy_files(struct copy *copy, bool of_names)
{
    int fd = openat(copy->from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (list == NULL) {
        copy->error = errno;
        return;
    }
    for (struct dirent *entry = readdir(list); entry != NULL && copy->error == 0; entry = readdir(list)) {
        const char *name = entry->d_name;
        bool is_stream = strchr(name, '.') != NULL && name[0] != '.';
        if (is_stream && (strncmp(name, "names.", 6) == 0) == of_names)
            copy_file(copy, name, copy_packet_file);
    }
    closedir(list);
}

static int
copy_all(struct copy *copy)
{
    struct tri_quiet quiet;
    tri_quiet_begin(&quiet);
    copy_files(copy, false);
    if (copy->error == 0)
        copy_files(copy, true);
    if (copy->error == 0)
        copy_file(copy, "metadata", copy_metadata);
    tri_quiet_end(&quiet);
    return copy->error;
}

tr_status
tri_snapshot(int from, const char *path)
{
    struct copy copy = {.from = from, .buffer = malloc(PIECE)};
    if (copy.buffer == NULL)
        return TR_ENOMEM;
    int error = mkdir(path, 0777) == 0 || errno == EEXIST ? 0 : errno;
    copy.to = error == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (error == 0 && copy.to < 0)
        error = errno;
    if (error == 0 && faccessat(copy.to, "metadata", F_OK, 0) == 0)
        error = EEXIST;
    if (error == 0)
        error = copy_all(&copy);
    if (copy.to >= 0)
        close(copy.to);
    free(copy.buffer);
    return tri_status_from_errno(error);
}
