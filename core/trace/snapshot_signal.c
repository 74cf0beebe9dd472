/*
 * Copies of traces on a signal.
 *
 * The handler raises a semaphore and does nothing else. A thread of ours, one for all runtimes of the process, waits
 * for that, and copies the traces of the runtimes that named the signal. Signals that come while it copies are one more
 * copy each, but for those that the system merges.
 *
 * A signal's handler is installed for the first runtime that names it and the former action is put back after the last,
 * unless somebody has taken our place meanwhile. The thread begins and ends likewise.
 *
 * S1, S2: which signal it was is told by a count for each, which is raised before the semaphore is (S1) and read after
 * it was taken (S2). sem_post() and sem_wait() order the two.
 */
#include "snapshot_signal.h"

#include <ck_pr.h>
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <troupe/core/say.h>
#include <troupe/core/status_from.h>
#include <troupe/core/thread.h>
#include <troupe/core/trace.h>

#define MOST_SIGNALS 65
#define MOST_COPIES 9999u /* beside one trace */

static uv_once_t once = UV_ONCE_INIT;

/* Who begins and ends has this lock all the while, before the other. */
static uv_mutex_t setup_lock;
static uv_thread_t thread;

/* Under the lock. */
static uv_mutex_t lock;
static struct tri_runtime *first; /* that named a signal */
static struct {
    unsigned users;
    struct sigaction former;
} signals[MOST_SIGNALS];
static unsigned runtimes;

/* The handler's, too, which somebody may still call after the end. */
static sem_t raised;
static unsigned came[MOST_SIGNALS]; /* atomic */
static unsigned ending;             /* atomic: the thread is to end */

static void
on_signal(int number)
{
    int before = errno;
    ck_pr_inc_uint(&came[number]); /* S1 */
    sem_post(&raised);
    errno = before;
}

/* -- Copying. -- */

/* Beside the trace: its path, and the first number that is free. */
static void
copy(struct tri_trace *trace, int number)
{
    char path[TRI_TRACE_PATH], place[TRI_TRACE_PATH + 16];
    tr_status status = TR_EEXIST;
    if (!tri_trace_path(trace, path))
        return;
    for (unsigned i = 1; status == TR_EEXIST && i <= MOST_COPIES; i++) {
        snprintf(place, sizeof(place), "%s-%u", path, i);
        status = tri_trace_snapshot(trace, place);
    }
    if (status == TR_OK)
        tri_say("signal %d: the trace is copied to %.600s", number, place);
    else
        tri_say("signal %d: the trace cannot be copied to %.600s: %s", number, place, tr_status_text(status));
}

static void
copy_all(int number)
{
    uv_mutex_lock(&lock);
    for (struct tri_runtime *runtime = first; runtime != NULL; runtime = runtime->next_copied) {
        struct tri_trace *trace = tri_runtime_trace(runtime);
        if (runtime->snapshot_signal == number && trace != NULL)
            copy(trace, number);
    }
    uv_mutex_unlock(&lock);
}

static void
thread_main(void *argument)
{
    (void)argument;
    while (ck_pr_load_uint(&ending) == 0) {
        while (sem_wait(&raised) != 0) {
        }
        for (int number = 1; number < MOST_SIGNALS; number++) /* S2 */
            if (ck_pr_fas_uint(&came[number], 0) > 0)
                copy_all(number);
    }
}

/* -- Which signal. -- */

/* Those that mean nothing to the library, to libuv or to a fault. */
static bool
can_be_used(int number)
{
    return number == SIGUSR1 || number == SIGUSR2 || number == SIGHUP || number == SIGWINCH ||
           (number >= SIGRTMIN && number <= SIGRTMAX && number < MOST_SIGNALS);
}

/* A name with or without SIG, or a number; 0: none of them. */
static int
number_of(const char *text)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"HUP", SIGHUP}, {"WINCH", SIGWINCH}};
    const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(name, names[i].name) == 0)
            return names[i].number;
    char *end;
    long number = strtol(text, &end, 10);
    return *end == '\0' && end != text && number > 0 && number < MOST_SIGNALS ? (int)number : 0;
}

static int
wanted_by_variable(void)
{
    const char *text = secure_getenv("TR_TRACE_SIGNAL");
    int number = text != NULL ? number_of(text) : 0;
    if (text == NULL || text[0] == '\0')
        return 0;
    if (can_be_used(number))
        return number;
    tri_say("no copies of the trace on a signal, since TR_TRACE_SIGNAL is \"%.100s\" and not USR1, USR2, HUP, WINCH or "
            "the number of a real-time signal",
            text);
    return 0;
}

/* -- Begin and end. -- */

static void
init_locks(void)
{
    if (uv_mutex_init(&setup_lock) != 0 || uv_mutex_init(&lock) != 0 || sem_init(&raised, 0, 0) != 0)
        abort();
}

/* With the first runtime. */
static tr_status
start_thread(void)
{
    if (runtimes > 0)
        return TR_OK;
    ck_pr_store_uint(&ending, 0);
    int error = tri_thread_start(&thread, "troupe/snapshot", 0, thread_main, NULL);
    return tri_status_from_uv(error);
}

/* Under the lock. */
static void
install(int number)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (signals[number].users++ == 0)
        sigaction(number, &action, &signals[number].former);
}

/* Under the lock. */
static void
uninstall(int number)
{
    struct sigaction now;
    if (--signals[number].users > 0 || sigaction(number, NULL, &now) != 0)
        return;
    if ((now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == on_signal)
        sigaction(number, &signals[number].former, NULL);
}

static tr_status
begin(struct tri_runtime *runtime, int number)
{
    uv_once(&once, init_locks);
    uv_mutex_lock(&setup_lock);
    tr_status status = start_thread();
    uv_mutex_lock(&lock);
    if (status == TR_OK) {
        runtimes++;
        runtime->snapshot_signal = number;
        runtime->next_copied = first;
        first = runtime;
        install(number);
    }
    uv_mutex_unlock(&lock);
    uv_mutex_unlock(&setup_lock);
    return status;
}

tr_status
tri_snapshot_signal_begin(struct tri_runtime *runtime)
{
    int number = runtime->options.trace.snapshot_signal;
    if (number != 0 && !can_be_used(number))
        return TR_EINVAL;
    if (number == 0)
        number = wanted_by_variable();
    return number != 0 ? begin(runtime, number) : TR_OK;
}

/* Under the lock. true: that was the last, and the thread is to be ended. */
static bool
take_out(struct tri_runtime *runtime)
{
    struct tri_runtime **link = &first;
    while (*link != runtime)
        link = &(*link)->next_copied;
    *link = runtime->next_copied;
    uninstall(runtime->snapshot_signal);
    runtime->snapshot_signal = 0;
    return --runtimes == 0;
}

void
tri_snapshot_signal_end(struct tri_runtime *runtime)
{
    if (runtime->snapshot_signal == 0)
        return;
    uv_mutex_lock(&setup_lock);
    uv_mutex_lock(&lock);
    bool last = take_out(runtime);
    uv_mutex_unlock(&lock);
    if (last) {
        ck_pr_store_uint(&ending, 1); /* the semaphore orders: S1, S2 */
        sem_post(&raised);
        uv_thread_join(&thread);
    }
    uv_mutex_unlock(&setup_lock);
}
