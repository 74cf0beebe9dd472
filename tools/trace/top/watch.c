#include "watch.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bad_input.h"
#include "filter.h"
#include "gone.h"
#include "text_of_time.h"

#define SECOND UINT64_C(1000000000)

void
watch_open(struct watch *watch, const char *const *directories, size_t count)
{
    memset(watch, 0, sizeof(*watch));
    tail_open(&watch->tail, directories, count, true);
    watch->measure = measure_new(watch->tail.trace, &(struct measured){.until = UINT64_MAX, .deeds = true});
}

void
watch_close(struct watch *watch)
{
    measure_free(watch->measure);
    tail_close(&watch->tail);
    free(watch->before);
}

/* -- Until when. -- */

/* The time of now by the clock of the trace, in ticks; 0: it was recorded in the future. */
static uint64_t
ticks_now(const struct trace *trace)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t second = (uint64_t)now.tv_sec;
    if (second < trace->metadata->offset_s)
        return 0;
    uint64_t ticks = ticks_of_ns(trace, (second - trace->metadata->offset_s) * SECOND + (uint64_t)now.tv_nsec);
    return ticks > trace->metadata->offset ? ticks - trace->metadata->offset : 0;
}

/* The first picture goes to the last event: who knows how long nobody has written. */
static uint64_t
end_of_look(const struct watch *watch)
{
    uint64_t last = watch->measure->last;
    uint64_t now = watch->then > 0 && !watch->tail.closed && !watch->gone ? ticks_now(watch->tail.trace) : last;
    uint64_t end = now > last ? now : last;
    return end > watch->then ? end : watch->then;
}

/* -- Lines. -- */

static double
part_of(uint64_t ticks, uint64_t whole)
{
    double part = whole > 0 ? (double)ticks / (double)whole : 0;
    return part < 1 ? part : 1;
}

/* A worker that came since the last look did nothing before that. */
static void
fill_worker(struct worker_line *line, const struct hand *hand, const struct hand *before, uint64_t ticks)
{
    static const struct hand nothing;
    const struct hand *then = before != NULL ? before : &nothing;
    uint64_t asleep = hand->asleep - then->asleep;
    line->number = hand->number;
    line->received = hand->received - then->received;
    line->sent = hand->sent - then->sent;
    line->awake = 1 - part_of(asleep, ticks);
    line->busy = part_of(hand->busy - then->busy, ticks);
}

static void
fill_workers(const struct watch *watch, struct picture *picture, uint64_t ticks)
{
    const struct measure *measure = watch->measure;
    picture->workers = must_calloc(measure->hand_count + 1, sizeof(*picture->workers));
    for (size_t i = 0; i < measure->hand_count; i++) {
        if (measure->hands[i].number != TRI_TRACE_OUTSIDE)
            fill_worker(&picture->workers[picture->worker_count++], &measure->hands[i],
                        i < watch->before_count ? &watch->before[i] : NULL, ticks);
    }
}

static uint64_t
ns_of(const struct watch *watch, uint64_t ticks)
{
    return metadata_duration_ns(watch->tail.trace->metadata, ticks);
}

static void
add_deed(const struct watch *watch, struct actor_line *line, const struct deed *deed)
{
    uint64_t longest = ns_of(watch, deed->longest);
    line->received += deed->received;
    line->busy_ns += ns_of(watch, deed->busy);
    line->longest_ns = longest > line->longest_ns ? longest : line->longest_ns;
    line->deepest = deed->deepest > line->deepest ? deed->deepest : line->deepest;
}

static void
name_line(const struct watch *watch, struct actor_line *line, size_t kind)
{
    word_of_class(watch->tail.trace, measure_class(watch->measure, kind), line->class);
}

/* All classes of which somebody lives, or did something. */
static void
fill_classes(const struct watch *watch, struct picture *picture, const struct table_entry *deeds, size_t count)
{
    const struct measure *measure = watch->measure;
    struct actor_line *lines = must_calloc(measure->kind_count, sizeof(*lines));
    struct table_entry entry;
    for (size_t place = 0; table_next(&measure->persons, &place, &entry);)
        lines[((const struct person *)entry.value)->kind].actors++;
    for (size_t i = 0; i < count; i++) {
        const struct deed *deed = deeds[i].value;
        add_deed(watch, &lines[deed->kind], deed);
    }
    for (size_t kind = 0; kind < measure->kind_count; kind++) {
        if (lines[kind].actors == 0 && lines[kind].received == 0 && lines[kind].busy_ns == 0)
            continue;
        name_line(watch, &lines[kind], kind);
        lines[picture->class_count++] = lines[kind];
    }
    picture->classes = lines;
}

static void
fill_actors(const struct watch *watch, struct picture *picture, const struct table_entry *deeds, size_t count)
{
    picture->actors = must_calloc(count + 1, sizeof(*picture->actors));
    for (size_t i = 0; i < count; i++) {
        const struct deed *deed = deeds[i].value;
        struct actor_line *line = &picture->actors[picture->actor_count++];
        *line = (struct actor_line){.ref = deeds[i].key.a, .actors = 1};
        name_line(watch, line, deed->kind);
        add_deed(watch, line, deed);
    }
}

/* -- The look. -- */

/* Whether its program is gone is asked before its events are read: what came until then is read. */
static void
read_new(struct watch *watch)
{
    struct tail *tail = &watch->tail;
    watch->gone = gone_all(tail->trace);
    do {
        tail_look(tail);
        watch->measure->trace = tail->trace; /* of a cluster's processes, it is another if one has begun */
        for (size_t i = 0; i < tail->count; i++)
            measure_note_of(watch->measure, tail->events[i].stream, &tail->events[i].record);
    } while (tail->more || tail->held > 0);
}

static void
remember(struct watch *watch, uint64_t until)
{
    const struct measure *measure = watch->measure;
    watch->before = must_realloc(watch->before, measure->hand_count + 1, sizeof(*watch->before));
    if (measure->hand_count > 0)
        memcpy(watch->before, measure->hands, measure->hand_count * sizeof(*watch->before));
    watch->before_count = measure->hand_count;
    watch->events = measure->events;
    watch->received = measure->received;
    watch->sent = measure->sent;
    watch->then = until;
}

void
watch_look(struct watch *watch, struct picture *picture)
{
    size_t count;
    struct measure *measure = watch->measure;
    read_new(watch);
    uint64_t until = end_of_look(watch), from = watch->then > 0 ? watch->then : measure->first;
    uint64_t ticks = until > from ? until - from : 0;
    measure_until(measure, until);
    struct table_entry *deeds = entries_of(&measure->deeds, &count, NULL);
    *picture = (struct picture){.ns = ns_of(watch, ticks),
                                .whole = watch->then == 0,
                                .ended = watch->tail.closed || watch->gone,
                                .gone = watch->gone && !watch->tail.closed,
                                .events = measure->events - watch->events,
                                .received = measure->received - watch->received,
                                .sent = measure->sent - watch->sent,
                                .flying = measure->flight.count};
    text_of_time(watch->tail.trace->metadata, measure->last, picture->last);
    fill_workers(watch, picture, ticks);
    fill_classes(watch, picture, deeds, count);
    fill_actors(watch, picture, deeds, count);
    free(deeds);
    measure_forget_deeds(measure);
    remember(watch, until);
}
