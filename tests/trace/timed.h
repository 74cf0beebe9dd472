/*
 * Traces whose times the test chooses: the clock counts nanoseconds.
 */
#ifndef TESTS_TIMED_H
#define TESTS_TIMED_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/actors/trace.h>
#include <troupe/net/trace.h>

#include "traces.h"

#define ACTORS(event) TRI_TRACE_ACTORS_##event
#define NET(event) TRI_TRACE_NET_##event
#define CORE(event) TRI_TRACE_CORE_##event
#define OUTSIDE TRI_TRACE_OUTSIDE
#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

/* Begins one without events. */
void timed_begin(void);

/*
 * Which process it is of, so that several can be read together: a number of its own, and further lines of the metadata,
 * "    boot = \"a\";\n". The text is borrowed until timed_end().
 */
void timed_process(uint8_t number, const char *lines);

/* The number of a name. */
uint32_t timed_name(const char *text);

/* An event of a stream; its times must not go back. */
void timed_event(unsigned stream, uint64_t ns, uint16_t id, uint32_t arg, uint64_t actor, uint64_t message);

/* Gives flags to the last event of a stream. */
void timed_flags(unsigned stream, uint16_t flags);

/* The usual ones, in the stream of the actor's worker; actor 0 is outside. A message is (stream, count). */
void timed_spawn(uint64_t ns, uint64_t actor, const char *class);
void timed_send(uint64_t ns, uint64_t from, uint64_t message, uint32_t tag);
void timed_receive(uint64_t ns, uint64_t by, uint64_t message, uint32_t tag);

/* In the stream of threads outside: a parcel goes to a child, and comes from one. */
void timed_parcel_sent(uint64_t ns, uint32_t child, uint64_t parcel);
void timed_parcel_received(uint64_t ns, uint32_t child, uint64_t parcel);

/* Writes its files into a directory: traces->directory, or beside it. closed: the program ended properly. */
void timed_end(const char *directory, bool closed);

/* Runs a command with up to two words before the directory, and compares the end and a part of what it prints. */
void expect_output(const struct traces *traces, const char *command, const char *a, const char *b, int status,
                   const char *part);

/* The same, of several parts, which stand in that order; NULL is the last. */
void expect_parts(const struct traces *traces, const char *command, const char *a, const char *b, int status,
                  const char *const *parts);

#endif
