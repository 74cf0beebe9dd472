/*
 * The quota of CPU time, as Linux sets it on control groups.
 *
 * /proc/self/cgroup names the process's group in each hierarchy; /proc/self/mountinfo says where hierarchies are
 * mounted, and which of their groups is at the mount's top. A container may see a hierarchy whole, from its own group
 * down, or under names of its own (a cgroup namespace); so the group's path is looked for below the top of each mount.
 * If no mount shows it, the tops are looked at, which are then the container's own as a rule.
 *
 * A quota holds for a group and all below it, so the way goes from the process's group up to the top. What cannot be
 * read or makes no sense is no quota.
 *
 * 1.5 CPUs are one worker, as uv_available_parallelism() of libuv 1.49 and available_parallelism() of Rust have it (Go
 * 1.25 and the JVM round up): workers that are more than the quota would, under load, use it up before the period ends,
 * and then all of them stand still for its rest. The half is left to the other threads.
 */
#include "quota.h"

#include "sysfile.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum version { V1, V2, VERSIONS };

struct search {
    const char *root;
    char group[VERSIONS][PATH_MAX]; /* of the process; "": it is in none */
    bool shown[VERSIONS];           /* by a mount */
    double cpus;                    /* the tightest so far; 0: none */
};

/* -- One group. -- */

static bool
read_number(const char **text, double *out)
{
    char *end;
    if (**text < '0' || **text > '9') /* "max", "-1", or nothing that a quota is */
        return false;
    *out = (double)strtoull(*text, &end, 10);
    *text = end;
    return true;
}

static void
tighten(struct search *search, double quota, double period)
{
    if (quota > 0 && period > 0 && (search->cpus == 0 || quota / period < search->cpus))
        search->cpus = quota / period;
}

static void
read_file(const char *directory, const char *file, char *text, size_t size)
{
    char path[2 * PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/%s", directory, file) < (int)sizeof(path))
        tri_sysfile_read(path, text, size);
    else
        text[0] = '\0';
}

static void
look_v2(struct search *search, const char *directory)
{
    char text[64];
    const char *rest = text;
    double quota, period;
    read_file(directory, "cpu.max", text, sizeof(text));
    if (!read_number(&rest, &quota) || *rest++ != ' ' || !read_number(&rest, &period))
        return;
    tighten(search, quota, period);
}

static void
look_v1(struct search *search, const char *directory)
{
    char quota_text[64], period_text[64];
    const char *quota_rest = quota_text, *period_rest = period_text;
    double quota, period;
    read_file(directory, "cpu.cfs_quota_us", quota_text, sizeof(quota_text));
    read_file(directory, "cpu.cfs_period_us", period_text, sizeof(period_text));
    if (read_number(&quota_rest, &quota) && read_number(&period_rest, &period))
        tighten(search, quota, period);
}

/* -- From the process's group up to the top of a mount. -- */

static void
look_up(struct search *search, enum version version, const char *top, const char *group)
{
    char directory[2 * PATH_MAX];
    size_t top_length = strlen(search->root) + strlen(top);
    int length = snprintf(directory, sizeof(directory), "%s%s%s", search->root, top, group);
    if (length >= (int)sizeof(directory))
        return;
    for (;;) {
        if (version == V2)
            look_v2(search, directory);
        else
            look_v1(search, directory);
        char *last = strrchr(directory, '/');
        if (last == NULL || (size_t)(last - directory) < top_length)
            return;
        *last = '\0';
    }
}

static bool
leads_up(const char *path)
{
    for (const char *at = path; (at = strstr(at, "/..")) != NULL; at += 3)
        if (at[3] == '/' || at[3] == '\0')
            return true;
    return false;
}

/* The group's path below the one at the mount's top; NULL: it is not below it. */
static const char *
below(const char *group, const char *top)
{
    size_t length = strcmp(top, "/") == 0 ? 0 : strlen(top);
    if (leads_up(group) || strncmp(group, top, length) != 0 || (group[length] != '/' && group[length] != '\0'))
        return NULL;
    return strcmp(group + length, "/") == 0 ? "" : group + length;
}

/* -- The two files. -- */

/* Is the word one of a list with commas? */
static bool
lists(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

/* A line is "number:controllers:path"; version 2 has no controllers. */
static void
read_group(struct search *search, char *line)
{
    char *rest = line;
    strsep(&rest, ":");
    const char *controllers = strsep(&rest, ":");
    if (rest == NULL || rest[0] != '/' || strlen(rest) >= PATH_MAX)
        return;
    if (controllers[0] == '\0')
        strcpy(search->group[V2], rest);
    else if (lists(controllers, "cpu"))
        strcpy(search->group[V1], rest);
}

static void
read_groups(struct search *search)
{
    char path[PATH_MAX];
    struct tri_lines lines;
    snprintf(path, sizeof(path), "%s/proc/self/cgroup", search->root);
    tri_lines_open(&lines, path);
    for (char *line; (line = tri_lines_next(&lines)) != NULL;)
        read_group(search, line);
    tri_lines_close(&lines);
}

static bool
octal(char c)
{
    return c >= '0' && c <= '7';
}

/* Blanks and the like in paths are written as three octal digits. */
static char *
unescape(char *path)
{
    char *out = path;
    for (const char *in = path; *in != '\0'; out++) {
        bool escape = in[0] == '\\' && octal(in[1]) && octal(in[2]) && octal(in[3]);
        *out = escape ? (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0')) : *in;
        in += escape ? 4 : 1;
    }
    *out = '\0';
    return path;
}

static void
look_at_mount(struct search *search, enum version version, const char *top_group, const char *directory, bool shown)
{
    const char *group = search->group[version];
    const char *rest = below(group, top_group);
    if (group[0] == '\0' || (rest != NULL) != shown)
        return;
    search->shown[version] |= shown;
    look_up(search, version, strcmp(directory, "/") == 0 ? "" : directory, shown ? rest : "");
}

/* A line is "id parent device top directory options [more...] - type source options". */
static void
read_mount(struct search *search, char *line, bool shown)
{
    char *rest = line, *before[5];
    char *middle = strstr(line, " - ");
    if (middle == NULL)
        return;
    *middle = '\0';
    for (unsigned i = 0; i < 5; i++)
        before[i] = strsep(&rest, " ");
    char *after = middle + 3;
    const char *type = strsep(&after, " ");
    strsep(&after, " ");
    if (before[4] == NULL || after == NULL)
        return;
    enum version version = strcmp(type, "cgroup2") == 0 ? V2 : V1;
    if (version == V1 && (strcmp(type, "cgroup") != 0 || !lists(after, "cpu")))
        return;
    if (!shown && search->shown[version])
        return;
    look_at_mount(search, version, unescape(before[3]), unescape(before[4]), shown);
}

/* Of all mounts those that show the process's group, or those that do not. */
static void
read_mounts(struct search *search, bool shown)
{
    char path[PATH_MAX];
    struct tri_lines lines;
    snprintf(path, sizeof(path), "%s/proc/self/mountinfo", search->root);
    tri_lines_open(&lines, path);
    for (char *line; (line = tri_lines_next(&lines)) != NULL;)
        read_mount(search, line, shown);
    tri_lines_close(&lines);
}

unsigned
tri_quota_cpus(const char *root)
{
    struct search search = {.root = root};
    read_groups(&search);
    if (search.group[V1][0] == '\0' && search.group[V2][0] == '\0')
        return 0;
    read_mounts(&search, true);
    read_mounts(&search, false);
    if (search.cpus == 0)
        return 0;
    return search.cpus < 1 ? 1 : search.cpus < UINT_MAX ? (unsigned)search.cpus : UINT_MAX;
}
