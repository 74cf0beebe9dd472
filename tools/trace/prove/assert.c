/*
 * The command that holds a trace to the rules of its program: see statement.h.
 *
 * Of each statement, and of each actor where it holds for each, two things are remembered: whether its first event was
 * seen, and since when one waits for its second.
 *
 * That something was not there is known only where nothing is missing: not if events were lost or switched off, nor of
 * what was before a trace that begins in the middle, but for actors that were born in it.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bad_input.h"
#include "clocks.h"
#include "escape.h"
#include "filter.h"
#include "order.h"
#include "progress.h"
#include "prove.h"
#include "statement.h"
#include "text.h"
#include "text_of_time.h"

#define SHOWN 10u /* cases of each statement that are printed one by one */

struct memory {
    bool seen, waits;
    uint64_t since;
};

struct result {
    uint64_t looked, failed, unknown;
};

/* What is known of an actor. */
struct who {
    uint32_t class; /* the number of its name */
    bool born;      /* in the trace */
};

struct holding {
    const struct trace *trace;
    const char *file;
    struct statements statements;
    struct result *results; /* by statement */
    struct table memories;  /* struct memory, by actor (0: all together) and statement */
    struct table actors;    /* struct who, by actor */
};

static bool
is_of_class(const struct holding *holding, uint64_t actor, const char *class)
{
    if (class == NULL)
        return true;
    const struct who *who = table_get(&holding->actors, actor, 0);
    const char *text = who != NULL ? names_find(holding->trace->names, who->class) : NULL;
    return text != NULL && strcmp(text, class) == 0;
}

static bool
says(const struct holding *holding, const struct pattern *pattern, const struct tri_trace_record *record)
{
    const char *name;
    switch (pattern->says) {
    case SAYS_ANYTHING: return true;
    case SAYS_IN_ARG: return record->arg == pattern->value;
    case SAYS_IN_FLAGS: return record->flags == pattern->value;
    case SAYS_NAME:
        name = names_find(holding->trace->names, record->arg);
        return name != NULL && strcmp(name, pattern->name) == 0;
    }
    return false;
}

static bool
matches(const struct holding *holding, const struct pattern *pattern, const struct tri_trace_record *record)
{
    return pattern->event == record->id && says(holding, pattern, record) &&
           is_of_class(holding, record->actor, pattern->class);
}

/* May an event be missing anywhere? */
static bool
has_gaps(const struct trace *trace)
{
    return trace_lost(trace) > 0 || trace->partial;
}

/* May something have been before, though it is not in the trace? Of an actor, where the statement holds for each. */
static bool
may_have_been(const struct holding *holding, const struct statement *statement, uint64_t actor)
{
    const struct who *who = statement->each != NULL ? table_get(&holding->actors, actor, 0) : NULL;
    bool is_born = who != NULL && who->born;
    return has_gaps(holding->trace) || (holding->trace->in_the_middle && !is_born);
}

static void
fail(struct holding *holding, size_t number, const struct step *step, const char *why)
{
    char time[TEXT_SIZE], stream[TEXT_SIZE], actor[TEXT_SIZE];
    if (holding->results[number].failed++ >= SHOWN)
        return;
    progress_give_way();
    print_escaped(stdout, holding->file);
    printf(":%u: %s: %s  worker %s  %s", holding->statements.rows[number].line, why,
           text_of_time(holding->trace->metadata, step->record->timestamp, time),
           text_of_stream(step->stream->number, stream), holding->trace->metadata->names[step->record->id]);
    if (step->record->actor != 0)
        printf("  actor %s", text_of_ref(step->record->actor, actor));
    putchar('\n');
}

static void
see_second(struct holding *holding, size_t number, struct memory *memory, const struct step *step)
{
    const struct statement *statement = &holding->statements.rows[number];
    struct result *result = &holding->results[number];
    bool late = memory->waits && step->record->timestamp > memory->since &&
                step->record->timestamp - memory->since > statement->ticks;
    result->looked++;
    if (statement->kind == STATEMENT_before && !memory->seen && may_have_been(holding, statement, step->record->actor))
        result->unknown++;
    else if (statement->kind == STATEMENT_within && late && has_gaps(holding->trace))
        result->unknown++;
    else if (statement->kind == STATEMENT_before && !memory->seen)
        fail(holding, number, step, "nothing was before");
    else if (statement->kind == STATEMENT_never && (statement->first.event < 0 || memory->seen))
        fail(holding, number, step, "it must not be");
    else if (statement->kind == STATEMENT_within && late)
        fail(holding, number, step, "it comes too late");
    memory->waits = false;
}

static void
see_first(struct memory *memory, const struct step *step)
{
    memory->seen = true;
    if (memory->waits)
        return;
    memory->waits = true;
    memory->since = step->record->timestamp;
}

static void
hold_one(struct holding *holding, size_t number, const struct step *step)
{
    const struct statement *statement = &holding->statements.rows[number];
    bool first = matches(holding, &statement->first, step->record);
    bool second = matches(holding, &statement->second, step->record);
    if ((!first && !second) || !is_of_class(holding, step->record->actor, statement->each))
        return;
    uint64_t actor = statement->each != NULL ? step->record->actor : 0;
    struct memory *memory = table_put(&holding->memories, actor, number);
    if (second)
        see_second(holding, number, memory, step);
    if (first)
        see_first(memory, step);
}

static void
hold(struct holding *holding, const struct step *step)
{
    if (role_tells_class(step->role)) {
        struct who *who = table_put(&holding->actors, step->record->actor, 0);
        who->class = step->record->arg;
        who->born |= step->role == ROLE_spawn;
    }
    for (size_t i = 0; i < holding->statements.count; i++)
        hold_one(holding, i, step);
}

/* What still waits when the trace ends, and would be late by now. */
static void
hold_end(struct holding *holding)
{
    uint64_t first, last;
    span_of(holding->trace, &first, &last);
    progress_give_way();
    struct table_entry entry;
    for (size_t place = 0; table_next(&holding->memories, &place, &entry);) {
        const struct memory *memory = entry.value;
        if (!memory->waits)
            continue;
        size_t number = (size_t)entry.key.b;
        const struct statement *statement = &holding->statements.rows[number];
        if (statement->kind != STATEMENT_within || last - memory->since <= statement->ticks)
            continue;
        char time[TEXT_SIZE];
        holding->results[number].looked++;
        if (has_gaps(holding->trace)) {
            holding->results[number].unknown++;
            continue;
        }
        if (holding->results[number].failed++ >= SHOWN)
            continue;
        print_escaped(stdout, holding->file);
        printf(":%u: it never comes, for what was at %s\n", statement->line,
               text_of_time(holding->trace->metadata, memory->since, time));
    }
}

/* That something never is holds also where nothing is. */
static bool
is_no_case(const struct statement *statement, const struct result *result)
{
    bool never = statement->kind == STATEMENT_never && statement->first.event < 0;
    return result->looked == 0 && !never;
}

static int
report(const struct holding *holding, bool strict)
{
    bool failed = false, lost = trace_lost(holding->trace) > 0;
    char looked[TEXT_SIZE], count[TEXT_SIZE];
    for (size_t i = 0; i < holding->statements.count; i++) {
        const struct result *result = &holding->results[i];
        failed |= result->failed > 0;
        printf("%-8s %14s times  line %u: ",
               result->failed > 0                                 ? "FAILED"
               : lost || result->unknown > 0                      ? "unknown"
               : is_no_case(&holding->statements.rows[i], result) ? "no case"
                                                                  : "passed",
               text_of_count(result->looked, looked), holding->statements.rows[i].line);
        print_escaped(stdout, holding->statements.rows[i].text);
        if (result->failed > 0)
            printf("; broken %s times", text_of_count(result->failed, count));
        if (result->unknown > 0)
            printf("; unknown %s times", text_of_count(result->unknown, count));
        putchar('\n');
    }
    return failed ? EXIT_RULE_FAILED : strict && lost ? EXIT_EVENTS_LOST : EXIT_SUCCESS;
}

static int
assert_trace(const struct trace *trace, const char *file, bool strict)
{
    struct holding holding = {.trace = trace, .file = file};
    struct order order;
    struct step step;
    statements_read(&holding.statements, trace, file);
    holding.results = must_calloc(holding.statements.count, sizeof(*holding.results));
    table_init(&holding.memories, sizeof(struct memory));
    table_init(&holding.actors, sizeof(struct who));
    order_init(&order, trace);
    while (order_next(&order, &step))
        hold(&holding, &step);
    hold_end(&holding);
    int status = report(&holding, strict);
    order_fini(&order);
    table_fini(&holding.memories);
    table_fini(&holding.actors);
    statements_free(&holding.statements);
    free(holding.results);
    return status;
}

static const struct option options[] = {
    {"strict", no_argument, NULL, 's'},
    {NULL, 0, NULL, 0},
};

static const struct option_text texts[] = {
    {"strict", NULL, "exit status 3 if events were lost and no rule was seen broken"},
    {NULL, NULL, NULL},
};

static int
run(int count, char **words)
{
    bool strict = false;
    int status = take_options(&command_assert, count, words, take_flag, &strict);
    if (status != 0)
        return status;
    int directories = count_directories(count, words, 1);
    if (directories < 1)
        return refuse("a file of rules and a directory are needed", "");
    progress_passes(1);
    struct trace *trace = trace_open_corrected((const char *const *)words + optind + 1, (size_t)directories);
    status = assert_trace(trace, words[optind], strict);
    trace_close(trace);
    return status;
}

const struct command command_assert = {
    .name = "assert",
    .usage = "[--strict] FILE DIRECTORY...",
    .summary = "whether the program kept rules of its own, one to a line of FILE\n"
               "A before B; never A; never B after A; B within 5 ms of A; for each CLASS: and one of these.\n"
               "A and B are an event, what it says if that matters (a tag, a status, a word, a name),\n"
               "and `of CLASS`: receive 7 of session",
    .example = "echo 'for each session: socket_accepted before socket_data' > rules; troupe-trace assert rules dir",
    .options = options,
    .texts = texts,
    .run = run,
};
