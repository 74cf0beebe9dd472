#include "gather.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bad_input.h"
#include "escape.h"

bool
is_number_of_trace(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    return digits > 0 && digits <= 4 && name[digits] == '\0' && name[0] != '0';
}

/* A new trace among the members, if it is not there. */
static bool
is_known(const struct trace *trace, const struct member *member)
{
    for (size_t i = 0; i < trace->member_count; i++)
        if (memcmp(trace->members[i].metadata->uuid, member->metadata->uuid, sizeof(member->metadata->uuid)) == 0)
            return true;
    return false;
}

static void
add_member(struct trace *trace, struct member *member)
{
    size_t count = trace->member_count;
    if (is_known(trace, member)) {
        member_close(member);
        return;
    }
    if ((count & (count - 1)) == 0) /* a power of two: full */
        trace->members = must_realloc(trace->members, count > 0 ? count * 2 : 1, sizeof(*trace->members));
    trace->members[trace->member_count++] = *member;
}

/* Has the recorder written there what it does, or only made the directory its own? */
static bool
holds_trace(int directory, const char *name)
{
    char path[NAME_MAX + 16], begin[12];
    snprintf(path, sizeof(path), "%s/metadata", name);
    int fd = openat(directory, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    bool holds =
        fd >= 0 && pread(fd, begin, sizeof(begin), 0) == sizeof(begin) && memcmp(begin, "/* CTF 1.8 *", 12) == 0;
    if (fd >= 0)
        close(fd);
    return holds;
}

/* The names of sub-directories, sorted. */
struct list {
    char **names;
    size_t count;
};

static int
by_length_and_text(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    size_t x_length = strlen(x), y_length = strlen(y);
    return x_length != y_length ? (x_length < y_length ? -1 : 1) : strcmp(x, y);
}

static struct list
traces_below(int directory, bool numbers)
{
    struct list found = {0};
    DIR *list = fdopendir(dup(directory));
    if (list == NULL)
        give_up("a directory cannot be listed: %s", strerror(errno));
    for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        const char *name = entry->d_name;
        if (name[0] == '.' || (numbers && !is_number_of_trace(name)) || !holds_trace(directory, name))
            continue;
        found.names = must_realloc(found.names, found.count + 1, sizeof(*found.names));
        found.names[found.count] = must_calloc(strlen(name) + 1, 1);
        memcpy(found.names[found.count++], name, strlen(name));
    }
    closedir(list);
    if (found.count > 0)
        qsort(found.names, found.count, sizeof(*found.names), by_length_and_text);
    return found;
}

static void
free_list(struct list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
}

/* false: it is not of that cluster; NULL: any will do. */
static bool
add_below(struct trace *trace, const char *path, const char *name, const char *cluster)
{
    char below[PATH_MAX], within[NAME_MAX + 2];
    struct member member;
    snprintf(below, sizeof(below), "%s/%s", path, name);
    snprintf(within, sizeof(within), "%s/", name);
    if (strlen(path) + strlen(name) + 2 > sizeof(below) || !member_open(&member, below, within))
        return false;
    if (cluster != NULL && strcmp(member.metadata->cluster, cluster) != 0) {
        member_close(&member);
        return false;
    }
    add_member(trace, &member);
    return true;
}

/* On stderr, so that it disturbs no reader of what is printed. */
static void
mention_other(const char *path, const char *name, bool first)
{
    if (!first) {
        fprintf(stderr, ", %s", name);
        return;
    }
    fputs("troupe-trace: ", stderr);
    print_escaped(stderr, path);
    fprintf(stderr, " has sub-directories with traces of their own: %s", name);
}

/* The other processes of the cluster; those that are none are mentioned. */
static void
add_cluster(struct trace *trace, const char *path, int directory, const char *cluster)
{
    struct list below = traces_below(directory, true);
    size_t others = 0;
    for (size_t i = 0; i < below.count; i++) {
        if (cluster[0] == '\0' || !add_below(trace, path, below.names[i], cluster))
            mention_other(path, below.names[i], others++ == 0);
    }
    if (others > 0)
        fputc('\n', stderr);
    free_list(&below);
}

static void
add_all_below(struct trace *trace, const char *path)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct list below = directory >= 0 ? traces_below(directory, false) : (struct list){0};
    if (below.count == 0)
        give_up("%s is not a trace: it holds no file `metadata`", path);
    close(directory);
    for (size_t i = 0; i < below.count; i++)
        add_below(trace, path, below.names[i], NULL);
    free_list(&below);
}

/* How many sub-directories hold traces that the recorder may have put there. */
static size_t
count_below(const char *path)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct list below = directory >= 0 ? traces_below(directory, true) : (struct list){0};
    if (directory >= 0)
        close(directory);
    free_list(&below);
    return below.count;
}

static void
add_path(struct trace *trace, const char *path, bool alone)
{
    char within[PATH_MAX], cluster[sizeof(((struct metadata *)NULL)->cluster)];
    struct member member;
    snprintf(within, sizeof(within), "%s%s", alone ? "" : path, alone ? "" : "/");
    if (!member_open(&member, path, within)) {
        add_all_below(trace, path);
        return;
    }
    memcpy(cluster, member.metadata->cluster, sizeof(cluster));
    int directory = dup(member.directory);
    add_member(trace, &member);
    add_cluster(trace, path, directory, cluster);
    close(directory);
}

void
trace_gather(struct trace *trace)
{
    for (size_t i = 0; i < trace->path_count; i++) {
        trace->below += count_below(trace->paths[i]);
        add_path(trace, trace->paths[i], trace->path_count == 1);
    }
}

bool
trace_has_grown(const struct trace *trace)
{
    size_t below = 0;
    for (size_t i = 0; i < trace->path_count; i++)
        below += count_below(trace->paths[i]);
    return below > trace->below;
}
