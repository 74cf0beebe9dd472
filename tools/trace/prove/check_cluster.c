/*
 * The rule of a cluster: cluster.
 *
 * The parent has one thread, so its stream is all that it did, in order: it begins a child, sends it messages, deals it
 * connections, hears of it, and sees it end, before another process gets the same number. What one process sends
 * another is told at both ends: they agree on who sent it to whom, on what it is, and on its descriptors. That it was
 * lost is told where it found no way: directly after it was sent, or by the parent, which passes on what children send
 * each other.
 *
 * A process's trace says which of the cluster's processes it is, its serial, and what its number and its pid are. The
 * parent's tells the same. Where either is not read nothing is asked of it. A pid is what it is in a namespace alone.
 *
 * A connection that was dealt is taken, or it is lost, or it comes back. It may have been taken and come back as well:
 * the parent need not read the answers of a child that it kills. And a child that dies may have taken one without a
 * word, so it is asked only of those that closed their traces. One that has several runtimes may record some of them
 * elsewhere: so a trace says how many had begun when it was closed, and of what comes after its end nothing is asked.
 *
 * Ids of parcels count up with the sends of a thread, so those that one worker, or the parent, sends to a process are
 * received in their order. Connections are not: several threads take them.
 */
#include "rules.h"
#include "worker.h"

#include <stdlib.h>
#include <string.h>

#define PARENT UINT32_MAX         /* in the place of a child's number */
#define NOT_TOLD (UINT32_MAX - 1) /* likewise: the trace is of no cluster */
#define MOST_DEALS (1u << 20)     /* connections that are remembered */
#define MOST_STATUS 255           /* with which a process exits */

/* Of a child's number, or the parent. */
struct child {
    bool runs;
    uint16_t serial;
    uint64_t last;                 /* of the parent: how many parcels it has sent so far */
    struct tri_trace_record begin; /* of the process that runs */
    const struct stream *stream;   /* likewise */
};

/* Of a serial: the process, as the parent tells of it. */
struct process {
    bool begun, ended;
    bool again; /* another one had it: they are used again after 65,535 */
    uint32_t number;
    uint64_t pid, pid_namespace;
    uint64_t first, last; /* parcels that the parent had sent when it began, and when it ended */
};

/* A connection, by its parcel. */
struct deal {
    uint64_t timestamp;
    const struct stream *stream;
    uint32_t child;
    uint16_t serial;
    bool over; /* taken, lost, or back */
    bool lost, back;
};

void
check_cluster_init(struct check *check)
{
    table_init(&check->children, sizeof(struct child));
    table_init(&check->processes, sizeof(struct process));
    table_init(&check->deals, sizeof(struct deal));
    table_init(&check->mails, sizeof(uint64_t));
}

/* -- Who it is. -- */

static uint32_t
number_of(const struct member *member)
{
    const char *text = member->metadata->member;
    char *end;
    if (member->metadata->cluster[0] == '\0' || text[0] == '\0')
        return NOT_TOLD;
    if (strcmp(text, "parent") == 0)
        return PARENT;
    unsigned long number = strtoul(text, &end, 10);
    return *end == '\0' && number < NOT_TOLD ? (uint32_t)number : NOT_TOLD;
}

/* Do several threads record there, whose order is not that of the stream? */
static bool
has_threads(const struct stream *stream, uint32_t number)
{
    return is_outside(stream->number) && number != PARENT;
}

static uint64_t
key_of(const struct member *member, uint32_t number)
{
    return (uint64_t)member->cluster << 32 | number;
}

static struct child *
child_of(struct check *check, const struct step *step, uint32_t number)
{
    return table_put(&check->children, key_of(step->stream->member, number), 0);
}

/* Of the cluster of a member; NULL: it is not read, or has recorded nothing. */
static const struct stream *
stream_of_parent(const struct trace *trace, const struct member *member)
{
    for (size_t i = 0; i < trace->stream_count; i++) {
        const struct stream *stream = &trace->streams[i];
        if (stream->member->cluster == member->cluster && number_of(stream->member) == PARENT)
            return stream;
    }
    return NULL;
}

static bool
is_whole(const struct check *check, const struct stream *parent)
{
    return parent != NULL && stream_lost(parent) == 0 && !check->trace->partial && parent->member->metadata->closed;
}

bool
check_has_told_all(const struct check *check, unsigned cluster, uint64_t serial, uint64_t time)
{
    uint64_t traces = 0, runtimes = 0, last = 0;
    if (serial == 0) /* the parent, which has one recorder */
        return true;
    for (size_t i = 0; i < check->trace->member_count; i++) {
        const struct member *member = &check->trace->members[i];
        if (member->cluster != cluster || member->metadata->serial != serial)
            continue;
        if (!member->metadata->closed)
            return false;
        traces++;
        runtimes = member->metadata->runtimes > runtimes ? member->metadata->runtimes : runtimes;
    }
    for (size_t i = 0; i < check->trace->stream_count; i++) {
        const struct stream *stream = &check->trace->streams[i];
        if (stream->member->cluster == cluster && stream->member->metadata->serial == serial)
            last = stream->last_time > last ? stream->last_time : last;
    }
    return traces > 0 && traces >= runtimes && time <= last && !check->trace->in_the_middle;
}

/* -- Children. -- */

/* What the parent tells of a process; NULL: it has not begun one of that serial, or a different one. */
static const struct process *
process_of(const struct check *check, const struct member *member)
{
    const struct metadata *own = member->metadata;
    const struct process *process = table_get(&check->processes, member->cluster, own->serial);
    if (process == NULL || process->again)
        return process;
    bool has_pid = own->pid_namespace == 0 || own->pid_namespace != process->pid_namespace || own->pid == process->pid;
    return has_pid && process->number == number_of(member) ? process : NULL;
}

static void
check_began(struct check *check, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    const struct member *member = step->stream->member;
    struct process *process = table_put(&check->processes, member->cluster, record->flags);
    uint64_t sent = child_of(check, step, PARENT)->last;
    struct child *child = child_of(check, step, record->arg);
    if (child->runs)
        check_contradicted(check, RULE_cluster, step, "that child began before, and has not ended");
    *process = (struct process){.begun = true,
                                .again = process->begun,
                                .number = record->arg,
                                .pid = record->message,
                                .pid_namespace = member->metadata->pid_namespace,
                                .first = sent};
    *child = (struct child){.runs = true, .serial = record->flags, .begin = *record, .stream = step->stream};
}

static void
check_ended(struct check *check, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    uint64_t sent = child_of(check, step, PARENT)->last;
    struct child *child = child_of(check, step, record->arg);
    struct process *process = table_get(&check->processes, step->stream->member->cluster, child->serial);
    if (!child->runs)
        check_contradicted(check, RULE_cluster, step, "that child has not begun, or has ended before");
    else if (process != NULL) {
        process->ended = true;
        process->last = sent;
    }
    if (record->message > MOST_STATUS || (record->flags != 0 && record->message != 0))
        check_failed(check, RULE_cluster, step, "no process ends with such a status");
    child->runs = false;
}

/* Whatever the parent does with a child, it does while that runs. */
static void
check_runs(struct check *check, const struct step *step)
{
    if (!child_of(check, step, step->record->arg)->runs)
        check_contradicted(check, RULE_cluster, step, "that child does not run");
}

/* -- Sends. -- */

static bool
is_to_be_remembered(const void *check, struct table_key key, const void *value)
{
    (void)check;
    (void)key;
    return !((const struct deal *)value)->over;
}

static void
remember_deal(struct check *check, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    uint16_t serial = child_of(check, step, record->arg)->serial;
    size_t before = check->deals.count;
    check_sweep(check, &check->deals, &check->most_deals, is_to_be_remembered);
    check->forgets_deals |= check->deals.count < before || before >= MOST_DEALS;
    if (check->deals.count >= MOST_DEALS)
        return;
    struct deal *deal = table_put(&check->deals, record->message, 0);
    *deal =
        (struct deal){.timestamp = record->timestamp, .stream = step->stream, .child = record->arg, .serial = serial};
}

static void
check_sending(struct check *check, const struct step *step, uint32_t self)
{
    const struct tri_trace_record *record = step->record;
    const struct metadata *metadata = step->stream->member->metadata;
    struct worker *worker = worker_of(check, step);
    if (record->message == 0 || self == NOT_TOLD)
        return;
    if (TRI_TRACE_MESSAGE_STREAM(record->message) != metadata->serial)
        check_failed(check, RULE_cluster, step, "its id is that of another process");
    else if (!has_threads(step->stream, self) && worker->parcel >= record->message)
        check_failed(check, RULE_cluster, step, "its id is not later than that of what was sent before");
    worker->parcel = record->message;
    if (self != PARENT)
        return;
    check_runs(check, step);
    child_of(check, step, PARENT)->last = TRI_TRACE_MESSAGE_COUNT(record->message);
    if (step->role == ROLE_cluster_deal)
        remember_deal(check, step);
}

/* -- Ends. -- */

/* Does what comes have the form of what was sent? */
static void
check_kind(struct check *check, const struct step *step)
{
    bool was_dealt = step->sending.role == ROLE_cluster_deal;
    bool is_connection = step->role == ROLE_cluster_take || (step->role == ROLE_cluster_lost && was_dealt);
    if (is_connection != was_dealt)
        check_failed(check, RULE_cluster, step, "one end tells of a message, and the other of a connection");
    else if (step->role != ROLE_cluster_take && step->record->flags != (was_dealt ? 1 : step->sending.flags))
        check_failed(check, RULE_cluster, step, "it was sent with another number of descriptors");
}

/* Did it come to the process to which the parent had sent it? Another one may have had its number. */
static void
check_process(struct check *check, const struct step *step, const struct stream *parent)
{
    uint64_t count = TRI_TRACE_MESSAGE_COUNT(step->record->message);
    const struct process *process = process_of(check, step->stream->member);
    if (stream_lost(parent) > 0 || check->trace->partial)
        check->findings[RULE_cluster].unknown++;
    else if (process == NULL)
        check_failed(check, RULE_cluster, step, "the parent had not begun this process when it sent that");
    else if (!process->again && (count <= process->first || (process->ended && count > process->last)))
        check_failed(check, RULE_cluster, step, "it was sent to another process of that number");
}

static void
check_order(struct check *check, const struct step *step, const struct stream *sender)
{
    uint64_t id = step->record->message;
    if (has_threads(sender, number_of(sender->member)))
        return;
    uint64_t *last = table_put(&check->mails, sender->number, step->stream->number);
    if (*last > id) {
        check->overtaker = *last;
        check_failed(check, RULE_cluster, step, "overtaken by what was sent later");
        check->overtaker = 0;
    }
    *last = id;
}

static void
check_arrival(struct check *check, const struct step *step, uint32_t self)
{
    const struct stream *sender = trace_stream(check->trace, step->sending.stream);
    uint32_t from = sender != NULL ? number_of(sender->member) : NOT_TOLD;
    if (from == NOT_TOLD || self == NOT_TOLD)
        return;
    if (step->sending.tag != self)
        check_failed(check, RULE_cluster, step, "it was sent to another process");
    else if (step->role == ROLE_cluster_receive && step->record->arg != from)
        check_failed(check, RULE_cluster, step, "another process sent it");
    else if (from == PARENT)
        check_process(check, step, sender);
    if (step->role == ROLE_cluster_receive)
        check_order(check, step, sender);
}

static void
check_loss(struct check *check, const struct step *step, uint32_t self)
{
    const struct worker *worker = worker_of(check, step);
    bool is_own = TRI_TRACE_MESSAGE_STREAM(step->record->message) == step->stream->member->metadata->serial;
    if (step->record->arg != step->sending.tag)
        check_failed(check, RULE_cluster, step, "it was sent to another process");
    if (self == NOT_TOLD)
        return;
    if (!is_own && self != PARENT)
        check_failed(check, RULE_cluster, step, "it was not sent by way of this process");
    else if (is_own && !has_threads(step->stream, self) && worker->parcel != step->record->message)
        check_contradicted(check, RULE_cluster, step, "it should be what its sender sent last");
}

static void
check_end(struct check *check, const struct step *step, uint32_t self)
{
    struct deal *deal = table_get(&check->deals, step->record->message, 0);
    if (self == PARENT && step->role == ROLE_cluster_receive)
        check_runs(check, step);
    if (step->ending != ENDING_RIGHT)
        return;
    check_kind(check, step);
    if (step->role == ROLE_cluster_lost)
        check_loss(check, step, self);
    else
        check_arrival(check, step, self);
    if (deal != NULL) {
        deal->over = true;
        deal->lost |= step->role == ROLE_cluster_lost;
    }
}

static void
check_back(struct check *check, const struct step *step)
{
    struct deal *deal = table_get(&check->deals, step->record->message, 0);
    check_runs(check, step);
    if (deal == NULL && check->forgets_deals)
        check->findings[RULE_cluster].unknown++;
    else if (deal == NULL)
        check_contradicted(check, RULE_cluster, step, "what comes back was not dealt");
    else if (deal->child != step->record->arg)
        check_failed(check, RULE_cluster, step, "it was dealt to another child");
    else if (deal->back || deal->lost)
        check_failed(check, RULE_cluster, step, "it came back before, or was lost");
    if (deal != NULL)
        deal->over = deal->back = true;
}

/* -- Each event. -- */

/* May it be in the trace of such a process? */
static bool
is_at_home(enum role role, uint32_t self)
{
    switch (role) {
    case ROLE_child_began:
    case ROLE_child_ended:
    case ROLE_cluster_deal:
    case ROLE_cluster_back: return self == PARENT;
    case ROLE_cluster_take: return self != PARENT;
    default: return true;
    }
}

void
check_cluster(struct check *check, const struct step *step)
{
    uint32_t self = number_of(step->stream->member);
    check->findings[RULE_cluster].looked++;
    if (self != NOT_TOLD && !is_at_home(step->role, self))
        check_failed(check, RULE_cluster, step, "no such process does that");
    switch (step->role) {
    case ROLE_child_began: check_began(check, step); break;
    case ROLE_child_ended: check_ended(check, step); break;
    case ROLE_cluster_send:
    case ROLE_cluster_deal: check_sending(check, step, self); break;
    case ROLE_cluster_back: check_back(check, step); break;
    default: check_end(check, step, self); break;
    }
}

/* -- The end. -- */

/* The parent ends when all children have. */
static void
check_rest(struct check *check, const struct child *child)
{
    struct step step = {.record = &child->begin, .stream = child->stream, .role = ROLE_child_began};
    if (child->runs && is_whole(check, child->stream))
        check_failed(check, RULE_cluster, &step, "the parent has ended, and that child has not");
}

static void
check_open(struct check *check, uint64_t parcel, const struct deal *deal)
{
    struct tri_trace_record record = {.timestamp = deal->timestamp,
                                      .id = (uint16_t)metadata_find(check->trace->metadata, "cluster_deal"),
                                      .arg = deal->child,
                                      .message = parcel};
    struct step step = {.record = &record, .stream = deal->stream, .role = ROLE_cluster_deal};
    if (!deal->over && is_whole(check, deal->stream) && trace_lost(check->trace) == 0 &&
        check_has_told_all(check, deal->stream->member->cluster, deal->serial, deal->timestamp))
        check_failed(check, RULE_cluster, &step, "it was neither taken nor lost, nor has it come back");
}

/* A process says that it is a child: has the parent begun it? The worker is its first. */
static void
check_begin(struct check *check, size_t place)
{
    const struct worker *worker = &check->workers[place];
    const struct stream *stream = &check->trace->streams[place];
    const struct member *member = stream->member;
    uint32_t number = number_of(member);
    struct step step = {.record = &worker->begin, .stream = stream};
    step.role = worker->attached ? ROLE_attached : ROLE_worker_start;
    bool has_begun = worker->began || worker->attached;
    bool is_first = place == 0 || stream[-1].member != member;
    if (number == PARENT || number == NOT_TOLD || !has_begun || !is_first ||
        !is_whole(check, stream_of_parent(check->trace, member)))
        return;
    if (process_of(check, member) == NULL)
        check_failed(check, RULE_cluster, &step, "the parent has begun no such process under its number");
}

void
check_cluster_end(struct check *check)
{
    struct table_entry child, deal;
    for (size_t place = 0; table_next(&check->children, &place, &child);)
        check_rest(check, child.value);
    for (size_t place = 0; table_next(&check->deals, &place, &deal);)
        check_open(check, deal.key.a, deal.value);
    for (size_t i = 0; i < check->trace->stream_count; i++)
        check_begin(check, i);
}
