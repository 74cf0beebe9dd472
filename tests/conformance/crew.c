#include "crew.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES 65536u

struct member {
    pid_t pid; /* 0: not begun */
    int fd;    /* -1: over */
    char *text;
    size_t size;
    bool over;
    char accident[80];
};

static _Noreturn void
die(const char *call)
{
    fprintf(stderr, "conformance: %s: %s\n", call, strerror(errno));
    exit(2);
}

static _Noreturn void
work(const struct crew *crew, size_t job, int fd)
{
    FILE *out = fdopen(fd, "w");
    if (out == NULL)
        die("fdopen");
    crew->work(crew->argument, job, out);
    exit(fclose(out) == 0 ? 0 : 1);
}

static void
begin(const struct crew *crew, struct member *members, size_t job)
{
    int ends[2];
    fflush(NULL); /* or the child prints it again */
    if (pipe(ends) != 0)
        die("pipe");
    members[job].pid = fork();
    if (members[job].pid < 0)
        die("fork");
    if (members[job].pid == 0) {
        close(ends[0]);
        for (size_t i = 0; i < job; i++)
            if (members[i].fd >= 0)
                close(members[i].fd);
        work(crew, job, ends[1]);
    }
    close(ends[1]);
    members[job].fd = ends[0];
}

static void
finish(struct member *member)
{
    int status;
    close(member->fd);
    member->fd = -1;
    member->over = true;
    while (waitpid(member->pid, &status, 0) < 0)
        if (errno != EINTR)
            die("waitpid");
    if (WIFSIGNALED(status))
        snprintf(member->accident, sizeof(member->accident), "the process died of signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        snprintf(member->accident, sizeof(member->accident), "the process ended with %d", WEXITSTATUS(status));
}

static void
listen_to(struct member *member)
{
    char *text = realloc(member->text, member->size + READ_BYTES + 1);
    if (text == NULL)
        die("realloc");
    member->text = text;
    ssize_t size = read(member->fd, text + member->size, READ_BYTES);
    if (size < 0 && errno != EINTR)
        die("read");
    member->size += size > 0 ? (size_t)size : 0;
    text[member->size] = '\0';
    if (size == 0)
        finish(member);
}

/* Waits until one of those at work has something to say. */
static void
listen_to_all(struct member *members, size_t begun, struct pollfd *polls)
{
    nfds_t n = 0;
    for (size_t i = 0; i < begun; i++)
        if (members[i].fd >= 0)
            polls[n++] = (struct pollfd){.fd = members[i].fd, .events = POLLIN};
    if (poll(polls, n, -1) < 0 && errno != EINTR)
        die("poll");
    for (size_t i = 0, k = 0; i < begun; i++)
        if (members[i].fd >= 0 && polls[k++].revents != 0)
            listen_to(&members[i]);
}

static size_t
at_work(const struct member *members, size_t begun)
{
    size_t n = 0;
    for (size_t i = 0; i < begun; i++)
        n += members[i].fd >= 0;
    return n;
}

void
crew_run(const struct crew *crew)
{
    struct member *members = calloc(crew->count + 1, sizeof(*members));
    struct pollfd *polls = calloc(crew->count + 1, sizeof(*polls));
    size_t begun = 0, told = 0;
    if (members == NULL || polls == NULL)
        die("calloc");
    while (told < crew->count) {
        while (begun < crew->count && at_work(members, begun) < crew->size)
            begin(crew, members, begun++);
        if (!members[told].over) {
            listen_to_all(members, begun, polls);
            continue;
        }
        struct member *member = &members[told];
        crew->done(crew->argument, told++, member->text, member->accident[0] != '\0' ? member->accident : NULL);
        free(member->text);
        member->text = NULL;
    }
    free(polls);
    free(members);
}
