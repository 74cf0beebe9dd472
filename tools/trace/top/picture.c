#include "picture.h"
#include <stdlib.h>
#include <string.h>

const char *const column_names[COLUMNS] = {"class", "busy", "received", "mailbox", "each", "longest"};

static enum column sorted_by; /* qsort() has no argument for it */

uint64_t
line_each_ns(const struct actor_line *line)
{
    return line->received > 0 ? line->busy_ns / line->received : 0;
}

static uint64_t
value_of(const struct actor_line *line)
{
    switch (sorted_by) {
    case COLUMN_busy: return line->busy_ns;
    case COLUMN_received: return line->received;
    case COLUMN_mailbox: return line->deepest;
    case COLUMN_each: return line_each_ns(line);
    case COLUMN_longest: return line->longest_ns;
    default: return 0;
    }
}

/* Those that are equal stand by class and actor, so that they do not change their places for nothing. */
static int
by_column(const void *a, const void *b)
{
    const struct actor_line *x = a, *y = b;
    uint64_t left = value_of(x), right = value_of(y);
    if (left != right)
        return left < right ? 1 : -1;
    int names = strcmp(x->class, y->class);
    return names != 0 ? names : x->ref < y->ref ? -1 : x->ref > y->ref;
}

static int
by_busy(const void *a, const void *b)
{
    const struct worker_line *x = a, *y = b;
    return x->busy != y->busy ? (x->busy < y->busy ? 1 : -1) : x->number < y->number ? -1 : x->number > y->number;
}

void
picture_sort(struct picture *picture, enum column column)
{
    sorted_by = column;
    if (picture->worker_count > 0)
        qsort(picture->workers, picture->worker_count, sizeof(*picture->workers), by_busy);
    if (picture->class_count > 0)
        qsort(picture->classes, picture->class_count, sizeof(*picture->classes), by_column);
    if (picture->actor_count > 0)
        qsort(picture->actors, picture->actor_count, sizeof(*picture->actors), by_column);
}

void
picture_fini(struct picture *picture)
{
    free(picture->workers);
    free(picture->classes);
    free(picture->actors);
    memset(picture, 0, sizeof(*picture));
}
