/*
 * What `troupe-trace pack` makes of a trace, and what is refused of a file that it cannot have made.
 */
#include "small_trace.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "helpers.h"
#include "timed.h"

#define DESCRIPTOR 4u /* the offset of the byte in which a frame says what it has; zstd keeps its bit 0x10 for later */

/* -- The file. -- */

static const char *
packed_path(const struct traces *traces)
{
    static char path[400];
    snprintf(path, sizeof(path), "%s.tar.zst", traces->directory);
    return path;
}

static int
teardown(void **state)
{
    static const char *const below[] = {"one", "two", "2", "3", "10"};
    struct traces *traces = *state;
    char path[400];
    unlink(packed_path(traces));
    for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", traces->directory, below[i]);
        tests_directory_remove(path);
    }
    return traces_teardown(state);
}

static void
pack(const struct traces *traces)
{
    traces_expect_run((const char *[]){TROUPE_TRACE, "pack", traces->directory, NULL}, 0, "times smaller");
}

/* More than one file, and more than one frame. */
static void
write_long(struct traces *traces)
{
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    traces_fill(traces, 0, 80 * FULL);
    traces_close(traces);
}

static unsigned char *
read_packed(const struct traces *traces, size_t *size)
{
    struct stat status;
    assert_int_equal(stat(packed_path(traces), &status), 0);
    *size = (size_t)status.st_size;
    unsigned char *bytes = malloc(*size);
    FILE *file = fopen(packed_path(traces), "r");
    assert_true(bytes != NULL && file != NULL);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static void
write_packed(const struct traces *traces, const void *bytes, size_t size)
{
    FILE *file = fopen(packed_path(traces), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void
expect_refusal(const struct traces *traces, const char *part)
{
    traces_expect_run((const char *[]){TROUPE_TRACE, "info", "--counts", packed_path(traces), NULL}, 2, part);
}

/* -- What is made. -- */

static void
every_command_prints_of_the_packed_form_what_it_prints_of_the_directory(void **state)
{
    static const char *const cases[][3] = {
        {"dump", "--json"}, {"stats", "--json"},      {"check"}, {"explain"}, {"timeline"},
        {"path", "0:1"},    {"export", "--to=chrome"}};
    struct traces *traces = *state;
    write_small(traces);
    pack(traces);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *a[6] = {TROUPE_TRACE, cases[i][0]}, *b[6] = {TROUPE_TRACE, cases[i][0]};
        size_t count = 2 + (cases[i][1] != NULL);
        a[2] = b[2] = cases[i][1];
        a[count] = traces->directory;
        b[count] = packed_path(traces);
        struct outcome plain = traces_run(a), packed = traces_run(b);
        assert_int_equal(plain.status, packed.status);
        if (strcmp(cases[i][0], "timeline") != 0 && strcmp(cases[i][0], "explain") != 0) /* which print the path */
            assert_string_equal(plain.text, packed.text);
        free(plain.text);
        free(packed.text);
    }
}

/* Returns what both are dumped as. */
static struct outcome
compare_dumps(const struct traces *traces)
{
    struct outcome plain = traces_tool(traces, "dump", "--json", NULL, NULL, NULL);
    struct outcome packed = traces_run((const char *[]){TROUPE_TRACE, "dump", "--json", packed_path(traces), NULL});
    assert_int_equal(plain.status, 0);
    assert_int_equal(packed.status, 0);
    assert_string_equal(plain.text, packed.text);
    free(plain.text);
    return packed;
}

static void
a_trace_of_many_frames_is_read_as_its_directory_is(void **state)
{
    struct traces *traces = *state;
    write_long(traces);
    pack(traces);
    free(compare_dumps(traces).text);
}

static void
tar_unpacks_the_same_files(void **state)
{
    struct traces *traces = *state;
    char command[2200];
    write_long(traces);
    pack(traces);
    snprintf(command, sizeof(command),
             "command -v zstd >/dev/null || exit 77; mkdir '%s/out' && zstd -dcq '%s' | tar xf - -C '%s/out' && "
             "diff -r '%s' '%s/out/trace'; s=$?; rm -rf '%s/out'; exit $s",
             traces->base, packed_path(traces), traces->base, traces->directory, traces->base, traces->base);
    int status = WEXITSTATUS(system(command));
    if (status == 77)
        skip(); /* the program zstd is not there */
    assert_int_equal(status, 0);
}

static void
pack_refuses_to_overwrite_and_leaves_what_is_there(void **state)
{
    struct traces *traces = *state;
    size_t size;
    write_small(traces);
    write_packed(traces, "mine", 4);
    traces_expect_run((const char *[]){TROUPE_TRACE, "pack", traces->directory, NULL}, 2,
                      "is there already, and is left");
    unsigned char *bytes = read_packed(traces, &size);
    assert_int_equal(size, 4);
    assert_memory_equal(bytes, "mine", 4);
    free(bytes);
}

static void
what_is_packed_is_neither_packed_again_nor_followed_nor_looked_at_by_top(void **state)
{
    struct traces *traces = *state;
    write_small(traces);
    pack(traces);
    traces_expect_run((const char *[]){TROUPE_TRACE, "pack", packed_path(traces), NULL}, 2, "is packed already");
    traces_expect_run((const char *[]){TROUPE_TRACE, "follow", packed_path(traces), NULL}, 2, "nothing will be added");
    traces_expect_run((const char *[]){TROUPE_TRACE, "top", packed_path(traces), NULL}, 2, "nothing will be added");
}

static void
a_pack_that_fails_says_why_and_leaves_no_file(void **state)
{
    struct traces *traces = *state;
    char command[1200];
    write_long(traces);
    snprintf(command, sizeof(command),
             "trap '' XFSZ; ulimit -f 1; '%s' pack '%s'; status=$?; ls '%s' | grep tar && exit 9; exit $status",
             TROUPE_TRACE, traces->directory, traces->base);
    struct outcome outcome = traces_run((const char *[]){"sh", "-c", command, NULL});
    assert_int_equal(outcome.status, 2);
    assert_non_null(strstr(outcome.text, ".tar.zst cannot be written: File too large\n"));
    assert_int_equal(traces_count(outcome.text, "\n"), 1);
    free(outcome.text);
    traces_expect_counts(traces, "over_budget");
}

/* -- Several processes. -- */

#define OF_CLUSTER "    boot = \"a\";\n    cluster = \"c\";\n"
#define OF_ANOTHER_MACHINE "    boot = \"b\";\n    cluster = \"c\";\n"

/* An actor sends itself a message, in the sub-directory of that name; "": in the trace's directory. */
static void
write_process(const struct traces *traces, const char *below, uint8_t number, const char *lines)
{
    char path[400];
    uint64_t actor = TRI_TRACE_REF(number % 2, 7, 3), message = TRI_TRACE_MESSAGE(number % 2, 1);
    snprintf(path, sizeof(path), "%s/%s", traces->directory, below);
    timed_begin();
    timed_name(below[0] == '\0' ? "first" : below); /* so that the numbers of names differ */
    timed_spawn(number * MS, actor, "echo");
    timed_send(number * MS + US, actor, message, 5);
    timed_receive(number * MS + 2 * US, actor, message, 5);
    timed_process(number, lines);
    timed_end(path, true);
}

static void
write_cluster(const struct traces *traces)
{
    write_process(traces, "", 1, OF_CLUSTER);
    write_process(traces, "10", 3, OF_ANOTHER_MACHINE);
    write_process(traces, "2", 2, OF_CLUSTER);
}

static void
the_processes_of_a_cluster_are_packed_together_and_read_as_their_directory_is(void **state)
{
    struct traces *traces = *state;
    write_cluster(traces);
    pack(traces);
    struct outcome outcome = compare_dumps(traces);
    assert_int_equal(traces_count(outcome.text, "\n"), 9);
    assert_int_equal(traces_count(outcome.text, "\"process\":2,"), 3);
    assert_int_equal(traces_count(outcome.text, "\"process\":10,"), 3);
    free(outcome.text);
    traces_expect_run((const char *[]){TROUPE_TRACE, "info", packed_path(traces), NULL}, 0, "trace.tar.zst/10\n");
    traces_expect_run((const char *[]){TROUPE_TRACE, "diff", traces->directory, packed_path(traces), NULL}, 0, "");
}

static void
traces_below_a_directory_without_one_are_packed_together(void **state)
{
    struct traces *traces = *state;
    mkdir(traces->directory, 0700);
    write_process(traces, "one", 1, NULL);
    write_process(traces, "two", 2, NULL);
    pack(traces);
    struct outcome outcome = compare_dumps(traces);
    assert_int_equal(traces_count(outcome.text, "\n"), 6);
    free(outcome.text);
}

static void
a_sub_directory_that_is_not_read_with_the_directory_is_not_packed(void **state)
{
    struct traces *traces = *state;
    write_cluster(traces);
    write_process(traces, "3", 4, NULL);
    traces_expect_run((const char *[]){TROUPE_TRACE, "pack", traces->directory, NULL}, 0, "traces of their own: 3\n");
    struct outcome outcome = traces_run((const char *[]){TROUPE_TRACE, "dump", packed_path(traces), NULL});
    assert_int_equal(traces_count(outcome.text, "\n"), 9); /* and nothing is mentioned */
    assert_int_equal(traces_count(outcome.text, " 3/"), 0);
    free(outcome.text);
}

static void
a_packed_trace_is_read_together_with_a_directory(void **state)
{
    struct traces *traces = *state;
    char path[400];
    write_process(traces, "", 1, OF_CLUSTER);
    pack(traces);
    snprintf(path, sizeof(path), "%s/one", traces->directory);
    write_process(traces, "one", 2, OF_CLUSTER);
    struct outcome outcome = traces_run((const char *[]){TROUPE_TRACE, "dump", path, packed_path(traces), NULL});
    assert_int_equal(outcome.status, 0);
    assert_int_equal(traces_count(outcome.text, "  1/0  "), 3);
    assert_int_equal(traces_count(outcome.text, "  2/1  "), 3);
    free(outcome.text);
}

/* -- Damage. -- */

static void
a_packed_file_that_is_cut_off_anywhere_is_refused(void **state)
{
    struct traces *traces = *state;
    size_t size;
    write_small(traces);
    pack(traces);
    unsigned char *bytes = read_packed(traces, &size);
    for (size_t i = 0; i <= 16; i++) {
        write_packed(traces, bytes, (size - 1) * i / 16);
        expect_refusal(traces, "troupe-trace: ");
    }
    free(bytes);
}

/* Some bits mean nothing to zstd: those that fill up its last byte of codes, and one that it keeps for later. */
static void
a_flipped_bit_is_refused_or_changes_nothing_that_is_read(void **state)
{
    struct traces *traces = *state;
    unsigned refused = 0, harmless = 0;
    size_t size;
    write_small(traces);
    pack(traces);
    unsigned char *bytes = read_packed(traces, &size);
    struct outcome plain = traces_tool(traces, "dump", "--json", NULL, NULL, NULL);
    assert_int_equal(plain.status, 0);
    for (size_t i = 0; i < size; i += i == 0 ? DESCRIPTOR : size / 40) {
        bytes[i] ^= 0x10;
        write_packed(traces, bytes, size);
        struct outcome outcome =
            traces_run((const char *[]){TROUPE_TRACE, "dump", "--json", packed_path(traces), NULL});
        bool same = outcome.status == 0 && strcmp(outcome.text, plain.text) == 0;
        if (!same && (outcome.status != 2 || strstr(outcome.text, ": offset ") == NULL))
            fail_msg("byte %zu of %zu: dump ended with %d:\n%s", i, size, outcome.status, outcome.text);
        refused += !same;
        harmless += same;
        free(outcome.text);
        bytes[i] ^= 0x10;
    }
    assert_true(harmless > 0 && refused > 30);
    free(plain.text);
    free(bytes);
}

/* The table says how large things are, and claims may be terabytes. */
static void
claims_of_the_table_that_cannot_be_true_are_refused_with_their_offset(void **state)
{
    static const struct {
        unsigned from_end;
        unsigned char bytes[4];
        const char *said;
    } cases[] = {
        {9, {0xff, 0xff, 0xff, 0xff}, "frames is impossible"},
        {9, {0, 0, 0, 0}, "frames is impossible"},
        {5, {0x80, 0xb1, 0xea, 0x92}, "the table of frames is of another kind"},
        {13, {0xff, 0xff, 0xff, 0xff}, "cannot hold 4294967295 bytes"},
        {13, {0, 4, 0, 0}, "does not have the size that the table says"},
        {17, {0xff, 0xff, 0xff, 0x7f}, "cannot have 2147483647 bytes"},
        {17, {9, 0, 0, 0}, "no frame is said to be here"},
    };
    struct traces *traces = *state;
    size_t size;
    write_small(traces);
    pack(traces);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char *bytes = read_packed(traces, &size), *whole = malloc(size);
        assert_non_null(whole);
        memcpy(whole, bytes, size);
        memcpy(bytes + size - cases[i].from_end, cases[i].bytes, 4);
        write_packed(traces, bytes, size);
        expect_refusal(traces, cases[i].said);
        write_packed(traces, whole, size);
        free(bytes);
        free(whole);
    }
}

/* -- A tar of the test's own, in frames that zstd makes as troupe-trace does. -- */

struct entry {
    const char *name;
    char type;
    const char *size; /* in octal digits; NULL: as it is */
};

static size_t
put_entry(unsigned char *tar, const struct entry *entry)
{
    char *header = (char *)tar;
    unsigned sum = 0;
    memset(tar, 0, 1024);
    snprintf(header, 100, "%s", entry->name);
    snprintf(header + 124, 12, "%s", entry->size != NULL ? entry->size : "00000000001");
    memcpy(header + 257, "ustar", 6);
    memset(header + 148, ' ', 8);
    header[156] = entry->type;
    for (size_t i = 0; i < 512; i++)
        sum += tar[i];
    snprintf(header + 148, 7, "%06o", sum);
    tar[512] = 'x';
    return 1024;
}

static void
put_number(unsigned char *out, size_t number)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (unsigned char)(number >> (8 * i));
}

/* A frame that holds its bytes as they are: the program zstd puts no size and another checksum into what it is
 * piped. */
static bool
write_tar(const struct traces *traces, const unsigned char *tar, size_t size)
{
    unsigned char table[25] = {0};
    char command[900], plain[400];
    struct stat status;
    snprintf(plain, sizeof(plain), "%s.tar", traces->directory);
    FILE *file = fopen(plain, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(tar, 1, size, file), size);
    fclose(file);
    snprintf(command, sizeof(command), "command -v zstd >/dev/null && zstd -qf --check '%s' -o '%s'", plain,
             packed_path(traces));
    bool done = system(command) == 0;
    unlink(plain);
    if (!done)
        return false;
    assert_int_equal(stat(packed_path(traces), &status), 0);
    put_number(table, 0x184d2a5e);
    put_number(table + 4, 17);
    put_number(table + 8, (size_t)status.st_size);
    put_number(table + 12, size);
    put_number(table + 16, 1);
    put_number(table + 21, 0x8f92eab1);
    file = fopen(packed_path(traces), "a");
    assert_non_null(file);
    assert_int_equal(fwrite(table, 1, sizeof(table), file), sizeof(table));
    fclose(file);
    return true;
}

static void
a_tar_that_pack_does_not_write_is_refused_with_the_byte(void **state)
{
    static const struct {
        struct entry first, second;
        const char *said;
    } cases[] = {
        {{"t/metadata", '0', NULL},
         {"t/metadata", '0', NULL},
         "byte 1024 of the tar in it: a file that is there twice"},
        {{"t/metadata", '0', NULL}, {"u/other", '0', NULL}, "byte 1024 of the tar in it: a file of another folder"},
        {{"../metadata", '0', NULL}, {"t/b", '0', NULL}, "byte 0 of the tar in it: a name that leads elsewhere"},
        {{"t/../metadata", '0', NULL}, {"t/b", '0', NULL}, "a name that leads elsewhere"},
        {{"t/u/../b", '0', NULL}, {"t/b", '0', NULL}, "a name that leads elsewhere"},
        {{"t/u/v/b", '0', NULL}, {"t/b", '0', NULL}, "a name that leads elsewhere"},
        {{"t/u/", '0', NULL}, {"t/b", '0', NULL}, "a name that leads elsewhere"},
        {{"t//b", '0', NULL}, {"t/b", '0', NULL}, "a name that leads elsewhere"},
        {{"t/u/metadata", '0', NULL}, {"t/b", '0', NULL}, "holds no file `metadata`"},
        {{"t/2/metadata", '0', NULL}, {"t/2", '0', NULL}, "holds no file `metadata`"},
        {{"/metadata", '0', NULL}, {"t/b", '0', NULL}, "a name that is not of the form folder/file"},
        {{"metadata", '0', NULL}, {"t/b", '0', NULL}, "a name that is not of the form folder/file"},
        {{"t/metadata", '2', NULL}, {"t/b", '0', NULL}, "something that is no regular file"},
        {{"t/metadata", '0', "77777777777"}, {"t/b", '0', NULL}, "a file that is larger than what is there"},
        {{"t/metadata", '0', "x"}, {"t/b", '0', NULL}, "a file that is larger than what is there"},
        {{"t/a", '0', NULL}, {"t/b", '0', NULL}, "holds no file `metadata`"},
        {{"t/metadata", '0', NULL}, {"t/b", '0', NULL}, "metadata: offset 0: does not begin with"},
    };
    struct traces *traces = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char tar[3072] = {0};
        size_t size = put_entry(tar, &cases[i].first);
        put_entry(tar + size, &cases[i].second);
        if (!write_tar(traces, tar, sizeof(tar)))
            skip(); /* the program zstd is not there */
        expect_refusal(traces, cases[i].said);
    }
}

static void
a_tar_without_an_end_is_refused(void **state)
{
    struct traces *traces = *state;
    unsigned char tar[1024];
    put_entry(tar, &(struct entry){"t/metadata", '0', NULL});
    if (!write_tar(traces, tar, sizeof(tar)))
        skip(); /* the program zstd is not there */
    expect_refusal(traces, "byte 1024 of the tar in it: the tar is cut off");
}

/* A build without libzstd says so. */
static bool
can_pack(void)
{
    char base[256], path[300];
    if (!tests_directory_make(base, sizeof(base)))
        return false;
    snprintf(path, sizeof(path), "%s/none", base);
    struct outcome outcome = traces_run((const char *[]){TROUPE_TRACE, "pack", path, NULL});
    bool can = strstr(outcome.text, "was built without libzstd") == NULL;
    free(outcome.text);
    tests_directory_remove(base);
    return can;
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_command_prints_of_the_packed_form_what_it_prints_of_the_directory),
        TEST(a_trace_of_many_frames_is_read_as_its_directory_is),
        TEST(tar_unpacks_the_same_files),
        TEST(pack_refuses_to_overwrite_and_leaves_what_is_there),
        TEST(what_is_packed_is_neither_packed_again_nor_followed_nor_looked_at_by_top),
        TEST(a_pack_that_fails_says_why_and_leaves_no_file),
        TEST(the_processes_of_a_cluster_are_packed_together_and_read_as_their_directory_is),
        TEST(traces_below_a_directory_without_one_are_packed_together),
        TEST(a_sub_directory_that_is_not_read_with_the_directory_is_not_packed),
        TEST(a_packed_trace_is_read_together_with_a_directory),
        TEST(a_packed_file_that_is_cut_off_anywhere_is_refused),
        TEST(a_flipped_bit_is_refused_or_changes_nothing_that_is_read),
        TEST(claims_of_the_table_that_cannot_be_true_are_refused_with_their_offset),
        TEST(a_tar_that_pack_does_not_write_is_refused_with_the_byte),
        TEST(a_tar_without_an_end_is_refused),
    };
    if (!can_pack()) {
        puts("skipped: troupe-trace was built without libzstd");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
