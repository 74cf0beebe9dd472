/*
 * Events as they are written, until the program ends.
 */
#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include "command.h"
#include "line.h"
#include "show.h"
#include "tail.h"

#define LOOKS_EACH_NS 100000000 /* between two looks */

/* The number of the name of an actor's behavior, as far as its spawn was seen; 0: it was not. */
static uint32_t
class_of(struct table *behaviors, enum role role, const struct tri_trace_record *record)
{
    if (role_tells_class(role))
        *(uint32_t *)table_put(behaviors, record->actor, 0) = record->arg;
    const uint32_t *number = table_get(behaviors, record->actor, 0);
    return number != NULL ? *number : 0;
}

static void
print_new(const struct tail *tail, struct table *behaviors, const struct dump_options *options)
{
    for (size_t i = 0; i < tail->count; i++) {
        struct line line = {.record = tail->events[i].record, .stream = tail->events[i].stream};
        line.role = (enum role)tail->trace->metadata->roles[line.record.id];
        line.class = class_of(behaviors, line.role, &line.record);
        dump_line(tail->trace, options, &line);
    }
    fflush(stdout);
}

static void
follow_all(struct tail *tail, const struct dump_options *options)
{
    struct table behaviors;
    const struct timespec pause = {.tv_nsec = LOOKS_EACH_NS};
    table_init(&behaviors, sizeof(uint32_t));
    for (;;) {
        tail_look(tail);
        print_new(tail, &behaviors, options);
        if (tail->closed || ferror(stdout))
            break;
        if (!tail->more)
            nanosleep(&pause, NULL);
    }
    table_fini(&behaviors);
}

static const struct option options[] = {
    FILTER_WHO,
    {"event", required_argument, NULL, 'e'},
    {"text", required_argument, NULL, 't'},
    {"json", no_argument, NULL, 'j'},
    {"all", no_argument, NULL, 'A'},
    {NULL, 0, NULL, 0},
};

static const struct option_text texts[] = {
    {"all", NULL, "those first that are there already"},
    {"json", NULL, "a JSON object for each event"},
    FILTER_EVENT_TEXT,
    FILTER_TEXT_TEXT,
    FILTER_WHO_TEXTS,
    {NULL, NULL, NULL},
};

struct follow {
    struct dump_options lines;
    bool all;
};

static int
take(void *argument, int option)
{
    struct follow *follow = argument;
    follow->lines.json |= option == 'j';
    follow->all |= option == 'A';
    return option == 'j' || option == 'A' ? 0 : filter_take(&follow->lines.filter, option);
}

static int
run(int count, char **words)
{
    struct follow follow = {0};
    int status = take_options(&command_follow, count, words, take, &follow);
    int directories = status == 0 ? count_directories(count, words, 0) : status;
    if (directories < 1)
        return directories;
    struct tail tail;
    tail_open(&tail, (const char *const *)words + optind, (size_t)directories, follow.all);
    status = filter_prepare(&follow.lines.filter, tail.trace);
    if (status == 0)
        follow_all(&tail, &follow.lines);
    tail_close(&tail);
    return status;
}

const struct command command_follow = {
    .name = "follow",
    .usage = "[--all] [--json] [--event NAME[,NAME]...] [--text WORDS] " FILTER_WHO_USAGE " DIRECTORY...",
    .summary = "events as they are written, until the program ends",
    .example = "troupe-trace follow --event dead_letter dir",
    .options = options,
    .texts = texts,
    .run = run,
};
