/*
 * What happens to an endpoint is logged, then the rules that match perform their lists, then the one-time listeners
 * are called: all of it inside the handler of the event.
 */
#include "stage.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/tracing.h>

uint64_t
now_ms(void)
{
    return uv_hrtime() / 1000000u;
}

void
trouble(struct play *play, const char *format, ...)
{
    if (play->problem[0] != '\0')
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(play->problem, sizeof(play->problem), format, arguments);
    va_end(arguments);
}

/* Endpoints. */

/* Patterns take connections in the order of their numbers; several workers may tell them in another one. */
static struct endpoint **
place_for(struct play *play, const struct endpoint *endpoint)
{
    struct endpoint **link = &play->endpoints;
    while (*link != NULL && !((*link)->setup == endpoint->setup && (*link)->number > endpoint->number))
        link = &(*link)->next;
    return link;
}

struct endpoint *
endpoint_add(struct play *play, const char *name, bool is_server, uint64_t number, const struct server_setup *setup)
{
    struct endpoint *endpoint = calloc(1, sizeof(*endpoint));
    if (endpoint == NULL)
        abort();
    endpoint->play = play;
    endpoint->name = strdup(name);
    endpoint->is_server = is_server;
    endpoint->setup = setup;
    if (setup != NULL) {
        endpoint->allow_half_open = setup->allow_half_open;
        endpoint->no_data = setup->no_data;
    }
    endpoint->number = number;
    log_init(&endpoint->log);
    endpoint->told = play->options->traces != NULL ? json_array() : NULL;
    struct endpoint **link = place_for(play, endpoint);
    endpoint->next = *link;
    *link = endpoint;
    return endpoint;
}

struct endpoint *
endpoint_find(struct play *play, const char *name)
{
    struct endpoint *endpoint = play->endpoints;
    while (endpoint != NULL && strcmp(endpoint->name, name) != 0)
        endpoint = endpoint->next;
    return endpoint;
}

static void
endpoint_free(struct endpoint *endpoint)
{
    while (endpoint->listeners != NULL) {
        struct listener *listener = endpoint->listeners;
        endpoint->listeners = listener->next;
        free(listener);
    }
    log_fini(&endpoint->log);
    json_decref(endpoint->told);
    free(endpoint->name);
    free(endpoint);
}

void
endpoints_free(struct play *play)
{
    while (play->endpoints != NULL) {
        struct endpoint *endpoint = play->endpoints;
        play->endpoints = endpoint->next;
        endpoint_free(endpoint);
    }
}

/* Logging. */

void
record(struct endpoint *endpoint, json_t *entry)
{
    endpoint->play->last_ms = now_ms();
    log_add(&endpoint->log, entry);
}

json_t *
cb_entry(const char *label, const char *code)
{
    return json_pack("[s,s,s?]", "cb", label, code);
}

void
record_late(struct endpoint *endpoint, json_t *entry)
{
    struct late *late = calloc(1, sizeof(*late));
    if (late == NULL)
        abort();
    *late = (struct late){
        .endpoint = endpoint, .entry = entry, .closes = endpoint->closes_due, .listening = endpoint->listening_due};
    *endpoint->play->last_late = late;
    endpoint->play->last_late = &late->next;
}

static bool
waits(const struct late *late)
{
    return late->closes > 0 || late->listening;
}

static void
flush(struct play *play, bool all)
{
    struct late **link = &play->lates;
    while (*link != NULL) {
        struct late *late = *link;
        if (waits(late) && !all) {
            link = &late->next;
            continue;
        }
        record(late->endpoint, late->entry);
        *link = late->next;
        free(late);
    }
    play->last_late = link;
}

void
lates_flush(struct play *play)
{
    flush(play, false);
}

void
lates_end(struct play *play)
{
    flush(play, true);
}

/* An event of a server that late entries may have to wait for. */
static void
note_event(struct endpoint *endpoint, enum event event)
{
    bool is_close = event == EVENT_CLOSE, ends_listen = event == EVENT_LISTENING || event == EVENT_ERROR;
    if (is_close && endpoint->closes_due > 0)
        endpoint->closes_due--;
    if (ends_listen)
        endpoint->listening_due = false;
    for (struct late *late = endpoint->play->lates; late != NULL; late = late->next) {
        if (late->endpoint != endpoint)
            continue;
        if (is_close && late->closes > 0)
            late->closes--;
        if (ends_listen)
            late->listening = false;
    }
}

/* For the trace. */

void
told(struct endpoint *endpoint, json_t *entry)
{
    if (endpoint->told != NULL)
        json_array_append_new(endpoint->told, entry);
    else
        json_decref(entry);
}

void
name_in_trace(const tr_actor *self, const struct endpoint *endpoint, tr_ref ref)
{
    char text[320];
    snprintf(text, sizeof(text), "name %s", endpoint->name);
    tr_trace_mark(self, text, ref);
}

/* Listeners. */

void
listen_once(struct endpoint *endpoint, enum event event, const char *label, const char *code)
{
    if (label == NULL)
        return;
    struct listener *listener = calloc(1, sizeof(*listener));
    if (listener == NULL)
        abort();
    *listener = (struct listener){.event = event, .label = label, .code = code};
    struct listener **link = &endpoint->listeners;
    while (*link != NULL)
        link = &(*link)->next;
    *link = listener;
}

/* Takes those out that are there when an event begins: what its rules add waits for the next one. */
static struct listener *
take_listeners(struct endpoint *endpoint, enum event event)
{
    struct listener *taken = NULL, **last = &taken, **link = &endpoint->listeners;
    while (*link != NULL) {
        struct listener *listener = *link;
        if (listener->event != event) {
            link = &listener->next;
            continue;
        }
        *link = listener->next;
        listener->next = NULL;
        *last = listener;
        last = &listener->next;
    }
    return taken;
}

static void
call_listeners(struct endpoint *endpoint, struct listener *listener)
{
    while (listener != NULL) {
        struct listener *next = listener->next;
        record(endpoint, cb_entry(listener->label, listener->code));
        free(listener);
        listener = next;
    }
}

/* Rules. */

/* before: how many bytes the endpoint had received before this event. */
static bool
fires(const struct rule *rule, const struct endpoint *endpoint, uint64_t seen, uint64_t before)
{
    switch (rule->when) {
    case WHEN_EVERY: return true;
    case WHEN_BYTES: return before < rule->n && endpoint->received >= rule->n;
    case WHEN_TOTAL: return seen == rule->n;
    default: return false;
    }
}

static void
follow_rules(struct endpoint *endpoint, enum event event, const tr_slice *chunk, uint64_t before)
{
    struct play *play = endpoint->play;
    struct listener *listeners = take_listeners(endpoint, event);
    unsigned nth = ++endpoint->counts[event];
    for (size_t i = 0; i < play->scenario->rule_count; i++) {
        const struct rule *rule = &play->scenario->rules[i];
        if (rule->on != event || !name_matches(rule->of, endpoint->name))
            continue;
        play->seen[i]++;
        if (rule->when == WHEN_NTH ? nth == rule->n : fires(rule, endpoint, play->seen[i], before))
            perform(play, &rule->list, 0, endpoint, chunk);
    }
    call_listeners(endpoint, listeners);
}

void
happen(struct endpoint *endpoint, enum event event, json_t *entry)
{
    if (endpoint->is_server)
        note_event(endpoint, event);
    if (entry == NULL)
        entry = json_pack("[s]", event_names[event]);
    if (event != EVENT_CLOSE || endpoint->is_server)
        told(endpoint, json_deep_copy(entry));
    if ((endpoint->play->scenario->ignored & 1u << event) != 0)
        json_decref(entry);
    else
        record(endpoint, entry);
    follow_rules(endpoint, event, NULL, 0);
}

/* Data is logged even if the scenario ignores it, as the reference runner does. */
void
happen_data(struct endpoint *endpoint, tr_slice data)
{
    uint64_t before = endpoint->received;
    endpoint->play->last_ms = endpoint->play->last_data_ms = now_ms();
    told(endpoint, json_pack("[s,I]", "data", (json_int_t)data.size));
    log_data(&endpoint->log, endpoint->reads_text, data.data, data.size);
    endpoint->received += data.size;
    follow_rules(endpoint, EVENT_DATA, &data, before);
}

/* Actions. */

struct driving {
    struct endpoint *endpoint;
    const struct action *action;
    const tr_slice *chunk;
    tr_status status;
};

static void
drive(struct play *play, void *argument)
{
    (void)play;
    struct driving *driving = argument;
    struct endpoint *endpoint = driving->endpoint;
    driving->status = endpoint->is_server ? server_act(endpoint, driving->action)
                                          : socket_act(endpoint, driving->action, driving->chunk);
}

/* On the endpoint's worker. A refusal is logged as what Node throws. */
static void
drive_there(struct endpoint *endpoint, const struct action *action, const tr_slice *chunk)
{
    struct play *play = endpoint->play;
    bool was_closed = endpoint->state == STATE_CLOSED;
    struct driving driving = {.endpoint = endpoint, .action = action, .chunk = chunk, .status = TR_OK};
    if ((int)endpoint->worker == play->baton.holder)
        drive(play, &driving);
    else
        baton_errand(play, endpoint->worker, drive, &driving);
    if (driving.status >= 0)
        return;
    record(endpoint, json_pack("[s,s,s]", "throw", act_names[action->act], tr_status_code(driving.status)));
    if (endpoint->state == STATE_OPENING)
        endpoint->state = was_closed ? STATE_CLOSED : STATE_NEW;
}

static void
act_on(struct endpoint *endpoint, const struct action *action, const tr_slice *chunk)
{
    struct play *play = endpoint->play;
    switch (action->act) {
    case ACT_NOTE: record(endpoint, json_pack("[s,s%]", "note", action->note.data, action->note.size)); break;
    case ACT_STAT: record(endpoint, json_pack("[s,o]", "stat", address_stat(address_find(play, action->at)))); break;
    default: drive_there(endpoint, action, chunk);
    }
}

static void
act_on_all(struct play *play, const struct action *action, struct endpoint *self, const tr_slice *chunk)
{
    if (action->act == ACT_FILE) {
        if (!address_file(play, address_find(play, action->at), action->file_kind))
            trouble(play, "file %s: %s", action->at, strerror(errno));
    } else if (action->of == NULL) {
        act_on(self, action, chunk);
    } else if (!is_pattern(action->of)) {
        struct endpoint *endpoint = endpoint_find(play, action->of);
        if (endpoint != NULL)
            act_on(endpoint, action, chunk);
        else
            trouble(play, "%s: there is no endpoint %s yet", act_names[action->act], action->of);
    } else {
        for (struct endpoint *endpoint = play->endpoints; endpoint != NULL; endpoint = endpoint->next)
            if (name_matches(action->of, endpoint->name))
                act_on(endpoint, action, chunk);
    }
}

void
perform(struct play *play, const struct action_list *list, size_t from, struct endpoint *self, const tr_slice *chunk)
{
    for (size_t i = from; i < list->count; i++) {
        const struct action *action = &list->actions[i];
        if (action->act == ACT_SLEEP) {
            struct rest rest = {.list = list, .from = i + 1, .self = self};
            if (chunk != NULL)
                rest.chunk = *chunk;
            hand_sleep(play, &rest, action->ms);
            return;
        }
        act_on_all(play, action, self, chunk);
    }
}
