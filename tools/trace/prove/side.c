#include "side.h"
#include "clocks.h"
#include <string.h>

struct person {
    uint64_t identity;
    uint32_t class;
};

void
side_find(struct side *side, const char *directory)
{
    side->directory = directory;
    side->trace = trace_find_corrected(&side->directory, 1);
}

void
side_open(struct side *side)
{
    trace_check_corrected(side->trace);
    order_init(&side->order, side->trace);
    table_init(&side->persons, sizeof(struct person));
    table_init(&side->children, sizeof(uint64_t));
}

void
side_close(struct side *side)
{
    order_fini(&side->order);
    table_fini(&side->persons);
    table_fini(&side->children);
    trace_close(side->trace);
}

/* FNV-1a, and the same in both traces. */
static uint64_t
hash(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

#define HASH_BEGIN UINT64_C(0xcbf29ce484222325)

static uint64_t
identity_of(const struct side *side, uint64_t ref)
{
    const struct person *person = table_get(&side->persons, ref, 0);
    return person != NULL ? person->identity : ref;
}

static uint64_t
hash_of_name(const struct side *side, uint32_t name)
{
    const char *text = names_find(side->trace->names, name);
    return text != NULL ? hash(HASH_BEGIN, text, strlen(text)) : name;
}

static void
note_spawn(struct side *side, const struct tri_trace_record *record)
{
    uint64_t key[3] = {identity_of(side, record->message), hash_of_name(side, record->arg)};
    uint64_t *before = table_put(&side->children, key[0], key[1]);
    key[2] = ++*before;
    struct person *person = table_put(&side->persons, record->actor, 0);
    *person = (struct person){hash(HASH_BEGIN, key, sizeof(key)), record->arg};
}

static void
fill(const struct side *side, const struct step *step, struct delivery *delivery)
{
    const struct tri_trace_record *record = step->record;
    const struct person *person = table_get(&side->persons, record->actor, 0);
    bool known = step->ending == ENDING_RIGHT && step->sending.sender != 0;
    *delivery = (struct delivery){
        .identity = identity_of(side, record->actor),
        .sender = known ? identity_of(side, step->sending.sender) : 0,
        .tag = record->arg,
        .message = record->message,
        .actor = record->actor,
        .timestamp = record->timestamp,
        .class = person != NULL ? person->class : 0,
    };
}

int
side_next(struct side *side, struct delivery *delivery)
{
    struct step step;
    if (!order_next(&side->order, &step))
        return -1;
    if (step.role == ROLE_spawn || step.role == ROLE_present)
        note_spawn(side, step.record);
    if (step.role != ROLE_receive)
        return 0;
    fill(side, &step, delivery);
    return 1;
}
