/*
 * The one way in which the library starts threads, and what they and their children inherit.
 *
 * A thread of ours takes no signals but those of its own faults, has a name, and runs where the program was allowed to
 * run, whichever thread starts it: a pinned worker's one CPU is not handed on. It remembers the CPUs and the signals of
 * the program's own thread from which its like were started, its origin; its children have these again, by fork()
 * and by posix_spawn(), system() and popen() (children.c).
 */
#ifndef TROUPE_CORE_THREAD_H
#define TROUPE_CORE_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct tri_origin; /* opaque: CPUs and signals */

/*
 * Starts a thread that runs main(argument). name is what debuggers and top show, cut to 15 bytes; stack_bytes 0 is the
 * system's default. Thread: any. Returns 0, UV_ENOMEM, UV_EAGAIN.
 */
int tri_thread_start(uv_thread_t *thread, const char *name, size_t stack_bytes, void (*main)(void *), void *argument);

/* The origin of the calling thread; NULL: it is none of ours. It lives as long as the thread. Thread: any. */
const struct tri_origin *tri_thread_origin(void);

/*
 * Gives the calling thread an origin for a while, NULL: none. Returns the one before. For threads of libuv's pool,
 * which are not started here. Thread: any.
 */
const struct tri_origin *tri_thread_set_origin(const struct tri_origin *origin);

/* The system's number of the calling thread, 0 where it does not tell. Thread: any. */
int tri_thread_number(void);

/* How a thread has spent its time. */
struct tri_thread_time {
    bool known;
    bool runnable;      /* now: it runs, or waits for a CPU */
    uint64_t ran_ns;    /* on a CPU, since it began */
    uint64_t waited_ns; /* for a CPU; a wait counts when it is over */
    uint64_t turns;     /* how many times it was given one */
};

/* What the system knows of a thread of this process; not known: it does not tell. Thread: any. */
void tri_thread_time(int number, struct tri_thread_time *out);

/* The CPU on which a thread of this process runs, or ran last; -1: the system does not tell. Thread: any. */
int tri_thread_cpu(int number);

/*
 * Does a thread of this process sleep in epoll's wait for that descriptor? true: it does, or the system does not tell.
 * Thread: any.
 */
bool tri_thread_may_poll(int number, int epoll_fd);

/*
 * Sees to it that libuv's pool exists. libuv starts it when it is first used, from the thread that uses it; on a pinned
 * worker all of it would run on that CPU. So this is called before anything on a worker can use the pool: a thread of
 * our own starts it. Waits for that, the first time. If it cannot be done, the pool is started by libuv as ever.
 * Thread: any.
 */
void tri_thread_start_pool(void);

#endif
