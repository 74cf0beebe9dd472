#include "sysfile.h"

#include "helpers.h"
#include "tree.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LONGEST                                                                                                        \
    (sizeof(((struct tri_lines *)NULL)->text) - 1) /* bytes of a line that still fits, its end not counted */

struct fixture {
    char root[TREE_ROOT_SIZE];
    char path[2 * TREE_ROOT_SIZE];
    struct tri_lines lines;
};

static struct fixture fixture;

static int
open_fixture(void **state)
{
    struct fixture *f = &fixture;
    tree_make(f->root);
    snprintf(f->path, sizeof(f->path), "%.*s/file", TREE_ROOT_SIZE, f->root);
    *state = f;
    return 0;
}

static int
close_fixture(void **state)
{
    tree_remove(((struct fixture *)*state)->root);
    return 0;
}

static void
children_do_not_inherit_what_is_opened(void **state)
{
    struct fixture *f = *state;
    int fds = tests_open_fds();
    int fd = tri_sysfile_open(f->root); /* a directory will do */
    assert_true(fd >= 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    tri_sysfile_close(fd);
    tri_sysfile_close(-1);
    assert_int_equal(tri_sysfile_open(f->path), -1);
    assert_int_equal(tests_open_fds(), fds);
}

static void
a_file_s_beginning_is_as_much_as_there_is_room_for(void **state)
{
    struct fixture *f = *state;
    char text[6] = "xxxxx";
    tri_sysfile_read(f->path, text, sizeof(text));
    assert_string_equal(text, "");
    tree_put(f->root, "/file", "abcdefgh");
    tri_sysfile_read(f->path, text, sizeof(text));
    assert_string_equal(text, "abcde");
    tri_sysfile_read(f->path, text, 2);
    assert_string_equal(text, "a");
    tri_sysfile_read(f->root, text, sizeof(text)); /* a directory can be opened and not read */
    assert_string_equal(text, "");
}

/* Which lines come of a file: those that are expected, and no more. */
static void
expect_lines(struct fixture *f, const char *const *expected, size_t count)
{
    int fds = tests_open_fds();
    tri_lines_open(&f->lines, f->path);
    for (size_t i = 0; i < count; i++) {
        const char *line = tri_lines_next(&f->lines);
        assert_non_null(line);
        assert_string_equal(line, expected[i]);
    }
    assert_null(tri_lines_next(&f->lines));
    tri_lines_close(&f->lines);
    assert_int_equal(tests_open_fds(), fds);
}

static void
lines_come_without_their_ends_and_the_last_needs_none(void **state)
{
    struct fixture *f = *state;
    static const char *const expected[] = {"one", "", "three", "last"};
    expect_lines(f, NULL, 0); /* there is no file */
    tree_put(f->root, "/file", "");
    expect_lines(f, NULL, 0);
    tree_put(f->root, "/file", "one\n\nthree\nlast");
    expect_lines(f, expected, 4);
    tree_put(f->root, "/file", "one\n\nthree\nlast\n");
    expect_lines(f, expected, 4);
}

/* A line of so many bytes between two others. What does not fit is left out whole: its rest is no line either. */
static void
a_line_that_does_not_fit_is_left_out(void **state)
{
    struct fixture *f = *state;
    static char text[5 * LONGEST], line[4 * LONGEST];
    static const size_t sizes[] = {LONGEST - 1, LONGEST, LONGEST + 1, 2 * LONGEST, 2 * LONGEST + 7, 3 * LONGEST};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const char *const expected[] = {"before", line, "after"}, *const without[] = {"before", "after"};
        memset(line, 'x', sizes[i]);
        line[sizes[i]] = '\0';
        snprintf(text, sizeof(text), "before\n%s\nafter\n", line);
        tree_put(f->root, "/file", text);
        if (sizes[i] < LONGEST)
            expect_lines(f, expected, 3);
        else
            expect_lines(f, without, 2);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(children_do_not_inherit_what_is_opened),
        TEST(a_file_s_beginning_is_as_much_as_there_is_room_for),
        TEST(lines_come_without_their_ends_and_the_last_needs_none),
        TEST(a_line_that_does_not_fit_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
