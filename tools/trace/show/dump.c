/*
 * All events in causal order.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"
#include "clocks.h"
#include "colour.h"
#include "escape.h"
#include "line.h"
#include "process.h"
#include "progress.h"
#include "show.h"
#include "text.h"
#include "text_of_time.h"

static FILE *out; /* what a line is written to */

static const char *
event_name(const struct trace *trace, const struct line *line)
{
    const char *name = trace->metadata->names[line->record.id];
    return name != NULL ? name : "unknown"; /* the file changed under us */
}

/* A tag means what its receiver says. */
static const char *
name_of_tag(const struct trace *trace, const struct line *line, uint32_t tag)
{
    const char *name = metadata_tag(trace->metadata, tag);
    uint32_t class = line->role == ROLE_send ? line->other_class : line->class;
    bool is_its_own = line->role == ROLE_send || line->role == ROLE_receive || line->role == ROLE_handled ||
                      line->role == ROLE_stall || line->role == ROLE_crash;
    return name == NULL && is_its_own ? names_tag(trace->names, class, tag) : name;
}

/* The name of a value; NULL: it has none. */
static const char *
name_of(const struct trace *trace, const struct line *line, const struct field *field, uint64_t value)
{
    switch (field->meaning) {
    case NAME: return names_find(trace->names, (uint32_t)value);
    case TAG: return name_of_tag(trace, line, (uint32_t)value);
    case STATUS: return metadata_status(trace->metadata, (uint32_t)value);
    case NUMBER:
    case WORD: return word_of_value(field, value);
    default: return NULL;
    }
}

/* -- For people. -- */

static void
print_value(const struct trace *trace, const struct line *line, const struct field *field, uint64_t value)
{
    char text[TEXT_SIZE];
    enum meaning meaning = field->meaning;
    const char *name = name_of(trace, line, field, value);
    if (meaning == NOTHING || (meaning == UNKNOWN && value == 0))
        return;
    fprintf(out, "  %s ", field->label);
    if (name != NULL)
        print_escaped(out, name);
    else if (meaning == STATUS)
        fprintf(out, "%" PRId32, (int32_t)value);
    else if (meaning == REF)
        fputs(value != 0 ? text_of_ref(value, text) : "none", out);
    else if (meaning == MESSAGE)
        fputs(text_of_message(value, text), out);
    else if (meaning == PARCEL)
        fputs(value != 0 ? text_of_parcel(value, text) : "none", out);
    else
        fprintf(out, "%s%" PRIu64, meaning == NAME ? "#" : "", value);
}

/* Flags that are 0 say nothing, but as a word. */
static void
print_flags(const struct trace *trace, const struct line *line, const struct field *field)
{
    uint16_t flags = line->record.flags;
    if (field->meaning == WORD || (field->meaning == NUMBER && flags != 0))
        print_value(trace, line, field, flags);
    else if (flags != 0)
        fprintf(out, "  flags %u", flags);
}

static void
print_actor(const struct trace *trace, const char *label, uint64_t ref, uint32_t class)
{
    char text[TEXT_SIZE];
    const char *behavior = names_find(trace->names, class);
    if (ref == 0)
        return;
    fprintf(out, "  %s%s", label, text_of_ref(ref, text));
    if (behavior == NULL)
        return;
    fputs(" (", out);
    print_escaped(out, behavior);
    fputc(')', out);
}

static bool
is_trouble(enum role role)
{
    return role == ROLE_dead_letter || role == ROLE_fail || role == ROLE_init_failed || role == ROLE_stall ||
           role == ROLE_socket_error || role == ROLE_crash;
}

static void
print_text(const struct trace *trace, const struct line *line)
{
    const struct tri_trace_record *record = &line->record;
    const struct shape *shape = &role_shapes[line->role];
    char time[TEXT_SIZE], stream[TEXT_SIZE];
    const char *begin = out == stdout && is_trouble(line->role) ? colour_begin(COLOUR_BAD) : "";
    fprintf(out, "%s  %*s  %s%-17s%s", text_of_time(trace->metadata, record->timestamp, time),
            processes_are_told() ? 10 : 7, text_of_stream(line->stream, stream), begin, event_name(trace, line),
            begin[0] != '\0' ? colour_end() : "");
    print_actor(trace, "", record->actor, line->class);
    print_value(trace, line, &shape->message, record->message);
    print_value(trace, line, &shape->arg, record->arg);
    print_flags(trace, line, &shape->flags);
    print_actor(trace, line->role == ROLE_send ? "to " : "from ", line->other, line->other_class);
    fputc('\n', out);
}

/* -- For programs. -- */

/* If there is a name. */
static void
print_json_text(const char *label, const char *suffix, const char *name)
{
    if (name == NULL)
        return;
    fprintf(out, ",\"%s%s\":", label, suffix);
    print_json_string(out, name);
}

static void
print_json_value(const struct trace *trace, const struct line *line, const struct field *field, uint64_t value)
{
    char text[TEXT_SIZE];
    enum meaning meaning = field->meaning;
    const char *name = name_of(trace, line, field, value);
    if (meaning == NOTHING)
        return;
    fprintf(out, ",\"%s\":", field->label);
    if (meaning == NAME && name != NULL)
        print_json_string(out, name);
    else if (meaning == NAME || ((meaning == REF || meaning == PARCEL) && value == 0))
        fputs("null", out);
    else if (meaning == REF)
        fprintf(out, "\"%s\"", text_of_ref(value, text));
    else if (meaning == STATUS)
        fprintf(out, "%" PRId32, (int32_t)value);
    else if (meaning == MESSAGE)
        fprintf(out, "\"%s\"", text_of_message(value, text));
    else if (meaning == PARCEL)
        fprintf(out, "\"%s\"", text_of_parcel(value, text));
    else
        fprintf(out, "%" PRIu64, value);
    if (meaning != NAME)
        print_json_text(field->label, "_name", name);
}

static void
print_json_actors(const struct trace *trace, const struct line *line)
{
    char text[TEXT_SIZE];
    const char *label = line->role == ROLE_send ? "to" : "from";
    print_json_text("class", "", names_find(trace->names, line->class));
    if (line->other == 0)
        return;
    fprintf(out, ",\"%s\":\"%s\"", label, text_of_ref(line->other, text));
    print_json_text(label, "_class", names_find(trace->names, line->other_class));
}

static void
print_json(const struct trace *trace, const struct line *line)
{
    const struct tri_trace_record *record = &line->record;
    const struct shape *shape = &role_shapes[line->role];
    char time[TEXT_SIZE], stream[TEXT_SIZE];
    const char *quote = is_outside(line->stream) ? "\"" : "";
    const struct process_range *range = process_of_stream(line->stream);
    fprintf(out, "{\"time\":\"%s\",\"ticks\":%" PRIu64, text_of_time(trace->metadata, record->timestamp, time),
            record->timestamp);
    if (range != NULL && range->number > 0)
        fprintf(out, ",\"process\":%u", range->number);
    fprintf(out, ",\"worker\":%s%s%s,\"event\":\"%s\"", quote, text_of_worker(line->stream, stream), quote,
            event_name(trace, line));
    print_json_value(trace, line, &(struct field){REF, "actor", NULL}, record->actor);
    print_json_value(trace, line, &shape->message, record->message);
    print_json_value(trace, line, &shape->arg, record->arg);
    if (line->role != ROLE_none)
        print_json_value(trace, line, &shape->flags, record->flags);
    fprintf(out, ",\"flags\":%u", record->flags);
    print_json_actors(trace, line);
    fputs("}\n", out);
}

/* -- The command. -- */

static bool
is_of_class(const struct trace *trace, const char *wanted, uint32_t class)
{
    const char *behavior = wanted != NULL ? names_find(trace->names, class) : NULL;
    return wanted == NULL || (behavior != NULL && strcmp(behavior, wanted) == 0);
}

static bool
is_wanted(const struct trace *trace, const struct dump_options *options, const struct line *line)
{
    return filter_wants(&options->filter, line->stream, &line->record) &&
           is_of_class(trace, options->filter.class, line->class);
}

/* Does the line for people hold it? */
static bool
has_text(const struct trace *trace, const struct line *line, const char *wanted)
{
    char *text = NULL;
    size_t size;
    if (wanted == NULL)
        return true;
    out = open_memstream(&text, &size);
    if (out == NULL)
        give_up("not enough memory");
    print_text(trace, line);
    if (fclose(out) != 0)
        give_up("not enough memory");
    bool found = strcasestr(text, wanted) != NULL;
    free(text);
    return found;
}

void
dump_line(const struct trace *trace, const struct dump_options *options, const struct line *line)
{
    if (!is_wanted(trace, options, line) || !has_text(trace, line, options->filter.text))
        return;
    out = stdout;
    progress_give_way();
    if (options->json)
        print_json(trace, line);
    else
        print_text(trace, line);
}

/* What is being printed. */
static struct shown {
    const struct trace *trace;
    const struct dump_options *options;
    struct window window;
} shown;

static void
print_lines(void)
{
    const struct line *line;
    while ((line = window_next(&shown.window)) != NULL)
        dump_line(shown.trace, shown.options, line);
}

/* A file of the trace has gone: what was read before that is printed. */
static void
print_held(void)
{
    shown.window.ended = true;
    print_lines();
}

static void
print_events(const struct trace *trace, const struct dump_options *options)
{
    shown = (struct shown){.trace = trace, .options = options};
    window_init(&shown.window, trace);
    before_leaving(print_held);
    print_lines();
    before_leaving(NULL);
    window_fini(&shown.window);
}

static const struct option options[] = {
    FILTER_WHO,
    {"event", required_argument, NULL, 'e'},
    {"text", required_argument, NULL, 't'},
    {"json", no_argument, NULL, 'j'},
    {NULL, 0, NULL, 0},
};

static const struct option_text texts[] = {
    {"json", NULL, "a JSON object for each event"},
    FILTER_EVENT_TEXT,
    FILTER_TEXT_TEXT,
    FILTER_WHO_TEXTS,
    {NULL, NULL, NULL},
};

static int
dump_trace(const struct trace *trace, struct dump_options *dump)
{
    int status = filter_prepare(&dump->filter, trace);
    if (status == 0)
        print_events(trace, dump);
    return status;
}

static int
take(void *dump, int option)
{
    struct dump_options *taken = dump;
    taken->json |= option == 'j';
    return option == 'j' ? 0 : filter_take(&taken->filter, option);
}

static int
run(int count, char **words)
{
    struct dump_options dump = {0};
    int status = take_options(&command_dump, count, words, take, &dump);
    int directories = status == 0 ? count_directories(count, words, 0) : status;
    if (directories < 1)
        return directories;
    progress_passes(1);
    struct trace *trace = trace_open_corrected((const char *const *)words + optind, (size_t)directories);
    status = dump_trace(trace, &dump);
    trace_close(trace);
    return status;
}

const struct command command_dump = {
    .name = "dump",
    .usage = "[--json] [--event NAME[,NAME]...] [--text WORDS] " FILTER_WHO_USAGE " DIRECTORY...",
    .summary = "its events in causal order, as text or as JSON lines",
    .example = "troupe-trace dump --event dead_letter dir      # every message that found nobody",
    .options = options,
    .texts = texts,
    .run = run,
};
