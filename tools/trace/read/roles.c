#include "roles.h"

#include <string.h>

#define FIELD(field) FIELD_OF field
#define FIELD_OF(kind, ...)                                                                                            \
    {                                                                                                                  \
        kind, TRI_TRACE_LABEL(__VA_ARGS__, ), TRI_TRACE_LIST(__VA_ARGS__, none, )                                      \
    }
#define SHAPE(id, name, actor, flags, arg, message, doc)                                                               \
    [ROLE_##name] = {#name, FIELD(flags), FIELD(arg), FIELD(message)},

const struct shape role_shapes[ROLES] = {
    [ROLE_none] = {NULL, {UNKNOWN, "flags", NULL}, {UNKNOWN, "arg", NULL}, {UNKNOWN, "message", NULL}},
    TRI_TRACE_CORE_EVENTS(SHAPE) TRI_TRACE_ACTORS_EVENTS(SHAPE) TRI_TRACE_NET_EVENTS(SHAPE)};

const char *
word_of_value(const struct field *field, uint64_t value)
{
    for (const struct tri_trace_word *word = field->words; word != NULL && word->word != NULL; word++)
        if (word->value == value)
            return word->word;
    return NULL;
}

enum role
role_of_name(const char *name)
{
    for (unsigned role = 0; role < ROLES; role++)
        if (role_shapes[role].name != NULL && strcmp(role_shapes[role].name, name) == 0)
            return (enum role)role;
    return ROLE_none;
}
