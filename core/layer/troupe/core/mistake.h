/*
 * Mistakes of the program that a Debug build looks for, that is one compiled without NDEBUG: a function that runs on a
 * thread it is not for, an actor that is used after its end, a slice that is released too often. Each ends the process
 * at once, with one line on stderr that names the mistake. With NDEBUG nothing of this is compiled.
 */
#ifndef TROUPE_CORE_MISTAKE_H
#define TROUPE_CORE_MISTAKE_H

/* Prints "troupe: mistake: ", the text and a newline to stderr, then aborts. Thread: any. */
_Noreturn void tri_mistake(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
