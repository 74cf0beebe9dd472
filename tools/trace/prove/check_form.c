/*
 * The rule of fields: form.
 *
 * What an event does not use is zero, a flag is 0 or 1, a failure has a status, a status has a code, and a name is
 * told. A word that is not known may be a newer library's, and a status without a code the program's own.
 */
#include "rules.h"

#include "bad_input.h"

/* Of a role: bits that are 0. */
struct form {
    uint64_t actor, message;
    uint32_t arg;
    uint16_t flags;
    bool looks; /* beyond that */
    bool fails; /* its status is that of a failure */
};

/* As its row says. */
struct description {
    struct tri_trace_field flags, arg, actor, message;
};

#define EVENT(id, name, actor, flags, arg, message, doc)                                                               \
    [ROLE_##name] = {TRI_TRACE_FIELD(flags), TRI_TRACE_FIELD(arg), TRI_TRACE_FIELD(actor), TRI_TRACE_FIELD(message)},

static const struct description descriptions[ROLES] = {TRI_TRACE_CORE_EVENTS(EVENT) TRI_TRACE_ACTORS_EVENTS(EVENT)
                                                           TRI_TRACE_NET_EVENTS(EVENT)};

static bool
is_failure(enum role role)
{
    return role == ROLE_init_failed || role == ROLE_fail || role == ROLE_socket_error || role == ROLE_server_error ||
           role == ROLE_handshake_failed;
}

static bool
has_flag(enum role role)
{
    return role == ROLE_receive || role == ROLE_timer || role == ROLE_timer_fired || role == ROLE_socket_accepted ||
           role == ROLE_socket_write || role == ROLE_send;
}

static struct form
form_of(enum role role)
{
    const struct description *event = &descriptions[role];
    struct form form = {.fails = is_failure(role)};
    if (role_shapes[role].name == NULL)
        return form;
    form.actor = event->actor.kind == TRI_FIELD_NOTHING ? UINT64_MAX : 0;
    form.message = event->message.kind == TRI_FIELD_NOTHING ? UINT64_MAX : 0;
    form.arg = event->arg.kind == TRI_FIELD_NOTHING ? UINT32_MAX : role == ROLE_socket_close ? ~1u : 0;
    form.flags = event->flags.kind == TRI_FIELD_NOTHING ? UINT16_MAX : has_flag(role) ? (uint16_t)~1u : 0;
    form.looks = event->arg.kind == TRI_FIELD_STATUS || event->arg.kind == TRI_FIELD_NAME ||
                 event->arg.kind == TRI_FIELD_WORD || event->flags.kind == TRI_FIELD_WORD;
    return form;
}

void
check_form_init(struct check *check)
{
    check->forms = must_calloc(ROLES, sizeof(*check->forms));
    for (int role = 0; role < ROLES; role++)
        check->forms[role] = form_of((enum role)role);
}

static void
check_word(struct check *check, const struct tri_trace_field *field, uint32_t value)
{
    if (field->kind != TRI_FIELD_WORD)
        return;
    for (const struct tri_trace_word *word = field->words; word->word != NULL; word++)
        if (word->value == value)
            return;
    check->findings[RULE_form].unknown++;
}

/* It tells how the program failed, in its own words. */
static bool
may_be_the_programs(enum role role)
{
    return role == ROLE_init_failed || role == ROLE_fail || role == ROLE_socket_error;
}

static void
check_status(struct check *check, const struct form *form, const struct step *step)
{
    uint32_t status = step->record->arg;
    if (form->fails && status == 0)
        check_failed(check, RULE_form, step, "a failure whose status is 0");
    else if (status != 0 && !may_be_the_programs(step->role) && check->trace->metadata->statuses.count > 0 &&
             metadata_status(check->trace->metadata, status) == NULL)
        check_failed(check, RULE_form, step, "a status that the trace has no code for");
}

/* While a trace is open, and where there was no room, a name may not be there yet. */
static void
check_name(struct check *check, const struct step *step)
{
    bool whole = check->trace->metadata->closed && trace_lost(check->trace) == 0;
    if (whole && step->record->arg != 0 && names_find(check->trace->names, step->record->arg) == NULL)
        check_failed(check, RULE_form, step, "a name that the trace does not tell");
}

static void
look(struct check *check, const struct form *form, const struct step *step)
{
    const struct description *event = &descriptions[step->role];
    check->findings[RULE_form].looked++;
    check_word(check, &event->flags, step->record->flags);
    check_word(check, &event->arg, step->record->arg);
    if (event->arg.kind == TRI_FIELD_STATUS)
        check_status(check, form, step);
    else if (event->arg.kind == TRI_FIELD_NAME)
        check_name(check, step);
}

void
check_form(struct check *check, const struct step *step)
{
    const struct form *form = &check->forms[step->role];
    const struct tri_trace_record *record = step->record;
    if (((record->flags & form->flags) | (record->arg & form->arg) | (record->actor & form->actor) |
         (record->message & form->message)) != 0)
        check_failed(check, RULE_form, step, "a field that has no meaning is not 0");
    if (form->looks)
        look(check, form, step);
}
