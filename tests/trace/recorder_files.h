/*
 * What is in a file of a trace, and what was said on stderr.
 */
#ifndef TESTS_RECORDER_FILES_H
#define TESTS_RECORDER_FILES_H

#include "traces.h"

#include <stdbool.h>
#include <stddef.h>

/* A file of a trace. */
struct file {
    char *bytes;
    const struct tri_trace_packet *packet;
    const struct tri_trace_record *records;
    size_t count;
};

/* Reads it whole. */
struct file load(const struct traces *traces, const char *name);
struct file load_segment(const struct traces *traces, unsigned sequence);

/* stderr goes into a file meanwhile. */
struct words {
    int saved, log;
    char text[4096];
};

void words_begin(struct words *words, const struct traces *traces);
const char *words_end(struct words *words);

/* A thread that was joined may be seen for a moment more. */
bool has_threads(void *count);

#endif
