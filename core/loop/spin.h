/*
 * Looks for work for a short time before a worker sleeps.
 *
 * To be woken is dear: it costs who wakes a system call, on a virtual machine an exit to its host too, and the sleeper
 * some ten microseconds until it runs. A look costs less than one. But a worker that looks keeps its CPU busy, so it
 * looks only where sleeps are short. That is learnt:
 *   - a spin that messages end buys two more, one that descriptors end buys one, one that finds nothing costs one;
 *   - one in PROBE_EVERY sleeps that a message ended, or that took no longer than a spin, is replaced by a try.
 * So a server whose clients come less often than once in a spin's time, and which has no traffic between its workers,
 * never spins.
 *
 * After each look the worker yields its CPU: what it waits for may have to run there, a client or another worker.
 */
#ifndef TROUPE_CORE_SPIN_H
#define TROUPE_CORE_SPIN_H

#include <stdbool.h>
#include <troupe/core/worker.h>

enum tri_found { TRI_FOUND_NOTHING, TRI_FOUND_MAIL, TRI_FOUND_DESCRIPTORS };

/* Is it to be tried now? Thread: owner, as below. */
bool tri_spin_pays(struct tri_worker *worker);

/* What came within the spin's time, counted from the end of the turn. Descriptors are ready, but not looked at yet. */
enum tri_found tri_spin(struct tri_worker *worker);

/* A sleep has ended. */
void tri_spin_learn(struct tri_worker *worker, uint64_t ticks_slept, bool found_mail);

#endif
