#include "who.h"
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"
#include "command.h"
#include "text.h"

struct holder {
    uint64_t ref;
    uint32_t name;
};

void
who_fini(struct who *who)
{
    free(who->actors);
    free(who->texts);
    free(who->classes);
}

int
who_take_actor(struct who *who, const char *text)
{
    who->actors = must_realloc(who->actors, who->actor_count + 1, sizeof(*who->actors));
    who->texts = must_realloc(who->texts, who->actor_count + 1, sizeof(*who->texts));
    who->texts[who->actor_count] = text;
    if (!parse_ref(text, &who->actors[who->actor_count]))
        return refuse("not the name of an actor", text);
    who->actor_count++;
    return 0;
}

int
who_take_class(struct who *who, const char *name)
{
    who->classes = must_realloc(who->classes, who->class_count + 1, sizeof(*who->classes));
    who->classes[who->class_count++] = name;
    return 0;
}

int
who_find(struct who *who)
{
    for (size_t i = 0; i < who->actor_count; i++)
        if (!parse_ref(who->texts[i], &who->actors[i]))
            return refuse("the traces have no such process or worker", who->texts[i]);
    return 0;
}

bool
who_chooses(const struct who *who)
{
    return who->actor_count + who->class_count > 0;
}

void
holders_init(struct holders *holders)
{
    table_init(&holders->places, sizeof(struct holder));
}

void
holders_fini(struct holders *holders)
{
    table_fini(&holders->places);
}

void
holders_see(struct holders *holders, const struct step *step)
{
    uint64_t ref = step->record->actor;
    if (step->role == ROLE_spawn || step->role == ROLE_restart || step->role == ROLE_present)
        *(struct holder *)table_put(&holders->places, TRI_TRACE_REF_WORKER(ref), TRI_TRACE_REF_SLOT(ref)) =
            (struct holder){ref, step->record->arg};
}

uint32_t
holders_name(const struct holders *holders, uint64_t ref)
{
    const struct holder *holder = table_get(&holders->places, TRI_TRACE_REF_WORKER(ref), TRI_TRACE_REF_SLOT(ref));
    return holder != NULL && holder->ref == ref ? holder->name : 0;
}

static bool
has_class(const struct who *who, const struct trace *trace, const struct holders *holders, uint64_t ref)
{
    const char *name = who->class_count > 0 ? names_find(trace->names, holders_name(holders, ref)) : NULL;
    for (size_t i = 0; name != NULL && i < who->class_count; i++) {
        if (strcmp(who->classes[i], name) == 0)
            return true;
    }
    return false;
}

bool
who_has(const struct who *who, const struct trace *trace, const struct holders *holders, uint64_t ref)
{
    for (size_t i = 0; i < who->actor_count; i++) {
        if (who->actors[i] == ref)
            return true;
    }
    return has_class(who, trace, holders, ref);
}
