/*
 * Writes a tar in frames of zstd, with a table of the frames behind it: what read/packed.c reads.
 */
#ifndef TROUPE_TRACE_TAR_WRITER_H
#define TROUPE_TRACE_TAR_WRITER_H

#include <stddef.h>
#include <stdint.h>

struct tar_writer {
    int fd;
    const char *path;     /* of the file, for what is wrong */
    unsigned char *frame; /* what comes into the next one */
    size_t held;
    unsigned char *packed;
    unsigned char *rows; /* of the table */
    size_t frames, room;
    uint64_t bytes, packed_bytes; /* of the tar, and of its frames */
};

/* Begins at the begin of an empty file that is open for writing. Ends the program, as the others do, if that fails. */
void tar_writer_init(struct tar_writer *writer, int fd, const char *path);
void tar_writer_fini(struct tar_writer *writer);

/* Begins a file: its content follows, and is as long as said. name is not longer than 99 bytes. */
void tar_writer_file(struct tar_writer *writer, const char *name, uint64_t size);
void tar_writer_bytes(struct tar_writer *writer, const void *bytes, size_t size);

/* What a file's last block lacks. */
void tar_writer_pad(struct tar_writer *writer);

/* Ends the tar, writes the table and waits until the disk has all of it. */
void tar_writer_finish(struct tar_writer *writer);

#endif
