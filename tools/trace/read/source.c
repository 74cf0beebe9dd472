#include "source.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bad_input.h"

void
source_open(struct source *source, const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0)
        give_up("%s cannot be opened: %s", path, strerror(errno));
    if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
        give_up("%s cannot be opened: it is neither a directory nor a packed trace", path);
    *source = S_ISDIR(status.st_mode) ? (struct source){.directory = fd}
                                      : (struct source){.directory = -1, .packed = packed_open(path, fd)};
}

void
source_close(struct source *source)
{
    if (source->packed != NULL)
        packed_release(source->packed);
    else
        close(source->directory);
}

static void
open_directory(struct source *below, int directory, const char *name, const char *path)
{
    *below = (struct source){.directory = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (below->directory < 0)
        give_up("%s cannot be opened: %s", path, strerror(errno));
}

void
source_open_again(struct source *again, const struct source *source, const char *path)
{
    if (source->packed == NULL) {
        open_directory(again, source->directory, ".", path);
        return;
    }
    *again = *source;
    packed_hold(again->packed);
}

void
source_open_below(struct source *below, const struct source *source, const char *name, const char *path)
{
    if (source->packed == NULL) {
        open_directory(below, source->directory, name, path);
        return;
    }
    source_open_again(below, source, path);
    int length = snprintf(below->folder, sizeof(below->folder), "%s%s/", source->folder, name);
    if ((size_t)length >= sizeof(below->folder))
        give_up("%s cannot be opened: its name is too long", path);
}

/* The name in the packed file. One that is cut off is longer than all that are there. */
struct full_name {
    char text[3 * TAR_NAME];
};

static struct full_name
full_name(const struct source *source, const char *name)
{
    struct full_name full;
    snprintf(full.text, sizeof(full.text), "%s%s", source->folder, name);
    return full;
}

bool
source_has(const struct source *source, const char *name)
{
    struct stat status;
    if (source->packed != NULL)
        return packed_size(source->packed, full_name(source, name).text) != UINT64_MAX;
    return fstatat(source->directory, name, &status, 0) == 0;
}

static size_t
read_begin(const struct source *source, const char *name, char *out, size_t size)
{
    if (source->packed != NULL)
        return packed_read(source->packed, full_name(source, name).text, 0, out, size);
    int fd = openat(source->directory, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t got = fd >= 0 ? pread(fd, out, size, 0) : -1;
    if (fd >= 0)
        close(fd);
    return got > 0 ? (size_t)got : 0;
}

bool
source_begins_with(const struct source *source, const char *name, const char *text)
{
    char begin[64];
    size_t size = strlen(text);
    return read_begin(source, name, begin, size) == size && memcmp(begin, text, size) == 0;
}

bool
source_has_directory(const struct source *source, const char *name)
{
    struct stat status;
    if (source->packed == NULL)
        return fstatat(source->directory, name, &status, 0) == 0 && S_ISDIR(status.st_mode);
    struct full_name folder = full_name(source, name);
    size_t length = strlen(folder.text);
    snprintf(folder.text + length, sizeof(folder.text) - length, "/");
    size_t place = packed_place(source->packed, folder.text);
    return place < packed_count(source->packed) &&
           strncmp(packed_name(source->packed, place), folder.text, strlen(folder.text)) == 0;
}

static uint64_t
size_of_packed(const struct source *source, const char *name)
{
    uint64_t size = packed_size(source->packed, full_name(source, name).text);
    if (size == UINT64_MAX)
        bad_input(name, 0, source_has_directory(source, name) ? "is not a regular file" : "is not there");
    return size;
}

uint64_t
source_size(const struct source *source, const char *name)
{
    struct stat status;
    if (source->packed != NULL)
        return size_of_packed(source, name);
    if (fstatat(source->directory, name, &status, 0) != 0)
        bad_input(name, 0, "cannot be opened: %s (is the trace being written?)", strerror(errno));
    if (!S_ISREG(status.st_mode))
        bad_input(name, 0, "is not a regular file");
    return (uint64_t)status.st_size;
}

/*
 * The recorder takes a file's name away before it fills the file anew, and gives the name to a copy or to nobody
 * (segment.h). A file that still has its name held what the name stands for while it was read; else who knows.
 */
static bool
has_name(int directory, int fd, const char *name)
{
    struct stat opened, named;
    return fstatat(directory, name, &named, 0) == 0 && fstat(fd, &opened) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev;
}

static size_t
read_file(int fd, const char *name, uint64_t offset, void *out, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(fd, (char *)out + done, size - done, (off_t)(offset + done));
        if (got < 0)
            bad_input(name, offset + done, "cannot be read: %s", strerror(errno));
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return done;
}

size_t
source_read(const struct source *source, const char *name, uint64_t offset, void *out, size_t size)
{
    struct kept kept = {0};
    size_t done = source_read_on(source, &kept, name, offset, out, size);
    kept_close(&kept);
    return done;
}

size_t
source_read_on(const struct source *source, struct kept *kept, const char *name, uint64_t offset, void *out,
               size_t size)
{
    size_t done;
    if (!source_read_there(source, kept, name, offset, out, size, &done))
        bad_input(name, 0, "cannot be opened: %s (is the trace being written?)", strerror(errno));
    return done;
}

bool
source_read_there(const struct source *source, struct kept *kept, const char *name, uint64_t offset, void *out,
                  size_t size, size_t *done)
{
    if (source->packed != NULL) {
        *done = packed_read(source->packed, full_name(source, name).text, offset, out, size);
        return true;
    }
    for (;;) {
        if (!kept->open)
            kept->fd = openat(source->directory, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        kept->open = kept->fd >= 0;
        if (!kept->open)
            return false;
        *done = read_file(kept->fd, name, offset, out, size);
        if (has_name(source->directory, kept->fd, name))
            return true;
        kept_close(kept);
    }
}

void
kept_close(struct kept *kept)
{
    if (kept->open)
        close(kept->fd);
    kept->open = false;
}

static void
each_entry(int directory, const char *path, void (*call)(void *argument, const char *name), void *argument)
{
    int fd = dup(directory);
    DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
    if (list == NULL)
        give_up("%s cannot be listed: %s", path, strerror(errno));
    rewinddir(list); /* the place in it is that of all who look */
    for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        if (entry->d_name[0] != '.')
            call(argument, entry->d_name);
    }
    closedir(list);
}

/* Names come in the order of the alphabet, so those of a folder come together, and are told as one. */
static void
each_packed(const struct source *source, void (*call)(void *argument, const char *name), void *argument)
{
    char last[TAR_NAME] = "", first[TAR_NAME];
    size_t length = strlen(source->folder), count = packed_count(source->packed);
    for (size_t i = packed_place(source->packed, source->folder); i < count; i++) {
        const char *name = packed_name(source->packed, i);
        if (strncmp(name, source->folder, length) != 0)
            break;
        snprintf(first, sizeof(first), "%.*s", (int)strcspn(name + length, "/"), name + length);
        if (strcmp(first, last) != 0)
            call(argument, first);
        memcpy(last, first, sizeof(last));
    }
}

void
source_each(const struct source *source, const char *path, void (*call)(void *argument, const char *name),
            void *argument)
{
    if (source->packed != NULL)
        each_packed(source, call, argument);
    else
        each_entry(source->directory, path, call, argument);
}
