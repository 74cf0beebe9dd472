/*
 * Faults on demand: the nth call of a kind fails, or answers with a flag.
 *
 * A program that links tests_fault has its own calls of the functions below, and those of the library in it, led
 * through here (the linker's --wrap); what other libraries call is not touched. So it works under the sanitizers too,
 * whose own functions are the real ones. Any thread may call; plans are made by one thread while nobody else is in the
 * middle of a plan.
 */
#ifndef TESTS_SUPPORT_FAULT_H
#define TESTS_SUPPORT_FAULT_H

#include <stdbool.h>

enum fault_call {
    FAULT_MEMORY, /* malloc, calloc, realloc, aligned_alloc, posix_memalign, strdup */
    FAULT_READ,   /* tri_call_read, whichever call of the system that is */
    FAULT_RECVMSG,
    FAULT_WRITE, /* tri_call_write */
    FAULT_WRITEV,
    FAULT_SENDMSG,
    FAULT_SENDFILE,
    FAULT_PREAD,
    FAULT_ACCEPT, /* accept4 */
    FAULT_SOCKET,
    FAULT_BIND,
    FAULT_LISTEN,
    FAULT_CONNECT,
    FAULT_GETSOCKOPT,
    FAULT_SETSOCKOPT,
    FAULT_GETSOCKNAME,
    FAULT_GETPEERNAME,
    FAULT_FCNTL,
    FAULT_FSTAT,
    FAULT_SHUTDOWN,
    FAULT_RENAME,    /* renameat2 */
    FAULT_EPOLL_CTL, /* the library's own; libuv's are not led through here */
    FAULT_CALLS,
};

/* Of the calls of this kind that come from now on, `times` fail from the nth (1 is the next) on: with error, an
 * errno. */
void fault_plan(enum fault_call call, unsigned nth, unsigned times, int error);

/* Of recvmsg: these flags are added to what the nth one answers, and what came as control data is lost. */
void fault_plan_flags(unsigned nth, int flags);

/* The nth call of this kind does not fail, but hook() is called before, on the thread that makes the call: what happens
 * between two looks at one thing. The calls that it makes are seen, too. */
void fault_plan_hook(enum fault_call call, unsigned nth, void (*hook)(void));

/* Forgets every plan. */
void fault_clear(void);

/* How many calls of this kind the plan has seen, and how many it has made fail. */
unsigned fault_seen(enum fault_call call);
unsigned fault_met(enum fault_call call);

/* Calls of this thread are counted and made to fail, or not: by default they are. */
void fault_spare_me(bool spare);

#endif
