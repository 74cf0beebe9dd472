/*
 * troupe-trace: shows and checks what the recorder wrote. docs/trace-format.md tells what it reads.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "bad_input.h"
#include "command.h"
#include "escape.h"
#include "text.h"

static const char usage[] =
    "usage: troupe-trace info DIRECTORY\n"
    "       troupe-trace dump [--json] [--actor REF] [--worker N] [--event NAME] DIRECTORY\n"
    "       troupe-trace check [--strict] DIRECTORY\n"
    "\n"
    "info   what the trace holds: streams, times, events, losses\n"
    "dump   its events in causal order, as text or as JSON lines\n"
    "       REF is worker:slot.generation as dump prints it, N a worker's number or \"outside\"\n"
    "check  whether messages, actors and sockets kept the rules\n"
    "\n"
    "exit status: 0 all is well; 1 a rule was broken; 2 wrong arguments or not a readable trace;\n"
    "             3 with --strict: events were lost\n";

enum {
    OPTION_JSON = 'j',
    OPTION_ACTOR = 'a',
    OPTION_WORKER = 'w',
    OPTION_EVENT = 'e',
    OPTION_STRICT = 's',
    OPTION_HELP = 'h',
};

struct arguments {
    struct dump_options dump;
    const char *event;
    bool strict;
    bool for_dump, for_check; /* an option of that command was given */
    const char *directory;
};

_Noreturn static void
refuse(const char *why, const char *what)
{
    fprintf(stderr, "troupe-trace: %s%s%s\n%s", why, what[0] != '\0' ? ": " : "", what, usage);
    leave(EXIT_BAD_INPUT);
}

static void
take_option(struct arguments *arguments, int option)
{
    struct dump_options *dump = &arguments->dump;
    arguments->for_dump |=
        option == OPTION_JSON || option == OPTION_ACTOR || option == OPTION_WORKER || option == OPTION_EVENT;
    arguments->for_check |= option == OPTION_STRICT;
    switch (option) {
    case OPTION_JSON: dump->json = true; break;
    case OPTION_STRICT: arguments->strict = true; break;
    case OPTION_EVENT: arguments->event = optarg; break;
    case OPTION_ACTOR:
        dump->by_actor = true;
        if (!parse_ref(optarg, &dump->actor))
            refuse("not the name of an actor", optarg);
        break;
    case OPTION_WORKER:
        dump->by_stream = true;
        if (!parse_stream(optarg, &dump->stream))
            refuse("not the number of a worker", optarg);
        break;
    case OPTION_HELP: fputs(usage, stdout); leave(EXIT_SUCCESS);
    default: fputs(usage, stderr); leave(EXIT_BAD_INPUT);
    }
}

static void
read_arguments(int count, char **words, struct arguments *arguments)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, OPTION_JSON},
        {"actor", required_argument, NULL, OPTION_ACTOR},
        {"worker", required_argument, NULL, OPTION_WORKER},
        {"event", required_argument, NULL, OPTION_EVENT},
        {"strict", no_argument, NULL, OPTION_STRICT},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(count, words, "", options, NULL)) != -1)
        take_option(arguments, option);
    if (optind + 1 != count)
        refuse("one directory is needed", "");
    arguments->directory = words[optind];
}

static void
find_event(const struct trace *trace, struct arguments *arguments)
{
    if (arguments->event == NULL)
        return;
    arguments->dump.by_event = true;
    arguments->dump.event = metadata_find(trace->metadata, arguments->event);
    if (arguments->dump.event < 0)
        refuse("the trace knows no such event", arguments->event);
}

/* On stderr, so that it disturbs no reader of what is printed. */
static void
mention_others(const struct trace *trace)
{
    if (trace->other_count == 0)
        return;
    fputs("troupe-trace: ", stderr);
    print_escaped(stderr, trace->path);
    fputs(" has sub-directories with traces of their own:", stderr);
    for (size_t i = 0; i < trace->other_count; i++)
        fprintf(stderr, "%s %u", i > 0 ? "," : "", trace->others[i]);
    fputc('\n', stderr);
}

int
main(int count, char **words)
{
    struct arguments arguments = {0};
    const char *command = count > 1 ? words[1] : "";
    bool info = strcmp(command, "info") == 0, dump = strcmp(command, "dump") == 0,
         check = strcmp(command, "check") == 0;
    if (strcmp(command, "--help") == 0)
        take_option(&arguments, OPTION_HELP);
    if (!info && !dump && !check)
        refuse("a command is needed", command);
    read_arguments(count - 1, words + 1, &arguments);
    if ((arguments.for_dump && !dump) || (arguments.for_check && !check))
        refuse("that option belongs to another command", "");

    struct trace *trace = trace_open(arguments.directory);
    mention_others(trace);
    find_event(trace, &arguments);
    int status = info   ? command_info(trace)
                 : dump ? command_dump(trace, &arguments.dump)
                        : command_check(trace, arguments.strict);
    trace_close(trace);
    if (fflush(stdout) != 0)
        give_up("the output cannot be written");
    return status;
}
