/*
 * What the tests of the trace share: a directory for a trace, writing events in few words, and running the programs
 * that read them.
 */
#ifndef TESTS_TRACE_TRACES_H
#define TESTS_TRACE_TRACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/trace.h>
#include <troupe/core/trace_format.h>

#define SEGMENT 4096u                        /* bytes: the smallest */
#define FULL TRI_TRACE_FULL((size_t)SEGMENT) /* events in one */

/* A trace that is written by the test. */
struct traces {
    char base[256];      /* a directory of the test's own */
    char directory[300]; /* in it; made by the recorder */
    struct tri_trace *trace;
};

/* cmocka's setup and teardown: *state is a struct traces, nothing is open. */
int traces_setup(void **state);
int traces_teardown(void **state);

/* Opens the recorder with two workers and segments of 4096 bytes. */
void traces_open(struct traces *traces, enum tr_trace_mode mode, unsigned segments, uint64_t limit_bytes);

/* Declares the events and the tags of the layers above. */
void traces_declare_layers(struct tri_trace *trace);

void traces_close(struct traces *traces);

/* Writes to the stream of a worker, or of the threads outside. */
void traces_write(struct traces *traces, unsigned stream, uint16_t id, uint32_t arg, uint64_t actor, uint64_t message);

/* Writes count events `over_budget` of worker 0, with arg counting from `from`. */
void traces_fill(struct traces *traces, uint32_t from, uint32_t count);

/* How many files the directory holds whose names begin so; "." counts the hidden ones. */
unsigned traces_files(const struct traces *traces, const char *prefix);

/* Has a worker shown a file yet? For tests_wait_until(). */
bool traces_have_begun(void *traces);

/* A file of the trace, as it is; the caller frees it. */
char *traces_read(const struct traces *traces, const char *file, size_t *size);

/* Overwrites bytes of a file. */
void traces_patch(const struct traces *traces, const char *file, uint64_t offset, const void *bytes, size_t size);

/* Runs a child that writes until it is killed, once it has filled some segments of 4096 bytes. */
void traces_write_and_kill(struct traces *traces, enum tr_trace_mode mode);

/* How often a text holds a part. */
unsigned traces_count(const char *text, const char *part);

/* A program's end: its exit status, -1 if a signal ended it, and what it printed to both outputs. */
struct outcome {
    int status;
    char *text;
};

/* Runs a program that is looked for in PATH. words ends with NULL. The text is the caller's. */
struct outcome traces_run(const char *const *words);

/* Runs troupe-trace on the trace: up to five words before the directory, the unused ones NULL. */
struct outcome traces_tool(const struct traces *traces, const char *command, const char *a, const char *b,
                           const char *c, const char *d);

/* Runs troupe-trace with words, its name the first, and checks the exit status, and that the output holds a text. */
void traces_expect_run(const char *const *words, int status, const char *text);

/* Runs `troupe-trace command` and checks the exit status, and that the output holds a text; NULL: any. */
void traces_expect(const struct traces *traces, const char *command, int status, const char *text);

/* Checks that all events can be read, and that what `info --counts` says of them holds a text; NULL: any. */
void traces_expect_counts(const struct traces *traces, const char *text);

#endif
