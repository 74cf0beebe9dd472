#include "window.h"

#include <stdlib.h>

#include "bad_input.h"

void
window_init(struct window *window, const struct trace *trace)
{
    uint64_t events = 1;
    for (size_t i = 0; i < trace->stream_count; i++)
        events += trace->streams[i].events;
    *window = (struct window){.room = events < WINDOW ? events : WINDOW};
    window->lines = must_calloc((size_t)window->room, sizeof(*window->lines));
    table_init(&window->behaviors, sizeof(uint32_t));
    table_init(&window->flying, sizeof(uint64_t));
    order_init(&window->order, trace);
}

void
window_fini(struct window *window)
{
    order_fini(&window->order);
    table_fini(&window->behaviors);
    table_fini(&window->flying);
    free(window->lines);
}

static uint32_t
class_of(const struct window *window, uint64_t ref)
{
    const uint32_t *number = table_get(&window->behaviors, ref, 0);
    return number != NULL ? *number : 0;
}

static void
note_behavior(struct window *window, const struct step *step)
{
    if (role_tells_class(step->role))
        *(uint32_t *)table_put(&window->behaviors, step->record->actor, 0) = step->record->arg;
}

/* The message of a line has come to its receiver: its send, if that is held back, is told so. */
static void
note_receiver(struct window *window, const struct line *line)
{
    const uint64_t *place = table_get(&window->flying, line->record.message, 0);
    if (place == NULL)
        return;
    struct line *sent = &window->lines[(*place - 1) % window->room];
    sent->other = line->record.actor;
    sent->other_class = line->class;
    table_remove(&window->flying, line->record.message, 0);
}

static void
note_message(struct window *window, struct line *line, const struct step *step)
{
    if (line->role == ROLE_send) {
        *(uint64_t *)table_put(&window->flying, line->record.message, 0) = window->last + 1;
    } else if (line->role == ROLE_receive || line->role == ROLE_dead_letter) {
        line->other = step->ending == ENDING_RIGHT ? step->sending.sender : 0;
        line->other_class = class_of(window, line->other);
        note_receiver(window, line);
    }
}

static void
enter(struct window *window, const struct step *step)
{
    struct line *line = &window->lines[window->last % window->room];
    note_behavior(window, step);
    *line = (struct line){.record = *step->record,
                          .stream = step->stream->number,
                          .role = step->role,
                          .class = class_of(window, step->record->actor)};
    note_message(window, line, step);
    window->last++;
}

/* Nobody looks for its receiver any more. */
static void
forget(struct window *window, const struct line *line)
{
    const uint64_t *place = table_get(&window->flying, line->record.message, 0);
    if (line->role == ROLE_send && place != NULL && *place == window->first + 1)
        table_remove(&window->flying, line->record.message, 0);
}

const struct line *
window_next(struct window *window)
{
    struct step step;
    while (!window->ended && window->last - window->first < window->room) {
        window->ended = !order_next(&window->order, &step);
        if (!window->ended)
            enter(window, &step);
    }
    if (window->first == window->last)
        return NULL;
    const struct line *line = &window->lines[window->first % window->room];
    forget(window, line);
    window->first++;
    return line;
}
