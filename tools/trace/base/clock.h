/*
 * Time that passes, for what is done again after a while: it never goes back.
 */
#ifndef TROUPE_TRACE_CLOCK_H
#define TROUPE_TRACE_CLOCK_H

#include <stdint.h>

#define CLOCK_SECOND UINT64_C(1000000000)

/* Nanoseconds since some moment. */
uint64_t clock_ns(void);

#endif
