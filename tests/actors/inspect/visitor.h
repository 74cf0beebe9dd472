/*
 * One who visits the socket of a runtime.
 */
#ifndef TESTS_ACTORS_INSPECT_VISITOR_H
#define TESTS_ACTORS_INSPECT_VISITOR_H

#include <stdbool.h>
#include <stddef.h>

/* Connects to a unix socket; -1: nobody takes it. */
int visitor_connect(const char *path);

/* Writes it all; false: the other side has closed. */
bool visitor_say(int fd, const char *text);

/* Reads until the other side ends, or until the text ends with `until` if that is not NULL. The text is the caller's,
 * ended with a NUL; fails the test if nothing comes within the tests' limit. */
char *visitor_hear(int fd, const char *until);

/* Connects, says a text, ends, and gives all that is answered. */
char *visitor_ask(const char *path, const char *text);

#endif
