/*
 * Runs parts of troupe-trace, which may refuse what they read.
 *
 * A refusal ends that program; here it jumps back instead, and gives back what the program had taken by then:
 * descriptors, open files and directories, and memory. refusal.c stands in for the program's bad_input.c, from which
 * its memory comes, and for some functions of the C library: the program's sources are compiled with other names for
 * them (CMakeLists.txt). What is made by open_memstream() and getline() is lost at a refusal.
 *
 * What is printed goes nowhere, but is looked at: no text of a trace may reach a terminal as a command of it.
 */
#ifndef TESTS_FUZZ_REFUSAL_H
#define TESTS_FUZZ_REFUSAL_H

#include <stdbool.h>

/* Must come before all else. */
void refusals_begin(void);

/*
 * Calls that, with all that the program knows of traces forgotten. plain: what it prints is text. Returns false if it
 * refused something, or waited for more.
 */
bool runs_through(void (*call)(void *argument), void *argument, bool plain);

#endif
