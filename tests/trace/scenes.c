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
#define NET(name) TRI_TRACE_NET_##name

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

#define MAIN SCORE_OF(0, OUTSIDE) /* the parent's only thread */
#define FIRST SCORE_OF(1, 0)      /* child 0 */
#define SECOND SCORE_OF(2, 0)
#define PARENT UINT32_MAX
#define PARCEL(process, count) TRI_TRACE_MESSAGE(process, count)
#define LISTENER REF(0, 1)
#define SERVER REF(0, 2)
#define READER REF(0, 3)

/* A parent and two children, which send each other messages; connections are dealt, one of which comes back. */
static const struct note cluster[] = {
    {FIRST, CORE(worker_start), 0, 3, 0, 0},
    {FIRST, ACTORS(spawn), 0, 1, LISTENER, 0},
    {FIRST, NET(listener_open), 0, 80, LISTENER, 0},
    {FIRST, ACTORS(spawn), 0, 2, SERVER, 0},
    {FIRST, NET(server_listening), 0, 80, SERVER, 0},
    {FIRST, NET(server_announced), 0, 0, SERVER, 0},
    {FIRST, ACTORS(spawn), 0, 3, READER, 0},
    {FIRST, NET(cluster_send), 0, PARENT, READER, PARCEL(1, 1)},
    {MAIN, NET(child_began), 1, 0, 0, SCORE_PID},
    {MAIN, NET(cluster_send), 0, 0, 0, PARCEL(0, 1)},
    {MAIN, NET(cluster_send), 1, 0, 0, PARCEL(0, 2)},
    {MAIN, NET(child_began), 2, 1, 0, SCORE_PID},
    {FIRST, NET(cluster_receive), 0, PARENT, READER, PARCEL(0, 1)},
    {FIRST, NET(cluster_receive), 1, PARENT, READER, PARCEL(0, 2)},
    {MAIN, NET(cluster_receive), 0, 0, 0, PARCEL(1, 1)},
    {FIRST, NET(cluster_send), 1, 1, READER, PARCEL(1, 2)},
    {FIRST, NET(cluster_lost), 1, 1, 0, PARCEL(1, 2)},
    {FIRST, NET(cluster_send), 0, 1, READER, PARCEL(1, 3)},
    {SECOND, CORE(worker_start), 0, 4, 0, 0},
    {SECOND, ACTORS(spawn), 0, 3, READER, 0},
    {SECOND, NET(cluster_receive), 0, 0, READER, PARCEL(1, 3)},
    {MAIN, NET(cluster_deal), 0, 0, 0, PARCEL(0, 3)},
    {MAIN, NET(cluster_deal), 0, 1, 0, PARCEL(0, 4)},
    {MAIN, NET(cluster_lost), 1, 1, 0, PARCEL(0, 4)},
    {MAIN, NET(cluster_deal), 0, 0, 0, PARCEL(0, 5)},
    {FIRST, NET(cluster_take), 0, 0, LISTENER, PARCEL(0, 3)},
    {FIRST, NET(listener_load), 0, 0, LISTENER, 0},
    {FIRST, NET(listener_accept), 1, 0, LISTENER, SERVER},
    {FIRST, NET(server_close), 0, 0, SERVER, 0},
    {FIRST, ACTORS(stopped), 0, 0, SERVER, 0},
    {FIRST, NET(listener_close), 0, 0, LISTENER, 0},
    {FIRST, ACTORS(stopped), 0, 0, LISTENER, 0},
    {FIRST, ACTORS(stopped), 0, 0, READER, 0},
    {FIRST, CORE(worker_stop), 0, 0, 0, 0},
    {SECOND, ACTORS(stopped), 0, 0, READER, 0},
    {SECOND, CORE(worker_stop), 0, 0, 0, 0},
    {MAIN, NET(cluster_back), 0, 0, 0, PARCEL(0, 5)},
    {MAIN, NET(child_ended), 9, 0, 0, 0},
    {MAIN, NET(child_ended), 0, 1, 0, 3},
};

#define LENGTH(notes) (sizeof(notes) / sizeof((notes)[0]))

static const struct scene others[] = {
    {"in the middle", middle, LENGTH(middle), 0, false},
    {"switches", switches, LENGTH(switches), 0, false},
    {"a crash", crash, LENGTH(crash), 0, true},
    {"a cluster", cluster, LENGTH(cluster), 3, false},
};

const struct scene *const scenes[] = {&score, &others[0], &others[1], &others[2], &others[3]};
const size_t scene_count = LENGTH(scenes);
