/*
 * What is wrong with the program? Ten lines for a person who knows nothing of the format: one for each topic, and what
 * they amount to. What is bad begins with an exclamation mark; each line ends with the command that shows more.
 */
#include <stdio.h>
#include <string.h>

#include "clocks.h"
#include "colour.h"
#include "escape.h"
#include "progress.h"
#include "show.h"
#include "terminal.h"
#include "topics.h"

static void (*const topics[])(const struct measure *measure, struct answer *answer) = {
    topic_losses,      topic_workers,      topic_handlers, topic_mailboxes, topic_waits,
    topic_connections, topic_dead_letters, topic_dealing,  topic_failures,
};

#define BEFORE_DIRECTORY 71u /* columns of the last line at most */
#define TOPICS (sizeof(topics) / sizeof(topics[0]))

static bool
print_topic(size_t number, const struct measure *measure)
{
    struct answer answer = {0};
    topics[number](measure, &answer);
    answer_print(&answer, terminal_columns());
    return answer.bad;
}

/* It is the last line, which shall be one, too. */
static bool
has_room_for_paths(const struct trace *trace)
{
    size_t length = trace->path_count - 1; /* blanks */
    unsigned columns = terminal_columns();
    for (size_t i = 0; i < trace->path_count; i++)
        length += strlen(trace->paths[i]);
    return columns == 0 || length + BEFORE_DIRECTORY <= columns;
}

static void
print_paths(const struct trace *trace)
{
    for (size_t i = 0; i < trace->path_count; i++) {
        fputs(i > 0 ? " " : "", stdout);
        print_escaped(stdout, trace->paths[i]);
    }
}

static void
print_verdict(const struct trace *trace, size_t bad)
{
    if (bad == 0)
        printf("%s  all is well%s", colour_begin(COLOUR_GOOD), colour_end());
    else
        printf("  %zu of %zu look bad", bad, TOPICS);
    fputs(trace->metadata->closed ? "" : ", cut off or still written", stdout);
    printf("%s; more: troupe-trace [...] ", colour_begin(COLOUR_FAINT));
    if (has_room_for_paths(trace))
        print_paths(trace);
    else
        fputs("DIRECTORY", stdout);
    printf("%s\n", colour_end());
}

static void
print_answers(const struct measure *measure)
{
    size_t bad = 0;
    progress_give_way();
    for (size_t i = 0; i < TOPICS; i++)
        bad += print_topic(i, measure);
    print_verdict(measure->trace, bad);
}

static int
explain_trace(const struct trace *trace, void *nothing)
{
    (void)nothing;
    struct measure *measure = measure_trace(trace, NULL);
    bool again = clocks_mislead(trace, measure->contradictions);
    if (!again)
        print_answers(measure);
    measure_free(measure);
    return again ? PASS_AGAIN : 0;
}

static int
run(int count, char **words)
{
    int status = take_options(&command_explain, count, words, NULL, NULL);
    int directories = status == 0 ? count_directories(count, words, 0) : status;
    if (directories < 1)
        return directories;
    progress_passes(1);
    return trace_pass((const char *const *)words + optind, (size_t)directories, explain_trace, NULL);
}

const struct command command_explain = {
    .name = "explain",
    .usage = "DIRECTORY...",
    .summary = "what is wrong with the program: ten lines in plain words, each with the command that shows more",
    .example = "TR_TRACE=dir ./server; troupe-trace explain dir",
    .run = run,
};
