/*
 * Small files in which the system says something: of /proc, /sys and control groups.
 *
 * They are opened and closed by system calls, as libuv closes its descriptors: the thread sanitizer sees such a close
 * as little as such an open, and would take a descriptor's next use by another thread for a race.
 */
#ifndef TROUPE_CORE_SYSFILE_H
#define TROUPE_CORE_SYSFILE_H

#include <stdbool.h>
#include <stddef.h>

/* Opens a file or a directory to read; children do not inherit it. Returns the descriptor, -1 if it cannot be opened.
 * Thread: any. */
int tri_sysfile_open(const char *path);

/* -1 does nothing. Thread: any. */
void tri_sysfile_close(int fd);

/* Gives the file's beginning, at most size - 1 bytes and a zero; empty if it cannot be read. Thread: any. */
void tri_sysfile_read(const char *path, char *text, size_t size);

/* The lines of a file. The fields are private. */
struct tri_lines {
    int fd;
    size_t begin, end; /* of what was read and not given yet */
    bool skipping;     /* the rest of a line that is longer than the text */
    char text[8192];
};

/* Opens a file; if that fails it has no lines. To be closed with tri_lines_close(). Thread: any. */
void tri_lines_open(struct tri_lines *lines, const char *path);

/* Gives the next line without its end, until the next call; NULL after the last. A line that does not fit is left out.
 * Thread: any. */
char *tri_lines_next(struct tri_lines *lines);

void tri_lines_close(struct tri_lines *lines);

#endif
