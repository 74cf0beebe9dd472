/*
 * The system's random numbers, for seeds and names that nobody shall guess.
 */
#ifndef TROUPE_CORE_RANDOM_H
#define TROUPE_CORE_RANDOM_H

#include <stddef.h>

/* Fills the memory. Thread: any. Returns 0, or an error of libuv's: the system has none, as early at boot. */
int tri_random(void *memory, size_t size);

#endif
