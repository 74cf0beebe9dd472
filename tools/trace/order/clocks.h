/*
 * Clocks that contradict what caused what are corrected.
 *
 * The clocks of two CPUs, and more so those of two machines, may differ. A message that is received before it is sent,
 * by the times of both, shows it. Then all events of the stream that received it are taken to be later: a stream is
 * moved as a whole, and no more than is needed for all that it received, so the times within it stay right. If no such
 * movement of whole streams will do, since a clock ran too fast or jumped, streams are moved from the event on that
 * needs it. Every command but info sees the corrected times, in which nothing is received before it is sent.
 */
#ifndef TROUPE_TRACE_CLOCKS_H
#define TROUPE_TRACE_CLOCKS_H

#include "reader.h"

/* As trace_open(), with corrected times; what was corrected is told on stderr. It goes through all events to see. */
struct trace *trace_open_corrected(const char *const *paths, size_t count);

/* The same in two steps: see trace_find(). */
struct trace *trace_find_corrected(const char *const *paths, size_t count);
void trace_check_corrected(struct trace *trace);

/*
 * Opens a trace, calls pass with it, and closes it. Returns what pass returned. The times that pass sees are as they
 * were recorded, but for those of processes that sent each other something, which are corrected before.
 *
 * If pass sees that they contradict, it returns PASS_AGAIN, and has printed nothing. Then they are corrected, which is
 * told on stderr, and pass is called again. See clocks_mislead().
 */
int trace_pass(const char *const *paths, size_t count, int (*pass)(const struct trace *trace, void *argument),
               void *argument);

#define PASS_AGAIN (-16) /* no exit status, and none of command.h */

/* Must a pass that saw so many contradictions be done again? Those that are left in corrected times stay. */
static inline bool
clocks_mislead(const struct trace *trace, uint64_t contradictions)
{
    return contradictions > 0 && !trace->corrected;
}

/* Finds and corrects what contradicts. Once for a trace. */
void clocks_correct(struct trace *trace);

#endif
