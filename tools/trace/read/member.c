#include "member.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"

#define NS UINT64_C(1000000000)
#define CLUSTER_BIT 40 /* of a parcel's count: what lies above tells clusters apart */

/* -- Opening. -- */

static char *
copy_text(const char *text, const char *end)
{
    char *copy = must_calloc(strlen(text) + strlen(end) + 1, 1);
    memcpy(copy, text, strlen(text));
    memcpy(copy + strlen(text), end, strlen(end));
    return copy;
}

bool
member_open(struct member *member, const struct source *source, const char *path, const char *within)
{
    if (!source_has(source, "metadata"))
        return false;
    *member = (struct member){.path = copy_text(path, ""), .within = copy_text(within, ""), .source = *source};
    bad_input_within(member->within);
    member->metadata = metadata_read(source, path);
    return true;
}

void
member_close(struct member *member)
{
    if (member->joined) {
        free(member->ids);
        names_free(member->names);
        table_fini(&member->numbers);
    }
    metadata_free(member->metadata);
    source_close(&member->source);
    free(member->within);
    free(member->path);
}

/* -- Joining. -- */

static bool
has_clock_of(const struct metadata *a, const struct metadata *b)
{
    return a->boot[0] != '\0' && strcmp(a->boot, b->boot) == 0 && strcmp(a->clock, b->clock) == 0;
}

static bool
have_one_clock(const struct member *members, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (!has_clock_of(members[0].metadata, members[i].metadata))
            return false;
    return true;
}

/* What the clusters before it are, counted. */
static unsigned
cluster_of(const struct member *members, size_t place)
{
    unsigned most = 0;
    for (size_t i = 0; i < place; i++) {
        if (strcmp(members[i].metadata->cluster, members[place].metadata->cluster) == 0)
            return members[i].cluster;
        most = members[i].cluster >= most ? members[i].cluster + 1 : most;
    }
    return most;
}

struct metadata *
members_join(struct member *members, size_t count)
{
    struct metadata *common = NULL;
    bool one_clock = have_one_clock(members, count);
    for (size_t i = 0; i < count; i++) {
        struct member *member = &members[i];
        member->joined = true;
        member->converted = !one_clock;
        member->cluster = cluster_of(members, i);
        member->ids = must_calloc(EVENT_IDS, sizeof(*member->ids));
        member->names = names_new();
        table_init(&member->numbers, sizeof(uint32_t));
        common = metadata_join(common, member->metadata, member->ids);
    }
    if (!one_clock) {
        common->frequency = NS;
        common->offset_s = common->offset = 0;
    }
    return common;
}

void
members_join_again(struct member *members, size_t count, struct metadata *common)
{
    common->closed = true;
    for (size_t i = 0; i < count; i++)
        metadata_join(common, members[i].metadata, members[i].ids);
}

void
member_join_names(struct member *member, struct names *names)
{
    names_join(names, member->names, &member->numbers);
}

/* -- Changing. -- */

uint32_t
member_stream(const struct member *member, uint32_t number)
{
    if (!member->joined)
        return number;
    return number == TRI_TRACE_OUTSIDE ? member->range.outside : member->range.base + number;
}

uint64_t
member_time(const struct member *member, uint64_t ticks)
{
    return member->converted ? metadata_ns(member->metadata, ticks) : ticks;
}

/* What the recorder cannot have written must not become another process's. */
static uint64_t
change_ref(const struct member *member, uint64_t ref)
{
    if (ref == 0)
        return 0;
    if (TRI_TRACE_REF_WORKER(ref) >= member->range.count)
        bad_input("", 0, "an actor of worker %" PRIu32 ", which is not there", TRI_TRACE_REF_WORKER(ref));
    return ref + TRI_TRACE_REF(member->range.base, 0, 0);
}

static uint64_t
change_message(const struct member *member, uint64_t message)
{
    uint32_t stream = TRI_TRACE_MESSAGE_STREAM(message);
    if (message == 0)
        return 0;
    if (stream != TRI_TRACE_OUTSIDE && stream >= member->range.count)
        bad_input("", 0, "a message of worker %" PRIu32 ", which is not there", stream);
    return TRI_TRACE_MESSAGE(member_stream(member, stream), TRI_TRACE_MESSAGE_COUNT(message));
}

static uint32_t
change_name(const struct member *member, uint32_t own)
{
    const uint32_t *number = table_get(&member->numbers, own, 0);
    return number != NULL ? *number : own == 0 ? 0 : UINT32_MAX; /* a number that no name has */
}

static void
change_record(const struct member *member, const struct metadata *common, struct tri_trace_record *record)
{
    if (member->metadata->names[record->id] == NULL)
        bad_input("", 0, "unknown event id %u", record->id);
    record->id = member->ids[record->id];
    record->timestamp = member_time(member, record->timestamp);
    record->actor = change_ref(member, record->actor);
    const struct shape *shape = &role_shapes[common->roles[record->id]];
    if (shape->arg.meaning == NAME)
        record->arg = change_name(member, record->arg);
    if (shape->message.meaning == REF)
        record->message = change_ref(member, record->message);
    else if (shape->message.meaning == MESSAGE)
        record->message = change_message(member, record->message);
    else if (shape->message.meaning == PARCEL && record->message != 0)
        record->message += (uint64_t)member->cluster << CLUSTER_BIT;
}

void
member_change(const struct member *member, const struct metadata *common, struct tri_trace_record *records,
              size_t count)
{
    for (size_t i = 0; member->joined && i < count; i++)
        change_record(member, common, &records[i]);
}
