#include "finding.h"
#include <stdio.h>

#include "text.h"
#include "text_of_time.h"

#define SWEPT_FIRST 4096u /* entries of a table before it is swept */
#define SHOWN 10u         /* failures of each rule that are printed one by one */

const char *const rule_names[] = {
#define NAME(name, text) #name,
    RULES(NAME)
#undef NAME
};

void
check_failed(struct check *check, enum rule rule, const struct step *step, const char *what)
{
    char time[TEXT_SIZE], stream[TEXT_SIZE], actor[TEXT_SIZE], message[TEXT_SIZE];
    if (check->findings[rule].failed++ >= SHOWN)
        return;
    const struct tri_trace_record *record = step->record;
    bool of_message = step->role == ROLE_send || step->role == ROLE_receive || step->role == ROLE_dead_letter;
    printf("%s: %s: %s  worker %s  %s  actor %s%s%s\n", rule_names[rule], what,
           text_of_time(check->trace->metadata, record->timestamp, time), text_of_stream(step->stream->number, stream),
           check->trace->metadata->names[record->id], text_of_ref(record->actor, actor), of_message ? "  message " : "",
           of_message ? text_of_message(record->message, message) : "");
}

void
check_missing(struct check *check, enum rule rule, const struct step *step, const char *what)
{
    if (step->gap || (check->trace->in_the_middle && !check_saw_birth(check, step->record->actor)))
        check->findings[rule].unknown++;
    else
        check_failed(check, rule, step, what);
}

void
check_sweep(struct check *check, struct table *table, size_t *most,
            bool (*keeps)(const void *check, struct table_key key, const void *value))
{
    if (table->count < SWEPT_FIRST || table->count < *most)
        return;
    table_sweep(table, keeps, check);
    *most = table->count * 2;
}
