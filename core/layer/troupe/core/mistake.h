/*
 * Mistakes of the program that a Debug build looks for, that is one compiled without NDEBUG: a function that runs on a
 * thread it is not for, an actor that is used after its end, a slice that is released too often. Each ends the process
 * at once, with one line on stderr that names the mistake. With NDEBUG nothing of this is compiled.
 */
#ifndef TROUPE_CORE_MISTAKE_H
#define TROUPE_CORE_MISTAKE_H

#include <troupe/core/worker.h>

/* Prints "troupe: mistake: ", the text and a newline to stderr, then aborts. Thread: any. */
_Noreturn void tri_mistake(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the process unless the calling thread is this worker. `function` is what the program called. Thread: any. */
void tri_mistake_unless_owner(const struct tri_worker *worker, const char *function);

/* At the beginning of each function whose header says "Thread: owner". */
#ifdef NDEBUG
#define TRI_CHECK_OWNER(worker, function) ((void)0)
#else
#define TRI_CHECK_OWNER(worker, function) tri_mistake_unless_owner(worker, function)
#endif

#endif
