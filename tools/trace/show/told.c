#include "told.h"

#include <stdlib.h>
#include <string.h>

#include "bad_input.h"
#include "process.h"

#define NAMES "name " /* a mark that begins so names the endpoint whose ref is its number */

static const struct {
    const char *word;
    enum luggage luggage;
} kinds[] = {
#define ROW(name, luggage) [TOLD_##name] = {#name, luggage},
    TELLINGS(ROW)
#undef ROW
};

const char *
telling_word(enum telling_kind kind)
{
    return kinds[kind == TOLD_closed ? TOLD_close : kind].word;
}

enum luggage
telling_luggage(enum telling_kind kind)
{
    return kinds[kind].luggage;
}

void
told_init(struct told *told, const struct trace *trace, const struct filter *filter,
          void (*give)(const struct told *told, const struct endpoint *endpoint))
{
    *told = (struct told){.trace = trace, .filter = filter, .give = give};
    told->last = &told->first;
    table_init(&told->endpoints, sizeof(struct endpoint *));
    table_init(&told->names, sizeof(uint32_t));
}

/* -- Endpoints. -- */

static struct endpoint *
find(const struct told *told, uint64_t ref)
{
    struct endpoint **found = table_get(&told->endpoints, ref, 0);
    return found != NULL ? *found : NULL;
}

static struct endpoint *
begin(struct told *told, uint64_t ref, bool is_server)
{
    struct endpoint *endpoint = find(told, ref);
    if (endpoint != NULL)
        return endpoint;
    endpoint = must_calloc(1, sizeof(*endpoint));
    endpoint->ref = ref;
    endpoint->is_server = is_server;
    *told->last = endpoint;
    told->last = &endpoint->next;
    *(struct endpoint **)table_put(&told->endpoints, ref, 0) = endpoint;
    told->held++;
    return endpoint;
}

/* -- Giving. -- */

static bool
is_wanted(const struct told *told, const struct endpoint *endpoint)
{
    bool says_something = endpoint->count > 0 || !endpoint->continues || !endpoint->goes_on;
    return says_something && (!told->filter->by_actor || told->filter->actor == endpoint->ref);
}

static void
give(struct told *told, struct endpoint *endpoint, bool goes_on)
{
    endpoint->goes_on = goes_on;
    if (is_wanted(told, endpoint))
        told->give(told, endpoint);
    endpoint->continues = true;
    told->held -= endpoint->count;
    endpoint->count = 0;
}

static void
forget(struct told *told, struct endpoint *endpoint)
{
    table_remove(&told->endpoints, endpoint->ref, 0);
    table_remove(&told->names, endpoint->ref, 0);
    free(endpoint->tellings);
    free(endpoint);
    told->held--;
}

static void
forget_those_over(struct told *told)
{
    struct endpoint **link = &told->first;
    while (*link != NULL) {
        struct endpoint *endpoint = *link;
        if (!endpoint->is_over) {
            link = &endpoint->next;
            continue;
        }
        *link = endpoint->next;
        forget(told, endpoint);
    }
    told->last = link;
}

/* Those that are over, and with others all that the others have told until now. Names are needed until all are
 * given. */
static void
give_some(struct told *told, bool others)
{
    for (struct endpoint *endpoint = told->first; endpoint != NULL; endpoint = endpoint->next)
        if (endpoint->is_over || others)
            give(told, endpoint, !endpoint->is_over);
    forget_those_over(told);
}

static void
make_room(struct told *told)
{
    if (told->held < TOLD_HELD)
        return;
    give_some(told, false);
    if (told->held >= TOLD_HELD / 2)
        give_some(told, true);
}

void
told_end(struct told *told)
{
    for (struct endpoint *endpoint = told->first; endpoint != NULL; endpoint = endpoint->next)
        endpoint->is_over = true;
    give_some(told, true);
    table_fini(&told->endpoints);
    table_fini(&told->names);
}

/* -- Tellings. -- */

static void
tell(struct told *told, struct endpoint *endpoint, const struct step *step, enum telling_kind kind, uint32_t value,
     uint64_t other)
{
    uint64_t time = step->record->timestamp;
    if (time < told->filter->since || time >= told->filter->until)
        return;
    if (endpoint->count == endpoint->room) {
        endpoint->room = endpoint->room > 0 ? 2 * endpoint->room : 8;
        endpoint->tellings = must_realloc(endpoint->tellings, endpoint->room, sizeof(*endpoint->tellings));
    }
    endpoint->tellings[endpoint->count++] = (struct telling){time, other, value, kind};
    told->held++;
}

static void
tell_code(struct told *told, struct endpoint *endpoint, const struct step *step, enum telling_kind kind)
{
    tell(told, endpoint, step, kind, step->record->arg, endpoint->code);
    endpoint->code = 0;
}

/* -- Events. -- */

static void
take_of_server(struct told *told, const struct step *step)
{
    struct endpoint *server = begin(told, step->record->actor, true);
    switch (step->role) {
    case ROLE_server_announced: tell(told, server, step, TOLD_listening, 0, 0); break;
    case ROLE_server_error: tell_code(told, server, step, TOLD_error); break;
    case ROLE_server_close: tell(told, server, step, TOLD_closed, 0, 0); break;
    default: break;
    }
}

/* What others record of a server's connections. */
static void
take_for_server(struct told *told, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    struct endpoint *server = begin(told, record->message, true);
    switch (step->role) {
    case ROLE_socket_accepted: tell(told, server, step, TOLD_connection, 0, record->actor); break;
    case ROLE_listener_reject: tell(told, server, step, TOLD_drop, record->flags, 0); break;
    default: tell_code(told, server, step, TOLD_handshake_failed); break;
    }
}

/* Data that goes elsewhere is no event of the program's, nor is a handshake that failed: its error follows. */
static void
take_of_socket(struct told *told, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    struct endpoint *socket = begin(told, record->actor, false);
    switch (step->role) {
    case ROLE_socket_accepted: tell(told, socket, step, TOLD_accepted, 0, record->message); break;
    case ROLE_socket_adopted: tell(told, socket, step, TOLD_adopted, 0, 0); break;
    case ROLE_socket_again: tell(told, socket, step, TOLD_again, 0, 0); break;
    case ROLE_socket_code: socket->code = record->arg; break;
    case ROLE_socket_lookup: tell_code(told, socket, step, TOLD_lookup); break;
    case ROLE_socket_connect: tell(told, socket, step, TOLD_connect, 0, 0); break;
    case ROLE_socket_secure:
        if (record->arg == 0)
            tell(told, socket, step, TOLD_secure, 0, 0);
        break;
    case ROLE_socket_ready: tell(told, socket, step, TOLD_ready, 0, 0); break;
    case ROLE_socket_data:
        if (record->flags == 0)
            tell(told, socket, step, TOLD_data, record->arg, 0);
        break;
    case ROLE_socket_text: tell(told, socket, step, TOLD_data, record->arg, 0); break;
    case ROLE_socket_fd: tell(told, socket, step, TOLD_fd, 0, 0); break;
    case ROLE_socket_end: tell(told, socket, step, TOLD_end, 0, 0); break;
    case ROLE_socket_drain: tell(told, socket, step, TOLD_drain, 0, 0); break;
    case ROLE_socket_timeout: tell(told, socket, step, TOLD_timeout, record->arg, 0); break;
    case ROLE_socket_goaway: tell(told, socket, step, TOLD_goaway, 0, 0); break;
    case ROLE_socket_written: tell(told, socket, step, TOLD_written, record->arg, 0); break;
    case ROLE_socket_error: tell_code(told, socket, step, TOLD_error); break;
    case ROLE_socket_close: tell(told, socket, step, TOLD_close, record->arg, 0); break;
    default: break;
    }
}

/* What it names is of the same process, and may not have begun yet. */
static void
take_name(struct told *told, const struct step *step)
{
    uint64_t ref = step->record->message;
    const struct process_range *range = process_of_stream(step->stream->number);
    if (range != NULL)
        ref += TRI_TRACE_REF(range->base, 0, 0);
    if (find(told, ref) != NULL || told->names.count < TOLD_HELD)
        *(uint32_t *)table_put(&told->names, ref, 0) = step->record->arg;
}

static void
take_mark(struct told *told, const struct step *step)
{
    struct endpoint *endpoint = find(told, step->record->actor);
    const char *text = names_find(told->trace->names, step->record->arg);
    if (text != NULL && strncmp(text, NAMES, strlen(NAMES)) == 0)
        take_name(told, step);
    else if (endpoint != NULL)
        tell(told, endpoint, step, TOLD_mark, step->record->arg, step->record->message);
}

static void
take_end(const struct told *told, const struct step *step)
{
    struct endpoint *endpoint = find(told, step->record->actor);
    if (endpoint != NULL)
        endpoint->is_over = true;
}

void
told_take(struct told *told, const struct step *step)
{
    enum role role = step->role;
    if (role == ROLE_mark)
        take_mark(told, step);
    else if (role == ROLE_stopped)
        take_end(told, step);
    if (role == ROLE_socket_accepted || role == ROLE_listener_reject || role == ROLE_handshake_failed)
        take_for_server(told, step);
    if (role_is_of_socket(role))
        take_of_socket(told, step);
    else if (role_is_of_server(role))
        take_of_server(told, step);
    else
        return;
    make_room(told);
}

const char *
told_name(const struct told *told, uint64_t ref)
{
    const uint32_t *number = table_get(&told->names, ref, 0);
    const char *text = number != NULL ? names_find(told->trace->names, *number) : NULL;
    return text != NULL ? text + strlen(NAMES) : NULL;
}
