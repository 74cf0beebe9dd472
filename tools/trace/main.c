/*
 * troupe-trace: shows and checks what the recorder wrote. docs/trace-format.md describes what it reads.
 *
 * Each command has its own options. Here is only what all of them have: the usage, --help, and what is said of an
 * option that the command does not have. The manual and the completion know of commands and options what --help says.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bad_input.h"
#include "command.h"
#include "draw.h"
#include "output.h"
#include "progress.h"
#include "prove.h"
#include "reach.h"
#include "show.h"
#include "store.h"
#include "top.h"

static const struct command *const commands[] = {
    &command_record,   &command_attach, &command_detach,  &command_snapshot, &command_explain,
    &command_info,     &command_dump,   &command_sockets, &command_follow,   &command_top,
    &command_stats,    &command_path,   &command_check,   &command_assert,   &command_diff,
    &command_timeline, &command_seq,    &command_export,  &command_pack,
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
print_usage(FILE *out)
{
    fputs("usage: troupe-trace COMMAND [OPTION]... [ARGUMENT]... DIRECTORY\n\n", out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-8s  %.*s\n", commands[i]->name, (int)strcspn(commands[i]->summary, "\n"),
                commands[i]->summary);
    fputs("\n"
          "`troupe-trace COMMAND --help` tells its options and arguments, and shows an example.\n"
          "\n"
          "exit status: 0 all is well; 1 a rule was broken; 2 wrong arguments, not a readable trace, or the output\n"
          "             cannot be written; 3 with --strict: events were lost\n",
          out);
}

static void
print_option(const struct option_text *text)
{
    const char *argument = text->argument != NULL ? text->argument : "";
    int width = printf("  --%s%s%s", text->name, argument[0] != '\0' ? " " : "", argument);
    printf("%s%*s%s\n", width < 19 ? "" : "\n", width < 19 ? 20 - width : 20, "", text->text);
}

/* What is told of an option; one that nobody has told anything of is shown, too. */
static struct option_text
text_of(const struct option_text *texts, const char *name)
{
    for (const struct option_text *text = texts; text != NULL && text->name != NULL; text++) {
        if (strcmp(text->name, name) == 0)
            return *text;
    }
    return (struct option_text){name, NULL, ""};
}

static void
print_command(const struct command *command)
{
    printf("usage: troupe-trace %s %s\n\n%s\n\n", command->name, command->usage, command->summary);
    for (const struct option *option = command->options; option != NULL && option->name != NULL; option++) {
        struct option_text text = text_of(command->texts, option->name);
        print_option(&text);
    }
    for (const struct option_text *text = common_texts; text->name != NULL; text++)
        print_option(text);
    printf("\nexample: %s\n", command->example);
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

/* An option was unknown: says whether another command has it, or lets getopt_long() say what is wrong. */
static int
explain_option(const struct command *command, int count, char **words)
{
    struct option *all = options_of(commands, COMMANDS);
    int option;
    optind = 0; /* from the first word again */
    opterr = 1;
    do
        option = getopt_long(count, words, command->letters != NULL ? command->letters : "", all, NULL);
    while (option != -1 && option != '?');
    free(all);
    if (option == -1)
        refuse("that option belongs to another command", "");
    return RUN_REFUSED;
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
    if (command != &command_record) /* whose program gets the signal as it was */
        signal(SIGPIPE, SIG_DFL);
    int status = command->run(count - 1, words + 1);
    return status == RUN_UNKNOWN_OPTION ? explain_option(command, count - 1, words + 1) : status;
}

static int
print_refusal(const struct command *command)
{
    if (command != NULL)
        fprintf(stderr, "usage: troupe-trace %s %s\n", command->name, command->usage);
    else
        print_usage(stderr);
    return EXIT_BAD_INPUT;
}

static int
print_help(const struct command *command)
{
    if (command != NULL)
        print_command(command);
    else
        print_usage(stdout);
    return EXIT_SUCCESS;
}

int
main(int count, char **words)
{
    const struct command *command = NULL;
    int status = run(count, words, &command);
    progress_wipe();
    if (status < 0)
        status = status == RUN_HELP ? print_help(command) : print_refusal(command);
    output_finish();
    return status;
}
