/*
 * Files that the recorder replaces while they are read.
 */
#include "source.h"
#include "traces.h"

#include <errno.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/vfs.h>

#include <cmocka.h>

/* Takes the place of the C library's: the recorder shall take any file system for one on which it makes copies. */
int
fstatfs(int fd, struct statfs *out)
{
    (void)fd;
    *out = (struct statfs){.f_type = EXT4_SUPER_MAGIC};
    return 0;
}

static struct tri_trace_record
read_record(const struct source *source, struct kept *kept, const char *name, uint64_t number)
{
    struct tri_trace_record record;
    uint64_t offset = sizeof(struct tri_trace_packet) + number * sizeof(record);
    assert_int_equal(source_read_on(source, kept, name, offset, &record, sizeof(record)), sizeof(record));
    return record;
}

/* The file that was opened holds the third segment by now. */
static void
one_who_reads_on_reads_the_copy_of_a_file_that_is_filled_anew(void **state)
{
    struct traces *traces = *state;
    struct source source;
    struct kept kept = {0};
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, FULL);
    source_open(&source, traces->directory);
    assert_int_equal(read_record(&source, &kept, "worker-0.00000000", 0).arg, 0);
    traces_fill(traces, FULL, 2 * FULL);
    for (unsigned i = 1; i < FULL; i++)
        assert_int_equal(read_record(&source, &kept, "worker-0.00000000", i).arg, i);
    kept_close(&kept);
    source_close(&source);
    traces_close(traces);
}

/* The flight recorder has hidden it, and fills it anew. */
static void
a_file_whose_name_is_gone_is_not_read_any_more(void **state)
{
    struct traces *traces = *state;
    struct source source;
    struct kept kept = {0};
    struct tri_trace_record record;
    uint64_t offset = sizeof(struct tri_trace_packet);
    size_t done;
    traces_open(traces, TR_TRACE_FLIGHT, 2, 0);
    traces_fill(traces, 0, FULL);
    source_open(&source, traces->directory);
    assert_true(source_read_there(&source, &kept, "worker-0.00000000", offset, &record, sizeof(record), &done));
    assert_int_equal(record.arg, 0);
    traces_fill(traces, FULL, 2 * FULL);
    assert_false(source_read_there(&source, &kept, "worker-0.00000000", offset, &record, sizeof(record), &done));
    assert_int_equal(errno, ENOENT);
    assert_false(kept.open);
    source_close(&source);
    traces_close(traces);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_who_reads_on_reads_the_copy_of_a_file_that_is_filled_anew, traces_setup,
                                        traces_teardown),
        cmocka_unit_test_setup_teardown(a_file_whose_name_is_gone_is_not_read_any_more, traces_setup, traces_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
