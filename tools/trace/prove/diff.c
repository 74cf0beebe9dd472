/*
 * Where two runs of one program part: the first delivery that differs, for each actor, and how waits and works changed.
 *
 * Both traces are gone through side by side. What one run has delivered to an actor and the other not yet waits in a
 * queue; what they have both delivered is compared and forgotten. Only MOST_QUEUED may wait: runs that are so far apart
 * are not compared further.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"
#include "measure.h"
#include "progress.h"
#include "prove.h"
#include "side.h"
#include "text.h"
#include "words.h"

#define MOST_QUEUED (1u << 20)
#define SHOWN 10u
#define CHANGE 1.2 /* how much larger or smaller is worth a line */
#define FEWEST 20u /* messages, before their times tell something */

struct queue {
    int side;    /* whose deliveries wait */
    bool parted; /* the actor's deliveries differ: nothing more is compared */
    struct delivery *items;
    size_t first, count, room;
};

struct parting {
    struct delivery of[2];
};

struct diff {
    struct side sides[2];
    struct table queues; /* struct queue, by identity */
    size_t queued;
    bool too_far;
    struct parting *partings;
    size_t parting_count;
    uint64_t same;
};

/* -- Deliveries. -- */

static void
push(struct diff *diff, struct queue *queue, const struct delivery *delivery)
{
    if (queue->first + queue->count == queue->room && queue->first > queue->count) {
        for (size_t i = 0; i < queue->count; i++)
            queue->items[i] = queue->items[queue->first + i];
        queue->first = 0;
    } else if (queue->first + queue->count == queue->room) {
        queue->room = queue->room > 0 ? queue->room * 2 : 4;
        queue->items = must_realloc(queue->items, queue->room, sizeof(*queue->items));
    }
    queue->items[queue->first + queue->count++] = *delivery;
    diff->too_far |= ++diff->queued > MOST_QUEUED;
}

static void
part(struct diff *diff, struct queue *queue, const struct delivery *a, const struct delivery *b)
{
    size_t count = diff->parting_count;
    if ((count & (count - 1)) == 0) /* a power of two: full */
        diff->partings = must_realloc(diff->partings, count > 0 ? count * 2 : 1, sizeof(*diff->partings));
    diff->partings[diff->parting_count++] = (struct parting){{*a, *b}};
    queue->parted = true;
    diff->queued -= queue->count;
    queue->count = 0;
}

static void
compare(struct diff *diff, int side, const struct delivery *delivery)
{
    struct queue *queue = table_put(&diff->queues, delivery->identity, 0);
    if (queue->parted)
        return;
    if (queue->count == 0 || queue->side == side) {
        queue->side = side;
        push(diff, queue, delivery);
        return;
    }
    struct delivery other = queue->items[queue->first++];
    queue->count--;
    diff->queued--;
    diff->same++;
    if (other.tag == delivery->tag && other.sender == delivery->sender)
        return;
    diff->same--;
    part(diff, queue, side == 1 ? &other : delivery, side == 1 ? delivery : &other);
}

static bool
advance(struct diff *diff, int side)
{
    struct delivery delivery;
    int got = side_next(&diff->sides[side], &delivery);
    if (got > 0)
        compare(diff, side, &delivery);
    return got >= 0;
}

static void
compare_all(struct diff *diff)
{
    bool more[2] = {true, true};
    while ((more[0] || more[1]) && !diff->too_far) {
        for (int side = 0; side < 2; side++)
            more[side] = more[side] && advance(diff, side);
    }
}

/* -- The report. -- */

static int
by_time(const void *a, const void *b)
{
    const struct delivery *x = &((const struct parting *)a)->of[0], *y = &((const struct parting *)b)->of[0];
    return x->timestamp != y->timestamp ? (x->timestamp < y->timestamp ? -1 : 1)
           : x->actor < y->actor        ? -1
                                        : x->actor > y->actor;
}

static void
print_delivery(const struct diff *diff, int side, const struct delivery *delivery)
{
    char actor[TEXT_SIZE], message[TEXT_SIZE], tag[WORD_SIZE];
    printf("%s tag %s (message %s to %s)", side == 0 ? "A" : "  B",
           word_of_tag(diff->sides[side].trace, delivery->class, delivery->tag, tag),
           text_of_message(delivery->message, message), text_of_ref(delivery->actor, actor));
}

static void
print_partings(struct diff *diff)
{
    char class[WORD_SIZE], count[TEXT_SIZE];
    if (diff->parting_count > 1)
        qsort(diff->partings, diff->parting_count, sizeof(*diff->partings), by_time);
    for (size_t i = 0; i < diff->parting_count && i < SHOWN; i++) {
        const struct delivery *of = diff->partings[i].of;
        printf("%-16s %s: ", i == 0 ? "first divergence" : "then",
               word_of_class(diff->sides[0].trace, of[0].class, class));
        print_delivery(diff, 0, &of[0]);
        print_delivery(diff, 1, &of[1]);
        puts(of[0].tag == of[1].tag ? "  from another sender" : "");
    }
    if (diff->parting_count > SHOWN)
        printf("and %s more actors\n", text_of_count(diff->parting_count - SHOWN, count));
}

/* How many deliveries only one run has. */
static uint64_t
count_rest(const struct diff *diff, int side)
{
    uint64_t count = 0;
    struct table_entry entry;
    for (size_t place = 0; table_next(&diff->queues, &place, &entry);) {
        const struct queue *queue = entry.value;
        if (queue->side == side && !queue->parted)
            count += queue->count;
    }
    return count;
}

static bool
report_order(struct diff *diff)
{
    char same[TEXT_SIZE], a[TEXT_SIZE], b[TEXT_SIZE];
    uint64_t rest[2] = {count_rest(diff, 0), count_rest(diff, 1)};
    printf("%s deliveries are the same in both\n", text_of_count(diff->same, same));
    print_partings(diff);
    if (diff->too_far)
        printf("the runs are more than %u deliveries apart: no more was compared\n", MOST_QUEUED);
    else if (rest[0] + rest[1] > 0)
        printf("%s deliveries only A has, %s only B, to actors that got the same until then\n",
               text_of_count(rest[0], a), text_of_count(rest[1], b));
    return diff->parting_count > 0 || diff->too_far || rest[0] + rest[1] > 0;
}

/* -- Times. -- */

/* The row of the other trace with the same class and tag; NULL: there is none. */
static const struct row *
same_row(const struct measure *measure, const char *class, uint32_t tag)
{
    for (size_t i = 1; i < measure->row_count; i++) {
        const struct row *row = &measure->rows[i];
        const char *text = names_find(measure->trace->names, measure_class(measure, row->kind));
        if (row->tag == tag && text != NULL && strcmp(text, class) == 0)
            return row;
    }
    return NULL;
}

/* Has it changed? */
static bool
print_change(const struct measure *const *measures, const struct row *const *rows, const char *what,
             const struct histogram *a, const struct histogram *b)
{
    char class[WORD_SIZE], tag[WORD_SIZE], before[WORD_SIZE], after[WORD_SIZE];
    uint64_t x = metadata_duration_ns(measures[0]->trace->metadata, histogram_part(a, 500));
    uint64_t y = metadata_duration_ns(measures[1]->trace->metadata, histogram_part(b, 500));
    double change = (double)(y + 1) / (double)(x + 1);
    if (a->count < FEWEST || b->count < FEWEST || (change < CHANGE && change > 1 / CHANGE))
        return false;
    printf("%-28s tag %-12s %s %s -> %s\n",
           word_of_class(measures[0]->trace, measure_class(measures[0], rows[0]->kind), class),
           word_of_tag(measures[0]->trace, measure_class(measures[0], rows[0]->kind), rows[0]->tag, tag), what,
           word_of_duration(x, before), word_of_duration(y, after));
    return true;
}

static void
report_times(const struct measure *a, const struct measure *b)
{
    const struct measure *const measures[] = {a, b};
    bool any = false;
    puts("\nmedians that changed by a fifth or more, from A to B:");
    for (size_t i = 1; i < a->row_count; i++) {
        const char *class = names_find(a->trace->names, measure_class(a, a->rows[i].kind));
        const struct row *rows[] = {&a->rows[i], class != NULL ? same_row(b, class, a->rows[i].tag) : NULL};
        if (rows[1] == NULL)
            continue;
        any |= print_change(measures, rows, "wait", &rows[0]->waits, &rows[1]->waits);
        any |= print_change(measures, rows, "work", &rows[0]->works, &rows[1]->works);
    }
    if (!any)
        puts("none");
}

/* -- The command. -- */

static void
free_diff(struct diff *diff)
{
    struct table_entry entry;
    for (size_t place = 0; table_next(&diff->queues, &place, &entry);)
        free(((struct queue *)entry.value)->items);
    table_fini(&diff->queues);
    free(diff->partings);
    side_close(&diff->sides[0]);
    side_close(&diff->sides[1]);
}

static int
diff_traces(const char *a, const char *b, bool order_only)
{
    struct diff diff = {0};
    table_init(&diff.queues, sizeof(struct queue));
    progress_passes(order_only ? 1 : 2);
    side_find(&diff.sides[0], a);
    side_find(&diff.sides[1], b);
    side_open(&diff.sides[0]);
    side_open(&diff.sides[1]);
    compare_all(&diff);
    struct measure *before = order_only ? NULL : measure_trace(diff.sides[0].trace, NULL);
    struct measure *after = order_only ? NULL : measure_trace(diff.sides[1].trace, NULL);
    progress_give_way();
    bool parted = report_order(&diff);
    if (!order_only) {
        report_times(before, after);
        measure_free(before);
        measure_free(after);
    }
    free_diff(&diff);
    return parted ? EXIT_RULE_FAILED : EXIT_SUCCESS;
}

static const struct option options[] = {
    {"order-only", no_argument, NULL, 'o'},
    {NULL, 0, NULL, 0},
};

static const struct option_text texts[] = {
    {"order-only", NULL, "what was delivered, and no times"},
    {NULL, NULL, NULL},
};

static int
run(int count, char **words)
{
    bool order_only = false;
    int status = take_options(&command_diff, count, words, take_flag, &order_only);
    if (status != 0)
        return status;
    if (optind + 2 != count)
        return refuse("two directories are needed", "");
    return diff_traces(words[optind], words[optind + 1], order_only);
}

const struct command command_diff = {
    .name = "diff",
    .usage = "[--order-only] DIRECTORY DIRECTORY",
    .summary = "where two runs part: the first delivery that differs, by actor, and how waits and works changed\n"
               "Exit status 1: they differ in what was delivered",
    .example = "troupe-trace diff yesterday today",
    .options = options,
    .texts = texts,
    .run = run,
};
