/*
 * The command export: goes through the chosen events in causal order and tells them to a format.
 */
#include "export.h"
#include "clocks.h"
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "draw.h"
#include "process.h"
#include "progress.h"
#include "text.h"

static const struct format *const formats[] = {&format_perfetto, &format_chrome, &format_shiviz, &format_dot};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

const char *
export_class(const struct export *export, uint64_t ref)
{
    return names_find(export->trace->names, choice_name(export->choice, ref));
}

const char *
export_name(const struct export *export, const struct step *step, char name[NAME_SIZE])
{
    char text[TEXT_SIZE];
    uint64_t ref = step->record->actor;
    const char *class = export_class(export, ref);
    if (ref == 0)
        snprintf(name, NAME_SIZE, "%s%s", is_outside(step->stream->number) ? "" : "worker ",
                 text_of_stream(step->stream->number, text));
    else
        snprintf(name, NAME_SIZE, "%s%s%s", class != NULL ? class : "", class != NULL ? " " : "",
                 text_of_ref(ref, text));
    return name;
}

const char *
export_title(const struct export *export, const struct step *step, char title[NAME_SIZE])
{
    const struct metadata *metadata = export->trace->metadata;
    const char *event = metadata->names[step->record->id];
    if (role_shapes[step->role].arg.meaning != TAG) {
        snprintf(title, NAME_SIZE, "%s", event);
        return title;
    }
    const char *tag = metadata_tag(metadata, step->record->arg);
    if (tag != NULL)
        snprintf(title, NAME_SIZE, "%s %s", event, tag);
    else
        snprintf(title, NAME_SIZE, "%s tag %" PRIu32, event, step->record->arg);
    return title;
}

bool
export_begins_flow(const struct step *step)
{
    return (step->role == ROLE_send || role_sends_parcel(step->role)) && step->record->message != 0;
}

bool
export_ends_flow(const struct step *step)
{
    return step_is_end(step) && step->ending == ENDING_RIGHT;
}

uint64_t
export_flow(const struct step *step)
{
    bool parcel = role_sends_parcel(step->role) || role_ends_parcel(step->role);
    return step->record->message ^ (uint64_t)parcel << 62; /* no message has that bit: it is one of the stream's */
}

static void
write_chosen(struct export *export, const struct format *format, struct choice *choice)
{
    struct step step;
    progress_give_way();
    format->begin(export);
    while (choice_next(choice, &step)) {
        format->event(export, &step);
        export->written++;
    }
    format->end(export);
    choice_mention_late(choice);
    choice_end(choice);
}

static int
export_chosen(const struct format *format, struct choice *choice, const char *const *paths, int count)
{
    progress_passes(choice_passes(choice));
    struct trace *trace = trace_open_corrected(paths, (size_t)count);
    int status = choice_begin(choice, trace);
    struct export export = {.out = stdout, .trace = trace, .choice = choice};
    table_init(&export.actors, format->actor_size);
    table_init(&export.messages, format->message_size);
    if (status == 0)
        write_chosen(&export, format, choice);
    table_fini(&export.actors);
    table_fini(&export.messages);
    trace_close(trace);
    return status;
}

static const struct option options[] = {
    CHOICE_OPTIONS,
    {"to", required_argument, NULL, 't'},
    {NULL, 0, NULL, 0},
};

static const struct option_text texts[] = {
    {"to", "perfetto|chrome|shiviz|dot", "the format: that of Perfetto, Chrome, ShiViz or Graphviz"},
    CHOICE_TEXTS,
    {NULL, NULL, NULL},
};

struct wanted {
    struct choice *choice;
    const struct format *format;
};

static int
take_format(struct wanted *wanted)
{
    for (size_t i = 0; i < FORMATS; i++) {
        if (strcmp(formats[i]->name, optarg) == 0) {
            wanted->format = formats[i];
            return 0;
        }
    }
    return refuse("not a format, which are perfetto, chrome, shiviz and dot", optarg);
}

static int
take(void *argument, int option)
{
    struct wanted *wanted = argument;
    return option == 't' ? take_format(wanted) : choice_take(wanted->choice, option);
}

static int export(struct choice *choice, int count, char **words)
{
    struct wanted wanted = {choice, NULL};
    int status = take_options(&command_export, count, words, take, &wanted);
    int directories = status == 0 ? count_directories(count, words, 0) : status;
    if (directories < 1)
        return directories;
    if (wanted.format == NULL)
        return refuse("a format is needed: --to perfetto, chrome, shiviz or dot", "");
    if (wanted.format == &format_perfetto && isatty(STDOUT_FILENO))
        return refuse("it writes bytes, no text: lead it to a file, with  > trace.pftrace", "");
    return export_chosen(wanted.format, choice, (const char *const *)words + optind, directories);
}

static int
run(int count, char **words)
{
    struct choice choice;
    choice_init(&choice);
    choice.limit = choice.most = UINT64_MAX;
    int status = export(&choice, count, words);
    choice_fini(&choice);
    return status;
}

const struct command command_export = {
    .name = "export",
    .usage = "--to perfetto|chrome|shiviz|dot " CHOICE_USAGE " DIRECTORY...",
    .summary = "the trace for other programs: Perfetto's and Chrome's viewers, ShiViz, Graphviz",
    .example = "troupe-trace export --to perfetto trace > trace.pftrace",
    .options = options,
    .texts = texts,
    .run = run,
};
