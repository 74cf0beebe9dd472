/*
 * All events in causal order.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "escape.h"
#include "order.h"
#include "show.h"
#include "text.h"
#include "text_of_time.h"

/* The names of the behaviors that the actors have, as far as that was seen. */
struct dump {
    const struct trace *trace;
    struct table behaviors; /* uint32_t, by ref */
};

static void
note_behavior(struct dump *dump, const struct step *step)
{
    if (step->role == ROLE_spawn || step->role == ROLE_restart || step->role == ROLE_become)
        *(uint32_t *)table_put(&dump->behaviors, step->record->actor, 0) = step->record->arg;
}

static const char *
behavior_of(const struct dump *dump, uint64_t ref)
{
    const uint32_t *number = table_get(&dump->behaviors, ref, 0);
    return number != NULL ? names_find(dump->trace->names, *number) : NULL;
}

static const char *
event_name(const struct dump *dump, const struct step *step)
{
    const char *name = dump->trace->metadata->names[step->record->id];
    return name != NULL ? name : "unknown"; /* the file changed under us */
}

/* -- For people. -- */

/* The name of a value; NULL: it has none. */
static const char *
name_of(const struct dump *dump, const struct field *field, uint64_t value)
{
    switch (field->meaning) {
    case NAME: return names_find(dump->trace->names, (uint32_t)value);
    case TAG: return metadata_tag(dump->trace->metadata, (uint32_t)value);
    case STATUS: return metadata_status(dump->trace->metadata, (uint32_t)value);
    case WORD: return word_of_value(field, value);
    default: return NULL;
    }
}

static void
print_value(const struct dump *dump, const struct field *field, uint64_t value)
{
    char text[TEXT_SIZE];
    enum meaning meaning = field->meaning;
    const char *name = name_of(dump, field, value);
    if (meaning == NOTHING || (meaning == UNKNOWN && value == 0))
        return;
    printf("  %s ", field->label);
    if (name != NULL)
        print_escaped(stdout, name);
    else if (meaning == STATUS)
        printf("%" PRId32, (int32_t)value);
    else if (meaning == REF)
        fputs(value != 0 ? text_of_ref(value, text) : "none", stdout);
    else if (meaning == MESSAGE)
        fputs(text_of_message(value, text), stdout);
    else
        printf("%s%" PRIu64, meaning == NAME ? "#" : "", value);
}

/* Flags that are 0 say nothing, but as a word. */
static void
print_flags(const struct dump *dump, const struct field *field, uint16_t flags)
{
    if (field->meaning == WORD || (field->meaning == NUMBER && flags != 0))
        print_value(dump, field, flags);
    else if (flags != 0)
        printf("  flags %u", flags);
}

static void
print_actor(const struct dump *dump, uint64_t ref)
{
    char text[TEXT_SIZE];
    const char *behavior = behavior_of(dump, ref);
    if (ref == 0)
        return;
    printf("  %s", text_of_ref(ref, text));
    if (behavior == NULL)
        return;
    fputs(" (", stdout);
    print_escaped(stdout, behavior);
    fputc(')', stdout);
}

static void
print_text(const struct dump *dump, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    const struct shape *shape = &role_shapes[step->role];
    char time[TEXT_SIZE], stream[TEXT_SIZE];
    printf("%s  %7s  %-17s", text_of_time(dump->trace->metadata, record->timestamp, time),
           text_of_stream(step->stream->number, stream), event_name(dump, step));
    print_actor(dump, record->actor);
    print_value(dump, &shape->message, record->message);
    print_value(dump, &shape->arg, record->arg);
    print_flags(dump, &shape->flags, record->flags);
    if (step->contradicts)
        fputs("  (its time is before that of its send)", stdout);
    fputc('\n', stdout);
}

/* -- For programs. -- */

/* A number that has a name has it in a key of its own. */
static void
print_json_name(const struct field *field, const char *name)
{
    if (name == NULL || field->meaning == NAME)
        return;
    printf(",\"%s_name\":", field->label);
    print_json_string(stdout, name);
}

static void
print_json_value(const struct dump *dump, const struct field *field, uint64_t value)
{
    char text[TEXT_SIZE];
    enum meaning meaning = field->meaning;
    const char *name = name_of(dump, field, value);
    if (meaning == NOTHING)
        return;
    printf(",\"%s\":", field->label);
    if (meaning == NAME && name != NULL)
        print_json_string(stdout, name);
    else if (meaning == NAME || (meaning == REF && value == 0))
        fputs("null", stdout);
    else if (meaning == REF)
        printf("\"%s\"", text_of_ref(value, text));
    else if (meaning == STATUS)
        printf("%" PRId32, (int32_t)value);
    else if (meaning == MESSAGE)
        printf("\"%s\"", text_of_message(value, text));
    else
        printf("%" PRIu64, value);
    print_json_name(field, name);
}

static void
print_json(const struct dump *dump, const struct step *step)
{
    const struct tri_trace_record *record = step->record;
    const struct shape *shape = &role_shapes[step->role];
    char time[TEXT_SIZE], stream[TEXT_SIZE];
    const char *quote = step->stream->number == TRI_TRACE_OUTSIDE ? "\"" : "";
    printf("{\"time\":\"%s\",\"ticks\":%" PRIu64 ",\"worker\":%s%s%s,\"event\":\"%s\"",
           text_of_time(dump->trace->metadata, record->timestamp, time), record->timestamp, quote,
           text_of_stream(step->stream->number, stream), quote, event_name(dump, step));
    print_json_value(dump, &(struct field){REF, "actor", NULL}, record->actor);
    print_json_value(dump, &shape->message, record->message);
    print_json_value(dump, &shape->arg, record->arg);
    if (step->role != ROLE_none)
        print_json_value(dump, &shape->flags, record->flags);
    printf(",\"flags\":%u}\n", record->flags);
}

/* -- The command. -- */

struct dump_options {
    bool json;
    bool by_actor, by_stream; /* show only events of the following */
    uint64_t actor;
    uint32_t stream;
    const char *event; /* show only events of this name; NULL: all */
    int event_id;
};

static bool
is_wanted(const struct dump_options *options, const struct step *step)
{
    return (!options->by_actor || step->record->actor == options->actor) &&
           (!options->by_stream || step->stream->number == options->stream) &&
           (options->event == NULL || step->record->id == options->event_id);
}

static void
print_events(const struct trace *trace, const struct dump_options *options)
{
    struct dump dump = {.trace = trace};
    struct order order;
    struct step step;
    table_init(&dump.behaviors, sizeof(uint32_t));
    order_init(&order, trace);
    while (order_next(&order, &step)) {
        note_behavior(&dump, &step);
        if (!is_wanted(options, &step))
            continue;
        if (options->json)
            print_json(&dump, &step);
        else
            print_text(&dump, &step);
    }
    order_fini(&order);
    table_fini(&dump.behaviors);
}

enum {
    OPTION_JSON = 'j',
    OPTION_ACTOR = 'a',
    OPTION_WORKER = 'w',
    OPTION_EVENT = 'e',
};

static const struct option options[] = {
    {"json", no_argument, NULL, OPTION_JSON},           {"actor", required_argument, NULL, OPTION_ACTOR},
    {"worker", required_argument, NULL, OPTION_WORKER}, {"event", required_argument, NULL, OPTION_EVENT},
    {"help", no_argument, NULL, OPTION_HELP},           {NULL, 0, NULL, 0},
};

/* Returns 0, or what run() returns. */
static int
take_option(struct dump_options *dump, int option)
{
    switch (option) {
    case OPTION_JSON: dump->json = true; return 0;
    case OPTION_EVENT: dump->event = optarg; return 0;
    case OPTION_ACTOR:
        dump->by_actor = true;
        return parse_ref(optarg, &dump->actor) ? 0 : refuse("not the name of an actor", optarg);
    case OPTION_WORKER:
        dump->by_stream = true;
        return parse_stream(optarg, &dump->stream) ? 0 : refuse("not the number of a worker", optarg);
    default: return refuse_option(option);
    }
}

static int
dump_trace(const struct trace *trace, struct dump_options *dump)
{
    dump->event_id = dump->event != NULL ? metadata_find(trace->metadata, dump->event) : 0;
    if (dump->event_id < 0)
        return refuse("the trace knows no such event", dump->event);
    print_events(trace, dump);
    return 0;
}

static int
run(int count, char **words)
{
    struct dump_options dump = {0};
    int option, status = 0;
    while (status == 0 && (option = getopt_long(count, words, "", options, NULL)) != -1)
        status = take_option(&dump, option);
    if (status != 0)
        return status;
    const char *directory = one_directory(count, words);
    if (directory == NULL)
        return RUN_REFUSED;
    struct trace *trace = trace_open(directory);
    status = dump_trace(trace, &dump);
    trace_close(trace);
    return status;
}

const struct command command_dump = {
    .name = "dump",
    .usage = "[--json] [--actor REF] [--worker N] [--event NAME] DIRECTORY",
    .summary = "its events in causal order, as text or as JSON lines\n"
               "       REF is worker:slot.generation as dump prints it, N a worker's number or \"outside\"",
    .options = options,
    .run = run,
};
