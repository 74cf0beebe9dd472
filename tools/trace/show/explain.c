/*
 * What is wrong with the program? Ten lines for a person who knows nothing of the format.
 *
 * A line tells the worst of its kind, with who it was, whether or not it is bad; what is bad begins with an exclamation
 * mark. Below each stands the command that shows more.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bad_input.h"
#include "colour.h"
#include "escape.h"
#include "measure.h"
#include "plain.h"
#include "show.h"
#include "text.h"
#include "words.h"

/* From here on it is bad. */
#define LONG_WORK_NS UINT64_C(50000000)
#define LONG_WAIT_NS UINT64_C(100000000)
#define DEEP_MAILBOX 1000u
#define MANY_UNRECEIVED 1000u
#define BUSY_SHARE 90u    /* of a hundred */
#define UNEVEN_SHARE 150u /* of a hundred: of what an even deal gives */
#define FEWEST_DEALS 10u  /* for each worker, before their number tells something */
#define SHOWN 3u          /* of one kind */

struct explain {
    const struct trace *trace;
    const struct measure *measure;
    const char *directory;
    unsigned bad; /* lines */
};

static uint64_t
ns_of(const struct explain *explain, uint64_t ticks)
{
    return metadata_duration_ns(explain->trace->metadata, ticks);
}

static const char *
class_of(const struct explain *explain, size_t kind, char word[WORD_SIZE])
{
    return word_of_class(explain->trace, measure_class(explain->measure, kind), word);
}

/* -- A line. -- */

static void
begin_line(struct explain *explain, bool bad, const char *title)
{
    explain->bad += bad;
    printf("%s%c %-13s%s", bad ? colour_begin(COLOUR_BAD) : "", bad ? '!' : ' ', title, bad ? colour_end() : "");
}

/* The command, with its options. */
__attribute__((format(printf, 2, 3))) static void
end_line(const struct explain *explain, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("\n%s                  troupe-trace ", colour_begin(COLOUR_FAINT));
    vprintf(format, arguments);
    va_end(arguments);
    putchar(' ');
    print_escaped(stdout, explain->directory);
    printf("%s\n", colour_end());
}

/* -- What was lost. -- */

static void
explain_losses(struct explain *explain)
{
    char text[TEXT_SIZE];
    uint64_t lost = trace_lost(explain->trace);
    begin_line(explain, lost > 0, "losses");
    if (lost > 0)
        printf("%s events were lost: the rest may mislead", text_of_count(lost, text));
    else
        printf("no event of %s was lost", text_of_count(explain->measure->events, text));
    end_line(explain, "info");
}

/* -- Workers. -- */

/* In thousandths of the time in which its events lie. */
static unsigned
awake_of(const struct hand *hand)
{
    uint64_t time = hand->last - hand->first;
    return time == 0 ? 0 : (unsigned)(1000.0 - 1000.0 * (double)hand->asleep / (double)time);
}

static const struct hand *
busiest_hand(const struct measure *measure)
{
    const struct hand *busiest = NULL;
    for (size_t i = 0; i < measure->hand_count; i++) {
        const struct hand *hand = &measure->hands[i];
        if (hand->number == TRI_TRACE_OUTSIDE)
            continue;
        if (busiest == NULL || awake_of(hand) > awake_of(busiest) ||
            (awake_of(hand) == awake_of(busiest) && hand->busy > busiest->busy))
            busiest = hand;
    }
    return busiest;
}

/* The class that took most of its time. */
static size_t
busiest_kind(const struct measure *measure, const struct hand *hand, uint64_t *ticks)
{
    size_t kind = 0;
    *ticks = 0;
    for (size_t i = 0; i < measure->kind_count; i++) {
        const uint64_t *busy = table_get(&measure->works, hand->number, i);
        if (busy != NULL && *busy > *ticks) {
            *ticks = *busy;
            kind = i;
        }
    }
    return kind;
}

static void
explain_workers(struct explain *explain)
{
    const struct hand *hand = busiest_hand(explain->measure);
    char class[WORD_SIZE], busy[WORD_SIZE];
    uint64_t ticks;
    unsigned awake = hand != NULL ? awake_of(hand) : 0;
    begin_line(explain, awake >= BUSY_SHARE * 10, "workers");
    if (hand == NULL) {
        fputs("no worker did anything", stdout);
        end_line(explain, "info");
        return;
    }
    size_t kind = busiest_kind(explain->measure, hand, &ticks);
    printf("worker %" PRIu32 " is the busiest: awake for %u.%u %% of its time", hand->number, awake / 10, awake % 10);
    if (ticks > 0)
        printf(", mostly with %s (%s)", class_of(explain, kind, class), word_of_duration(ns_of(explain, ticks), busy));
    end_line(explain, "stats --worker %" PRIu32, hand->number);
}

/* -- Messages. -- */

static int
by_work(const void *a, const void *b)
{
    const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
    return x->works.most != y->works.most ? (x->works.most < y->works.most ? 1 : -1) : x < y ? -1 : x > y;
}

static int
by_wait(const void *a, const void *b)
{
    const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
    return x->waits.most != y->waits.most ? (x->waits.most < y->waits.most ? 1 : -1) : x < y ? -1 : x > y;
}

/* All rows, the worst first. The caller frees them. */
static const struct row **
worst_rows(const struct measure *measure, int (*compare)(const void *a, const void *b))
{
    const struct row **rows = must_calloc(measure->row_count, sizeof(*rows));
    for (size_t i = 0; i < measure->row_count; i++)
        rows[i] = &measure->rows[i];
    qsort(rows, measure->row_count, sizeof(*rows), compare);
    return rows;
}

static void
print_row(const struct explain *explain, const struct row *row, const struct histogram *histogram)
{
    char class[WORD_SIZE], tag[WORD_SIZE], most[WORD_SIZE], half[WORD_SIZE];
    printf("%s (tag %s) up to %s, mostly %s", class_of(explain, row->kind, class),
           word_of_tag(explain->trace, row->tag, tag), word_of_duration(ns_of(explain, histogram->most), most),
           word_of_duration(ns_of(explain, histogram_part(histogram, 500)), half));
}

static void
explain_handlers(struct explain *explain)
{
    char message[TEXT_SIZE];
    const struct row **rows = worst_rows(explain->measure, by_work);
    begin_line(explain, ns_of(explain, rows[0]->works.most) >= LONG_WORK_NS, "handlers");
    fputs(rows[0]->works.count > 0 ? "the slowest: " : "nothing was handled", stdout);
    for (size_t i = 0; i < SHOWN && i < explain->measure->row_count && rows[i]->works.count > 0; i++) {
        fputs(i > 0 ? "; " : "", stdout);
        print_row(explain, rows[i], &rows[i]->works);
    }
    if (rows[0]->works.count > 0)
        end_line(explain, "path %s", text_of_message(rows[0]->longest_work_message, message));
    else
        end_line(explain, "stats");
    free(rows);
}

static void
explain_waits(struct explain *explain)
{
    char message[TEXT_SIZE], sender[WORD_SIZE];
    const struct row **rows = worst_rows(explain->measure, by_wait);
    const struct row *row = rows[0];
    begin_line(explain, ns_of(explain, row->waits.most) >= LONG_WAIT_NS, "waits");
    if (row->waits.count == 0) {
        fputs("no message was received", stdout);
        end_line(explain, "stats");
    } else {
        fputs("the longest of a message: to ", stdout);
        print_row(explain, row, &row->waits);
        if (row->longest_wait_sender != 0)
            printf("; it came from %s",
                   class_of(explain, measure_kind(explain->measure, row->longest_wait_sender), sender));
        end_line(explain, "path %s", text_of_message(row->longest_wait_message, message));
    }
    free(rows);
}

/* -- Mailboxes. -- */

static const struct kind *
deepest_kind(const struct measure *measure)
{
    const struct kind *deepest = &measure->kinds[0];
    for (size_t i = 1; i < measure->kind_count; i++) {
        if (measure->kinds[i].deepest > deepest->deepest)
            deepest = &measure->kinds[i];
    }
    return deepest;
}

static void
count_unreceived(void *argument, const struct sent *sent)
{
    uint64_t *count = argument;
    *count += !sent->early;
}

static void
explain_mailboxes(struct explain *explain)
{
    const struct kind *kind = deepest_kind(explain->measure);
    char class[WORD_SIZE], depth[TEXT_SIZE], actor[TEXT_SIZE], left[TEXT_SIZE];
    uint64_t unreceived = 0;
    flight_each(&explain->measure->flight, count_unreceived, &unreceived);
    begin_line(explain, kind->deepest >= DEEP_MAILBOX || unreceived >= MANY_UNRECEIVED, "mailboxes");
    if (kind->deepest > 0)
        printf("the deepest: %s messages to %s (%s)", text_of_count(kind->deepest, depth),
               word_of_class(explain->trace, kind->name, class), text_of_ref(kind->deepest_actor, actor));
    else
        fputs("nothing waited", stdout);
    if (unreceived > 0)
        printf("; %s were not received when the trace ended", text_of_count(unreceived, left));
    if (kind->deepest > 0)
        end_line(explain, "stats --actor %s", text_of_ref(kind->deepest_actor, actor));
    else
        end_line(explain, "stats");
}

/* -- What there are some of, each with an example. -- */

static int
by_count(const void *a, const void *b)
{
    const struct tally *x = ((const struct entry *)a)->value, *y = ((const struct entry *)b)->value;
    return x->count != y->count      ? (x->count < y->count ? 1 : -1)
           : x->example < y->example ? -1
                                     : x->example > y->example;
}

static uint64_t
sum_of(const struct entry *entries, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += ((const struct tally *)entries[i].value)->count;
    return sum;
}

static void
explain_sockets(struct explain *explain)
{
    size_t count;
    char text[TEXT_SIZE], class[WORD_SIZE], status[WORD_SIZE], actor[TEXT_SIZE];
    struct entry *errors = entries_of(&explain->measure->errors, &count, by_count);
    begin_line(explain, count > 0, "connections");
    if (count == 0)
        fputs("none ended with an error", stdout);
    else
        printf("%s ended with errors: ", text_of_count(sum_of(errors, count), text));
    for (size_t i = 0; i < SHOWN && i < count; i++) {
        const struct tally *tally = errors[i].value;
        printf("%s%s of %s (%s), the first %s", i > 0 ? "; " : "", text_of_count(tally->count, text),
               class_of(explain, errors[i].key.a, class),
               word_of_status(explain->trace, (uint32_t)errors[i].key.b, status), text_of_ref(tally->example, actor));
    }
    if (count > 0)
        end_line(explain, "dump --actor %s", text_of_ref(((const struct tally *)errors[0].value)->example, actor));
    else
        end_line(explain, "stats");
    free(errors);
}

static void
print_death(const struct explain *explain, const struct entry *death)
{
    char text[TEXT_SIZE], class[WORD_SIZE], sender[WORD_SIZE], reason[WORD_SIZE];
    uint64_t kinds = death->key.a;
    printf("%s to %s from %s (%s)", text_of_count(((const struct tally *)death->value)->count, text),
           class_of(explain, kinds >> 32, class), class_of(explain, (uint32_t)kinds, sender),
           word_of_reason((uint32_t)death->key.b, reason));
}

static void
explain_deaths(struct explain *explain)
{
    size_t count;
    char text[TEXT_SIZE];
    struct entry *deaths = entries_of(&explain->measure->deaths, &count, by_count);
    begin_line(explain, count > 0, "dead letters");
    if (count == 0)
        fputs("none", stdout);
    else
        printf("%s found nobody: ", text_of_count(sum_of(deaths, count), text));
    for (size_t i = 0; i < SHOWN && i < count; i++) {
        fputs(i > 0 ? "; " : "", stdout);
        print_death(explain, &deaths[i]);
    }
    end_line(explain, count > 0 ? "dump --event dead_letter" : "stats");
    free(deaths);
}

/* -- Dealing. -- */

static int
by_key(const void *a, const void *b)
{
    const struct table_key *x = &((const struct entry *)a)->key, *y = &((const struct entry *)b)->key;
    return x->a != y->a ? (x->a < y->a ? -1 : 1) : x->b < y->b ? -1 : x->b > y->b;
}

/* The connections of one port. */
struct deal {
    const struct entry *most; /* the worker that got most */
    size_t workers;
    uint64_t count;
};

static struct deal
deal_of(const struct entry *deals, size_t count)
{
    struct deal deal = {.most = deals};
    while (deal.workers < count && deals[deal.workers].key.a == deals[0].key.a) {
        const struct entry *entry = &deals[deal.workers++];
        uint64_t dealt = ((const struct tally *)entry->value)->count;
        deal.count += dealt;
        if (dealt > ((const struct tally *)deal.most->value)->count)
            deal.most = entry;
    }
    return deal;
}

/* In hundredths of an even share. */
static uint64_t
unevenness(const struct deal *deal)
{
    if (deal->workers < 2 || deal->count < FEWEST_DEALS * deal->workers)
        return 100;
    double most = (double)((const struct tally *)deal->most->value)->count;
    return (uint64_t)(most * 100.0 * (double)deal->workers / (double)deal->count);
}

static struct deal
most_uneven(const struct entry *deals, size_t count)
{
    struct deal worst = {0};
    for (size_t i = 0; i < count;) {
        struct deal deal = deal_of(deals + i, count - i);
        if (worst.workers == 0 || unevenness(&deal) > unevenness(&worst))
            worst = deal;
        i += deal.workers;
    }
    return worst;
}

static void
explain_deals(struct explain *explain)
{
    size_t count;
    char text[TEXT_SIZE], class[WORD_SIZE], all[TEXT_SIZE];
    struct entry *deals = entries_of(&explain->measure->deals, &count, by_key);
    struct deal worst = most_uneven(deals, count);
    bool uneven = worst.workers > 0 && unevenness(&worst) >= UNEVEN_SHARE;
    begin_line(explain, uneven, "dealing");
    if (worst.workers == 0) {
        fputs("no connection was accepted", stdout);
    } else {
        const struct tally *tally = worst.most->value;
        printf("%s: worker %" PRIu64 " got %s of %s connections to %s, which has %zu workers",
               uneven ? "uneven" : "even enough", worst.most->key.b, text_of_count(tally->count, text),
               text_of_count(worst.count, all),
               class_of(explain, measure_kind(explain->measure, tally->example), class), worst.workers);
        if (worst.most->key.a <= UINT16_MAX)
            printf(" on port %" PRIu64, worst.most->key.a);
    }
    end_line(explain, worst.workers > 0 ? "dump --event listener_accept" : "stats");
    free(deals);
}

/* -- Failures. -- */

static const struct kind *
worst_failure(const struct measure *measure)
{
    const struct kind *worst = &measure->kinds[0];
    for (size_t i = 1; i < measure->kind_count; i++) {
        if (measure->kinds[i].failed > worst->failed)
            worst = &measure->kinds[i];
    }
    return worst;
}

static void
explain_failures(struct explain *explain)
{
    size_t count;
    char class[WORD_SIZE], status[WORD_SIZE], text[TEXT_SIZE];
    const struct kind *kind = worst_failure(explain->measure);
    struct entry *stalls = entries_of(&explain->measure->stalls, &count, by_count);
    begin_line(explain, kind->failed > 0 || count > 0, "failures");
    if (kind->failed > 0)
        printf("%s failed %s times (the last: %s)", word_of_class(explain->trace, kind->name, class),
               text_of_count(kind->failed, text), word_of_status(explain->trace, kind->last_failure, status));
    else
        fputs("no actor failed", stdout);
    if (count > 0)
        printf("; the watchdog found %s stuck %s times", class_of(explain, stalls[0].key.a, class),
               text_of_count(((const struct tally *)stalls[0].value)->count, text));
    end_line(explain, "%s", count > 0 ? "dump --event stall" : kind->failed > 0 ? "dump --event fail" : "stats");
    free(stalls);
}

/* -- The command. -- */

static void
print_verdict(const struct explain *explain)
{
    bool open = !explain->trace->metadata->closed;
    const char *ends = open ? " (the trace was cut off, or is still being written)" : "";
    if (explain->bad == 0)
        printf("%s  all is well%s%s\n", colour_begin(COLOUR_GOOD), ends, colour_end());
    else
        printf("  %u of 9 look bad%s\n", explain->bad, ends);
}

static void
explain_trace(const struct trace *trace, const char *directory)
{
    struct measure *measure = measure_trace(trace, NULL);
    struct explain explain = {trace, measure, directory, 0};
    explain_losses(&explain);
    explain_workers(&explain);
    explain_handlers(&explain);
    explain_mailboxes(&explain);
    explain_waits(&explain);
    explain_sockets(&explain);
    explain_deaths(&explain);
    explain_deals(&explain);
    explain_failures(&explain);
    print_verdict(&explain);
    measure_free(measure);
}

static int
run(int count, char **words)
{
    return plain_run(count, words, explain_trace);
}

const struct command command_explain = {
    .name = "explain",
    .usage = "DIRECTORY",
    .summary = "what is wrong with the program: ten lines in plain words, each with the command that shows more",
    .example = "TR_TRACE=dir ./server; troupe-trace explain dir",
    .options = plain_options,
    .run = run,
};
