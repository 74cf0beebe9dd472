/*
 * Traces as the input of fuzz targets.
 *
 * An input is files, each a byte that chooses its name, its size in two bytes, low byte first, and its content. Of a
 * directory that has files but no `metadata` it is written here: with all events of this library, a clock of
 * nanoseconds, workers 0 to 2, and a uuid of zeros that ends with the number of the sub-directory. One input that
 * begins with zstd's magic is a packed trace as it is; of one that begins with "tar!" the rest is the tar in it, packed
 * in order, so that no checksum hides it.
 */
#ifndef TESTS_FUZZ_TRACE_FILES_H
#define TESTS_FUZZ_TRACE_FILES_H

#include <stddef.h>
#include <stdint.h>

/* The names that a byte chooses, and how many there are. Those that begin with a dot are no files of the trace. */
extern const char *const trace_file_names[];
extern const size_t trace_file_count;

/* Writes an input. Returns the path of a directory or a file, which is good until trace_files_remove(). */
const char *trace_files_write(const uint8_t *data, size_t size);

/* The path of a file in the directory that the inputs are written to; good until the second next call. */
const char *trace_files_path(const char *name);

/* Removes the last input, and all hidden files of that name in its directory. */
void trace_files_remove(void);

/* A file without the events of the library. */
void trace_files_write_one(const char *name, const void *bytes, size_t size);

#endif
