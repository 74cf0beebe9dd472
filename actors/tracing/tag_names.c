/*
 * What has been asked for is in a table, where each behavior and tag has one place and drives out whoever had it: who
 * is driven out is asked again, under the recorder's lock, which does no harm.
 */
#include "tag_names.h"

#include <stdlib.h>
#include <troupe/core/trace.h>

#define PLACES 1024u /* a power of two */

struct tri_tag_names {
    struct place {
        const struct tr_behavior *behavior; /* NULL: it is nobody's */
        uint32_t tag;
    } places[PLACES];
};

static struct place *
place_of(struct tri_tag_names *names, const struct tr_behavior *behavior, uint32_t tag)
{
    uint64_t key = ((uint64_t)(uintptr_t)behavior >> 3) + tag;
    return &names->places[key * UINT64_C(0x9e3779b97f4a7c15) >> 32 & (PLACES - 1)];
}

TRI_NOINLINE static void
ask(const struct tri_actors *home, const struct tr_behavior *behavior, uint32_t tag)
{
    const char *name = behavior->tag_name(tag);
    if (name != NULL && name[0] != '\0')
        tri_trace_name_tag(tri_runtime_trace(home->worker->runtime), behavior->name, tag, name);
}

void
tri_tag_names_note(struct tri_actors *home, const struct tr_behavior *behavior, uint32_t tag)
{
    if (tag >= TR_TAG_RESERVED)
        return;
    if (home->tag_names == NULL && (home->tag_names = calloc(1, sizeof(*home->tag_names))) == NULL)
        return;
    struct place *place = place_of(home->tag_names, behavior, tag);
    if (TRI_LIKELY(place->behavior == behavior && place->tag == tag))
        return;
    *place = (struct place){behavior, tag};
    ask(home, behavior, tag);
}

void
tri_tag_names_fini(struct tri_actors *home)
{
    free(home->tag_names);
    home->tag_names = NULL;
}
