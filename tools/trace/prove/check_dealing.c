/*
 * The rule of what comes of connections: dealing.
 *
 * A connection that a listener gives a server becomes a socket of that server, on the worker that was chosen; before
 * that it may wait for its header and then shake hands, in two actors that are neither. It may get lost on that way for
 * lack of memory, or since all ends, so there are no more sockets and refusals than were dealt out, and there may be
 * fewer. Worker and listener are two streams, and nothing but time says which came first: so both are counted, and
 * compared at the end.
 */
#include "rules.h"

#include <string.h>

struct dealing {
    uint64_t given;
    uint64_t begun;               /* or refused */
    uint64_t headers;             /* that were read */
    uint64_t shaken;              /* handshakes that were begun */
    struct tri_trace_record last; /* of what came of one */
    const struct stream *stream;
};

/* An actor of one connection. */
struct greeting {
    uint64_t ref;
    bool shakes;
    bool over; /* it has its header or is refused, it is secure or has failed */
};

void
check_dealing_init(struct check *check)
{
    table_init(&check->dealings, sizeof(struct dealing));
    table_init(&check->greetings, sizeof(struct greeting));
}

static void
count(struct check *check, const struct step *step)
{
    bool given = step->role == ROLE_listener_accept;
    uint32_t worker = given ? step->record->arg : step->stream->number;
    struct dealing *dealing = table_put(&check->dealings, step->record->message, worker);
    dealing->given += given;
    dealing->headers += step->role == ROLE_proxy_header;
    dealing->shaken += step->role == ROLE_handshake_begin;
    dealing->begun +=
        step->role == ROLE_socket_accepted || step->role == ROLE_proxy_refused || step->role == ROLE_handshake_failed;
    if (given)
        return;
    dealing->last = *step->record;
    dealing->stream = step->stream;
}

static void
check_shake(struct check *check, struct greeting *greeting, const struct step *step)
{
    if (greeting->shakes || greeting->over)
        check_missing(check, RULE_dealing, step, "it has begun to shake hands before");
    greeting->shakes = true;
}

static bool
is_late(const struct check *check, const struct tri_trace_record *record)
{
    const char *status = metadata_status(check->trace->metadata, record->arg);
    return status == NULL || strstr(status, "TIMEOUT") != NULL;
}

static void
check_outcome(struct check *check, struct greeting *greeting, const struct step *step)
{
    bool of_header = step->role == ROLE_proxy_header || step->role == ROLE_proxy_refused;
    bool waits = step->role == ROLE_handshake_failed && is_late(check, step->record); /* it was never its turn */
    if (greeting->over)
        check_missing(check, RULE_dealing, step, "what came of that connection was told before");
    else if (!of_header && !waits && !greeting->shakes)
        check_missing(check, RULE_dealing, step, "it has not begun to shake hands");
    if (step->role == ROLE_proxy_header && step->record->flags != 1 && step->record->flags != 2)
        check_failed(check, RULE_dealing, step, "a version that there is not");
    greeting->over = true;
}

void
check_dealing(struct check *check, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    check->findings[RULE_dealing].looked++;
    if (step->role != ROLE_handshake) /* it has been counted as it began */
        count(check, step);
    if (step->role == ROLE_listener_accept || step->role == ROLE_socket_accepted)
        return;
    struct greeting *greeting = table_put(&check->greetings, SLOT_OF(record->actor), 0);
    if (greeting->ref != record->actor)
        *greeting = (struct greeting){.ref = record->actor};
    if (step->role == ROLE_handshake_begin)
        check_shake(check, greeting, step);
    else
        check_outcome(check, greeting, step);
}

static bool
is_even(const struct dealing *dealing)
{
    return dealing->begun <= dealing->given && dealing->headers <= dealing->given && dealing->shaken <= dealing->given;
}

void
check_dealing_end(struct check *check)
{
    int accept = metadata_find(check->trace->metadata, "listener_accept");
    bool has_dealt = check->trace->member_count <= 1 && accept >= 0 && check->trace->counts[accept] > 0;
    struct table_entry entry;
    for (size_t place = 0; table_next(&check->dealings, &place, &entry);) {
        const struct dealing *dealing = entry.value;
        if (is_even(dealing) || !has_dealt)
            continue;
        struct step step = {.record = &dealing->last, .stream = dealing->stream};
        step.role = (enum role)check->trace->metadata->roles[dealing->last.id];
        if (trace_lost(check->trace) > 0 || check->trace->partial || check->trace->in_the_middle ||
            !check->trace->metadata->closed)
            check->findings[RULE_dealing].unknown++;
        else
            check_failed(check, RULE_dealing, &step, "more connections than the listener gave that server there");
    }
}
