/*
 * The commands that switch the recorder of a running program on and off, and copy its trace. The program does it: it is
 * told on the socket that it has for its user (docs/guide/looking-inside.md), one for each of its runtimes.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bad_input.h"
#include "escape.h"
#include "peer.h"
#include "reach.h"

#define ANSWER 4096u
#define LINE_AT_MOST 1000u /* what the other side takes */

/* -- Arguments. -- */

/* A number of a process; 0: it is none. */
static pid_t
pid_of(const char *text)
{
    char *end;
    errno = 0;
    long pid = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}

/* The program has a working directory of its own. false: it cannot be said in a line. */
static bool
make_absolute(const char *path, char out[PATH_MAX])
{
    char here[PATH_MAX];
    int length;
    if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL)
        length = snprintf(out, PATH_MAX, "%s", path);
    else
        length = snprintf(out, PATH_MAX, "%s/%s", here, path);
    return length > 0 && (size_t)length < LINE_AT_MOST && strchr(out, '\n') == NULL;
}

/* -- Asking. -- */

static int
refuse_process(pid_t pid, int error)
{
    if (error == ENOENT)
        fprintf(stderr, "troupe-trace: there is no process %ld\n", (long)pid);
    else if (error == EACCES || error == EPERM)
        fprintf(stderr, "troupe-trace: process %ld is another user's, and answers that user alone\n", (long)pid);
    else
        fprintf(stderr, "troupe-trace: process %ld cannot be looked at: %s\n", (long)pid, strerror(error));
    return EXIT_BAD_INPUT;
}

static int
refuse_without_socket(pid_t pid)
{
    fprintf(stderr,
            "troupe-trace: process %ld has no socket to be asked on: start it with TR_INSPECT=/tmp/%%p.sock in its "
            "environment, or set options.inspect in the program (Troupe programs only)\n",
            (long)pid);
    return EXIT_BAD_INPUT;
}

/* The sockets of the process, of which there is one at least. Returns 0, or what was refused. */
static int
find_peers(pid_t pid, struct peers *peers)
{
    peers_find(pid, peers);
    if (peers->error != 0)
        return refuse_process(pid, peers->error);
    return peers->count == 0 ? refuse_without_socket(pid) : EXIT_SUCCESS;
}

/* Prints what one runtime answers. true: it has done it. */
static bool
ask_one(int fd, const char *line)
{
    static const char ok[] = "ok: ";
    char answer[ANSWER];
    peer_ask(fd, line, answer, sizeof(answer));
    bool done = strncmp(answer, ok, strlen(ok)) == 0;
    FILE *out = done ? stdout : stderr;
    fputs(done ? "" : "troupe-trace: the program ", out);
    if (done)
        print_escaped(out, answer + strlen(ok));
    else if (strncmp(answer, "no such word", 12) == 0)
        fputs("is of an older Troupe, which cannot do that", out);
    else if (answer[0] == '\0')
        fputs("does not answer", out);
    else
        print_escaped(out, answer);
    fputc('\n', out);
    return done;
}

static int
ask_all(pid_t pid, const char *line)
{
    struct peers peers;
    int refused = find_peers(pid, &peers);
    if (refused != EXIT_SUCCESS)
        return refused;
    bool done = true;
    for (size_t i = 0; i < peers.count; i++)
        done = ask_one(peers.fds[i], line) && done;
    peers_close(&peers);
    return done ? EXIT_SUCCESS : EXIT_BAD_INPUT;
}

/* With a directory; the default is `name` and the number of the process. */
static int
ask_with_directory(pid_t pid, const char *word, const char *name, const char *directory)
{
    char path[PATH_MAX], line[PATH_MAX + 64], own[64];
    snprintf(own, sizeof(own), "%s-%ld", name, (long)pid);
    if (!make_absolute(directory != NULL ? directory : own, path))
        return refuse("that directory's path is too long, or has a line feed in it", "");
    snprintf(line, sizeof(line), "trace %s %s\n", word, path);
    return ask_all(pid, line);
}

/* -- Where it records. -- */

/* A path of the program's own is one from its working directory. */
static char *
path_of(pid_t pid, const char *directory)
{
    char link[64], there[PATH_MAX], path[2 * PATH_MAX];
    snprintf(link, sizeof(link), "/proc/%ld/cwd", (long)pid);
    ssize_t length = directory[0] != '/' ? readlink(link, there, sizeof(there) - 1) : 0;
    there[length > 0 ? length : 0] = '\0';
    snprintf(path, sizeof(path), "%s%s%s", there, length > 0 ? "/" : "", directory);
    size_t size = strlen(path) + 1;
    return memcpy(must_calloc(size, 1), path, size);
}

/* NULL: it does not record. */
static char *
directory_of(pid_t pid, int fd)
{
    static const char recorded[] = "ok: it is recorded, in ";
    char answer[ANSWER];
    peer_ask(fd, "trace\n", answer, sizeof(answer));
    return strncmp(answer, recorded, strlen(recorded)) == 0 ? path_of(pid, answer + strlen(recorded)) : NULL;
}

pid_t
reach_process(const char *word)
{
    return access(word, F_OK) != 0 ? pid_of(word) : 0;
}

int
reach_directories(pid_t pid, char *directories[REACH_AT_MOST], size_t *count)
{
    struct peers peers;
    *count = 0;
    int refused = find_peers(pid, &peers);
    if (refused != EXIT_SUCCESS)
        return refused;
    for (size_t i = 0; i < peers.count; i++)
        if ((directories[*count] = directory_of(pid, peers.fds[i])) != NULL)
            ++*count;
    peers_close(&peers);
    if (*count > 0)
        return 0;
    fprintf(stderr, "troupe-trace: process %ld records nothing: troupe-trace attach %ld begins a trace\n", (long)pid,
            (long)pid);
    return EXIT_BAD_INPUT;
}

/* -- The commands. -- */

/* The number of the process, and no more arguments than so many; flight is for attach. Returns 0, or what run()
 * does. */
static int
take_words(const struct command *command, int count, char **words, int most, bool *flight, pid_t *pid)
{
    int status = take_options(command, count, words, take_flag, flight);
    int given = count - optind;
    if (status != 0)
        return status;
    if (given < 1 || given > most)
        return refuse(most == 1 ? "the number of one process is needed"
                                : "the number of a process and a directory are needed",
                      "");
    *pid = pid_of(words[optind]);
    return *pid != 0 ? 0 : refuse("not the number of a process", words[optind]);
}

static const struct option attach_options[] = {
    {"flight", no_argument, NULL, 'f'},
    {NULL, 0, NULL, 0},
};

static const struct option_text attach_texts[] = {
    {"flight", NULL, "keep the newest events only, in 8 MiB for each worker"},
    {NULL, NULL, NULL},
};

static int
run_attach(int count, char **words)
{
    bool flight = false;
    pid_t pid;
    int status = take_words(&command_attach, count, words, 2, &flight, &pid);
    return status != 0 ? status : ask_with_directory(pid, flight ? "flight" : "begin", "trace", words[optind + 1]);
}

static int
run_detach(int count, char **words)
{
    pid_t pid;
    int status = take_words(&command_detach, count, words, 1, NULL, &pid);
    return status != 0 ? status : ask_all(pid, "trace end\n");
}

static int
run_snapshot(int count, char **words)
{
    pid_t pid;
    int status = take_words(&command_snapshot, count, words, 2, NULL, &pid);
    return status != 0 ? status : ask_with_directory(pid, "snapshot", "snapshot", words[optind + 1]);
}

const struct command command_attach = {
    .name = "attach",
    .usage = "[--flight] PID [DIRECTORY]",
    .summary = "begins a trace of a program that runs and has a socket for it (TR_INSPECT)\n"
               "The directory is trace-PID if none is named. `detach` ends the trace, or the program's end.",
    .example = "troupe-trace attach 4711 dir; sleep 10; troupe-trace detach 4711; troupe-trace explain dir",
    .options = attach_options,
    .texts = attach_texts,
    .run = run_attach,
};

const struct command command_detach = {
    .name = "detach",
    .usage = "PID",
    .summary = "ends the trace of a program that runs on",
    .example = "troupe-trace detach 4711",
    .run = run_detach,
};

const struct command command_snapshot = {
    .name = "snapshot",
    .usage = "PID [DIRECTORY]",
    .summary = "copies the trace of a program that runs, as it is now\n"
               "The directory is snapshot-PID if none is named.",
    .example = "troupe-trace snapshot 4711 before-the-fault      # of a flight recorder: what led to it",
    .run = run_snapshot,
};
