#include "command.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "bad_input.h"
#include "colour.h"
#include "progress.h"

enum {
    OPTION_HELP = 256, /* no letter */
    OPTION_COLOUR,
    OPTION_NO_PROGRESS,
};

static const struct option common_options[] = {
    {"colour", required_argument, NULL, OPTION_COLOUR},
    {"color", required_argument, NULL, OPTION_COLOUR},
    {"no-progress", no_argument, NULL, OPTION_NO_PROGRESS},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

const struct option_text common_texts[] = {
    {"colour", "auto|always|never", "colours: auto, the default, has them on a terminal alone, and not with NO_COLOR"},
    {"no-progress", NULL, "no line on stderr that says how far a command is that takes longer than a second"},
    {"help", NULL, "what is said here"},
    {NULL, NULL, NULL},
};

/* Puts rows behind the others, and one of zeros behind them. */
static void
add_options(struct option **all, size_t *count, const struct option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        *all = must_realloc(*all, *count + 2, sizeof(**all));
        (*all)[(*count)++] = *options;
    }
    memset(&(*all)[*count], 0, sizeof(**all));
}

struct option *
options_of(const struct command *const *commands, size_t count)
{
    struct option *all = NULL;
    size_t found = 0;
    add_options(&all, &found, common_options);
    for (size_t i = 0; i < count; i++)
        add_options(&all, &found, commands[i]->options);
    return all;
}

static int
take_common(int option)
{
    switch (option) {
    case OPTION_HELP: return RUN_HELP;
    case OPTION_COLOUR:
        return colour_choose(optarg) ? 0 : refuse("not a way to colour, which are auto, always and never", optarg);
    case OPTION_NO_PROGRESS: progress_off(); return 0;
    default: return RUN_UNKNOWN_OPTION;
    }
}

int
take_options(const struct command *command, int count, char **words, int (*take)(void *argument, int option),
             void *argument)
{
    struct option *all = options_of(&command, 1);
    int option, status = 0;
    const char *letters = command->letters != NULL ? command->letters : "";
    while (status == 0 && (option = getopt_long(count, words, letters, all, NULL)) != -1)
        status = option == '?' || option >= OPTION_HELP ? take_common(option) : take(argument, option);
    free(all);
    return status;
}

int
take_flag(void *flag, int option)
{
    (void)option;
    *(bool *)flag = true;
    return 0;
}

int
refuse(const char *why, const char *what)
{
    progress_wipe();
    fprintf(stderr, "troupe-trace: %s%s%s\n", why, what[0] != '\0' ? ": " : "", what);
    return RUN_REFUSED;
}

int
count_directories(int count, char **words, int skipped)
{
    int given = count - optind - skipped;
    (void)words;
    if (given < 1 && skipped == 0)
        refuse("a directory is needed", "");
    return given < 1 ? RUN_REFUSED : given;
}
