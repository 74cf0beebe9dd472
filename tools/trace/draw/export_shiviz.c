/*
 * A log for ShiViz: each line an event of an actor, with its vector clock. A clock counts the events of its own actor,
 * and knows of others what came with messages; a clock that would grow with all actors is kept as the list of those
 * known.
 *
 * The first two lines are what ShiViz must be given as its expression and its delimiter.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"
#include "escape.h"
#include "export.h"

struct clock {
    struct entry {
        uint64_t actor; /* the stream's number with all bits above, for events of nobody */
        uint64_t events;
    } * entries;
    size_t count;
};

#define NOBODY_OF(stream) (UINT64_MAX << 16 | (stream))

static uint64_t *
entry_of(struct clock *clock, uint64_t actor)
{
    for (size_t i = 0; i < clock->count; i++) {
        if (clock->entries[i].actor == actor)
            return &clock->entries[i].events;
    }
    clock->entries = must_realloc(clock->entries, clock->count + 1, sizeof(*clock->entries));
    clock->entries[clock->count++] = (struct entry){actor, 0};
    return &clock->entries[clock->count - 1].events;
}

/* Knows what either knew. */
static void
merge(struct clock *clock, const struct clock *other)
{
    for (size_t i = 0; i < other->count; i++) {
        uint64_t *events = entry_of(clock, other->entries[i].actor);
        if (*events < other->entries[i].events)
            *events = other->entries[i].events;
    }
}

static struct clock
copy_of(const struct clock *clock)
{
    struct clock copy = {must_calloc(clock->count, sizeof(*copy.entries)), clock->count};
    memcpy(copy.entries, clock->entries, clock->count * sizeof(*copy.entries));
    return copy;
}

/* What a message brought; it brings it once. */
static void
take_message(struct export *export, struct clock *clock, uint64_t message)
{
    struct clock *brought = table_get(&export->messages, message, 0);
    if (brought == NULL)
        return;
    merge(clock, brought);
    free(brought->entries);
    table_remove(&export->messages, message, 0);
}

static void
write_host(const struct export *export, uint64_t actor)
{
    char name[NAME_SIZE];
    struct stream stream = {.number = (uint32_t)(actor & 0xffff)};
    struct tri_trace_record record = {.actor = actor >> 16 == UINT64_MAX >> 16 ? 0 : actor};
    struct step step = {.record = &record, .stream = &stream};
    export_name(export, &step, name);
    for (char *at = name; *at != '\0'; at++) {
        if (*at == ' ')
            *at = '_'; /* a host's name is one word */
    }
    print_escaped(export->out, name);
}

static void
write_clock(const struct export *export, const struct clock *clock)
{
    fputs(" {", export->out);
    for (size_t i = 0; i < clock->count; i++) {
        fputs(i > 0 ? ",\"" : "\"", export->out);
        write_host(export, clock->entries[i].actor);
        fprintf(export->out, "\":%" PRIu64, clock->entries[i].events);
    }
    fputs("}\n", export->out);
}

static void
begin(struct export *export)
{
    fputs("(?<event>.*)\\n(?<host>\\S*) (?<clock>{.*})\n\n", export->out);
}

static void
event(struct export *export, const struct step *step)
{
    char title[NAME_SIZE];
    const struct tri_trace_record *record = step->record;
    uint64_t actor = record->actor != 0 ? record->actor : NOBODY_OF(step->stream->number);
    struct clock *clock = table_put(&export->actors, actor, 0);
    ++*entry_of(clock, actor);
    if (step_is_end(step))
        take_message(export, clock, export_flow(step));
    if (export_begins_flow(step) && !step->sent_again)
        *(struct clock *)table_put(&export->messages, export_flow(step), 0) = copy_of(clock);
    print_escaped(export->out, export_title(export, step, title));
    fputc('\n', export->out);
    write_host(export, actor);
    write_clock(export, clock);
}

static void
free_clocks(const struct table *table)
{
    struct table_entry entry;
    for (size_t place = 0; table_next(table, &place, &entry);)
        free(((struct clock *)entry.value)->entries);
}

static void
end(struct export *export)
{
    free_clocks(&export->actors);
    free_clocks(&export->messages);
}

const struct format format_shiviz = {.name = "shiviz",
                                     .actor_size = sizeof(struct clock),
                                     .message_size = sizeof(struct clock),
                                     .begin = begin,
                                     .event = event,
                                     .end = end};
