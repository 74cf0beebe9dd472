/*
 * A trace that `pack` made one file of: docs/trace-format.md says what is in it. Its files are read a piece at a time,
 * in memory that grows by 8 bytes for each 128 KiB of the trace.
 */
#ifndef TROUPE_TRACE_PACKED_H
#define TROUPE_TRACE_PACKED_H

#include <stddef.h>
#include <stdint.h>

/* Numbers of the seek table, which ends the file. */
#define PACKED_TABLE_MAGIC UINT32_C(0x184d2a5e)  /* a frame that zstd skips */
#define PACKED_FOOTER_MAGIC UINT32_C(0x8f92eab1) /* its last four bytes */
#define PACKED_TABLE_HEAD 8u                     /* bytes before the rows of the table */
#define PACKED_FOOTER 9u                         /* and behind them */
#define PACKED_ROW 8u

/* A header of tar's: the fields that a packed trace has. */
#define TAR_BLOCK 512u
#define TAR_NAME 100u /* bytes for a name, with the zero at its end */
struct tar_header {
    char name[TAR_NAME], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6],
        version[2];
    char rest[247];
};

/* The sum of a header's bytes, its checksum taken for spaces. */
unsigned tar_sum(const struct tar_header *header);

struct packed;

/*
 * Reads what the file holds; takes the descriptor. Ends the program if the file is none of pack's, or is damaged. It is
 * held once then, and closed when nobody holds it.
 */
struct packed *packed_open(const char *path, int fd);
void packed_hold(struct packed *packed);
void packed_release(struct packed *packed);

/* The files of the trace: their names, in the order of the alphabet. One may be in a folder: `2/metadata`. */
size_t packed_count(const struct packed *packed);
const char *packed_name(const struct packed *packed, size_t place);

/* The place of the first name that does not come before this one; the count, if all do. */
size_t packed_place(const struct packed *packed, const char *name);

/* The size of one of them; UINT64_MAX: it is not there. */
uint64_t packed_size(const struct packed *packed, const char *name);

/* Reads a piece of one of them. Returns how much was there. */
size_t packed_read(struct packed *packed, const char *name, uint64_t offset, void *out, size_t size);

#endif
