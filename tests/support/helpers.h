/*
 * What tests share: waiting for a condition, counting what a process holds, and a peer that owes nothing to the
 * library.
 */
#ifndef TESTS_SUPPORT_HELPERS_H
#define TESTS_SUPPORT_HELPERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest that a test waits for anything: far more than it takes, also under a sanitizer on a busy machine. */
#define TESTS_LIMIT_MS 100000u

/* Looks again and again whether holds(argument); false if it did not within the limit. */
bool tests_wait_until(bool (*holds)(void *argument), void *argument, unsigned limit_ms);

/* The time, on a clock that only goes forward. */
uint64_t tests_now_ns(void);

/* Holds the calling thread for that long, as a callback does that works without a pause. */
void tests_hold(unsigned ms);

/* Lets that much time go by. It is for time that is meant itself: the pace of a thread that disturbs others, a moment
 * at random. Nothing can be expected to have happened in it. */
void tests_let_pass(uint64_t ns);

/* How many times as much as by default a test does that can go on for long: TROUPE_STRESS, or 1. */
unsigned tests_stress(void);

/* How many of so many seeds of a simulated runtime a test plays: all, but a tenth with ThreadSanitizer. Such a runtime
 * has one thread, where that finds little, and takes thirty times as long. */
unsigned tests_seeds(unsigned count);

/* The milliseconds of cpu time that this process uses while so many go by, for what promises to be at rest. */
double tests_cpu_ms_in(unsigned ms);

/* The descriptors that this process has open, and its threads; -1 where the system does not tell. */
int tests_open_fds(void);
int tests_threads(void);

/* Has it so many descriptors open? A const int *, for tests_wait_until(). */
bool tests_has_open_fds(void *count);

/* Has this process a thread of that name? A const char *, for tests_wait_until(): threads name themselves. */
bool tests_has_thread(void *name);

/* Does the thread of that number, one of this process, sleep? */
bool tests_thread_sleeps(int number);

/* Runs act() on a thread with a stack of 256 KiB and waits for it. false: there is no such thread. */
bool tests_run_on_small_stack(void (*act)(void));

/* Bytes that this process has allocated and not freed, those of the system's mappings for malloc() included. */
size_t tests_allocated(void);

/* Begins the program anew with a malloc that keeps nothing back for its threads, which would count as allocated. Called
 * first in main(). */
void tests_without_malloc_caches(char **argv);

/* Bytes of memory that this process has; 0 where the system does not tell. */
size_t tests_resident(void);

/* Waits for a child of this process. true: it ended by itself, with 0. */
bool tests_child_succeeds(int pid);

/* Makes a new directory of its own for a test; the path is the caller's, at most size bytes. */
bool tests_directory_make(char *path, size_t size);

/* Removes it with the files in it. */
void tests_directory_remove(const char *path);

/*
 * A TCP peer on plain blocking sockets. Every call gives up after TESTS_LIMIT_MS.
 */

/* Connects to a port of 127.0.0.1. Returns the descriptor, -1 if nobody takes it. */
int tests_peer_connect(uint16_t port);

/* Listens on a port of 127.0.0.1 that the system chooses. Returns the descriptor, -1 on failure. */
int tests_peer_listen(uint16_t *port);

/* Keeps a port of 127.0.0.1 where nobody listens: it refuses, and nobody else gets it, until the descriptor is
 * closed. */
int tests_peer_refuse(uint16_t *port);

/* The next connection to a descriptor of tests_peer_listen(), -1 if none comes. */
int tests_peer_accept(int listener);

/* Sends all of it. false: the connection does not take it. */
bool tests_peer_send(int fd, const void *data, size_t size);

/* Receives until size bytes are there or the peer has ended. Returns how many came; -1 after an error, such as a
 * reset. */
long tests_peer_receive(int fd, void *data, size_t size);

/* true when the peer ends its side and nothing more came before. */
bool tests_peer_at_end(int fd);

/* Closes at once with a reset instead of an end. */
void tests_peer_reset(int fd);

#endif
