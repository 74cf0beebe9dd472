/*
 * What a process may use of the CPUs' time, read from trees of files as various systems and containers show them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota.h"
#include "tree.h"
#include <cmocka.h>

#define MOUNT_V2 "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
#define MOUNT_V1 "31 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:8 - cgroup cgroup rw,cpu,cpuacct\n"
#define GROUP_V1 "4:memory:/other\n3:cpu,cpuacct:/a/b\n1:name=systemd:/a\n"

struct file {
    const char *path, *text;
};

struct system {
    const char *what;
    struct file files[8];
    unsigned cpus;
};

#define OWN_V2                                                                                                         \
    {                                                                                                                  \
        "/proc/self/cgroup", "0::/a/b\n"                                                                               \
    }
#define MOUNTED_V2                                                                                                     \
    {                                                                                                                  \
        "/proc/self/mountinfo", MOUNT_V2                                                                               \
    }
#define OWN_V1                                                                                                         \
    {                                                                                                                  \
        "/proc/self/cgroup", GROUP_V1                                                                                  \
    }
#define MOUNTED_V1                                                                                                     \
    {                                                                                                                  \
        "/proc/self/mountinfo", MOUNT_V1                                                                               \
    }

#define B_MAX "/sys/fs/cgroup/a/b/cpu.max"
#define A_MAX "/sys/fs/cgroup/a/cpu.max"
#define TOP_MAX "/sys/fs/cgroup/cpu.max"
#define B_QUOTA "/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us"
#define B_PERIOD "/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us"
#define A_QUOTA "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us"
#define A_PERIOD "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us"

static const struct system systems[] = {
    {"nothing at all", {{0}}, 0},
    {"no quota", {OWN_V2, MOUNTED_V2, {B_MAX, "max 100000\n"}}, 0},
    {"its own quota", {OWN_V2, MOUNTED_V2, {B_MAX, "400000 100000\n"}}, 4},
    {"a group above is tighter", {OWN_V2, MOUNTED_V2, {B_MAX, "400000 100000\n"}, {A_MAX, "30000 10000\n"}}, 3},
    {"the group itself is tighter", {OWN_V2, MOUNTED_V2, {B_MAX, "200000 100000\n"}, {A_MAX, "30000 10000\n"}}, 2},
    {"only the top has one", {OWN_V2, MOUNTED_V2, {B_MAX, "max 100000\n"}, {TOP_MAX, "200000 100000\n"}}, 2},
    {"a half is rounded down", {OWN_V2, MOUNTED_V2, {B_MAX, "150000 100000\n"}}, 1},
    {"nearly two", {OWN_V2, MOUNTED_V2, {B_MAX, "199999 100000\n"}}, 1},
    {"a part of a CPU is one", {OWN_V2, MOUNTED_V2, {B_MAX, "1000 100000\n"}}, 1},
    {"an odd period", {OWN_V2, MOUNTED_V2, {B_MAX, "99999 33333\n"}}, 3},
    {"no end of the line", {OWN_V2, MOUNTED_V2, {B_MAX, "400000 100000"}}, 4},
    {"more than there are CPUs", {OWN_V2, MOUNTED_V2, {B_MAX, "99999999999999999999999999 1\n"}}, UINT32_MAX},
    {"a file of version 1 without its hierarchy",
     {OWN_V2, MOUNTED_V2, {"/sys/fs/cgroup/a/b/cpu.cfs_quota_us", "1"}},
     0},

    {"no period", {OWN_V2, MOUNTED_V2, {B_MAX, "400000\n"}}, 0},
    {"a period of nothing", {OWN_V2, MOUNTED_V2, {B_MAX, "400000 0\n"}}, 0},
    {"a quota of nothing", {OWN_V2, MOUNTED_V2, {B_MAX, "0 100000\n"}}, 0},
    {"a negative quota", {OWN_V2, MOUNTED_V2, {B_MAX, "-400000 100000\n"}}, 0},
    {"a negative period", {OWN_V2, MOUNTED_V2, {B_MAX, "400000 -100000\n"}}, 0},
    {"no numbers", {OWN_V2, MOUNTED_V2, {B_MAX, "many few\n"}}, 0},
    {"an empty file", {OWN_V2, MOUNTED_V2, {B_MAX, ""}}, 0},
    {"garbage beside a quota", {OWN_V2, MOUNTED_V2, {B_MAX, "\x01\xff 7"}, {A_MAX, "300000 100000\n"}}, 3},

    {"version 1", {OWN_V1, MOUNTED_V1, {B_QUOTA, "400000\n"}, {B_PERIOD, "100000\n"}}, 4},
    {"version 1, no quota", {OWN_V1, MOUNTED_V1, {B_QUOTA, "-1\n"}, {B_PERIOD, "100000\n"}}, 0},
    {"version 1, above",
     {OWN_V1, MOUNTED_V1, {B_QUOTA, "-1\n"}, {B_PERIOD, "100000\n"}, {A_QUOTA, "200000\n"}, {A_PERIOD, "100000\n"}},
     2},
    {"version 1 without a period", {OWN_V1, MOUNTED_V1, {B_QUOTA, "400000\n"}}, 0},
    {"version 1, a hierarchy that is called alike",
     {{"/proc/self/cgroup", "3:cpuset:/a/b\n"},
      {"/proc/self/mountinfo", "31 30 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"},
      {"/sys/fs/cgroup/cpuset/a/b/cpu.cfs_quota_us", "100000\n"},
      {"/sys/fs/cgroup/cpuset/a/b/cpu.cfs_period_us", "100000\n"}},
     0},
    {"both versions",
     {{"/proc/self/cgroup", GROUP_V1 "0::/a/b\n"},
      {"/proc/self/mountinfo",
       MOUNT_V1 "40 30 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"},
      {B_QUOTA, "300000\n"},
      {B_PERIOD, "100000\n"},
      {"/sys/fs/cgroup/unified/a/cpu.max", "200000 100000\n"}},
     2},

    {"a container that sees its own group at the top",
     {{"/proc/self/cgroup", "0::/docker/abc/sub\n"},
      {"/proc/self/mountinfo", "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n"},
      {"/sys/fs/cgroup/cpu.max", "200000 100000\n"},
      {"/sys/fs/cgroup/sub/cpu.max", "300000 100000\n"}},
     2},
    {"a name that only begins alike",
     {{"/proc/self/cgroup", "0::/docker/abcdef\n"},
      {"/proc/self/mountinfo", "30 23 0:26 /docker/abc /mnt ro - cgroup2 cgroup rw\n" MOUNT_V2},
      {"/mnt/cpu.max", "100000 100000\n"},
      {"/mnt/def/cpu.max", "100000 100000\n"},
      {"/sys/fs/cgroup/docker/cpu.max", "500000 100000\n"}},
     5},
    {"a name space of groups", {{"/proc/self/cgroup", "0::/\n"}, MOUNTED_V2, {TOP_MAX, "200000 100000\n"}}, 2},
    {"a name space, and a mount from outside it",
     {{"/proc/self/cgroup", "0::/\n"},
      {"/proc/self/mountinfo", "30 23 0:26 /../.. /sys/fs/cgroup ro - cgroup2 cgroup rw\n"},
      {"/sys/fs/cgroup/cpu.max", "200000 100000\n"}},
     2},
    {"a group outside the name space",
     {{"/proc/self/cgroup", "0::/../other\n"},
      MOUNTED_V2,
      {"/sys/fs/other/cpu.max", "100000 100000\n"},
      {TOP_MAX, "300000 100000\n"}},
     3},
    {"several mounts of one hierarchy",
     {{"/proc/self/cgroup", "0::/a/b\n"},
      {"/proc/self/mountinfo",
       "29 23 0:26 /x /first rw - cgroup2 cgroup2 rw\n" MOUNT_V2 "33 23 0:26 /a /third rw - cgroup2 cgroup2 rw\n"},
      {"/first/cpu.max", "100000 100000\n"},
      {"/third/b/cpu.max", "600000 100000\n"},
      {"/sys/fs/cgroup/cpu.max", "700000 100000\n"}},
     6},
    {"a mount with a blank in its name",
     {{"/proc/self/cgroup", "0::/a b\n"},
      {"/proc/self/mountinfo", "30 23 0:26 /a\\040b /my\\040groups rw - cgroup2 cgroup2 rw\n"},
      {"/my groups/cpu.max", "200000 100000\n"}},
     2},

    {"groups that cannot be understood",
     {{"/proc/self/cgroup", "\n::\n0:\n0::\n0::relative\nx\n:::\n0::/a/b\n"}, MOUNTED_V2, {B_MAX, "200000 100000\n"}},
     2},
    {"mounts that cannot be understood",
     {OWN_V2,
      {"/proc/self/mountinfo", "\n - \nx - cgroup2\n1 2 3 - cgroup2 a b\n1 2 3 / - cgroup2 a b\n1 2 3 4 5 6\n"
                               "1 2 3 / /sys - tmpfs tmpfs rw\n" MOUNT_V2 "30 23 0:26 /"},
      {B_MAX, "200000 100000\n"}},
     2},
    {"no mounts", {OWN_V2, {"/proc/self/mountinfo", ""}, {B_MAX, "200000 100000\n"}}, 0},
    {"no group", {{"/proc/self/cgroup", ""}, MOUNTED_V2, {TOP_MAX, "200000 100000\n"}}, 0},
};

static unsigned
quota_of(const struct system *system)
{
    char root[TREE_ROOT_SIZE];
    tree_make(root);
    for (const struct file *file = system->files; file->path != NULL; file++)
        tree_put(root, file->path, file->text);
    unsigned cpus = tri_quota_cpus(root);
    tree_remove(root);
    return cpus;
}

static void
the_tightest_quota_of_the_group_and_all_above_it_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(systems) / sizeof(systems[0]); i++) {
        unsigned cpus = quota_of(&systems[i]);
        if (cpus != systems[i].cpus)
            fail_msg("%s: %u instead of %u", systems[i].what, cpus, systems[i].cpus);
    }
}

/* Lines that no path fits, before and after those that count. */
static void
lines_that_are_too_long_are_left_out(void **state)
{
    (void)state;
    static char long_line[100001];
    char root[TREE_ROOT_SIZE];
    size_t size = 2 * sizeof(long_line) + 1000;
    char *text = malloc(size);
    memset(long_line, 'x', sizeof(long_line) - 1);
    memcpy(long_line, "0::/", 4);
    tree_make(root);
    snprintf(text, size, "%s\n0::/a/b\n%s", long_line, long_line);
    tree_put(root, "/proc/self/cgroup", text);
    memcpy(long_line, "1 2 3 / /", 9);
    memcpy(long_line + sizeof(long_line) - 60, " rw - cgroup2 a b", 17);
    snprintf(text, size, "%s\n%s", long_line, MOUNT_V2);
    tree_put(root, "/proc/self/mountinfo", text);
    tree_put(root, B_MAX, "200000 100000\n");
    assert_int_equal(tri_quota_cpus(root), 2);
    tree_remove(root);
    free(text);
}

static void
the_systems_own_files_can_be_read(void **state)
{
    (void)state;
    unsigned cpus = tri_quota_cpus("");
    assert_int_equal(tri_quota_cpus(""), cpus);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tightest_quota_of_the_group_and_all_above_it_counts),
        cmocka_unit_test(lines_that_are_too_long_are_left_out),
        cmocka_unit_test(the_systems_own_files_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
