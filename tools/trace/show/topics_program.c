/*
 * Topics about the program around the messages: what was lost of the trace, workers, connections, failures.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tallies.h"
#include "text.h"
#include "topics.h"
#include "words.h"

/* From here on it is bad. */
#define BUSY_SHARE 90u    /* of a hundred */
#define UNEVEN_SHARE 150u /* of a hundred: of what an even deal gives */
#define FEWEST_DEALS 10u  /* for each worker, before their number tells something */
#define SHOWN 3u          /* of one kind */

static const char *
class_of(const struct measure *measure, size_t kind, char word[WORD_SIZE])
{
    return word_of_class(measure->trace, measure_class(measure, kind), word);
}

/* -- What was lost. -- */

void
topic_losses(const struct measure *measure, struct answer *answer)
{
    char text[TEXT_SIZE];
    uint64_t lost = trace_lost(measure->trace);
    answer->topic = "losses";
    answer->bad = lost > 0;
    if (lost > 0)
        answer_say(answer, "%s events were lost: the rest may mislead", text_of_count(lost, text));
    else
        answer_say(answer, "none: all %s events are in the trace", text_of_count(measure->events, text));
    answer_more(answer, "info");
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
        if (is_outside(hand->number))
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

/* Callbacks of sockets are no handlers. */
static bool
is_mostly_in_handlers(const struct hand *hand)
{
    uint64_t awake = hand->last - hand->first - hand->asleep;
    return hand->busy >= awake / 2;
}

void
topic_workers(const struct measure *measure, struct answer *answer)
{
    const struct hand *hand = busiest_hand(measure);
    char class[WORD_SIZE], busy[WORD_SIZE], worker[TEXT_SIZE];
    uint64_t ticks;
    unsigned awake = hand != NULL ? awake_of(hand) : 0;
    answer->topic = "workers";
    answer->bad = awake >= BUSY_SHARE * 10;
    if (hand == NULL) {
        answer_say(answer, "no worker did anything");
        answer_more(answer, "info");
        return;
    }
    size_t kind = busiest_kind(measure, hand, &ticks);
    answer_say(answer, "worker %s is the busiest: %u.%u %% of its time", text_of_stream(hand->number, worker),
               awake / 10, awake % 10);
    if (ticks > 0)
        answer_say(answer, ", mostly %s %s (%s)", is_mostly_in_handlers(hand) ? "for" : "in callbacks; in handlers for",
                   class_of(measure, kind, class),
                   word_of_duration(metadata_duration_ns(measure->trace->metadata, ticks), busy));
    answer_more(answer, "stats --worker %s", worker);
}

/* -- Connections that ended with errors. -- */

static void
say_error(const struct measure *measure, const struct table_entry *error, const char *before, struct answer *answer)
{
    char text[TEXT_SIZE], class[WORD_SIZE], status[WORD_SIZE], actor[TEXT_SIZE];
    const struct tally *tally = error->value;
    answer_say(answer, "%s%s of %s (%s)", before, text_of_count(tally->count, text),
               class_of(measure, error->key.a, class), word_of_status(measure->trace, (uint32_t)error->key.b, status));
    answer_say(answer, ", the first %s", text_of_ref(tally->example, actor));
}

void
topic_connections(const struct measure *measure, struct answer *answer)
{
    size_t count;
    char text[TEXT_SIZE], actor[TEXT_SIZE];
    struct table_entry *errors = entries_of(&measure->errors, &count, tallies_by_count);
    answer->topic = "connections";
    answer->bad = count > 0;
    if (count == 0)
        answer_say(answer, "none ended with an error");
    else
        answer_say(answer, "%s ended with errors", text_of_count(tallies_sum(errors, count), text));
    for (size_t i = 0; i < SHOWN && i < count; i++)
        say_error(measure, &errors[i], i == 0 ? ": " : "; ", answer);
    if (count > 0)
        answer_more(answer, "dump --actor %s", text_of_ref(((const struct tally *)errors[0].value)->example, actor));
    else
        answer_more(answer, "stats");
    free(errors);
}

/* -- Dealing. -- */

/* The connections of one port. */
struct deal {
    const struct table_entry *most; /* the worker that got most */
    size_t workers;
    uint64_t count;
};

static struct deal
deal_of(const struct table_entry *deals, size_t count)
{
    struct deal deal = {.most = deals};
    while (deal.workers < count && deals[deal.workers].key.a == deals[0].key.a) {
        const struct table_entry *entry = &deals[deal.workers++];
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
most_uneven(const struct table_entry *deals, size_t count)
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

void
topic_dealing(const struct measure *measure, struct answer *answer)
{
    size_t count;
    char text[TEXT_SIZE], class[WORD_SIZE], all[TEXT_SIZE], worker[TEXT_SIZE];
    struct table_entry *deals = entries_of(&measure->deals, &count, tallies_by_key);
    struct deal worst = most_uneven(deals, count);
    answer->topic = "dealing";
    answer->bad = worst.workers > 0 && unevenness(&worst) >= UNEVEN_SHARE;
    if (worst.workers == 0) {
        answer_say(answer, "no connection was accepted");
    } else {
        const struct tally *tally = worst.most->value;
        answer_say(answer, "%s: %s of %s connections", answer->bad ? "uneven" : "even enough",
                   text_of_count(tally->count, text), text_of_count(worst.count, all));
        answer_say(answer, " went to worker %s", text_of_stream((uint32_t)worst.most->key.b, worker));
        if (worst.most->key.a <= UINT16_MAX)
            answer_say(answer, " on port %" PRIu64, worst.most->key.a);
        answer_say(answer, ", %s on %zu workers", class_of(measure, measure_kind(measure, tally->example), class),
                   worst.workers);
    }
    answer_more(answer, "stats");
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

/* "SIGSEGV"; a number where the library has no word for it. */
static const char *
word_of_signal(uint16_t signal, char word[WORD_SIZE])
{
    const char *known = word_of_value(&role_shapes[ROLE_crash].flags, signal);
    snprintf(word, WORD_SIZE, "signal %u", signal);
    for (size_t i = 0; known != NULL && i <= strlen(known); i++)
        word[i] = (char)toupper((unsigned char)known[i]);
    return word;
}

static void
say_crash(const struct measure *measure, struct answer *answer)
{
    char class[WORD_SIZE], tag[WORD_SIZE], signal[WORD_SIZE], actor[TEXT_SIZE];
    uint32_t name = measure_class(measure, measure->crash_kind);
    word_of_signal(measure->crash_signal, signal);
    if (measure->crash_actor == 0)
        answer_say(answer, "%s hit a worker outside all handlers", signal);
    else
        answer_say(answer, "%s hit %s (%s) in its handler of %s", signal, text_of_ref(measure->crash_actor, actor),
                   word_of_class(measure->trace, name, class),
                   word_of_tag(measure->trace, name, measure->crash_tag, tag));
}

void
topic_failures(const struct measure *measure, struct answer *answer)
{
    size_t count;
    char class[WORD_SIZE], status[WORD_SIZE], text[TEXT_SIZE];
    const struct kind *kind = worst_failure(measure);
    struct table_entry *stalls = entries_of(&measure->stalls, &count, tallies_by_count);
    answer->topic = "failures";
    answer->bad = kind->failed > 0 || count > 0 || measure->crashes > 0;
    if (measure->crashes > 0)
        say_crash(measure, answer);
    if (kind->failed > 0)
        answer_say(answer, "%s%s failed, %s in all (the last: %s)", measure->crashes > 0 ? "; " : "",
                   word_of_class(measure->trace, kind->name, class), text_of_count(kind->failed, text),
                   word_of_status(measure->trace, kind->last_failure, status));
    else if (measure->crashes == 0)
        answer_say(answer, "no actor failed");
    if (count > 0)
        answer_say(answer, "; the watchdog found %s stuck, %s in all", class_of(measure, stalls[0].key.a, class),
                   text_of_count(((const struct tally *)stalls[0].value)->count, text));
    answer_more(answer, "%s",
                measure->crashes > 0 ? "dump --event crash"
                : count > 0          ? "dump --event stall"
                : kind->failed > 0   ? "dump --event fail"
                                     : "stats");
    free(stalls);
}
