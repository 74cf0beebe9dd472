/*
 * troupe-trace: shows and checks what the recorder wrote. docs/trace-format.md describes what it reads.
 *
 * Each command has its own options. Here is only what all of them have: the usage, --help, and what is said of an
 * option that the command does not have.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "bad_input.h"
#include "command.h"
#include "draw.h"
#include "prove.h"
#include "show.h"

static const struct command *const commands[] = {
    &command_explain, &command_info,   &command_dump, &command_follow,   &command_stats, &command_path,
    &command_check,   &command_assert, &command_diff, &command_timeline, &command_seq,   &command_export,
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
print_usage(FILE *out)
{
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "%s troupe-trace %s %s\n", i == 0 ? "usage:" : "      ", commands[i]->name, commands[i]->usage);
    fputc('\n', out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "%-8s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n"
          "`troupe-trace COMMAND --help` shows an example of each.\n"
          "\n"
          "exit status: 0 all is well; 1 a rule was broken; 2 wrong arguments or not a readable trace;\n"
          "             3 with --strict: events were lost\n",
          out);
}

static void
print_command(const struct command *command)
{
    printf("usage: troupe-trace %s %s\n\n%s\n\nexample: %s\n", command->name, command->usage, command->summary,
           command->example);
}

static const struct command *
find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

/* The options of all commands, as getopt_long() wants them. */
static struct option *
all_options(void)
{
    struct option *all = must_calloc(1, sizeof(*all));
    size_t count = 0;
    for (size_t i = 0; i < COMMANDS; i++) {
        for (const struct option *option = commands[i]->options; option->name != NULL; option++) {
            all = must_realloc(all, count + 2, sizeof(*all));
            all[count++] = *option;
        }
    }
    memset(&all[count], 0, sizeof(*all));
    return all;
}

/* An option was unknown: says whether another command has it, or lets getopt_long() say what is wrong. */
static int
explain_option(int count, char **words)
{
    struct option *all = all_options();
    int option;
    optind = 0; /* from the first word again */
    opterr = 1;
    do
        option = getopt_long(count, words, "", all, NULL);
    while (option != -1 && option != '?' && option != OPTION_HELP);
    free(all);
    if (option == -1 && one_directory(count, words) != NULL)
        refuse("that option belongs to another command", "");
    return option == OPTION_HELP ? RUN_HELP : RUN_REFUSED;
}

static int
run(int count, char **words, const struct command **of)
{
    const char *name = count > 1 ? words[1] : "";
    const struct command *command = find_command(name);
    *of = command;
    if (strcmp(name, "--help") == 0)
        return RUN_HELP;
    if (command == NULL)
        return refuse("a command is needed", name);
    opterr = 0;
    int status = command->run(count - 1, words + 1);
    return status == RUN_UNKNOWN_OPTION ? explain_option(count - 1, words + 1) : status;
}

int
main(int count, char **words)
{
    const struct command *command;
    int status = run(count, words, &command);
    if (status == RUN_HELP && command != NULL) {
        print_command(command);
        return EXIT_SUCCESS;
    }
    if (status < 0) {
        print_usage(status == RUN_HELP ? stdout : stderr);
        return status == RUN_HELP ? EXIT_SUCCESS : EXIT_BAD_INPUT;
    }
    if (fflush(stdout) != 0)
        give_up("the output cannot be written");
    return status;
}
