/*
 * Every command of troupe-trace that reads a trace: whatever the trace, it ends with an exit status that the manual
 * knows, and prints nothing that a terminal obeys. trace_files.h says what an input is; of its files, `.rules` is the
 * file of `assert`, and `.words` a command's name and its own arguments, one a line, in front of the trace's path.
 *
 * Who refuses the trace at all is asked once. After that each command that refuses ends alone.
 */
#include "fuzz.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "bad_input.h"
#include "draw.h"
#include "prove.h"
#include "reader.h"
#include "refusal.h"
#include "show.h"
#include "store.h"
#include "top.h"
#include "trace_files.h"

#define MOST_WORDS 12
#define AGAIN ".again" /* what `pack` makes */

/* In place of a word: a path of a file of the input. */
#define RULES "<rules>"
#define TRACE "<trace>"

static const struct run {
    const struct command *command;
    const char *before[4], *after[2]; /* the trace's path */
    bool is_bytes;                    /* what it prints is no text */
} runs[] = {
    {&command_info, {NULL}, {NULL}, false},
    {&command_explain, {NULL}, {NULL}, false},
    {&command_check, {NULL}, {NULL}, false},
    {&command_stats, {NULL}, {NULL}, false},
    {&command_stats, {"--json"}, {NULL}, false},
    {&command_dump, {NULL}, {NULL}, false},
    {&command_dump, {"--json"}, {NULL}, false},
    {&command_follow, {"--all"}, {NULL}, false},
    {&command_top, {"--once"}, {NULL}, false},
    {&command_path, {"0:1"}, {NULL}, false},
    {&command_path, {"--json", "outside:1"}, {NULL}, false},
    {&command_diff, {TRACE}, {NULL}, false},
    {&command_assert, {RULES}, {NULL}, false},
    {&command_timeline, {NULL}, {NULL}, false},
    {&command_seq, {NULL}, {NULL}, false},
    {&command_export, {"--to", "chrome"}, {NULL}, false},
    {&command_export, {"--to", "perfetto"}, {NULL}, true},
    {&command_export, {"--to", "shiviz"}, {NULL}, false},
    {&command_export, {"--to", "dot"}, {NULL}, false},
    {&command_pack, {NULL}, {AGAIN}, false},
};

#define RUNS (sizeof(runs) / sizeof(runs[0]))

/* One command with its words. */
struct call {
    const struct command *command;
    const char *trace;
    char *words[MOST_WORDS + 4];
    int count;
    int least; /* the status must not be below that */
};

static void
add_word(struct call *call, const char *word)
{
    const char *path = strcmp(word, RULES) == 0   ? trace_files_path(".rules")
                       : strcmp(word, AGAIN) == 0 ? trace_files_path(AGAIN)
                       : strcmp(word, TRACE) == 0 ? call->trace
                                                  : word;
    call->words[call->count++] = (char *)path;
    call->words[call->count] = NULL;
}

static void
run_call(void *argument)
{
    struct call *call = argument;
    optind = 0;
    opterr = 0;
    int status = call->command->run(call->count, call->words);
    MUST(status >= call->least && status <= EXIT_EVENTS_LOST);
}

static void
run_row(const struct run *run, const char *trace)
{
    struct call call = {.command = run->command, .trace = trace, .least = RUN_REFUSED};
    add_word(&call, run->command->name);
    for (size_t i = 0; i < 4 && run->before[i] != NULL; i++)
        add_word(&call, run->before[i]);
    add_word(&call, trace);
    for (size_t i = 0; i < 2 && run->after[i] != NULL; i++)
        add_word(&call, run->after[i]);
    runs_through(run_call, &call, !run->is_bytes);
}

/* -- The words of the input. -- */

static const struct command *
find_command(const char *name)
{
    for (size_t i = 0; i < RUNS; i++) {
        if (strcmp(runs[i].command->name, name) == 0)
            return runs[i].command;
    }
    return NULL;
}

/* What the words say reaches the outputs as it is: they are the user's. */
static void
run_words(char *text, const char *trace)
{
    struct call call = {.trace = trace, .least = RUN_REFUSED};
    char *rest = text;
    for (char *word; call.count < MOST_WORDS && (word = strsep(&rest, "\n")) != NULL;)
        add_word(&call, word);
    call.command = find_command(text);
    if (call.command == NULL || call.command == &command_pack) /* which would write where it is told */
        return;
    add_word(&call, trace);
    runs_through(run_call, &call, false);
}

static void
run_words_of_input(const char *trace)
{
    char text[512];
    FILE *file = fopen(trace_files_path(".words"), "r");
    if (file == NULL)
        return;
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    run_words(text, trace);
}

static void
open_trace(void *argument)
{
    const char *path = argument;
    trace_close(trace_open(&path, 1));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    refusals_begin();
    char trace[64];
    snprintf(trace, sizeof(trace), "%s", trace_files_write(data, size));
    if (runs_through(open_trace, trace, true)) {
        for (size_t i = 0; i < RUNS; i++)
            run_row(&runs[i], trace);
        run_words_of_input(trace);
        unlink(trace_files_path(AGAIN));
    }
    trace_files_remove();
    return 0;
}
