/*
 * The commands that make a page: timeline and seq.
 */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "clocks.h"
#include "draw.h"
#include "page.h"
#include "progress.h"
#include "text.h"

static const struct option options[] = {
    CHOICE_OPTIONS,
    {NULL, 0, NULL, 0},
};

static const struct option_text texts[] = {
    CHOICE_TEXTS,
    {NULL, NULL, NULL},
};

/* On stderr: the page itself says it too. */
static void
mention_rest(const struct choice *choice)
{
    char drawn[TEXT_SIZE], all[TEXT_SIZE];
    uint64_t left_out = choice_left_out(choice);
    if (left_out == 0)
        return;
    progress_wipe();
    const char *which = choice->last ? "last" : choice->around_text != NULL ? "ones around that time" : "first";
    fprintf(
        stderr,
        "troupe-trace: the page has %s of %s events, the %s: choose others with --last, --around, --since, --until, "
        "--actor or --class, or more with --limit\n",
        text_of_count(choice->seen - left_out, drawn), text_of_count(choice->seen, all), which);
}

static int
draw_chosen(enum page page, struct choice *choice, const char *const *paths, int count)
{
    progress_passes(choice_passes(choice));
    struct trace *trace = trace_open_corrected(paths, (size_t)count);
    int status = choice_begin(choice, trace);
    if (status == 0) {
        progress_give_way();
        page_write(stdout, page, trace, choice);
        mention_rest(choice);
        choice_mention_late(choice);
        choice_end(choice);
    }
    trace_close(trace);
    return status;
}

static int
take(void *choice, int option)
{
    return choice_take(choice, option);
}

static int
draw(enum page page, struct choice *choice, int count, char **words)
{
    const struct command *command = page == PAGE_SEQ ? &command_seq : &command_timeline;
    int status = take_options(command, count, words, take, choice);
    int directories = status == 0 ? count_directories(count, words, 0) : status;
    if (directories < 1)
        return directories;
    if (isatty(STDOUT_FILENO))
        return refuse("it writes a page for a browser: lead it to a file, with  > trace.html", "");
    return draw_chosen(page, choice, (const char *const *)words + optind, directories);
}

static int
run(enum page page, int count, char **words)
{
    struct choice choice;
    choice_init(&choice);
    int status = draw(page, &choice, count, words);
    choice_fini(&choice);
    return status;
}

static int
run_timeline(int count, char **words)
{
    return run(PAGE_TIMELINE, count, words);
}

static int
run_seq(int count, char **words)
{
    return run(PAGE_SEQ, count, words);
}

const struct command command_timeline = {
    .name = "timeline",
    .usage = CHOICE_USAGE " DIRECTORY... > FILE.html",
    .summary = "a page for a browser: lanes of workers and actors, handlers, messages, all in one file",
    .example = "troupe-trace timeline --since 250ms --until 1.5s trace > trace.html",
    .options = options,
    .texts = texts,
    .run = run_timeline,
};

const struct command command_seq = {
    .name = "seq",
    .usage = CHOICE_USAGE " DIRECTORY... > FILE.html",
    .summary = "a page for a browser: a sequence diagram of actors, in causal order",
    .example = "troupe-trace seq --class room --actor 0:1.0 trace > room.html",
    .options = options,
    .texts = texts,
    .run = run_seq,
};
