/*
 * The command that runs a program with the recorder on.
 *
 * The program gets what a terminal sends (Ctrl-C goes to all of its processes), and this one waits for its end. What
 * somebody sends to this process alone is handed on. So whoever starts the program by this command ends it as usual,
 * and gets its exit status, or 128 and the number of its signal, as a shell says it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bad_input.h"
#include "escape.h"
#include "glance.h"
#include "reach.h"
#include "text.h"

#define DEFAULT_DIRECTORY "trace"
#define PATH_AT_MOST (PATH_MAX - 16) /* room for what stands behind it in the variable */

/* -- The directory. -- */

static bool
is_empty(const char *path)
{
    DIR *list = opendir(path);
    bool empty = true;
    for (struct dirent *entry; list != NULL && empty && (entry = readdir(list)) != NULL;)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (list != NULL)
        closedir(list);
    return list != NULL && empty;
}

static int
say(const char *what, const char *path, const char *why)
{
    fputs("troupe-trace: ", stderr);
    fputs(what, stderr);
    fputc(' ', stderr);
    print_escaped(stderr, path);
    fprintf(stderr, "%s\n", why);
    return EXIT_BAD_INPUT;
}

/* Makes it, or finds it empty. *made: it was not there. Returns 0, or an exit status. */
static int
prepare(const char *path, bool *made)
{
    *made = mkdir(path, 0777) == 0;
    if (*made)
        return 0;
    struct stat found;
    if (errno != EEXIST) {
        char why[256];
        snprintf(why, sizeof(why), ": %s", strerror(errno));
        return say("no trace can be written to", path, why);
    }
    if (stat(path, &found) != 0 || !S_ISDIR(found.st_mode))
        return say("no trace can be written to", path, ": it is no directory");
    if (!is_empty(path))
        return say("no trace is written to", path, ": it is not empty; name another one with -o");
    return access(path, W_OK | X_OK) == 0 ? 0 : say("no trace can be written to", path, ": it may not be written to");
}

/* The program may go to another directory first. A comma in the name does no harm, since the mode follows. */
static int
set_variable(const char *path, bool flight)
{
    char here[PATH_MAX], value[2 * PATH_MAX + 32];
    bool relative = path[0] != '/';
    if (relative && getcwd(here, sizeof(here)) == NULL)
        return say("no trace can be written to", path, ": the working directory is gone");
    int length = snprintf(value, sizeof(value), "%s%s%s,%s", relative ? here : "", relative ? "/" : "", path,
                          flight ? "flight" : "file");
    if (length < 0 || length >= PATH_AT_MOST)
        return say("no trace can be written to", path, ": its path is too long");
    return setenv("TR_TRACE", value, 1) == 0 ? 0 : say("no trace can be written to", path, ": no memory");
}

/* -- The program. -- */

/* What is waited for: the end of the program, and what may be sent to this process instead of it. */
static sigset_t
waited_for(void)
{
    static const int numbers[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    sigset_t signals;
    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(&signals, numbers[i]);
    return signals;
}

/* In the child. The pipe tells the parent why there is no program; if there is one it closes. */
static _Noreturn void
become(char **words, const sigset_t *before, int pipe_end)
{
    sigprocmask(SIG_SETMASK, before, NULL);
    execvp(words[0], words);
    int error = errno;
    (void)!write(pipe_end, &error, sizeof(error));
    _exit(127);
}

/* Until the program has ended: what comes from the terminal it has got itself, and what a process sent is handed on. */
static int
wait_for(pid_t child, const sigset_t *signals)
{
    int status;
    for (;;) {
        siginfo_t info;
        int number = sigwaitinfo(signals, &info);
        if (number > 0 && number != SIGCHLD && info.si_code <= 0)
            kill(child, number);
        if (waitpid(child, &status, WNOHANG) == child)
            return status;
    }
}

/* Returns an errno if it cannot be run; else 0, and how it ended. */
static int
run_program(char **words, int *status)
{
    int ends[2], error = 0;
    sigset_t signals = waited_for(), before;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    sigprocmask(SIG_BLOCK, &signals, &before);
    pid_t child = fork();
    if (child == 0)
        become(words, &before, ends[1]);
    error = child < 0 ? errno : 0;
    close(ends[1]);
    if (child > 0 && read(ends[0], &error, sizeof(error)) != (ssize_t)sizeof(error))
        error = 0;
    close(ends[0]);
    if (child > 0)
        *status = wait_for(child, &signals);
    return error;
}

/* -- What came of it. -- */

static void
report(const char *path, const char *program, bool made)
{
    struct glance glance;
    char events[TEXT_SIZE], lost[TEXT_SIZE];
    glance_at(path, &glance);
    if (!glance.is_trace && glance.others == 0) {
        if (made)
            rmdir(path);
        say("nothing was recorded:", program,
            " is no program of Troupe's, or runs with rights of its own, or says itself where its trace is to be");
        return;
    }
    fprintf(stderr, "troupe-trace: %s events", text_of_count(glance.events, events));
    if (glance.lost > 0)
        fprintf(stderr, ", %s more were lost (the trace is full, or the disk),", text_of_count(glance.lost, lost));
    fputs(" in ", stderr);
    print_escaped(stderr, path);
    if (glance.others > 0)
        fprintf(stderr, " and %u traces of further processes or runtimes in it", glance.others);
    fputs("; `troupe-trace explain` says what is wrong\n", stderr);
}

static int
record(const char *path, bool flight, char **words)
{
    bool made;
    int status = prepare(path, &made);
    if (status == 0)
        status = set_variable(path, flight);
    if (status != 0)
        return status;
    fflush(stdout);
    int error = run_program(words, &status);
    if (error != 0) {
        char why[256];
        snprintf(why, sizeof(why), ": %s", strerror(error));
        if (made)
            rmdir(path);
        return say("cannot run", words[0], why);
    }
    report(path, words[0], made);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static const struct option options[] = {
    {"output", required_argument, NULL, 'o'},
    {"flight", no_argument, NULL, 'f'},
    {NULL, 0, NULL, 0},
};

static const struct option_text texts[] = {
    {"output", "DIRECTORY", "where the trace goes, new or empty; also -o; \"" DEFAULT_DIRECTORY "\" if not given"},
    {"flight", NULL, "keep the newest events only, in 8 MiB for each worker"},
    {NULL, NULL, NULL},
};

struct wanted {
    const char *path;
    bool flight;
};

static int
take(void *argument, int option)
{
    struct wanted *wanted = argument;
    wanted->flight |= option == 'f';
    wanted->path = option == 'o' ? optarg : wanted->path;
    return 0;
}

static int
run(int count, char **words)
{
    struct wanted wanted = {.path = DEFAULT_DIRECTORY};
    int status = take_options(&command_record, count, words, take, &wanted);
    if (status != 0)
        return status;
    if (optind == count)
        return refuse("a program to run is needed", "");
    if (wanted.path[0] == '\0')
        return refuse("the directory has no name", "");
    return record(wanted.path, wanted.flight, words + optind);
}

const struct command command_record = {
    .name = "record",
    .usage = "[-o DIRECTORY] [--flight] [--] PROGRAM [ARGUMENT]...",
    .summary = "runs a program with the recorder on\n"
               "Its exit status is the program's, or 128 and the number of the signal that ended it.",
    .example = "troupe-trace record -o dir -- ./server 8124      # then: troupe-trace explain dir",
    .letters = "+o:", /* what stands behind the program is the program's */
    .options = options,
    .texts = texts,
    .run = run,
};
