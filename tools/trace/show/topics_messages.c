/*
 * Topics about messages: how long handlers took, what waited, how long, and what found nobody.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "bad_input.h"
#include "tallies.h"
#include "text.h"
#include "topics.h"
#include "words.h"

/* From here on it is bad. */
#define LONG_WORK_NS UINT64_C(50000000)
#define LONG_WAIT_NS UINT64_C(100000000)
#define DEEP_MAILBOX 1000u
#define MANY_UNRECEIVED 1000u
#define SHOWN 3u /* of one kind */

static uint64_t
ns_of(const struct measure *measure, uint64_t ticks)
{
    return metadata_duration_ns(measure->trace->metadata, ticks);
}

static const char *
class_of(const struct measure *measure, size_t kind, char word[WORD_SIZE])
{
    return word_of_class(measure->trace, measure_class(measure, kind), word);
}

static const char *
tag_of(const struct measure *measure, const struct row *row, char word[WORD_SIZE])
{
    return word_of_tag(measure->trace, measure_class(measure, row->kind), row->tag, word);
}

/* -- Handlers and waits. -- */

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

/* How long the longest took, of what, and how long most of them. */
static void
say_row(const struct measure *measure, const struct row *row, const struct histogram *histogram, const char *before,
        struct answer *answer)
{
    char class[WORD_SIZE], tag[WORD_SIZE], most[WORD_SIZE], half[WORD_SIZE];
    answer_say(answer, "%s %s: %s got message %s", before, word_of_duration(ns_of(measure, histogram->most), most),
               class_of(measure, row->kind, class), tag_of(measure, row, tag));
    answer_say(answer, " (mostly %s)", word_of_duration(ns_of(measure, histogram_part(histogram, 500)), half));
}

void
topic_handlers(const struct measure *measure, struct answer *answer)
{
    char message[TEXT_SIZE];
    const struct row **rows = worst_rows(measure, by_work);
    answer->topic = "handlers";
    answer->bad = ns_of(measure, rows[0]->works.most) >= LONG_WORK_NS;
    if (rows[0]->works.count == 0)
        answer_say(answer, "nothing was handled");
    for (size_t i = 0; i < SHOWN && i < measure->row_count && rows[i]->works.count > 0; i++)
        say_row(measure, rows[i], &rows[i]->works, i == 0 ? "the slowest," : "; then", answer);
    if (rows[0]->works.count > 0)
        answer_more(answer, "path %s", text_of_message(rows[0]->longest_work_message, message));
    else
        answer_more(answer, "stats");
    free(rows);
}

void
topic_waits(const struct measure *measure, struct answer *answer)
{
    char message[TEXT_SIZE], sender[WORD_SIZE];
    const struct row **rows = worst_rows(measure, by_wait);
    const struct row *row = rows[0];
    answer->topic = "waits";
    answer->bad = ns_of(measure, row->waits.most) >= LONG_WAIT_NS;
    if (row->waits.count == 0) {
        answer_say(answer, "no message was received");
        answer_more(answer, "stats");
    } else {
        say_row(measure, row, &row->waits, "the longest,", answer);
        if (row->longest_wait_sender != 0)
            answer_say(answer, ", from %s", class_of(measure, measure_kind(measure, row->longest_wait_sender), sender));
        answer_more(answer, "path %s", text_of_message(row->longest_wait_message, message));
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
    *count += !sent->sending.early;
}

void
topic_mailboxes(const struct measure *measure, struct answer *answer)
{
    const struct kind *kind = deepest_kind(measure);
    char class[WORD_SIZE], depth[TEXT_SIZE], actor[TEXT_SIZE], left[TEXT_SIZE];
    uint64_t unreceived = 0;
    flight_each(&measure->flight, count_unreceived, &unreceived);
    answer->topic = "mailboxes";
    answer->bad = kind->deepest >= DEEP_MAILBOX || unreceived >= MANY_UNRECEIVED;
    if (kind->deepest > 0)
        answer_say(answer, "%s waited at once for %s", text_of_count(kind->deepest, depth),
                   word_of_class(measure->trace, kind->name, class));
    else
        answer_say(answer, "nothing waited");
    if (kind->deepest > 0)
        answer_say(answer, ", actor %s", text_of_ref(kind->deepest_actor, actor));
    if (unreceived > 0)
        answer_say(answer, "; %s not received at the end", text_of_count(unreceived, left));
    if (kind->deepest > 0)
        answer_more(answer, "stats --actor %s", text_of_ref(kind->deepest_actor, actor));
    else
        answer_more(answer, "stats");
}

/* -- Dead letters. -- */

/* "?" would be read as a name. */
static const char *
sender_of(const struct measure *measure, size_t kind, char word[WORD_SIZE])
{
    return measure_class(measure, kind) != 0 ? class_of(measure, kind, word) : "an unknown sender";
}

static void
say_death(const struct measure *measure, const struct table_entry *death, const char *before, struct answer *answer)
{
    char text[TEXT_SIZE], class[WORD_SIZE], sender[WORD_SIZE], reason[WORD_SIZE];
    uint64_t kinds = death->key.a;
    answer_say(answer, "%s%s from %s to %s (%s)", before,
               text_of_count(((const struct tally *)death->value)->count, text),
               sender_of(measure, (uint32_t)kinds, sender), class_of(measure, kinds >> 32, class),
               word_of_reason((uint32_t)death->key.b, reason));
}

void
topic_dead_letters(const struct measure *measure, struct answer *answer)
{
    size_t count;
    char text[TEXT_SIZE];
    struct table_entry *deaths = entries_of(&measure->deaths, &count, tallies_by_count);
    answer->topic = "dead letters";
    answer->bad = count > 0;
    if (count == 0)
        answer_say(answer, "every message found its receiver");
    else
        answer_say(answer, "%s found nobody", text_of_count(tallies_sum(deaths, count), text));
    for (size_t i = 0; i < SHOWN && i < count; i++)
        say_death(measure, &deaths[i], i == 0 ? ": " : "; ", answer);
    answer_more(answer, "%s", count > 0 ? "dump --event dead_letter" : "stats");
    free(deaths);
}
