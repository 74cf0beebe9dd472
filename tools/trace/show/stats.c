/*
 * How much, how fast, how long: the measures of a trace as tables, or as JSON.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "clocks.h"
#include "colour.h"
#include "escape.h"
#include "filter.h"
#include "measure.h"
#include "process.h"
#include "progress.h"
#include "show.h"
#include "tallies.h"
#include "text.h"
#include "words.h"

struct stats {
    const struct trace *trace;
    const struct measure *measure;
    uint64_t ns; /* that it lasts */
};

static uint64_t
ns_of(const struct stats *stats, uint64_t ticks)
{
    return metadata_duration_ns(stats->trace->metadata, ticks);
}

static double
share(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

/* -- For people. -- */

/* The first line of a table; as printf(). */
__attribute__((format(printf, 1, 2))) static void
print_title(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("\n%s", colour_begin(COLOUR_TITLE));
    vprintf(format, arguments);
    printf("%s\n", colour_end());
    va_end(arguments);
}

static void
print_rate(const struct stats *stats, const char *what, uint64_t count)
{
    char text[TEXT_SIZE], rate[TEXT_SIZE];
    double seconds = (double)stats->ns / 1e9;
    printf("%-11s %16s", what, text_of_count(count, text));
    if (seconds > 0)
        printf(" %16s a second", text_of_count((uint64_t)((double)count / seconds), rate));
    putchar('\n');
}

static void
print_rates(const struct stats *stats)
{
    const struct measure *measure = stats->measure;
    char word[WORD_SIZE], text[TEXT_SIZE];
    printf("lasts       %16s\n", word_of_duration(stats->ns, word));
    print_rate(stats, "events", measure->events);
    print_rate(stats, "sent", measure->sent);
    print_rate(stats, "received", measure->received);
    printf("on the way  %16s at the end\n", text_of_count(measure->flight.count, text));
    if (measure->flight.forgotten > 0)
        printf("forgotten   %16s that waited too long to be measured\n",
               text_of_count(measure->flight.forgotten, text));
    if (trace_lost(stats->trace) > 0)
        printf("lost        %16s events, which are in no figure here\n", text_of_count(trace_lost(stats->trace), text));
}

static void
print_workers(const struct stats *stats)
{
    char stream[TEXT_SIZE], events[TEXT_SIZE], received[TEXT_SIZE], sent[TEXT_SIZE];
    print_title("%-10s %16s %14s %14s %8s %12s", "worker", "events", "received", "sent", "awake", "in handlers");
    for (size_t i = 0; i < stats->measure->hand_count; i++) {
        const struct hand *hand = &stats->measure->hands[i];
        uint64_t time = hand->last - hand->first;
        printf("%-10s %16s %14s %14s", text_of_stream(hand->number, stream), text_of_count(hand->events, events),
               text_of_count(hand->received, received), text_of_count(hand->sent, sent));
        if (!is_outside(hand->number))
            printf(" %6.1f %% %10.1f %%", time > 0 ? 100 - share(hand->asleep, time) : 0, share(hand->busy, time));
        putchar('\n');
    }
}

/* Those that took most time first. */
static int
by_busy(const void *a, const void *b)
{
    const struct kind *x = *(const struct kind *const *)a, *y = *(const struct kind *const *)b;
    return x->busy != y->busy ? (x->busy < y->busy ? 1 : -1) : x->name < y->name ? -1 : x->name > y->name;
}

static const struct kind **
sorted_kinds(const struct measure *measure)
{
    const struct kind **kinds = calloc(measure->kind_count, sizeof(*kinds));
    for (size_t i = 0; kinds != NULL && i < measure->kind_count; i++)
        kinds[i] = &measure->kinds[i];
    if (kinds != NULL)
        qsort(kinds, measure->kind_count, sizeof(*kinds), by_busy);
    return kinds;
}

static void
print_kind(const struct stats *stats, const struct kind *kind)
{
    char class[WORD_SIZE], spawned[TEXT_SIZE], received[TEXT_SIZE], busy[WORD_SIZE], deepest[TEXT_SIZE];
    char actor[TEXT_SIZE];
    printf("%-28s %10s %14s %10s %12s", word_of_class(stats->trace, kind->name, class),
           text_of_count(kind->spawned, spawned), text_of_count(kind->received, received),
           word_of_duration(ns_of(stats, kind->busy), busy), text_of_count(kind->deepest, deepest));
    if (kind->deepest > 0)
        printf("  of %s", text_of_ref(kind->deepest_actor, actor));
    if (kind->failed > 0)
        printf("  failed %" PRIu64 " times", kind->failed);
    putchar('\n');
}

static void
print_kinds(const struct stats *stats)
{
    const struct kind **kinds = sorted_kinds(stats->measure);
    print_title("%-28s %10s %14s %10s %12s", "class", "spawned", "received", "busy", "deepest box");
    for (size_t i = 0; kinds != NULL && i < stats->measure->kind_count; i++) {
        if (kinds[i]->spawned + kinds[i]->received > 0)
            print_kind(stats, kinds[i]);
    }
    free(kinds);
}

static void
print_histogram(const struct stats *stats, const struct histogram *histogram)
{
    char half[WORD_SIZE], most[WORD_SIZE], all[WORD_SIZE];
    printf(" %10s %10s %10s", word_of_duration(ns_of(stats, histogram_part(histogram, 500)), half),
           word_of_duration(ns_of(stats, histogram_part(histogram, 990)), most),
           word_of_duration(ns_of(stats, histogram->most), all));
}

static int
by_work(const void *a, const void *b)
{
    const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
    if (x->works.total != y->works.total)
        return x->works.total < y->works.total ? 1 : -1;
    return x < y ? -1 : x > y;
}

static const struct row **
sorted_rows(const struct measure *measure)
{
    const struct row **rows = calloc(measure->row_count, sizeof(*rows));
    for (size_t i = 0; rows != NULL && i < measure->row_count; i++)
        rows[i] = &measure->rows[i];
    if (rows != NULL)
        qsort(rows, measure->row_count, sizeof(*rows), by_work);
    return rows;
}

static void
print_row(const struct stats *stats, const struct row *row)
{
    char class[WORD_SIZE], tag[WORD_SIZE], count[TEXT_SIZE];
    if (row->rest)
        printf("%-28s %-16s", "(all others)", "");
    else
        printf("%-28s %-16s", word_of_class(stats->trace, measure_class(stats->measure, row->kind), class),
               word_of_tag(stats->trace, measure_class(stats->measure, row->kind), row->tag, tag));
    printf(" %14s", text_of_count(row->works.count, count));
    print_histogram(stats, &row->waits);
    print_histogram(stats, &row->works);
    putchar('\n');
}

static void
print_rows(const struct stats *stats)
{
    const struct row **rows = sorted_rows(stats->measure);
    print_title("%-28s %-16s %14s %10s %10s %10s %10s %10s %10s", "to class", "tag", "received", "wait p50", "p99",
                "max", "work p50", "p99", "max");
    for (size_t i = 0; rows != NULL && i < stats->measure->row_count; i++) {
        if (rows[i]->works.count > 0)
            print_row(stats, rows[i]);
    }
    free(rows);
}

/* A listener whose port is not known has its ref instead. */
static void
print_port(uint64_t port)
{
    char actor[TEXT_SIZE];
    if (port <= UINT16_MAX)
        printf("%-10" PRIu64, port);
    else
        printf("%-10s", text_of_ref(port & ~(UINT64_C(1) << 63), actor));
}

static uint64_t
dealt_at(const struct table_entry *deals, size_t count, uint64_t port)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += deals[i].key.a == port ? ((const struct tally *)deals[i].value)->count : 0;
    return sum;
}

static void
print_deals(const struct stats *stats)
{
    size_t count;
    char text[TEXT_SIZE], worker[TEXT_SIZE];
    struct table_entry *deals = entries_of(&stats->measure->deals, &count, tallies_by_key);
    if (count > 0)
        print_title("%-10s %10s %14s %8s", "port", "to worker", "connections", "share");
    for (size_t i = 0; i < count; i++) {
        uint64_t dealt = ((const struct tally *)deals[i].value)->count;
        print_port(deals[i].key.a);
        printf(" %10s %14s %6.1f %%\n", text_of_stream((uint32_t)deals[i].key.b, worker), text_of_count(dealt, text),
               share(dealt, dealt_at(deals, count, deals[i].key.a)));
    }
    free(deals);
}

static void
print_deaths(const struct stats *stats)
{
    size_t count;
    char class[WORD_SIZE], sender[WORD_SIZE], reason[WORD_SIZE], text[TEXT_SIZE];
    struct table_entry *deaths = entries_of(&stats->measure->deaths, &count, tallies_by_key);
    if (count > 0)
        print_title("%-28s %-28s %-14s %14s", "dead letters to", "from", "reason", "count");
    for (size_t i = 0; i < count; i++) {
        uint64_t kinds = deaths[i].key.a;
        printf("%-28s %-28s %-14s %14s\n",
               word_of_class(stats->trace, measure_class(stats->measure, kinds >> 32), class),
               word_of_class(stats->trace, measure_class(stats->measure, (uint32_t)kinds), sender),
               word_of_reason((uint32_t)deaths[i].key.b, reason),
               text_of_count(((const struct tally *)deaths[i].value)->count, text));
    }
    free(deaths);
}

static void
print_errors(const struct stats *stats)
{
    size_t count;
    char class[WORD_SIZE], status[WORD_SIZE], text[TEXT_SIZE], actor[TEXT_SIZE];
    struct table_entry *errors = entries_of(&stats->measure->errors, &count, tallies_by_key);
    if (count > 0)
        print_title("%-28s %-14s %14s  %s", "sockets failed of", "status", "count", "the first");
    for (size_t i = 0; i < count; i++) {
        const struct tally *tally = errors[i].value;
        printf("%-28s %-14s %14s  %s\n",
               word_of_class(stats->trace, measure_class(stats->measure, errors[i].key.a), class),
               word_of_status(stats->trace, (uint32_t)errors[i].key.b, status), text_of_count(tally->count, text),
               text_of_ref(tally->example, actor));
    }
    free(errors);
}

static void
print_text(const struct stats *stats)
{
    print_rates(stats);
    print_workers(stats);
    print_kinds(stats);
    print_rows(stats);
    print_deals(stats);
    print_deaths(stats);
    print_errors(stats);
}

/* -- For programs: a line for each row, with a key that says what it is of. -- */

static void
print_json_class(const struct stats *stats, const char *key, size_t kind)
{
    const char *text = names_find(stats->trace->names, measure_class(stats->measure, kind));
    printf(",\"%s\":", key);
    if (text != NULL)
        print_json_string(stdout, text);
    else
        fputs("null", stdout);
}

static void
print_json_deal(const struct table_entry *deal)
{
    char worker[TEXT_SIZE];
    const struct process_range *range = process_of_worker((uint32_t)deal->key.b);
    printf("{\"of\":\"deals\",\"port\":%" PRIu64, deal->key.a <= UINT16_MAX ? deal->key.a : 0);
    if (range != NULL && range->number > 0)
        printf(",\"process\":%u", range->number);
    printf(",\"to_worker\":%s,\"connections\":%" PRIu64 "}\n", text_of_worker((uint32_t)deal->key.b, worker),
           ((const struct tally *)deal->value)->count);
}

static void
print_json_histogram(const struct stats *stats, const char *key, const struct histogram *histogram)
{
    printf(",\"%s\":{\"count\":%" PRIu64 ",\"p50_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64 ",\"max_ns\":%" PRIu64
           ",\"total_ns\":%" PRIu64 "}",
           key, histogram->count, ns_of(stats, histogram_part(histogram, 500)),
           ns_of(stats, histogram_part(histogram, 990)), ns_of(stats, histogram->most), ns_of(stats, histogram->total));
}

static void
print_json_hand(const struct stats *stats, const struct hand *hand)
{
    char stream[TEXT_SIZE];
    const char *quote = is_outside(hand->number) ? "\"" : "";
    const struct process_range *range = process_of_stream(hand->number);
    printf("{\"of\":\"worker\"");
    if (range != NULL && range->number > 0)
        printf(",\"process\":%u", range->number);
    printf(",\"worker\":%s%s%s,\"events\":%" PRIu64 ",\"received\":%" PRIu64 ",\"sent\":%" PRIu64
           ",\"lasts_ns\":%" PRIu64 ",\"asleep_ns\":%" PRIu64 ",\"in_handlers_ns\":%" PRIu64 "}\n",
           quote, text_of_worker(hand->number, stream), quote, hand->events, hand->received, hand->sent,
           ns_of(stats, hand->last - hand->first), ns_of(stats, hand->asleep), ns_of(stats, hand->busy));
}

static void
print_json_kind(const struct stats *stats, size_t number)
{
    const struct kind *kind = &stats->measure->kinds[number];
    printf("{\"of\":\"class\"");
    print_json_class(stats, "class", number);
    printf(",\"spawned\":%" PRIu64 ",\"received\":%" PRIu64 ",\"in_handlers_ns\":%" PRIu64 ",\"deepest\":%" PRIu64
           ",\"failed\":%" PRIu64 ",\"restarts\":%" PRIu64 "}\n",
           kind->spawned, kind->received, ns_of(stats, kind->busy), kind->deepest, kind->failed, kind->restarts);
}

static void
print_json_row(const struct stats *stats, const struct row *row)
{
    printf("{\"of\":\"messages\"");
    print_json_class(stats, "class", row->kind);
    if (row->rest)
        fputs(",\"tag\":null", stdout);
    else
        printf(",\"tag\":%" PRIu32, row->tag);
    print_json_histogram(stats, "wait", &row->waits);
    print_json_histogram(stats, "work", &row->works);
    fputs("}\n", stdout);
}

static void
print_json_tallies(const struct stats *stats)
{
    size_t count;
    struct table_entry *entries = entries_of(&stats->measure->deals, &count, tallies_by_key);
    for (size_t i = 0; i < count; i++)
        print_json_deal(&entries[i]);
    free(entries);
    entries = entries_of(&stats->measure->deaths, &count, tallies_by_key);
    for (size_t i = 0; i < count; i++) {
        printf("{\"of\":\"dead_letters\"");
        print_json_class(stats, "class", entries[i].key.a >> 32);
        print_json_class(stats, "from", (uint32_t)entries[i].key.a);
        printf(",\"reason\":%" PRIu64 ",\"count\":%" PRIu64 "}\n", entries[i].key.b,
               ((const struct tally *)entries[i].value)->count);
    }
    free(entries);
}

static void
print_json(const struct stats *stats)
{
    const struct measure *measure = stats->measure;
    printf("{\"of\":\"trace\",\"lasts_ns\":%" PRIu64 ",\"events\":%" PRIu64 ",\"sent\":%" PRIu64
           ",\"received\":%" PRIu64 ",\"on_the_way\":%" PRIu64 ",\"lost\":%" PRIu64 "}\n",
           stats->ns, measure->events, measure->sent, measure->received, measure->flight.count,
           trace_lost(stats->trace));
    for (size_t i = 0; i < measure->hand_count; i++)
        print_json_hand(stats, &measure->hands[i]);
    for (size_t i = 0; i < measure->kind_count; i++) {
        if (measure->kinds[i].spawned + measure->kinds[i].received > 0)
            print_json_kind(stats, i);
    }
    for (size_t i = 0; i < measure->row_count; i++) {
        if (measure->rows[i].works.count > 0)
            print_json_row(stats, &measure->rows[i]);
    }
    print_json_tallies(stats);
}

/* -- The command. -- */

static const struct option options[] = {
    FILTER_WHO,
    {"json", no_argument, NULL, 'j'},
    {NULL, 0, NULL, 0},
};

static const struct option_text texts[] = {
    {"json", NULL, "a JSON object for each row; its `of` says what of"},
    FILTER_WHO_TEXTS,
    {NULL, NULL, NULL},
};

static struct measured
measured_of(const struct filter *filter)
{
    return (struct measured){
        .by_actor = filter->by_actor,
        .by_worker = filter->by_worker,
        .by_class = filter->class != NULL,
        .actor = filter->actor,
        .worker = filter->worker,
        .class = filter->class,
        .since = filter->since,
        .until = filter->until,
    };
}

struct wanted {
    struct filter filter;
    bool json;
};

static void
print_stats(const struct measure *measure, bool json)
{
    const struct trace *trace = measure->trace;
    struct stats stats = {trace, measure, metadata_duration_ns(trace->metadata, measure->last - measure->first)};
    progress_give_way();
    if (json)
        print_json(&stats);
    else
        print_text(&stats);
}

static int
show_stats(const struct trace *trace, void *argument)
{
    struct wanted *wanted = argument;
    int status = filter_prepare(&wanted->filter, trace);
    if (status != 0)
        return status;
    struct measured measured = measured_of(&wanted->filter);
    struct measure *measure = measure_trace(trace, &measured);
    bool again = clocks_mislead(trace, measure->contradictions);
    if (!again)
        print_stats(measure, wanted->json);
    measure_free(measure);
    return again ? PASS_AGAIN : 0;
}

static int
take(void *argument, int option)
{
    struct wanted *wanted = argument;
    wanted->json |= option == 'j';
    return option == 'j' ? 0 : filter_take(&wanted->filter, option);
}

static int
run(int count, char **words)
{
    struct wanted wanted = {0};
    int status = take_options(&command_stats, count, words, take, &wanted);
    int directories = status == 0 ? count_directories(count, words, 0) : status;
    if (directories < 1)
        return directories;
    progress_passes(1);
    return trace_pass((const char *const *)words + optind, (size_t)directories, show_stats, &wanted);
}

const struct command command_stats = {
    .name = "stats",
    .usage = "[--json] " FILTER_WHO_USAGE " DIRECTORY...",
    .summary = "how much, how fast, how long: rates, waits, times in handlers, mailboxes, workers, deals, "
               "dead letters\n"
               "awake: at least so long; a worker that wakes up counts as asleep until the first event of a callback.",
    .example = "troupe-trace stats --class session --since 10s dir      # one class, after the start",
    .options = options,
    .texts = texts,
    .run = run,
};
