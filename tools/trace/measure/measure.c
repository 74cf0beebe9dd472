#include "measure.h"
#include <stdlib.h>
#include <string.h>
#include <troupe/core/trace_format.h>

#include "bad_input.h"
#include "cause.h"
#include "merge.h"
#include "process.h"

#define MOST_KINDS 4096u
#define MOST_ROWS 16384u
#define MOST_TALLIES 65536u
#define MOST_GRAVES 65536u

#define RECORD const struct tri_trace_record

/* -- Kinds, rows, persons, hands. -- */

static bool
is_name(const struct measure *measure, uint32_t name, const char *text)
{
    const char *found = names_find(measure->trace->names, name);
    return found != NULL && strcmp(found, text) == 0;
}

static size_t
add_kind(struct measure *measure, uint32_t name)
{
    size_t count = measure->kind_count;
    if ((count & (count - 1)) == 0) /* a power of two: full */
        measure->kinds = must_realloc(measure->kinds, count > 0 ? count * 2 : 1, sizeof(*measure->kinds));
    bool counted = !measure->measured.by_class || is_name(measure, name, measure->measured.class);
    measure->kinds[count] = (struct kind){.name = name, .counted = counted};
    return measure->kind_count++;
}

static size_t
kind_of_name(struct measure *measure, uint32_t name)
{
    size_t *kind = table_get(&measure->kind_of, name, 0);
    if (kind != NULL)
        return *kind;
    if (name == 0 || measure->kind_count == MOST_KINDS)
        return 0;
    kind = table_put(&measure->kind_of, name, 0);
    return *kind = add_kind(measure, name);
}

uint32_t
measure_class(const struct measure *measure, size_t kind)
{
    return measure->kinds[kind].name;
}

size_t
measure_kind(const struct measure *measure, uint64_t actor)
{
    const struct person *person = table_get(&measure->persons, actor, 0);
    const size_t *grave = person == NULL ? table_get(&measure->graves, actor, 0) : NULL;
    return person != NULL ? person->kind : grave != NULL ? *grave : 0;
}

static size_t
add_row(struct measure *measure, size_t kind, uint32_t tag)
{
    size_t count = measure->row_count;
    if ((count & (count - 1)) == 0) /* a power of two: full */
        measure->rows = must_realloc(measure->rows, count > 0 ? count * 2 : 1, sizeof(*measure->rows));
    measure->rows[count] = (struct row){.kind = kind, .tag = tag, .rest = count == 0};
    return measure->row_count++;
}

static size_t
find_row(struct measure *measure, size_t kind, uint32_t tag)
{
    const size_t *found = table_get(&measure->row_of, kind, tag);
    if (found != NULL)
        return *found;
    if (measure->row_count == MOST_ROWS)
        return 0;
    size_t *place = table_put(&measure->row_of, kind, tag);
    return *place = add_row(measure, kind, tag);
}

/* An actor mostly gets messages of the tag that it got last. */
static size_t
row_of(struct measure *measure, struct person *person, uint32_t tag)
{
    if (person->row == 0 || person->row_tag != tag) {
        person->row = find_row(measure, person->kind, tag) + 1;
        person->row_tag = tag;
    }
    return person->row - 1;
}

static struct hand *
add_hand(struct measure *measure, uint32_t number, uint64_t timestamp)
{
    size_t count = measure->hand_count;
    if ((count & (count - 1)) == 0) /* a power of two: full */
        measure->hands = must_realloc(measure->hands, count > 0 ? count * 2 : 1, sizeof(*measure->hands));
    measure->hands[count] = (struct hand){.number = number, .first = timestamp};
    measure->hand_of[number] = (uint32_t)count + 1;
    return &measure->hands[measure->hand_count++];
}

static struct hand *
hand_of(struct measure *measure, uint32_t number, uint64_t timestamp)
{
    uint32_t place = measure->hand_of[number];
    return place > 0 ? &measure->hands[place - 1] : add_hand(measure, number, timestamp);
}

/* NULL: there are too many, and this one is not among them. */
static struct tally *
tally_of(struct table *table, uint64_t a, uint64_t b)
{
    struct tally *tally = table_get(table, a, b);
    return tally != NULL || table->count >= MOST_TALLIES ? tally : table_put(table, a, b);
}

static void
count_in(struct table *table, uint64_t a, uint64_t b, uint64_t example)
{
    struct tally *tally = tally_of(table, a, b);
    if (tally == NULL)
        return;
    if (tally->count++ == 0)
        tally->example = example;
}

/* -- Lives. -- */

static void
note_class(struct measure *measure, RECORD *record)
{
    struct person *person = table_put(&measure->persons, record->actor, 0);
    person->kind = kind_of_name(measure, record->arg);
    person->row = 0;
}

/* Remembers what it was, for letters that come too late. */
static void
bury(struct measure *measure, uint64_t actor, size_t kind)
{
    size_t place = measure->ended_count++ % MOST_GRAVES;
    if (measure->ended_count > MOST_GRAVES)
        table_remove(&measure->graves, measure->ended[place], 0);
    else if ((place & (place - 1)) == 0) /* a power of two: full */
        measure->ended = must_realloc(measure->ended, place > 0 ? place * 2 : 1, sizeof(*measure->ended));
    measure->ended[place] = actor;
    *(size_t *)table_put(&measure->graves, actor, 0) = kind;
}

static void
end_life(struct measure *measure, uint64_t actor)
{
    struct person *person = table_get(&measure->persons, actor, 0);
    if (person == NULL)
        return;
    bury(measure, actor, person->kind);
    depth_fini(&person->depth);
    table_remove(&measure->persons, actor, 0);
}

static void
note_failure(struct measure *measure, RECORD *record)
{
    struct kind *kind = &measure->kinds[measure_kind(measure, record->actor)];
    kind->failed++;
    kind->last_failure = record->arg;
}

/* -- Messages. -- */

/* Of what is read while it is written, a stream may be ahead of another. */
static uint64_t
ticks_from(uint64_t from, uint64_t until)
{
    return until > from ? until - from : 0;
}

static bool
is_in_time(const struct measure *measure, uint64_t timestamp)
{
    return timestamp >= measure->measured.since && timestamp < measure->measured.until;
}

static bool
is_counted(const struct measure *measure, const struct hand *hand, RECORD *record)
{
    const struct measured *measured = &measure->measured;
    return is_in_time(measure, record->timestamp) && (!measured->by_actor || record->actor == measured->actor) &&
           (!measured->by_worker || hand->number == measured->worker);
}

/* What a worker did for a class is added up until it works for another one. */
static void
add_work(struct measure *measure, struct hand *hand, size_t kind, uint64_t ticks)
{
    if (hand->kind != kind && hand->ticks > 0) {
        *(uint64_t *)table_put(&measure->works, hand->number, hand->kind) += hand->ticks;
        hand->ticks = 0;
    }
    hand->kind = kind;
    hand->ticks += ticks;
}

/* The deed of an actor; NULL: none is asked for. */
static struct deed *
deed_of(struct measure *measure, uint64_t actor, size_t kind)
{
    if (!measure->measured.deeds)
        return NULL;
    struct deed *deed = table_put(&measure->deeds, actor, 0);
    deed->kind = kind;
    return deed;
}

/* Counts what a handler has taken so far, as far as it is not counted yet. Returns all of it. */
static uint64_t
count_handler(struct measure *measure, struct hand *hand, uint64_t timestamp)
{
    uint64_t all = ticks_from(hand->handler.began, timestamp), ticks = ticks_from(hand->handler.counted, all);
    size_t kind = measure->rows[hand->handler.row].kind;
    struct deed *deed = deed_of(measure, hand->handler.actor, kind);
    hand->handler.counted += ticks;
    hand->busy += ticks;
    measure->kinds[kind].busy += ticks;
    add_work(measure, hand, kind, ticks);
    if (deed != NULL) {
        deed->busy += ticks;
        deed->longest = all > deed->longest ? all : deed->longest;
    }
    return all;
}

static void
end_handler(struct measure *measure, struct hand *hand, uint64_t timestamp)
{
    if (!hand->handler.open)
        return;
    hand->handler.open = false;
    uint64_t ticks = count_handler(measure, hand, timestamp);
    struct row *row = &measure->rows[hand->handler.row];
    if (ticks >= row->works.most) {
        row->longest_work_message = hand->handler.message;
        row->longest_work_actor = hand->handler.actor;
    }
    histogram_add(&row->works, ticks);
}

static void
note_wait(struct row *row, RECORD *record, uint64_t ticks, uint64_t sender)
{
    if (ticks >= row->waits.most) {
        row->longest_wait_message = record->message;
        row->longest_wait_actor = record->actor;
        row->longest_wait_sender = sender;
    }
    histogram_add(&row->waits, ticks);
}

static void
note_depth(struct measure *measure, struct person *person, RECORD *record, uint64_t sent)
{
    uint64_t depth = depth_note(&person->depth, sent, record->timestamp);
    struct kind *kind = &measure->kinds[person->kind];
    struct deed *deed = deed_of(measure, record->actor, person->kind);
    if (deed != NULL && depth > deed->deepest)
        deed->deepest = depth;
    if (depth <= kind->deepest)
        return;
    kind->deepest = depth;
    kind->deepest_actor = record->actor;
    kind->deepest_time = sent;
}

static struct sending
sending_of(RECORD *record)
{
    return (struct sending){.sender = record->actor, .timestamp = record->timestamp, .tag = record->arg};
}

/* Takes its send; if that is still to come, it leaves word for it. */
static bool
take_send(struct measure *measure, RECORD *record, struct sending *sent)
{
    if (flight_take(&measure->flight, record->message, sent))
        return !sent->early;
    struct sending early = sending_of(record);
    early.early = true;
    if (record->message != 0 && trace_stream(measure->trace, TRI_TRACE_MESSAGE_STREAM(record->message)) != NULL)
        flight_put(&measure->flight, record->message, &early);
    return false;
}

static void
note_receive(struct measure *measure, struct hand *hand, RECORD *record)
{
    struct sending sent;
    struct person *person = table_put(&measure->persons, record->actor, 0);
    bool known = take_send(measure, record, &sent);
    if (!is_counted(measure, hand, record) || !measure->kinds[person->kind].counted)
        return;
    size_t row = row_of(measure, person, record->arg);
    hand->received++;
    measure->received++;
    measure->kinds[person->kind].received++;
    struct deed *deed = deed_of(measure, record->actor, person->kind);
    if (deed != NULL)
        deed->received++;
    hand->handler.open = true;
    hand->handler.actor = record->actor;
    hand->handler.message = record->message;
    hand->handler.began = record->timestamp;
    hand->handler.counted = 0;
    hand->handler.row = row;
    if (!known)
        return;
    note_wait(&measure->rows[row], record, ticks_from(sent.timestamp, record->timestamp), sent.sender);
    note_depth(measure, person, record, sent.timestamp);
}

/* Did it die before this send, by the times of both? */
static void
note_early_death(struct measure *measure, RECORD *record)
{
    const uint64_t *died = measure->early.count > 0 ? table_get(&measure->early, record->message, 0) : NULL;
    if (died == NULL)
        return;
    measure->contradictions += *died < record->timestamp;
    table_remove(&measure->early, record->message, 0);
}

/* A dead letter without a send before it: leaves word for the send, if the trace holds one. */
static void
leave_word_of_death(struct measure *measure, RECORD *record)
{
    const struct stream *stream = trace_stream(measure->trace, TRI_TRACE_MESSAGE_STREAM(record->message));
    bool sent = stream != NULL && spans_has(&stream->sent, TRI_TRACE_MESSAGE_COUNT(record->message)) != SPANS_NO;
    if (sent && measure->early.count < MOST_WAITING)
        *(uint64_t *)table_put(&measure->early, record->message, 0) = record->timestamp;
}

/* If it came too late, its receive had waited no time. */
static void
note_send(struct measure *measure, struct hand *hand, RECORD *record)
{
    struct sending early, sent = sending_of(record);
    if (is_in_time(measure, record->timestamp)) {
        measure->sent++;
        hand->sent++;
    }
    if (record->message == 0)
        return;
    if (!flight_take(&measure->flight, record->message, &early)) {
        flight_put(&measure->flight, record->message, &sent);
        note_early_death(measure, record);
        return;
    }
    measure->contradictions += early.early && early.timestamp < record->timestamp;
}

/* What dies of its actor's end, or in its full mailbox, was in that till then. */
static void
note_death(struct measure *measure, RECORD *record)
{
    struct sending sent = {0};
    bool taken = flight_take(&measure->flight, record->message, &sent), known = taken && !sent.early;
    if (!taken && record->message != 0)
        leave_word_of_death(measure, record);
    struct person *person = known ? table_get(&measure->persons, record->actor, 0) : NULL;
    if (person != NULL)
        note_depth(measure, person, record, sent.timestamp);
    uint64_t sender = sent.early ? 0 : measure_kind(measure, sent.sender);
    count_in(&measure->deaths, (uint64_t)measure_kind(measure, record->actor) << 32 | sender, record->arg,
             record->message);
}

/* -- Sockets and listeners. -- */

static void
note_accepted(struct measure *measure, RECORD *record)
{
    size_t server = measure_kind(measure, record->message);
    struct person *person = table_put(&measure->persons, record->actor, 0);
    person->server = server + 1;
}

/* Under the class of its server, if it has one. */
static void
note_socket_error(struct measure *measure, RECORD *record)
{
    const struct person *person = table_get(&measure->persons, record->actor, 0);
    size_t kind = person == NULL ? 0 : person->server > 0 ? person->server - 1 : person->kind;
    count_in(&measure->errors, kind, record->arg, record->actor);
}

/* There is no socket yet. */
static void
note_failed_handshake(struct measure *measure, RECORD *record)
{
    count_in(&measure->errors, measure_kind(measure, record->message), record->arg, record->actor);
}

/* A listener's port; or, if the trace does not tell it, what tells listeners apart. */
static uint64_t
port_of(const struct measure *measure, uint64_t listener)
{
    const uint32_t *port = table_get(&measure->ports, listener, 0);
    return port != NULL ? *port : listener | UINT64_C(1) << 63;
}

/* The worker of a deal, as all call it who are read together. */
static uint64_t
worker_of(RECORD *record)
{
    const struct process_range *range = process_of_worker(TRI_TRACE_REF_WORKER(record->actor));
    return record->arg + (range != NULL ? range->base : 0);
}

static void
note_open(struct measure *measure, RECORD *record)
{
    if (measure->ports.count < MOST_TALLIES)
        *(uint32_t *)table_put(&measure->ports, record->actor, 0) = record->arg;
}

/* -- Workers. -- */

/* Of a sleep, what lies in the time that is looked at. The worker's next event ends it: the callbacks of descriptors
 * and timers, all that a server may do, come before `wake`. */
static void
end_sleep(const struct measure *measure, struct hand *hand, uint64_t timestamp)
{
    uint64_t from = hand->slept > measure->measured.since ? hand->slept : measure->measured.since;
    uint64_t until = timestamp < measure->measured.until ? timestamp : measure->measured.until;
    hand->asleep += ticks_from(from, until);
    hand->sleeps = false;
}

static void
note_crash(struct measure *measure, RECORD *record)
{
    measure->crashes++;
    measure->crash_actor = record->actor;
    measure->crash_kind = measure_kind(measure, record->actor);
    measure->crash_signal = record->flags;
    measure->crash_tag = record->arg;
}

static void
note_stall(struct measure *measure, RECORD *record)
{
    count_in(&measure->stalls, measure_kind(measure, record->actor), record->message, record->actor);
}

/* What has to do with no message. */
static void
note_other(struct measure *measure, struct hand *hand, enum role role, RECORD *record)
{
    switch (role) {
    case ROLE_spawn:
        note_class(measure, record);
        measure->kinds[measure_kind(measure, record->actor)].spawned++;
        break;
    case ROLE_restart:
        note_class(measure, record);
        measure->kinds[measure_kind(measure, record->actor)].restarts++;
        break;
    case ROLE_present:
    case ROLE_become: note_class(measure, record); break;
    case ROLE_stopped: end_life(measure, record->actor); break;
    case ROLE_fail:
    case ROLE_init_failed: note_failure(measure, record); break;
    case ROLE_sleep:
        hand->sleeps = true;
        hand->slept = record->timestamp;
        break;
    case ROLE_stall: note_stall(measure, record); break;
    case ROLE_crash: note_crash(measure, record); break;
    case ROLE_socket_accepted: note_accepted(measure, record); break;
    case ROLE_socket_error: note_socket_error(measure, record); break;
    case ROLE_handshake_failed: note_failed_handshake(measure, record); break;
    case ROLE_listener_open: note_open(measure, record); break;
    case ROLE_listener_load: tally_of(&measure->deals, port_of(measure, record->actor), worker_of(record)); break;
    case ROLE_listener_accept:
        count_in(&measure->deals, port_of(measure, record->actor), worker_of(record), record->message);
        break;
    default: break;
    }
}

/* News of a socket come from the loop, where no handler is open, but for those that a handler makes: of another
 * actor. */
static bool
ends_handler(const struct hand *hand, enum role role, uint64_t actor)
{
    bool news = role == ROLE_socket_data || role == ROLE_socket_connect || role == ROLE_socket_end;
    return ends_work(role) || role == ROLE_handled || (news && actor != hand->handler.actor);
}

static void
count_event(struct measure *measure, struct hand *hand, uint64_t timestamp)
{
    if (measure->events++ == 0)
        measure->first = timestamp;
    if (hand->events++ == 0)
        hand->first = timestamp;
    measure->last = hand->last = timestamp;
}

void
measure_note_of(struct measure *measure, uint32_t stream, RECORD *record)
{
    enum role role = (enum role)measure->trace->metadata->roles[record->id];
    struct hand *hand = hand_of(measure, stream, record->timestamp);
    if (is_in_time(measure, record->timestamp))
        count_event(measure, hand, record->timestamp);
    if (hand->sleeps)
        end_sleep(measure, hand, record->timestamp);
    if (hand->handler.open && ends_handler(hand, role, record->actor))
        end_handler(measure, hand, record->timestamp);
    if (role == ROLE_receive)
        note_receive(measure, hand, record);
    else if (role == ROLE_send)
        note_send(measure, hand, record);
    else if (role == ROLE_dead_letter)
        note_death(measure, record);
    else if (role != ROLE_none)
        note_other(measure, hand, role, record);
}

void
measure_note(struct measure *measure, const struct stream *stream, RECORD *record)
{
    measure_note_of(measure, stream->number, record);
}

/* -- While more is written. -- */

static void
count_sleep(struct hand *hand, uint64_t timestamp)
{
    hand->asleep += ticks_from(hand->slept, timestamp);
    hand->slept = timestamp > hand->slept ? timestamp : hand->slept;
}

void
measure_until(struct measure *measure, uint64_t timestamp)
{
    for (size_t i = 0; i < measure->hand_count; i++) {
        struct hand *hand = &measure->hands[i];
        if (hand->handler.open)
            count_handler(measure, hand, timestamp);
        if (hand->sleeps)
            count_sleep(hand, timestamp);
    }
}

void
measure_forget_deeds(struct measure *measure)
{
    table_fini(&measure->deeds);
    table_init(&measure->deeds, sizeof(struct deed));
}

/* -- The whole. -- */

struct measure *
measure_new(const struct trace *trace, const struct measured *measured)
{
    struct measure *measure = must_calloc(1, sizeof(*measure));
    measure->trace = trace;
    measure->measured = measured != NULL ? *measured : (struct measured){.until = UINT64_MAX};
    flight_init(&measure->flight);
    table_init(&measure->persons, sizeof(struct person));
    table_init(&measure->deeds, sizeof(struct deed));
    table_init(&measure->graves, sizeof(size_t));
    table_init(&measure->kind_of, sizeof(size_t));
    table_init(&measure->row_of, sizeof(size_t));
    measure->hand_of = must_calloc(TRI_TRACE_OUTSIDE + 1u, sizeof(*measure->hand_of));
    table_init(&measure->works, sizeof(uint64_t));
    table_init(&measure->deaths, sizeof(struct tally));
    table_init(&measure->errors, sizeof(struct tally));
    table_init(&measure->ports, sizeof(uint32_t));
    table_init(&measure->deals, sizeof(struct tally));
    table_init(&measure->stalls, sizeof(struct tally));
    table_init(&measure->early, sizeof(uint64_t));
    add_kind(measure, 0);
    add_row(measure, 0, 0);
    return measure;
}

static void
free_persons(struct measure *measure)
{
    struct table_entry entry;
    for (size_t place = 0; table_next(&measure->persons, &place, &entry);)
        depth_fini(&((struct person *)entry.value)->depth);
    table_fini(&measure->persons);
}

void
measure_free(struct measure *measure)
{
    struct table *const tables[] = {&measure->deeds, &measure->graves, &measure->kind_of, &measure->row_of,
                                    &measure->works, &measure->deaths, &measure->errors,  &measure->ports,
                                    &measure->deals, &measure->stalls, &measure->early};
    free_persons(measure);
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        table_fini(tables[i]);
    for (size_t i = 0; i < measure->row_count; i++) {
        histogram_fini(&measure->rows[i].waits);
        histogram_fini(&measure->rows[i].works);
    }
    flight_fini(&measure->flight);
    free(measure->kinds);
    free(measure->rows);
    free(measure->hands);
    free(measure->hand_of);
    free(measure->ended);
    free(measure);
}

/* A worker that sleeps does so to the end; and so goes on the last handler of one that was cut off. */
static void
end_hand(struct measure *measure, struct hand *hand)
{
    if (hand->sleeps || (hand->handler.open && !measure->trace->metadata->closed))
        hand->last = measure->last;
    end_handler(measure, hand, hand->last);
    if (hand->sleeps)
        end_sleep(measure, hand, hand->last);
    if (hand->ticks > 0)
        *(uint64_t *)table_put(&measure->works, hand->number, hand->kind) += hand->ticks;
}

void
measure_end(struct measure *measure)
{
    for (size_t i = 0; i < measure->hand_count; i++)
        end_hand(measure, &measure->hands[i]);
}

struct measure *
measure_trace(const struct trace *trace, const struct measured *measured)
{
    struct measure *measure = measure_new(trace, measured);
    struct merge merge;
    RECORD *record;
    const struct stream *stream;
    merge_init(&merge, trace);
    while ((record = merge_next(&merge, &stream)) != NULL)
        measure_note(measure, stream, record);
    merge_fini(&merge);
    measure_end(measure);
    return measure;
}

struct table_entry *
entries_of(const struct table *table, size_t *count, int (*compare)(const void *a, const void *b))
{
    struct table_entry *entries = must_calloc(table->count + 1, sizeof(*entries));
    size_t place = 0;
    for (*count = 0; table_next(table, &place, &entries[*count]);)
        ++*count;
    if (compare != NULL)
        qsort(entries, *count, sizeof(*entries), compare);
    return entries;
}
