/*
 * Full files that are replaced by their copies, and filled anew.
 */
#include "recorder_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "helpers.h"

/* -- A file system that can exchange names, or cannot. -- */

static atomic_bool exchanges;
static atomic_long kind; /* of file system */
static atomic_uint asked;

/* They take the place of the C library's. */

int
fstatfs(int fd, struct statfs *out)
{
    int answer = (int)syscall(SYS_fstatfs, fd, out);
    out->f_type = kind;
    return answer;
}

int
renameat2(int from, const char *from_name, int to, const char *to_name, unsigned flags)
{
    asked++;
    if (exchanges)
        return (int)syscall(SYS_renameat2, from, from_name, to, to_name, flags);
    errno = EINVAL;
    return -1;
}

static int
setup(void **state)
{
    exchanges = true;
    kind = EXT4_SUPER_MAGIC;
    asked = 0;
    return traces_setup(state);
}

static uint64_t
inode(const struct traces *traces, unsigned sequence)
{
    char path[400];
    struct stat status;
    snprintf(path, sizeof(path), "%s/worker-0.%08u", traces->directory, sequence);
    assert_int_equal(stat(path, &status), 0);
    return status.st_ino;
}

/* Each file has its events and no others, whatever it was before. */
static void
expect_segments(const struct traces *traces, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct file file = load_segment(traces, i);
        assert_int_equal(file.packet->packet_seq_num, i);
        assert_int_equal(file.count, FULL);
        for (unsigned j = 0; j < FULL; j++)
            assert_int_equal(file.records[j].arg, i * FULL + j);
        free(file.bytes);
    }
}

/* The second file is the first one that is made beside the first, so from the third on none is new. */
static void
what_is_full_is_replaced_by_a_copy_and_filled_anew(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, FULL);
    uint64_t first = inode(traces, 0);
    traces_fill(traces, FULL, FULL);
    uint64_t second = inode(traces, 1);
    traces_fill(traces, 2 * FULL, FULL);
    assert_int_equal(inode(traces, 2), first);
    assert_int_not_equal(inode(traces, 0), first);
    traces_fill(traces, 3 * FULL, FULL);
    assert_int_equal(inode(traces, 3), second);
    traces_close(traces);
    assert_int_equal(traces_files(traces, "."), 0);
    expect_segments(traces, 4);
}

static void
where_names_cannot_be_exchanged_each_file_stays_and_that_is_tried_once(void **state)
{
    struct traces *traces = *state;
    exchanges = false;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, FULL);
    uint64_t first = inode(traces, 0);
    traces_fill(traces, FULL, 4 * FULL);
    assert_int_equal(inode(traces, 0), first);
    assert_int_equal(asked, 1);
    traces_close(traces);
    assert_int_equal(traces_files(traces, "."), 0);
    expect_segments(traces, 5);
}

static void
where_who_lists_the_files_could_miss_one_each_stays(void **state)
{
    struct traces *traces = *state;
    kind = TMPFS_MAGIC;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, 3 * FULL);
    traces_close(traces);
    assert_int_equal(asked, 0);
    expect_segments(traces, 3);
}

/* -- What the file system does. -- */

#define MANY 2000u /* so that they are not listed at once */

static void
path_of(const char *directory, unsigned number, char path[400])
{
    snprintf(path, 400, "%s/worker-0.%08u", directory, number);
}

/* Reads so many entries. Was it among them? */
static bool
list(DIR *directory, unsigned most, const char *name)
{
    bool found = false;
    struct dirent *entry;
    for (unsigned i = 0; i < most && (entry = readdir(directory)) != NULL; i++)
        found |= strcmp(entry->d_name, name) == 0;
    return found;
}

static bool
finds_exchanged(const char *directory, unsigned number, unsigned before)
{
    char hidden[400], shown[400];
    snprintf(hidden, sizeof(hidden), "%s/.worker-0", directory);
    path_of(directory, number, shown);
    DIR *opened = opendir(directory);
    assert_non_null(opened);
    bool found = list(opened, before, strrchr(shown, '/') + 1);
    assert_int_equal(syscall(SYS_renameat2, AT_FDCWD, hidden, AT_FDCWD, shown, RENAME_EXCHANGE), 0);
    found |= list(opened, MANY + 3, strrchr(shown, '/') + 1);
    closedir(opened);
    return found;
}

static void
make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

/* Where the recorder relies on it. */
static void
a_listing_that_is_under_way_finds_a_name_that_is_exchanged_meanwhile(void **state)
{
    struct traces *traces = *state;
    char path[400];
    struct statfs system;
    assert_int_equal(syscall(SYS_statfs, traces->base, &system), 0);
    if (system.f_type != EXT4_SUPER_MAGIC && system.f_type != XFS_SUPER_MAGIC)
        skip();
    snprintf(path, sizeof(path), "%s/.worker-0", traces->base);
    make_file(path);
    for (unsigned i = 0; i < MANY; i++) {
        path_of(traces->base, i, path);
        make_file(path);
    }
    for (unsigned i = 1; i < 40; i++)
        assert_true(finds_exchanged(traces->base, i * MANY / 40, i * 7 % 40 * MANY / 40));
}

/* As many files as without copies: the four first ones, and five. */
static void
copies_are_files_of_the_limit(void **state)
{
    struct traces *traces = *state;
    for (unsigned i = 0; i < 2; i++) {
        exchanges = i == 0;
        traces_open(traces, TR_TRACE_FILE, 0, 9 * SEGMENT);
        traces_fill(traces, 0, 9 * FULL);
        traces_close(traces);
        assert_int_equal(traces_files(traces, "worker-0."), 6);
        struct file last = load_segment(traces, 5);
        assert_int_equal(last.packet->events_discarded, 3 * FULL);
        free(last.bytes);
        strcat(traces->directory, "-again");
    }
}

/* -- A snapshot meanwhile. -- */

static struct traces *overtakes; /* the copying of its first file */

static bool
is_first_file(int fd)
{
    char link[64], path[512] = "";
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    return readlink(link, path, sizeof(path) - 1) > 0 && strstr(path, "/copy/worker-0.00000000") != NULL;
}

/* Takes the place of the C library's, which a snapshot calls when it has read a file. */
int
ftruncate(int fd, off_t size)
{
    struct traces *traces = overtakes;
    if (traces != NULL && is_first_file(fd)) {
        overtakes = NULL;
        traces_fill(traces, FULL, 2 * FULL);
    }
    return (int)syscall(SYS_ftruncate, fd, size);
}

static void
a_snapshot_copies_again_what_was_replaced_when_it_had_read_it(void **state)
{
    struct traces *traces = *state, copy = *traces;
    snprintf(copy.directory, sizeof(copy.directory), "%s/copy", traces->base);
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, FULL);
    uint64_t first = inode(traces, 0);
    overtakes = traces;
    assert_int_equal(tri_trace_snapshot(traces->trace, copy.directory), TR_OK);
    assert_null(overtakes);
    assert_int_equal(inode(traces, 2), first);
    traces_close(traces);
    expect_segments(&copy, 1);
}

struct writing {
    struct traces *traces;
    atomic_bool stop;
    atomic_uint begun;
};

static void
write_on(void *argument)
{
    struct writing *writing = argument;
    for (uint32_t next = 0; !writing->stop; next += 50) {
        traces_fill(writing->traces, next, 50);
        writing->begun = next;
    }
}

static bool
has_files(void *argument)
{
    return ((struct writing *)argument)->begun > 3 * FULL;
}

/* All files that a snapshot begins with are in it, though they are replaced while it reads them. */
static void
expect_whole(const struct traces *copy)
{
    unsigned count = traces_files(copy, "worker-0.");
    assert_true(count >= 3);
    for (unsigned i = 0; i < count; i++) {
        struct file file = load_segment(copy, i);
        assert_int_equal(file.packet->packet_seq_num, i);
        for (unsigned j = 0; j < file.count && j < FULL; j++)
            assert_int_equal(file.records[j].arg, i * FULL + j);
        free(file.bytes);
    }
}

static void
a_snapshot_lacks_no_file_that_was_replaced_meanwhile(void **state)
{
    struct traces *traces = *state;
    struct tr_trace_options options = {
        .mode = TR_TRACE_FILE, .directory = traces->directory, .segment_bytes = SEGMENT, .wait_ms = 10000};
    assert_int_equal(tri_trace_open(&options, 2, &traces->trace), TR_OK);
    struct writing writing = {.traces = traces};
    struct traces copy = *traces;
    uv_thread_t thread;
    assert_int_equal(uv_thread_create(&thread, write_on, &writing), 0);
    assert_true(tests_wait_until(has_files, &writing, TESTS_LIMIT_MS));
    for (unsigned i = 0; i < 10; i++) {
        snprintf(copy.directory, sizeof(copy.directory), "%s/copy-%u", traces->base, i);
        assert_int_equal(tri_trace_snapshot(traces->trace, copy.directory), TR_OK);
    }
    writing.stop = true;
    uv_thread_join(&thread);
    traces_close(traces);
    for (unsigned i = 0; i < 10; i++) {
        snprintf(copy.directory, sizeof(copy.directory), "%s/copy-%u", traces->base, i);
        expect_whole(&copy);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_full_is_replaced_by_a_copy_and_filled_anew),
        TEST(where_names_cannot_be_exchanged_each_file_stays_and_that_is_tried_once),
        TEST(where_who_lists_the_files_could_miss_one_each_stays),
        TEST(a_listing_that_is_under_way_finds_a_name_that_is_exchanged_meanwhile),
        TEST(copies_are_files_of_the_limit),
        TEST(a_snapshot_copies_again_what_was_replaced_when_it_had_read_it),
        TEST(a_snapshot_lacks_no_file_that_was_replaced_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
