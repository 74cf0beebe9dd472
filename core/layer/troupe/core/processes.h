/*
 * Processes: children without exec, their ends, and the signals that a parent without threads waits for.
 */
#ifndef TROUPE_CORE_PROCESSES_H
#define TROUPE_CORE_PROCESSES_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* How many CPUs the process may use, as a runtime counts them: no more than its control groups' quota. Thread: any. */
unsigned tri_processes_wanted(void);

/* Writes what is in stdio's buffers and forks. 0 in the child, its number in the parent, or an errno, negative. Thread:
 * the process's only one, as of all that follow. */
int tri_process_fork(void);

/* From now on each process that this one forks, or that is forked by one of those, calls this first. 0, or an errno. */
int tri_process_when_forked(void (*in_child)(void));

/* Ends this process as a return from main() does. */
_Noreturn void tri_process_exit(int status);

/* Has the child ended? Then it is no more, *status is what it returned, -1 after a signal, which is in *signal. */
bool tri_process_ended(int pid, int *status, int *signal);

/* Asks it to end (SIGTERM), or ends it (SIGKILL). */
void tri_process_ask(int pid);
void tri_process_kill(int pid);

/* Signals that are taken out of a descriptor while this lasts: of children, SIGTERM, SIGINT, and SIGHUP if wanted. */
struct tri_process_signals {
    int fd; /* readable when there are some */
    sigset_t before;
    struct sigaction of_children;
};

/* 0, or an errno. */
int tri_process_signals_open(struct tri_process_signals *signals, bool hangup);
void tri_process_signals_close(struct tri_process_signals *signals);

/* The next one; 0: there is none. */
int tri_process_signals_take(const struct tri_process_signals *signals);

/* Waits until one of them is ready, timeout_ms at the most; below 0: for ever. A signal's handler may end it sooner. */
void tri_process_poll(struct pollfd *fds, size_t count, int timeout_ms);

#endif
