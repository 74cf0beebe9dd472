/*
 * What programs under seeds share: how many seeds there are, and that a seed always plays the same way.
 */
#ifndef TESTS_ACTORS_SEEDED_H
#define TESTS_ACTORS_SEEDED_H

#include <stdint.h>

/* Plays a program in a simulated runtime that it starts and stops, and gives the hash of how it was played. */
typedef uint64_t seeded_program(uint64_t seed, const void *context);

/* Plays it under 1,000 seeds, and now and then twice. With ThreadSanitizer under a tenth of them. It fails the test at
 * the first seed that fails, which is named on stderr. */
void seeded_play(seeded_program *program, const void *context);

#endif
