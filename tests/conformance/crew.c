#include "crew.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES 65536u

/* A process. What it says is for each job the job's number, when it begins, and the text with its NUL when it ends. */
struct member {
    pid_t pid;
    int fd; /* -1: it has ended */
    char *said;
    size_t size;
};

struct outcome {
    bool over;
    char *text;
    char accident[80];
};

struct company {
    const struct crew *crew;
    atomic_size_t *next; /* the first job that nobody has begun; shared by all processes */
    struct member *members;
    struct pollfd *polls;
    struct outcome *outcomes; /* one for each job */
    bool well;
};

static _Noreturn void
die(const char *call)
{
    fprintf(stderr, "conformance: %s: %s\n", call, strerror(errno));
    exit(2);
}

static void *
get(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (memory == NULL)
        die("calloc");
    return memory;
}

/* The life of a process. */
static _Noreturn void
work(const struct company *company, int fd)
{
    FILE *out = fdopen(fd, "w");
    if (out == NULL)
        die("fdopen");
    const struct crew *crew = company->crew;
    size_t job;
    while ((job = atomic_fetch_add(company->next, 1)) < crew->count) {
        fwrite(&job, sizeof(job), 1, out);
        fflush(out);
        crew->work(crew->argument, job, out);
        fputc('\0', out);
        fflush(out);
    }
    exit(fclose(out) == 0 ? 0 : 1);
}

static void
begin(struct company *company, struct member *member)
{
    int ends[2];
    fflush(NULL); /* or the child prints it again */
    if (pipe(ends) != 0)
        die("pipe");
    member->size = 0;
    member->pid = fork();
    if (member->pid < 0)
        die("fork");
    if (member->pid == 0) {
        close(ends[0]);
        for (unsigned i = 0; i < company->crew->size; i++)
            if (company->members[i].fd >= 0)
                close(company->members[i].fd);
        work(company, ends[1]);
    }
    close(ends[1]);
    member->fd = ends[0];
}

static bool
has_begun_a_job(const struct member *member, size_t *job)
{
    if (member->size < sizeof(*job))
        return false;
    memcpy(job, member->said, sizeof(*job));
    return true;
}

/* The jobs that it has told to the end. */
static void
take_outcomes(struct company *company, struct member *member)
{
    size_t job;
    while (has_begun_a_job(member, &job)) {
        char *text = member->said + sizeof(job);
        char *end = memchr(text, '\0', member->size - sizeof(job));
        if (end == NULL)
            return;
        struct outcome *outcome = &company->outcomes[job];
        outcome->over = true;
        outcome->text = strdup(text);
        if (outcome->text == NULL)
            die("strdup");
        member->size -= (size_t)(end + 1 - member->said);
        memmove(member->said, end + 1, member->size);
    }
}

/* It has ended: well, in the middle of a job, or badly after its last one. */
static void
bury(struct company *company, struct member *member)
{
    int status;
    size_t job;
    char how[80] = "";
    close(member->fd);
    member->fd = -1;
    while (waitpid(member->pid, &status, 0) < 0)
        if (errno != EINTR)
            die("waitpid");
    if (WIFSIGNALED(status))
        snprintf(how, sizeof(how), "the process died of signal %d", WTERMSIG(status));
    else
        snprintf(how, sizeof(how), "the process ended with %d", WEXITSTATUS(status));
    if (has_begun_a_job(member, &job)) {
        company->outcomes[job].over = true;
        memcpy(company->outcomes[job].accident, how, sizeof(how));
        begin(company, member);
    } else if (status != 0) {
        fprintf(stderr, "conformance: when its jobs were done, %s\n", how);
        company->well = false;
    }
}

static void
listen_to(struct company *company, struct member *member)
{
    char *said = realloc(member->said, member->size + READ_BYTES);
    if (said == NULL)
        die("realloc");
    member->said = said;
    ssize_t size = read(member->fd, said + member->size, READ_BYTES);
    if (size < 0 && errno != EINTR)
        die("read");
    member->size += size > 0 ? (size_t)size : 0;
    take_outcomes(company, member);
    if (size == 0)
        bury(company, member);
}

/* Waits until one of those at work has something to say; false: nobody is at work. */
static bool
listen_to_all(struct company *company)
{
    struct member *members = company->members;
    unsigned size = company->crew->size;
    bool anybody = false;
    for (unsigned i = 0; i < size; i++) {
        company->polls[i] = (struct pollfd){.fd = members[i].fd, .events = POLLIN}; /* -1: left out */
        anybody |= members[i].fd >= 0;
    }
    if (anybody && poll(company->polls, size, -1) < 0 && errno != EINTR)
        die("poll");
    for (unsigned i = 0; i < size && anybody; i++)
        if (members[i].fd >= 0 && company->polls[i].revents != 0)
            listen_to(company, &members[i]);
    return anybody;
}

static size_t
tell(const struct company *company, size_t told)
{
    for (; told < company->crew->count && company->outcomes[told].over; told++) {
        struct outcome *outcome = &company->outcomes[told];
        const char *text = outcome->text != NULL ? outcome->text : "";
        company->crew->done(company->crew->argument, told, text,
                            outcome->accident[0] != '\0' ? outcome->accident : NULL);
        free(outcome->text);
    }
    return told;
}

bool
crew_run(const struct crew *crew)
{
    struct company company = {.crew = crew, .well = true};
    company.members = get(crew->size, sizeof(*company.members));
    company.polls = get(crew->size, sizeof(*company.polls));
    company.outcomes = get(crew->count, sizeof(*company.outcomes));
    company.next = mmap(NULL, sizeof(*company.next), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (company.next == MAP_FAILED)
        die("mmap");
    for (unsigned i = 0; i < crew->size; i++)
        company.members[i].fd = -1;
    for (unsigned i = 0; i < crew->size && i < crew->count; i++)
        begin(&company, &company.members[i]);
    size_t told = 0;
    while (listen_to_all(&company))
        told = tell(&company, told);
    if (told < crew->count) {
        fprintf(stderr, "conformance: of %zu jobs only %zu came to an end\n", crew->count, told);
        company.well = false;
    }
    munmap(company.next, sizeof(*company.next));
    for (unsigned i = 0; i < crew->size; i++)
        free(company.members[i].said);
    free(company.outcomes);
    free(company.polls);
    free(company.members);
    return company.well;
}
