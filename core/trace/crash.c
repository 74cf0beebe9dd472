/*
 * The last event of a worker that dies.
 *
 * While a worker records, a handler for SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT writes an event `crash` into the
 * stream of the worker that is hit: the signal, and the actor and the tag if a handler ran. Everything else stays as it
 * was: the handler gives the signal back to whom it found there, a sanitizer's handler, the program's, or the system's
 * core dump. A fault comes once more when the handler returns, since its instruction is tried again; what was sent is
 * sent once more. Who installs a handler after us is not disturbed: it is not ours to take away.
 *
 * What runs in the handler takes no lock, and no memory. Which worker the thread is, is in a table by the thread's
 * number, in which a thread writes and looks for its own entry alone, but for taking an empty one: so what it finds is
 * its own, and lives. The event goes where the stream's next one would go; if the segment is full, to the place that is
 * kept for `lost`. A fault in the middle of writing an event is none the worse: that was not counted yet.
 *
 * A stack that has run over has no room for a handler. So a worker that records has another one for signals, unless its
 * thread had one already (a sanitizer's, the program's): memory that is mapped, and not touched before a handler runs
 * there. A handler of the program's that asks for such a stack (SA_ONSTACK) gets it, too, so it is as large as one that
 * programs make themselves. It goes when the worker records no more. Without memory there is none, and a stack that
 * runs over ends the program without the event.
 *
 * A thread that is no worker leaves no event.
 */
#include "crash.h"

#include <ck_pr.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <troupe/core/clock.h>
#include <troupe/core/trace_stream.h>
#include <unistd.h>
#include <uv.h>

#define STACK_BYTES ((size_t)64 * 1024) /* for signals, one for each worker that records */
#define GUARD_BYTES ((size_t)64 * 1024) /* before it, which nobody may touch: no system has larger pages */
#define SEATS 1024u                     /* workers that record, of all runtimes; one more leaves no event */

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

static struct seat {
    unsigned thread;           /* the system's number; 0: nobody's. Atomic */
    struct tri_worker *worker; /* that thread's */
    char *stack;               /* that it got for signals, behind its guard; NULL: it has none of ours */
} seats[SEATS];

/* Under the lock; the handler reads `former`, which is written before it is installed. */
static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock;
static unsigned entered; /* workers */
static struct sigaction former[SIGNALS];

static unsigned
own_number(void)
{
    return (unsigned)syscall(SYS_gettid);
}

static struct seat *
seat_of(unsigned thread)
{
    for (unsigned i = 0; i < SEATS; i++)
        if (ck_pr_load_uint(&seats[i].thread) == thread)
            return &seats[i];
    return NULL;
}

/* -- In the handler. -- */

static void
write_last(struct tri_trace_stream *stream, uint16_t signal, uint32_t tag, uint64_t actor, uint64_t address)
{
    struct tri_trace_record *record = stream->next;
    if (stream->packet == NULL || (record == stream->full && stream->lost_here > 0))
        return;
    tri_stream_fill(stream, record, tri_ticks(), TRI_TRACE_WHAT(TRI_TRACE_CORE_crash, signal, tag), actor, address);
    if (record != stream->full)
        stream->next = record + 1;
    tri_packet_commit(stream->packet, record + 1);
}

static void
write_event(const struct tri_worker *worker, int signal, const siginfo_t *info)
{
    const struct tri_worker_activity *activity = &worker->activity;
    bool handles = activity->name != NULL;
    uint64_t address = info->si_code > 0 ? (uint64_t)(uintptr_t)info->si_addr : 0;
    write_last(worker->trace, (uint16_t)signal, handles ? activity->tag : 0, handles ? activity->actor : 0, address);
}

static void on_signal(int signal, siginfo_t *info, void *context);

static bool
is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) != 0 && action->sa_sigaction == on_signal;
}

/* If somebody has taken our place and called us, it is theirs to go on. */
static void
give_back(size_t place)
{
    struct sigaction now;
    if (sigaction(signals[place], NULL, &now) == 0 && is_ours(&now))
        sigaction(signals[place], &former[place], NULL);
}

static void
on_signal(int signal, siginfo_t *info, void *context)
{
    int before = errno;
    const struct seat *seat = seat_of(own_number());
    (void)context;
    if (seat != NULL && seat->worker->trace != NULL)
        write_event(seat->worker, signal, info);
    for (size_t i = 0; i < SIGNALS; i++)
        if (signals[i] == signal)
            give_back(i);
    if (info->si_code <= 0) /* sent, so it does not come by itself */
        syscall(SYS_tgkill, getpid(), own_number(), signal);
    errno = before;
}

/* -- The stack for signals. -- */

static char *
map_stack(void)
{
    char *memory = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    mprotect(memory, GUARD_BYTES, PROT_NONE);
    return memory + GUARD_BYTES;
}

static void
unmap_stack(char *stack)
{
    munmap(stack - GUARD_BYTES, GUARD_BYTES + STACK_BYTES);
}

/* NULL: the thread has one of its own, or there is no memory. */
static char *
give_stack(void)
{
    stack_t own;
    if (sigaltstack(NULL, &own) != 0 || (own.ss_flags & SS_DISABLE) == 0)
        return NULL;
    char *stack = map_stack();
    if (stack == NULL)
        return NULL;
    if (sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = STACK_BYTES}, NULL) == 0)
        return stack;
    unmap_stack(stack);
    return NULL;
}

/* If the program has given the thread another one meanwhile, that stays. */
static void
take_stack(char *stack)
{
    stack_t now;
    if (stack == NULL)
        return;
    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == stack)
        sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    unmap_stack(stack);
}

/* -- Coming and going. -- */

static void
init_lock(void)
{
    if (uv_mutex_init(&lock) != 0)
        abort();
}

static void
install(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNALS; i++)
        if (sigaction(signals[i], NULL, &former[i]) == 0 && !is_ours(&former[i]))
            sigaction(signals[i], &action, NULL);
}

static void
uninstall(void)
{
    for (size_t i = 0; i < SIGNALS; i++)
        give_back(i);
}

static bool
is_wanted(void)
{
    const char *text = secure_getenv("TR_TRACE_CRASH");
    return text == NULL || strcmp(text, "off") != 0;
}

void
tri_crash_enter(struct tri_worker *worker)
{
    uv_once(&once, init_lock);
    uv_mutex_lock(&lock);
    struct seat *seat = is_wanted() ? seat_of(0) : NULL;
    if (seat != NULL) {
        seat->worker = worker;
        seat->stack = give_stack();
        ck_pr_store_uint(&seat->thread, own_number());
        if (entered++ == 0)
            install();
    }
    uv_mutex_unlock(&lock);
}

void
tri_crash_leave(const struct tri_worker *worker)
{
    uv_once(&once, init_lock);
    uv_mutex_lock(&lock);
    struct seat *seat = seat_of(own_number());
    if (seat != NULL && seat->worker == worker) {
        take_stack(seat->stack);
        ck_pr_store_uint(&seat->thread, 0);
        if (--entered == 0)
            uninstall();
    }
    uv_mutex_unlock(&lock);
}
