#include "traces.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/trace.h>
#include <troupe/actors/watch.h>
#include <troupe/net/trace.h>

#include "../../net/base/tags.h"
#include "helpers.h"

extern char **environ;

static const struct tri_trace_event actors_events[] = {TRI_TRACE_ACTORS_EVENTS(TRI_TRACE_DESCRIPTION)};
static const struct tri_trace_event net_events[] = {TRI_TRACE_NET_EVENTS(TRI_TRACE_DESCRIPTION)};

#define TAG(name) {TRI_TAG_##name, #name},
static const struct tri_trace_tag net_tags[] = {TRI_NET_TAGS(TAG) TRI_PIPE_TAGS(TAG)};
#undef TAG

static const struct tri_trace_tag actors_tags[] = {{TR_TAG_DOWN, "DOWN"}};

static const struct tri_trace_table actors_table = {
    .events = actors_events,
    .event_count = sizeof(actors_events) / sizeof(actors_events[0]),
    .tags = actors_tags,
    .tag_count = sizeof(actors_tags) / sizeof(actors_tags[0]),
};

static const struct tri_trace_table net_table = {
    .events = net_events,
    .event_count = sizeof(net_events) / sizeof(net_events[0]),
    .tags = net_tags,
    .tag_count = sizeof(net_tags) / sizeof(net_tags[0]),
};

int
traces_setup(void **state)
{
    struct traces *traces = calloc(1, sizeof(*traces));
    if (traces == NULL || !tests_directory_make(traces->base, sizeof(traces->base)))
        return -1;
    snprintf(traces->directory, sizeof(traces->directory), "%s/trace", traces->base);
    unsetenv("TR_TRACE");
    *state = traces;
    return 0;
}

int
traces_teardown(void **state)
{
    struct traces *traces = *state;
    unsetenv("TR_TRACE");
    tri_trace_close(traces->trace);
    tests_directory_remove(traces->directory);
    tests_directory_remove(traces->base);
    free(traces);
    return 0;
}

void
traces_open(struct traces *traces, enum tr_trace_mode mode, unsigned segments, uint64_t limit_bytes)
{
    struct tr_trace_options options = {
        .mode = mode,
        .directory = traces->directory,
        .segment_bytes = SEGMENT,
        .segments = segments,
        .limit_bytes = limit_bytes,
        .wait_ms = TESTS_LIMIT_MS, /* what is lost is for the test to say, not for the machine */
    };
    assert_int_equal(tri_trace_open(&options, 2, &traces->trace), TR_OK);
    assert_non_null(traces->trace);
}

void
traces_declare_layers(struct tri_trace *trace)
{
    tri_trace_declare(trace, 0, &actors_table);
    tri_trace_declare(trace, 0, &net_table);
}

void
traces_close(struct traces *traces)
{
    tri_trace_close(traces->trace);
    traces->trace = NULL;
}

void
traces_write(struct traces *traces, unsigned stream, uint16_t id, uint32_t arg, uint64_t actor, uint64_t message)
{
    if (stream == TRI_TRACE_OUTSIDE)
        tri_trace_write_outside(traces->trace, id, 0, arg, actor, message);
    else
        tri_trace(tri_trace_stream_of(traces->trace, stream), id, 0, arg, actor, message);
}

void
traces_fill(struct traces *traces, uint32_t from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        traces_write(traces, 0, TRI_TRACE_CORE_over_budget, from + i, 0, 0);
}

unsigned
traces_files(const struct traces *traces, const char *prefix)
{
    unsigned count = 0;
    DIR *directory = opendir(traces->directory);
    if (directory == NULL)
        return 0;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        bool real = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
        count += real && strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    }
    closedir(directory);
    return count;
}

static int
open_file(const struct traces *traces, const char *file, int flags)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", traces->directory, file);
    int fd = open(path, flags, 0666);
    assert_true(fd >= 0);
    return fd;
}

/* All that can be read; a zero byte follows it. */
static char *
read_all(int fd, size_t *size)
{
    size_t room = 4096;
    char *bytes = malloc(room);
    *size = 0;
    for (;;) {
        assert_non_null(bytes);
        ssize_t got = read(fd, bytes + *size, room - *size - 1);
        assert_true(got >= 0);
        if (got == 0)
            break;
        *size += (size_t)got;
        if (*size == room - 1)
            bytes = realloc(bytes, room *= 2);
    }
    bytes[*size] = '\0';
    return bytes;
}

char *
traces_read(const struct traces *traces, const char *file, size_t *size)
{
    int fd = open_file(traces, file, O_RDONLY);
    char *bytes = read_all(fd, size);
    close(fd);
    return bytes;
}

void
traces_patch(const struct traces *traces, const char *file, uint64_t offset, const void *bytes, size_t size)
{
    int fd = open_file(traces, file, O_WRONLY);
    assert_int_equal(pwrite(fd, bytes, size, (off_t)offset), size);
    close(fd);
}

/* The child: actor 0:1.1 sends to actor 1:1.1, which receives, for ever. */
_Noreturn static void
write_for_ever(struct traces *traces, enum tr_trace_mode mode)
{
    uint64_t first = TRI_TRACE_REF(0, 1, 1), second = TRI_TRACE_REF(1, 1, 1);
    traces_open(traces, mode, 4, 64u << 20);
    traces_declare_layers(traces->trace);
    uint32_t name = tri_trace_name(traces->trace, "endless");
    traces_write(traces, 0, TRI_TRACE_ACTORS_spawn, name, first, 0);
    traces_write(traces, 1, TRI_TRACE_ACTORS_spawn, name, second, first);
    for (;;) {
        uint64_t message = tri_trace_message_id(tri_trace_stream_of(traces->trace, 0));
        traces_write(traces, 0, TRI_TRACE_ACTORS_send, 1, first, message);
        traces_write(traces, 1, TRI_TRACE_ACTORS_receive, 1, second, message);
    }
}

/* Packet 10 of worker 1 has been begun; the flight recorder hides what is older. */
static bool
has_written_enough(void *argument)
{
    const struct traces *traces = argument;
    char path[600];
    for (unsigned packet = 10; packet < 10000; packet++) {
        snprintf(path, sizeof(path), "%s/worker-1.%08u", traces->directory, packet);
        if (access(path, F_OK) == 0)
            return true;
    }
    return false;
}

void
traces_write_and_kill(struct traces *traces, enum tr_trace_mode mode)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        write_for_ever(traces, mode);
    bool enough = tests_wait_until(has_written_enough, traces, TESTS_LIMIT_MS);
    int status;
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(enough);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

unsigned
traces_count(const char *text, const char *part)
{
    unsigned count = 0;
    size_t length = strlen(part);
    for (const char *at = strchr(text, part[0]); at != NULL; at = strchr(at + 1, part[0]))
        count += strncmp(at, part, length) == 0; /* a sanitizer's strstr() measures the whole text each time */
    return count;
}

struct outcome
traces_run(const char *const *words)
{
    int ends[2];
    pid_t child;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    int error = posix_spawnp(&child, words[0], &actions, NULL, (char *const *)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    assert_int_equal(error, 0);

    size_t size;
    int status;
    struct outcome outcome = {.text = read_all(ends[0], &size)};
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return outcome;
}

struct outcome
traces_tool(const struct traces *traces, const char *command, const char *a, const char *b, const char *c,
            const char *d)
{
    const char *words[8] = {TROUPE_TRACE, command};
    const char *more[] = {a, b, c, d};
    size_t count = 2;
    for (size_t i = 0; i < 4 && more[i] != NULL; i++)
        words[count++] = more[i];
    words[count] = traces->directory;
    return traces_run(words);
}

static void
check_outcome(struct outcome outcome, const char *command, int status, const char *text)
{
    if (outcome.status != status || (text != NULL && strstr(outcome.text, text) == NULL))
        fail_msg("troupe-trace %s ended with %d instead of %d, or did not say \"%s\":\n%s", command, outcome.status,
                 status, text != NULL ? text : "", outcome.text);
    free(outcome.text);
}

void
traces_expect_run(const char *const *words, int status, const char *text)
{
    check_outcome(traces_run(words), words[1], status, text);
}

void
traces_expect(const struct traces *traces, const char *command, int status, const char *text)
{
    check_outcome(traces_tool(traces, command, NULL, NULL, NULL, NULL), command, status, text);
}

void
traces_expect_counts(const struct traces *traces, const char *text)
{
    check_outcome(traces_tool(traces, "info", "--counts", NULL, NULL, NULL), "info --counts", 0, text);
}

bool
traces_have_begun(void *traces)
{
    return traces_files(traces, "worker-") > 0;
}
