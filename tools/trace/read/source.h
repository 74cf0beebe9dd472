/*
 * Where the files of a trace are: in a directory, or in the one file that `pack` made of it. Nothing else of the
 * program knows the difference, but for what looks at a trace while it is written.
 *
 * A trace in a sub-directory has a source of its own: the sub-directory, or a folder of the same file.
 */
#ifndef TROUPE_TRACE_SOURCE_H
#define TROUPE_TRACE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packed.h"

struct source {
    int directory;         /* -1: it is packed */
    struct packed *packed; /* NULL: it is not; one for all sources in a file */
    char folder[TAR_NAME]; /* where in it, with a slash at the end; "": all of it */
};

/* Ends the program if the path is neither; it stays the caller's. */
void source_open(struct source *source, const char *path);
void source_close(struct source *source);

/* Opens a directory in a source. path is its path, for what is wrong. Either can be closed first. */
void source_open_below(struct source *below, const struct source *source, const char *name, const char *path);

/* Opens the same another time. */
void source_open_again(struct source *again, const struct source *source, const char *path);

/* Is there such a file? Names of files may lead into a directory in it, here and below. */
bool source_has(const struct source *source, const char *name);

/* Is there such a file, and does it begin with this text of less than 64 bytes? */
bool source_begins_with(const struct source *source, const char *name, const char *text);

/* Is that the name of a directory in it? */
bool source_has_directory(const struct source *source, const char *name);

/* The size of a file. Ends the program if it is not there, or is not a regular one. */
uint64_t source_size(const struct source *source, const char *name);

/* Reads a piece of a file. Returns how much was there. */
size_t source_read(const struct source *source, const char *name, uint64_t offset, void *out, size_t size);

/* A file that stays open from one piece to the next. One that is all zeros is closed. */
struct kept {
    bool open;
    int fd;
};

/* The same for one who reads on in the file: it is opened with its first piece, and stays so until kept_close(), or
 * until another has its name. */
size_t source_read_on(const struct source *source, struct kept *kept, const char *name, uint64_t offset, void *out,
                      size_t size);
void kept_close(struct kept *kept);

/* The same of a file that may be gone. false: it is, as errno tells, and what is in out is nothing. */
bool source_read_there(const struct source *source, struct kept *kept, const char *name, uint64_t offset, void *out,
                       size_t size, size_t *done);

/* Calls for each file and directory whose name does not begin with a dot. path is the source's, for what is wrong. */
void source_each(const struct source *source, const char *path, void (*call)(void *argument, const char *name),
                 void *argument);

#endif
