/*
 * Traces that are written for `troupe-trace check`, and what it must say of them.
 */
#ifndef TESTS_CHECKED_H
#define TESTS_CHECKED_H

#include "traces.h"

#include <stdint.h>
#include <troupe/actors/trace.h>
#include <troupe/net/trace.h>

#define A TRI_TRACE_REF(0, 1, 1)
#define B TRI_TRACE_REF(1, 1, 1)
#define ACTORS(event) TRI_TRACE_ACTORS_##event
#define NET(event) TRI_TRACE_NET_##event
#define OUTSIDE TRI_TRACE_OUTSIDE

/* A and B live on workers 0 and 1. */
void begin_two(struct traces *traces);

/* The status and a part of what it prints. */
void expect_finding(struct traces *traces, int status, const char *text);

/* A message that is sent, and one that is received. */
void write_send(struct traces *traces, uint64_t from, uint64_t message, uint32_t tag);
void write_receive(struct traces *traces, uint64_t by, uint64_t message, uint32_t tag);

/* The life of a socket, a letter for each event. */
void write_socket(struct traces *traces, const char *letters, uint32_t slot);

#endif
