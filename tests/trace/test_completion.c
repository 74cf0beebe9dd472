/*
 * Completion of troupe-trace, as bash does it when the key is pressed, and what zsh is given to offer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "terminal.h"
#include "timed.h"

/* -- The key. -- */

static void
start_shell(struct terminal *terminal, const struct traces *traces)
{
    static const char *const words[] = {"bash", "--norc", "--noprofile", "-i", NULL};
    char line[900];
    setenv("PS1", "ready for \\#> ", 1);
    setenv("INPUTRC", "/dev/null", 1);
    terminal_start(terminal, 190, 40, words);
    terminal_await(terminal, "ready for 1> ");
    snprintf(line, sizeof(line), "cd '%s'; . '%s'; PATH='%s':$PATH; clear\n", traces->base, TROUPE_COMPLETION,
             TROUPE_FOLDER);
    terminal_press(terminal, line);
    terminal_await_at(terminal, "ready for 2> ", 0);
}

/* Types a line that ends with the key, and waits for what becomes of it. */
static void
expect_completed(struct terminal *terminal, const char *typed, const char *completed)
{
    terminal_press(terminal, typed);
    terminal_press(terminal, "\t");
    terminal_await(terminal, completed);
    terminal_press(terminal, "\x15"); /* the line is forgotten */
    terminal_await_without(terminal, completed);
}

static void
the_key_completes_commands_options_words_and_directories(void **state)
{
    struct traces *traces = *state;
    struct terminal terminal;
    timed_begin();
    timed_spawn(0, TRI_TRACE_REF(0, 1, 1), "client");
    timed_end(traces->directory, true);
    start_shell(&terminal, traces);
    expect_completed(&terminal, "troupe-trace expl", "> troupe-trace explain ");
    expect_completed(&terminal, "troupe-trace dump --ev", "> troupe-trace dump --event ");
    expect_completed(&terminal, "troupe-trace export --to per", "> troupe-trace export --to perfetto ");
    expect_completed(&terminal, "troupe-trace export --to=per", "> troupe-trace export --to=perfetto ");
    expect_completed(&terminal, "troupe-trace info --colour=al", "> troupe-trace info --colour=always ");
    expect_completed(&terminal, "troupe-trace top --sort mai", "> troupe-trace top --sort mailbox ");
    expect_completed(&terminal, "troupe-trace info tra", "> troupe-trace info trace/");
    expect_completed(&terminal, "troupe-trace dump trace --event spa", "> troupe-trace dump trace --event spawn ");
    terminal_press(&terminal, "exit\n");
    assert_int_equal(WEXITSTATUS(terminal_end(&terminal)), 0);
}

/* -- What is offered. -- */

/* What is offered for words, of which the last is completed; one to a line. The caller frees it. */
static char *
offered(const char *words)
{
    char script[1200];
    snprintf(script, sizeof(script),
             ". '%s'; COMP_WORDS=('%s' %s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); compopt() { :; }; _troupe_trace; "
             "printf '%%s\\n' \"${COMPREPLY[@]}\"",
             TROUPE_COMPLETION, TROUPE_TRACE, words);
    const char *const command[] = {"bash", "-c", script, NULL};
    struct outcome outcome = traces_run(command);
    assert_int_equal(outcome.status, 0);
    return outcome.text;
}

/* The first words of the lines of --help that begin with a prefix, one to a line. The caller frees it. */
static char *
told(const char *command, const char *prefix)
{
    const char *const words[] = {TROUPE_TRACE, command != NULL ? command : "--help", command != NULL ? "--help" : NULL,
                                 NULL};
    struct outcome outcome = traces_run(words);
    char *list = calloc(1, strlen(outcome.text) + 1), *rest = NULL;
    for (char *line = strtok_r(outcome.text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, prefix, strlen(prefix)) != 0 || line[2] == ' ')
            continue;
        strncat(list, line + 2, strcspn(line + 2, " "));
        strcat(list, "\n");
    }
    free(outcome.text);
    return list;
}

static void
all_commands_and_all_their_options_are_offered(void **state)
{
    (void)state;
    char *commands = told(NULL, "  "), *offer = offered("''"), *rest = NULL, words[100];
    assert_int_equal(strncmp(offer, commands, strlen(commands)), 0);
    assert_string_equal(offer + strlen(commands), "--help\n");
    free(offer);
    unsigned count = 0;
    for (char *command = strtok_r(commands, "\n", &rest); command != NULL; command = strtok_r(NULL, "\n", &rest)) {
        char *options = told(command, "  --");
        snprintf(words, sizeof(words), "%s --", command);
        offer = offered(words);
        assert_string_equal(offer, options);
        free(options);
        free(offer);
        count++;
    }
    assert_true(count >= 13);
    free(commands);
}

static void
where_nobody_knows_the_word_nothing_is_offered(void **state)
{
    (void)state;
    char *offer = offered("stats --since ''");
    assert_string_equal(offer, "\n");
    free(offer);
}

/* -- zsh. -- */

/* Its own functions for completion say what they were given; _files that it was called, and how. */
#define ZSH_FUNCTIONS                                                                                                  \
    "compadd() { shift; print -l -- \"$@\" }; _describe() { print -l -- ${(P)2} }; "                                   \
    "_message() { print -- \"message $1\" }; _files() { print -- \"files $*\" }; "

/* What the words get, of which the last is completed; its number is `current`. The caller frees it. */
static char *
offered_by_zsh(const char *words, unsigned current)
{
    char script[1400];
    snprintf(script, sizeof(script), ZSH_FUNCTIONS "complete() { source '%s' }; words=('%s' %s); CURRENT=%u; complete",
             TROUPE_COMPLETION_ZSH, TROUPE_TRACE, words, current);
    const char *const command[] = {"zsh", "-f", "-c", script, NULL};
    struct outcome outcome = traces_run(command);
    if (outcome.status != 0)
        fail_msg("zsh ended with %d:\n%s", outcome.status, outcome.text);
    return outcome.text;
}

static void
expect_from_zsh(const char *words, unsigned current, const char *expected)
{
    char *offer = offered_by_zsh(words, current);
    assert_string_equal(offer, expected);
    free(offer);
}

static void
zsh_offers_all_commands_options_words_and_directories(void **state)
{
    const char *const look[] = {"sh", "-c", "command -v zsh", NULL};
    char *rest = NULL, words[100];
    struct outcome found = traces_run(look);
    (void)state;
    free(found.text);
    if (found.status != 0) {
        print_message("zsh is not installed\n");
        skip();
    }
    char *commands = told(NULL, "  "), *offer = offered_by_zsh("''", 2);
    assert_int_equal(traces_count(offer, "\n"), traces_count(commands, "\n"));
    assert_non_null(strstr(offer, "explain:"));
    free(offer);
    for (char *command = strtok_r(commands, "\n", &rest); command != NULL; command = strtok_r(NULL, "\n", &rest)) {
        char *options = told(command, "  --");
        snprintf(words, sizeof(words), "%s --", command);
        expect_from_zsh(words, 3, options);
        free(options);
    }
    free(commands);
    expect_from_zsh("top --sort m", 4, "class\nbusy\nreceived\nmailbox\neach\nlongest\n");
    expect_from_zsh("stats --since ''", 4, "message TIME\n");
    expect_from_zsh("info ''", 3, "files -/\n");
    expect_from_zsh("assert ''", 3, "files \n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_key_completes_commands_options_words_and_directories),
        TEST(all_commands_and_all_their_options_are_offered),
        TEST(where_nobody_knows_the_word_nothing_is_offered),
        TEST(zsh_offers_all_commands_options_words_and_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
