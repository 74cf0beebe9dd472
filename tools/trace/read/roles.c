#include "roles.h"

#include <string.h>

#define FIELD(field) FIELD_OF field
#define FIELD_OF(kind, label)                                                                                          \
    {                                                                                                                  \
        kind, #label                                                                                                   \
    }
#define SHAPE(id, name, actor, flags, arg, message, doc)                                                               \
    [ROLE_##name] = {#name, FIELD(flags), FIELD(arg), FIELD(message)},

const struct shape role_shapes[ROLES] = {
    [ROLE_none] = {NULL, {UNKNOWN, "flags"}, {UNKNOWN, "arg"}, {UNKNOWN, "message"}},
    TRI_TRACE_CORE_EVENTS(SHAPE) TRI_TRACE_ACTORS_EVENTS(SHAPE) TRI_TRACE_NET_EVENTS(SHAPE)};

enum role
role_of_name(const char *name)
{
    for (unsigned role = 0; role < ROLES; role++)
        if (role_shapes[role].name != NULL && strcmp(role_shapes[role].name, name) == 0)
            return (enum role)role;
    return ROLE_none;
}
