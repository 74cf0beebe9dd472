#include <troupe/core/thread.h>

#include "affinity.h"
#include "mask.h"
#include "origin.h"
#include "sysfile.h"

#include <ctype.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME_SIZE 16 /* the system's */

/* A thread's beginning; it frees it at its end. */
struct start {
    struct tri_origin origin;
    bool elsewhere; /* the thread that starts it runs on CPUs of its own */
    char name[NAME_SIZE];
    void (*main)(void *argument);
    void *argument;
};

static _Thread_local const struct tri_origin *here;
static _Thread_local unsigned *mask;
static uv_once_t prepared = UV_ONCE_INIT;
static sigset_t blocked; /* in our threads */

/* Signals that a thread causes itself: blocked, they would end the process without a handler's word. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};

bool
tri_thread_blocks_as_started(void)
{
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    for (int signal = 1; signal < SIGRTMIN; signal++)
        if (sigismember(&now, signal) != sigismember(&blocked, signal))
            return false;
    return true;
}

/* In the child of a fork(), on its only thread. */
static void
restore_origin(void)
{
    if (mask != NULL)
        tri_mask_release(mask);
    if (here == NULL)
        return;
    tri_cpus_use(&here->cpus);
    if (tri_thread_blocks_as_started())
        pthread_sigmask(SIG_SETMASK, &here->signals, NULL);
}

static void
prepare(void)
{
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(&blocked, faults[i]);
    sigset_t before;
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    pthread_sigmask(SIG_SETMASK, &before, &blocked); /* some signals cannot be blocked: it is what it came to */
    pthread_atfork(NULL, NULL, restore_origin);      /* without memory: a child inherits what the thread has */
    tri_children_link();
}

struct tri_cpus
tri_origin_cpus(void)
{
    return here != NULL ? tri_cpus_copy(&here->cpus) : tri_cpus_own();
}

static void
set_name(const char *name)
{
#if defined(__linux__)
    pthread_setname_np(pthread_self(), name);
#else
    (void)name;
#endif
}

static void
free_start(struct start *start)
{
    tri_cpus_fini(&start->origin.cpus);
    free(start);
}

static void
thread_main(void *argument)
{
    struct start *start = argument;
    here = &start->origin;
    set_name(start->name);
    if (start->elsewhere)
        tri_cpus_use(&start->origin.cpus);
    start->main(start->argument);
    here = NULL;
    free_start(start);
}

static struct start *
new_start(const char *name, void (*main)(void *), void *argument)
{
    struct start *start = calloc(1, sizeof(*start));
    if (start == NULL)
        return NULL;
    start->elsewhere = here != NULL;
    start->main = main;
    start->argument = argument;
    snprintf(start->name, sizeof(start->name), "%s", name);
    start->origin.cpus = tri_origin_cpus();
    if (here != NULL)
        start->origin.signals = here->signals;
    else
        pthread_sigmask(SIG_BLOCK, NULL, &start->origin.signals);
    return start;
}

int
tri_thread_start(uv_thread_t *thread, const char *name, size_t stack_bytes, void (*main)(void *), void *argument)
{
    uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = stack_bytes}; /* 0: the default */
    sigset_t before;
    uv_once(&prepared, prepare);
    struct start *start = new_start(name, main, argument);
    if (start == NULL)
        return UV_ENOMEM;
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int error = uv_thread_create_ex(thread, &options, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        free_start(start);
    return error;
}

const struct tri_origin *
tri_thread_origin(void)
{
    return here;
}

const struct tri_origin *
tri_thread_set_origin(const struct tri_origin *origin)
{
    const struct tri_origin *before = here;
    here = origin;
    return before;
}

unsigned *
tri_thread_mask(void)
{
    return mask;
}

void
tri_thread_set_mask(unsigned *held)
{
    mask = held;
}

/* -- The time of threads. -- */

#if defined(__linux__)
int
tri_thread_number(void)
{
    return (int)syscall(SYS_gettid);
}

/* The text of a file of a thread in /proc; empty if it cannot be read. */
static void
read_of_thread(int number, const char *file, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/%s", number, file);
    tri_sysfile_read(path, text, size);
}

void
tri_thread_time(int number, struct tri_thread_time *out)
{
    char text[512];
    *out = (struct tri_thread_time){0};
    if (number == 0)
        return;
    read_of_thread(number, "schedstat", text, sizeof(text));
    int numbers = sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &out->ran_ns, &out->waited_ns, &out->turns);
    out->known = numbers == 3 && out->turns > 0; /* a system that does not count writes zeros */
    read_of_thread(number, "stat", text, sizeof(text));
    const char *name_end = strrchr(text, ')'); /* the name may hold anything */
    out->runnable = name_end != NULL && strncmp(name_end, ") R", 3) == 0;
}

/* The 39th word of the file, of which the name is the second. */
int
tri_thread_cpu(int number)
{
    char text[512];
    read_of_thread(number, "stat", text, sizeof(text));
    char *rest = strrchr(text, ')'), *word = NULL;
    for (int i = 2; rest != NULL && i <= 39; i++)
        word = strsep(&rest, " ");
    return word != NULL && isdigit((unsigned char)word[0]) ? atoi(word) : -1;
}

static bool
is_epoll_wait(long call)
{
#if defined(SYS_epoll_wait)
    if (call == SYS_epoll_wait)
        return true;
#endif
#if defined(SYS_epoll_pwait2)
    if (call == SYS_epoll_pwait2)
        return true;
#endif
    return call == SYS_epoll_pwait;
}

/* The file holds the number of the system call in which the thread sleeps and its arguments, or "running". */
bool
tri_thread_may_poll(int number, int epoll_fd)
{
    char text[256];
    long call;
    unsigned long descriptor;
    read_of_thread(number, "syscall", text, sizeof(text));
    if (text[0] == '\0')
        return true;
    return sscanf(text, "%ld %lx", &call, &descriptor) == 2 && is_epoll_wait(call) &&
           descriptor == (unsigned long)epoll_fd;
}
#else
int
tri_thread_number(void)
{
    return 0;
}

void
tri_thread_time(int number, struct tri_thread_time *out)
{
    (void)number;
    *out = (struct tri_thread_time){0};
}

int
tri_thread_cpu(int number)
{
    (void)number;
    return -1;
}

bool
tri_thread_may_poll(int number, int epoll_fd)
{
    (void)number;
    (void)epoll_fd;
    return true;
}
#endif

/* -- libuv's pool. -- */

static uv_once_t pool_started = UV_ONCE_INIT;

static void
do_nothing(uv_work_t *work)
{
    (void)work;
}

/* The first work of the process: with it libuv starts the pool, from this thread. */
static void
use_pool(void *argument)
{
    (void)argument;
    uv_loop_t loop;
    uv_work_t work;
    if (uv_loop_init(&loop) != 0)
        return;
    if (uv_queue_work(&loop, &work, do_nothing, NULL) == 0)
        uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}

static void
start_pool(void)
{
    uv_thread_t thread;
    if (tri_thread_start(&thread, "troupe/pool", 0, use_pool, NULL) == 0)
        uv_thread_join(&thread);
}

void
tri_thread_start_pool(void)
{
    uv_once(&pool_started, start_pool);
}
