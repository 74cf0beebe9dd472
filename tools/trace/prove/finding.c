#include "finding.h"
#include <stdio.h>
#include <string.h>

#include "other.h"
#include "text.h"
#include "text_of_time.h"

#define SWEPT_FIRST 4096u /* entries of a table before it is swept */
#define SHOWN 10u         /* failures of each rule that are printed one by one */

const char *const rule_names[] = {
#define NAME(name, text) #name,
    RULES(NAME)
#undef NAME
};

/* Of an event of a cluster. */
static void
print_child(FILE *out, const struct field *field, uint32_t value)
{
    const char *word = word_of_value(field, value);
    if (strcmp(field->label, "child") != 0)
        return;
    if (word != NULL)
        fprintf(out, "  child %s", word);
    else
        fprintf(out, "  child %" PRIu32, value);
}

/* The field of an event that is called message, if it says what the event is about. */
static void
print_subject(FILE *out, enum role role, const struct tri_trace_record *record)
{
    char text[TEXT_SIZE];
    const struct field *field = &role_shapes[role].message;
    bool is_told = record->message != 0;
    if (field->meaning == MESSAGE && is_told)
        fprintf(out, "  message %s", text_of_message(record->message, text));
    else if (field->meaning == REF && is_told)
        fprintf(out, "  %s %s", field->label, text_of_ref(record->message, text));
    else if (field->meaning == PARCEL && is_told)
        fprintf(out, "  parcel %s", text_of_parcel(record->message, text));
    else if (role == ROLE_timer || role == ROLE_timer_fired || role == ROLE_timer_over)
        fprintf(out, "  timer %" PRIu64, record->message);
    print_child(out, &role_shapes[role].arg, record->arg);
}

static void
print_event(const struct check *check, const struct stream *stream, const struct tri_trace_record *record)
{
    char time[TEXT_SIZE], number[TEXT_SIZE], actor[TEXT_SIZE];
    const struct metadata *metadata = check->trace->metadata;
    fprintf(check->failures, "%s  worker %s  %s", text_of_time(metadata, record->timestamp, time),
            text_of_stream(stream->number, number), metadata->names[record->id]);
    if (record->actor != 0)
        fprintf(check->failures, "  actor %s", text_of_ref(record->actor, actor));
    print_subject(check->failures, (enum role)metadata->roles[record->id], record);
    fputc('\n', check->failures);
}

void
check_failed(struct check *check, enum rule rule, const struct step *step, const char *what)
{
    if (check->findings[rule].failed++ >= SHOWN)
        return;
    struct other other = other_of(check, rule, step);
    fprintf(check->failures, "%s: %s: ", rule_names[rule], what);
    print_event(check, step->stream, step->record);
    if (other.stream == NULL)
        return;
    fprintf(check->failures, "    it contradicts: ");
    print_event(check, other.stream, &other.record);
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
check_contradicted(struct check *check, enum rule rule, const struct step *step, const char *what)
{
    if (step->gap)
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
