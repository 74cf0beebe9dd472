/*
 * Clocks that contradict what caused what are corrected.
 *
 * The clocks of two CPUs, and more so those of two machines, may differ. A message that is received before it is sent, by
 * the times of both, shows it. Then all events of the stream that received it are taken to be later: a stream is moved
 * as a whole, and no more than is needed for all that it received, so the times within it stay right. If no such
 * movement of whole streams will do, since a clock ran too fast or jumped, streams are moved from the event on that
 * needs it. Every command sees the corrected times, in which nothing is received before it is sent.
 */
#ifndef TROUPE_TRACE_CLOCKS_H
#define TROUPE_TRACE_CLOCKS_H

#include "reader.h"

/* As trace_open(), with corrected times; what was corrected is told on stderr. */
struct trace *trace_open_corrected(const char *const *paths, size_t count);

/* Finds and corrects what contradicts. */
void clocks_correct(struct trace *trace);

#endif
