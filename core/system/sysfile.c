#include "sysfile.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/syscall.h>

int
tri_sysfile_open(const char *path)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

static long
read_some(int fd, char *text, size_t size)
{
    return syscall(SYS_read, fd, text, size);
}

void
tri_sysfile_close(int fd)
{
    if (fd >= 0)
        syscall(SYS_close, fd);
}

#else

int
tri_sysfile_open(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC);
}

static long
read_some(int fd, char *text, size_t size)
{
    return read(fd, text, size);
}

void
tri_sysfile_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

#endif

void
tri_sysfile_read(const char *path, char *text, size_t size)
{
    int fd = tri_sysfile_open(path);
    long got = fd < 0 ? 0 : read_some(fd, text, size - 1);
    tri_sysfile_close(fd);
    text[got > 0 ? got : 0] = '\0';
}

void
tri_lines_open(struct tri_lines *lines, const char *path)
{
    lines->fd = tri_sysfile_open(path);
    lines->begin = lines->end = 0;
    lines->skipping = false;
}

void
tri_lines_close(struct tri_lines *lines)
{
    tri_sysfile_close(lines->fd);
    lines->fd = -1;
}

/* Reads more behind what is left. false: there is no more, or no room for it. */
static bool
read_more(struct tri_lines *lines)
{
    memmove(lines->text, lines->text + lines->begin, lines->end - lines->begin);
    lines->end -= lines->begin;
    lines->begin = 0;
    size_t room = sizeof(lines->text) - 1 - lines->end; /* one for the zero after a last line without an end */
    long got = lines->fd < 0 || room == 0 ? 0 : read_some(lines->fd, lines->text + lines->end, room);
    lines->end += got > 0 ? (size_t)got : 0;
    return got > 0;
}

/* The next line, or a piece of one that is too long; *whole says which, and whether the line ends here. */
static char *
next_piece(struct tri_lines *lines, bool *whole)
{
    char *newline;
    while ((newline = memchr(lines->text + lines->begin, '\n', lines->end - lines->begin)) == NULL && read_more(lines))
        ;
    char *piece = lines->text + lines->begin;
    if (newline == NULL && lines->begin == lines->end)
        return NULL;
    *whole = newline != NULL || lines->end < sizeof(lines->text) - 1;
    char *end = newline != NULL ? newline : lines->text + lines->end;
    *end = '\0';
    lines->begin = (size_t)(end - lines->text) + (newline != NULL);
    return piece;
}

char *
tri_lines_next(struct tri_lines *lines)
{
    bool whole;
    for (char *piece; (piece = next_piece(lines, &whole)) != NULL;) {
        bool rest = lines->skipping;
        lines->skipping = !whole;
        if (whole && !rest)
            return piece;
    }
    return NULL;
}
