#include "score.h"

#include <troupe/actors/trace.h>
#include <troupe/core/trace.h>
#include <troupe/core/trace_format.h>
#include <troupe/net/trace.h>

#define OUTSIDE TRI_TRACE_OUTSIDE
#define REF(worker, slot) TRI_TRACE_REF(worker, slot, 1)
#define ID(worker, count) TRI_TRACE_MESSAGE(worker, count)
#define CORE(name) TRI_TRACE_CORE_##name
#define ACTORS(name) TRI_TRACE_ACTORS_##name

#define LIVING REF(0, 1)
#define RESTING REF(0, 2)
#define OTHER REF(1, 1)

/* The recorder was switched on, and off again, while the program ran. */
static const struct note middle[] = {
    {OUTSIDE, CORE(attached), 0, 0, 0, 3},
    {0, CORE(attached), 0, 0, 0, 5},
    {0, ACTORS(present), 0, 1, LIVING, 0},
    {0, ACTORS(present), 1, 2, RESTING, LIVING},
    {1, CORE(attached), 0, 0, 0, 6},
    {1, ACTORS(present), 0, 1, OTHER, 0},
    {OUTSIDE, ACTORS(send), 0, 7, 0, ID(OUTSIDE, 4)},
    {0, ACTORS(receive), 0, 7, LIVING, ID(OUTSIDE, 4)},
    {0, ACTORS(send), 0, 8, LIVING, ID(0, 6)},
    {0, ACTORS(handled), 0, 7, LIVING, ID(OUTSIDE, 4)},
    {0, ACTORS(restart), 0, 2, RESTING, LIVING},
    {1, ACTORS(receive), 0, 8, OTHER, ID(0, 6)},
    {1, ACTORS(handled), 0, 8, OTHER, ID(0, 6)},
    {1, CORE(detached), 0, 0, 0, 0},
    {0, CORE(detached), 0, 0, 0, 0},
};

/* Messages are switched off, and on again for one actor. */
static const struct note switches[] = {
    {0, CORE(worker_start), 0, 3, 0, 0},          {0, ACTORS(spawn), 0, 1, LIVING, 0},
    {OUTSIDE, CORE(switched), 0, 126, 0, 0},      {OUTSIDE, CORE(switched), 1, 126, LIVING, 0},
    {0, ACTORS(receive), 0, 7, LIVING, ID(0, 1)}, {0, ACTORS(handled), 0, 7, LIVING, ID(0, 1)},
    {OUTSIDE, CORE(switched), 0, 127, 0, 0},      {0, ACTORS(stopped), 0, 0, LIVING, 0},
    {0, CORE(worker_stop), 0, 0, 0, 0},
};

/* A fault in a handler that followed another one at once. */
static const struct note crash[] = {
    {0, CORE(worker_start), 0, 3, 0, 0},          {0, ACTORS(spawn), 0, 1, LIVING, 0},
    {0, ACTORS(send), 0, 7, LIVING, ID(0, 1)},    {0, ACTORS(send), 0, 8, LIVING, ID(0, 2)},
    {0, ACTORS(receive), 0, 7, LIVING, ID(0, 1)}, {0, ACTORS(receive), 1, 8, LIVING, ID(0, 2)},
    {0, CORE(crash), 11, 8, LIVING, 4096},
};

#define LENGTH(notes) (sizeof(notes) / sizeof((notes)[0]))

static const struct scene others[] = {
    {"in the middle", middle, LENGTH(middle), 0, false},
    {"switches", switches, LENGTH(switches), 0, false},
    {"a crash", crash, LENGTH(crash), 0, true},
};

const struct scene *const scenes[] = {&score, &others[0], &others[1], &others[2]};
const size_t scene_count = LENGTH(scenes);
