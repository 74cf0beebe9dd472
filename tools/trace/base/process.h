/*
 * How the traces of several processes are told apart.
 *
 * What a trace says of workers, actors and messages holds in its own process. Where traces are read together, each
 * process has a number, and its workers have numbers that no other process's have: those of a range. A ref and the id
 * of a message are changed accordingly when an event is read, and changed back when they are written: 2/0:5.1 is the
 * actor 0:5.1 of process 2. A trace that is read alone has no range, and its numbers are as they are.
 *
 * The ranges are the program's, since diff reads two traces at a time.
 */
#ifndef TROUPE_TRACE_PROCESS_H
#define TROUPE_TRACE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#define WORKERS_TOGETHER 4096u /* a ref has 12 bits for the worker */

struct process_range {
    unsigned number;      /* of the process; 0: it is not told, since its trace has only the one */
    uint32_t base, count; /* of workers */
    uint32_t outside;     /* the stream of its threads outside */
};

/*
 * Gives the next range, for the workers below count. Ends the program if there are too many. whole: of a trace that is
 * read alone; if it is the first, its numbers stay as they are.
 */
struct process_range process_range_new(unsigned number, uint32_t count, bool whole);

/* Begins anew: the traces that were read are closed. */
void process_ranges_forget(void);

/* The range in which a worker, or a stream, lies; NULL: in none. */
const struct process_range *process_of_worker(uint32_t worker);
const struct process_range *process_of_stream(uint32_t stream);

/* The first one of a process's number; 0: the first of all. NULL: there is none. */
const struct process_range *process_find(unsigned number);

/* Are there any that are told? */
bool processes_are_told(void);

/* Is the stream that of threads outside? */
static inline bool
is_outside(uint32_t stream)
{
    return stream >= WORKERS_TOGETHER;
}

#endif
