/*
 * The rules remember no more of what was before than they need to see that it is contradicted: one word for each actor
 * or timer, nothing for a message that has come to its end. So what is contradicted is looked up when it is to be
 * printed, by going through the trace once more: the last event before the one at hand that is about the same thing, or
 * if there is none the first after it.
 */
#include "other.h"

#include <stdlib.h>
#include <string.h>

#include "about.h"
#include "actor.h"

enum same {
    SAME_NOTHING, /* there is no other event */
    SAME_STREAM,
    SAME_ACTOR,
    SAME_PLACE, /* of an actor: its worker and slot */
    SAME_MESSAGE,
    SAME_BOTH,
    SAME_CHILD, /* of a cluster's parent */
};

struct search {
    enum same same;
    bool (*fits)(enum role role);
    const struct step *step;
    uint64_t message;
    uint32_t stream;
    uint32_t child; /* its number */
};

static bool
is_of_worker(enum role role)
{
    return role == ROLE_worker_start || role == ROLE_worker_stop || role == ROLE_sleep || role == ROLE_wake ||
           role == ROLE_memory_limit || role == ROLE_memory_free || role == ROLE_pinned || role == ROLE_unpinned ||
           role == ROLE_attached || role == ROLE_detached;
}

static bool
is_any(enum role role)
{
    return role != ROLE_none;
}

static bool
is_switch(enum role role)
{
    return role == ROLE_switched;
}

static bool
is_of_message(enum role role)
{
    return role == ROLE_send || role == ROLE_receive || role == ROLE_dead_letter || role == ROLE_stash;
}

static bool
is_send(enum role role)
{
    return role == ROLE_send;
}

static bool
is_receive(enum role role)
{
    return role == ROLE_receive;
}

static bool
is_of_life(enum role role)
{
    return role == ROLE_spawn || role == ROLE_restart || role == ROLE_init_failed || role == ROLE_fail ||
           role == ROLE_stopped || role == ROLE_present;
}

static bool
is_of_ask(enum role role)
{
    return role == ROLE_ask || role == ROLE_ask_over || role == ROLE_send || role == ROLE_dead_letter;
}

static bool
is_ask(enum role role)
{
    return role == ROLE_ask || role == ROLE_forward;
}

static const struct {
    enum same same;
    bool (*fits)(enum role role);
} keys[RULE_COUNT] = {
    [RULE_form] = {SAME_NOTHING, NULL},
    [RULE_worker] = {SAME_STREAM, is_of_worker},
    [RULE_switch] = {SAME_STREAM, is_switch},
    [RULE_sent_before] = {SAME_MESSAGE, is_of_message},
    [RULE_once] = {SAME_MESSAGE, is_of_message},
    [RULE_tag] = {SAME_MESSAGE, is_send},
    [RULE_arrival] = {SAME_NOTHING, NULL},
    [RULE_fifo] = {SAME_MESSAGE, is_receive},
    [RULE_parcel] = {SAME_MESSAGE, is_of_parcel},
    [RULE_one_worker] = {SAME_ACTOR, is_of_life},
    [RULE_life] = {SAME_ACTOR, is_of_life},
    [RULE_restart] = {SAME_ACTOR, is_of_life},
    [RULE_handler] = {SAME_STREAM, is_of_handler},
    [RULE_timer] = {SAME_BOTH, is_of_timer},
    [RULE_monitor] = {SAME_BOTH, is_of_monitor},
    [RULE_ask] = {SAME_MESSAGE, is_of_ask},
    [RULE_server] = {SAME_ACTOR, is_of_server},
    [RULE_dealing] = {SAME_MESSAGE, is_of_dealing},
    [RULE_socket] = {SAME_ACTOR, role_is_of_socket},
    [RULE_cluster] = {SAME_MESSAGE, is_of_parcel},
};

/* Has another one got its place? */
static bool
has_successor(const struct check *check, uint64_t ref)
{
    const struct actor *actor = table_get(&check->actors, SLOT_OF(ref), 0);
    return actor != NULL && actor->ref > ref;
}

/* Is it about a child, and not about what was sent? */
static bool
is_about_child(enum role role)
{
    return is_of_child(role) || role_sends_parcel(role) || !role_is_of_cluster(role);
}

/* What is wrong with a child: of a process that says it is one, that is its number. */
static void
search_for_child(struct search *search, const struct step *step)
{
    search->same = SAME_CHILD;
    search->fits = is_of_child;
    if (!role_is_of_cluster(step->role))
        search->child = (uint32_t)strtoul(step->stream->member->metadata->member, NULL, 10);
}

/* What the rule looks for, but where the event at hand is of another kind than its rule's own. */
static struct search
search_for(const struct check *check, enum rule rule, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    struct search search = {keys[rule].same, keys[rule].fits, step, record->message, step->stream->number, record->arg};
    if (rule == RULE_worker && step->role == ROLE_attached)
        search.fits = is_any;
    else if (rule == RULE_life && has_successor(check, record->actor))
        search.same = SAME_PLACE;
    else if (rule == RULE_fifo || (rule == RULE_cluster && check->overtaker != 0))
        search.message = check->overtaker;
    else if (rule == RULE_cluster && is_about_child(step->role))
        search_for_child(&search, step);
    else if (step->role == ROLE_stopped && (rule == RULE_timer || rule == RULE_ask))
        search.same = SAME_ACTOR;
    else if (rule == RULE_dealing && role_is_of_entrance(step->role))
        search.same = SAME_ACTOR;
    else if (rule == RULE_monitor && step->role == ROLE_receive)
        search.same = SAME_ACTOR;
    if (rule == RULE_ask && (step->role == ROLE_stopped || step->role == ROLE_send || step->role == ROLE_forward))
        search.fits = is_ask;
    if (rule == RULE_ask && (step->role == ROLE_send || step->role == ROLE_forward))
        search.same = SAME_STREAM;
    return search;
}

static bool
is_the_same(const struct search *search, const struct stream *stream, const struct tri_trace_record *record)
{
    bool actor = record->actor == search->step->record->actor, message = record->message == search->message;
    switch (search->same) {
    case SAME_NOTHING: return false;
    case SAME_STREAM: return stream->number == search->stream;
    case SAME_ACTOR: return actor;
    case SAME_PLACE: return SLOT_OF(record->actor) == SLOT_OF(search->step->record->actor);
    case SAME_MESSAGE: return message;
    case SAME_BOTH: return actor && message;
    case SAME_CHILD:
        return record->arg == search->child && stream->member->cluster == search->step->stream->member->cluster;
    }
    return false;
}

/* In the stream of the event at hand: before it, and if it is there twice before the last. */
static void
look_at_own(const struct check *check, const struct search *search, struct other *before, struct other *after)
{
    struct cursor cursor;
    struct other last = {.stream = NULL};
    cursor_init_aside(&cursor, check->trace, search->step->stream);
    for (const struct tri_trace_record *record; (record = cursor_next(&cursor)) != NULL;) {
        bool is_it = memcmp(record, search->step->record, sizeof(*record)) == 0;
        if (is_it) {
            *before = last;
            after->stream = NULL;
        }
        if (!search->fits((enum role)check->trace->metadata->roles[record->id]) ||
            !is_the_same(search, search->step->stream, record))
            continue;
        last = (struct other){*record, search->step->stream};
        if (!is_it && after->stream == NULL)
            *after = last;
    }
    cursor_fini(&cursor);
}

static void
look_at(const struct check *check, const struct search *search, const struct stream *stream, struct other *before,
        struct other *after)
{
    struct cursor cursor;
    cursor_init_aside(&cursor, check->trace, stream);
    for (const struct tri_trace_record *record; (record = cursor_next(&cursor)) != NULL;) {
        if (!search->fits((enum role)check->trace->metadata->roles[record->id]) || !is_the_same(search, stream, record))
            continue;
        bool is_before = record->timestamp <= search->step->record->timestamp;
        struct other *of = is_before ? before : after;
        if (of->stream == NULL ||
            (is_before ? record->timestamp >= of->record.timestamp : record->timestamp < of->record.timestamp))
            *of = (struct other){*record, stream};
    }
    cursor_fini(&cursor);
}

struct other
other_of(const struct check *check, enum rule rule, const struct step *step)
{
    struct other before = {.stream = NULL}, after = {.stream = NULL};
    struct search search = search_for(check, rule, step);
    struct tri_trace_record kept = *step->record; /* it is the cursor's */
    struct step at = *step;
    at.record = &kept;
    search.step = &at;
    if (search.same == SAME_NOTHING)
        return before;
    look_at_own(check, &search, &before, &after);
    for (size_t i = 0; i < check->trace->stream_count; i++) {
        const struct stream *stream = &check->trace->streams[i];
        if (stream != step->stream)
            look_at(check, &search, stream, &before, &after);
    }
    return before.stream != NULL ? before : after;
}
