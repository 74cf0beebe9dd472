#include "gather.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"
#include "escape.h"
#include "progress.h"

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
holds_trace(const struct source *source, const char *name)
{
    char path[NAME_MAX + 16];
    snprintf(path, sizeof(path), "%s/metadata", name);
    return source_begins_with(source, path, "/* CTF 1.8 *");
}

/* The names of sub-directories, sorted. */
struct list {
    const struct source *source;
    bool numbers; /* only those that the recorder may have given */
    char **names;
    size_t count;
};

static void
add_name(void *argument, const char *name)
{
    struct list *list = argument;
    if ((list->numbers && !is_number_of_trace(name)) || !holds_trace(list->source, name))
        return;
    list->names = must_realloc(list->names, list->count + 1, sizeof(*list->names));
    list->names[list->count] = must_calloc(strlen(name) + 1, 1);
    memcpy(list->names[list->count++], name, strlen(name));
}

static int
by_length_and_text(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    size_t x_length = strlen(x), y_length = strlen(y);
    return x_length != y_length ? (x_length < y_length ? -1 : 1) : strcmp(x, y);
}

static struct list
traces_below(const struct source *source, const char *path, bool numbers)
{
    struct list found = {.source = source, .numbers = numbers};
    source_each(source, path, add_name, &found);
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

static bool
open_below(struct member *member, const struct source *source, const char *path, const char *name)
{
    char below[PATH_MAX], within[NAME_MAX + 2];
    struct source own;
    if ((size_t)snprintf(below, sizeof(below), "%s/%s", path, name) >= sizeof(below))
        return false;
    snprintf(within, sizeof(within), "%s/", name);
    source_open_below(&own, source, name, below);
    if (member_open(member, &own, below, within))
        return true;
    source_close(&own);
    return false;
}

/* false: it is not of that cluster; NULL: any will do. */
static bool
add_below(struct trace *trace, const struct source *source, const char *path, const char *name, const char *cluster)
{
    struct member member;
    if (!open_below(&member, source, path, name))
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
    progress_wipe();
    fputs("troupe-trace: ", stderr);
    print_escaped(stderr, path);
    fprintf(stderr, " has sub-directories with traces of their own: %s", name);
}

/* The other processes of the cluster; those that are none are mentioned. */
static void
add_cluster(struct trace *trace, const struct source *source, const char *path, const char *cluster)
{
    struct list below = traces_below(source, path, true);
    size_t others = 0;
    for (size_t i = 0; i < below.count; i++) {
        if (cluster[0] == '\0' || !add_below(trace, source, path, below.names[i], cluster))
            mention_other(path, below.names[i], others++ == 0);
    }
    if (others > 0)
        fputc('\n', stderr);
    free_list(&below);
}

static void
add_all_below(struct trace *trace, const struct source *source, const char *path)
{
    struct list below = traces_below(source, path, false);
    if (below.count == 0)
        give_up("%s is not a trace: it holds no file `metadata`", path);
    for (size_t i = 0; i < below.count; i++)
        add_below(trace, source, path, below.names[i], NULL);
    free_list(&below);
}

/* -- A directory that a program has made its own, and where it has recorded nothing. -- */

#define CLAIMED "holds no trace yet: its program has ended before it recorded anything, or has only just begun"

static bool
is_only_claimed(const struct source *source)
{
    return source_has(source, "metadata") && source_size(source, "metadata") == 0;
}

/* The other processes of a cluster are read all the same. */
static void
add_claimed(struct trace *trace, const struct source *source, const char *path)
{
    struct list below = traces_below(source, path, true);
    if (below.count == 0 && trace->path_count == 1)
        give_up("%s " CLAIMED, path);
    progress_wipe();
    fputs("troupe-trace: ", stderr);
    print_escaped(stderr, path);
    fputs(" " CLAIMED "\n", stderr);
    for (size_t i = 0; i < below.count; i++)
        add_below(trace, source, path, below.names[i], NULL);
    free_list(&below);
}

/* -- All of them. -- */

/* How many sub-directories hold traces that the recorder may have put there. None come into a packed file. */
static size_t
count_below(const char *path)
{
    struct source source = {.directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (source.directory < 0)
        return 0;
    struct list below = traces_below(&source, path, true);
    source_close(&source);
    free_list(&below);
    return below.count;
}

/* What a directory or a packed file holds itself. */
static void
add_member_and_cluster(struct trace *trace, const struct source *source, const char *path, struct member *member)
{
    char cluster[sizeof(member->metadata->cluster)];
    memcpy(cluster, member->metadata->cluster, sizeof(cluster));
    add_member(trace, member);
    add_cluster(trace, source, path, cluster);
}

static void
add_path(struct trace *trace, const char *path, bool alone)
{
    char within[PATH_MAX];
    struct source source, own;
    struct member member;
    snprintf(within, sizeof(within), "%s%s", alone ? "" : path, alone ? "" : "/");
    source_open(&source, path);
    source_open_again(&own, &source, path);
    if (is_only_claimed(&source)) {
        source_close(&own);
        add_claimed(trace, &source, path);
    } else if (member_open(&member, &own, path, within)) {
        add_member_and_cluster(trace, &source, path, &member);
    } else {
        source_close(&own);
        add_all_below(trace, &source, path);
    }
    source_close(&source);
}

void
trace_gather(struct trace *trace)
{
    for (size_t i = 0; i < trace->path_count; i++) {
        trace->below += count_below(trace->paths[i]);
        add_path(trace, trace->paths[i], trace->path_count == 1);
    }
    if (trace->member_count == 0)
        give_up("there is no other trace to read");
}

bool
trace_has_grown(const struct trace *trace)
{
    size_t below = 0;
    for (size_t i = 0; i < trace->path_count; i++)
        below += count_below(trace->paths[i]);
    return below > trace->below;
}
