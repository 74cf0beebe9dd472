#include "recorder_files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "helpers.h"

struct file
load(const struct traces *traces, const char *name)
{
    size_t size;
    struct file file = {.bytes = traces_read(traces, name, &size)};
    assert_true(size >= sizeof(struct tri_trace_packet));
    file.packet = (const struct tri_trace_packet *)file.bytes;
    file.records = (const struct tri_trace_record *)(file.packet + 1);
    file.count = (size_t)(file.packet->content_size / 8 - sizeof(struct tri_trace_packet)) / TRI_TRACE_STEP;
    assert_int_equal(file.packet->magic, TRI_TRACE_MAGIC);
    assert_int_equal(file.packet->packet_size, size * 8);
    return file;
}

struct file
load_segment(const struct traces *traces, unsigned sequence)
{
    char name[40];
    snprintf(name, sizeof(name), "worker-0.%08u", sequence);
    struct file file = load(traces, name);
    assert_int_equal(file.packet->packet_seq_num, sequence);
    return file;
}

void
words_begin(struct words *words, const struct traces *traces)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/stderr", traces->base);
    words->saved = dup(STDERR_FILENO);
    words->log = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(words->log, STDERR_FILENO);
}

const char *
words_end(struct words *words)
{
    dup2(words->saved, STDERR_FILENO);
    ssize_t size = pread(words->log, words->text, sizeof(words->text) - 1, 0);
    words->text[size > 0 ? size : 0] = '\0';
    close(words->saved);
    close(words->log);
    return words->text;
}

bool
has_threads(void *count)
{
    return tests_threads() == *(int *)count;
}
