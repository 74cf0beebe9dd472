/*
 * When a worker is pinned to its CPU and when not: decided from looks at its thread, without a clock or a thread of its
 * own.
 *
 * A pinned thread is served by its own caches, and two workers never stand in each other's way. But it waits when
 * something else runs on its CPU, though another CPU may be free. So a worker that waits for more than LOST of the time
 * may use all CPUs of the program; when it has not waited for a while (more than CALM of the time), it is pinned again.
 *
 * Only waits that are longer than a wake-up takes count: also on a free CPU some microseconds pass until a thread that
 * was woken runs. Time in which it hardly ran or waited says nothing of its CPU, so it does not count as calm.
 *
 * To pin again is an attempt: the other program may still be there, and not have been in the way since the system moved
 * the worker to where it was not. An attempt that fails before it has lasted as long as the calm that led to it doubles
 * the calm that the next needs, up to PATIENCE_MAX_NS. So the cost of attempts goes down to nothing where they are in
 * vain. One that lasts makes the next wait as short as the first.
 */
#ifndef TROUPE_CORE_PINNING_H
#define TROUPE_CORE_PINNING_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/thread.h>

#define TRI_PINNING_PAUSE_NS UINT64_C(100000000) /* between two looks */
#define TRI_PINNING_WAKE_NS UINT64_C(3000)       /* a wake-up may take */
#define TRI_PINNING_LOST_PERCENT 5u
#define TRI_PINNING_CALM_PERCENT 1u
#define TRI_PINNING_BUSY_PERCENT 2u
#define TRI_PINNING_PATIENCE_NS UINT64_C(2000000000)       /* the calm before the first attempt */
#define TRI_PINNING_PATIENCE_MAX_NS UINT64_C(256000000000) /* and before any */

/* What was seen of a worker at one moment. */
struct tri_pinning_look {
    uint64_t now_ns;
    struct tri_thread_time time;
    bool pinned;
};

/* What is known of a worker; zero at first. */
struct tri_pinning {
    struct tri_pinning_look last;
    bool seen;            /* last holds a look */
    bool tried;           /* it was pinned again since it was last freed */
    uint64_t calm_ns;     /* for which it has run without waiting since its mask last changed, or it last waited */
    uint64_t patience_ns; /* the calm that pinning needs; 0: TRI_PINNING_PATIENCE_NS */
    uint64_t waited_ns;   /* of the last two looks: what counts */
};

enum tri_pinning_verdict {
    TRI_PINNING_KEEP,
    TRI_PINNING_WIDEN,  /* it is pinned: let it go */
    TRI_PINNING_NARROW, /* it is free: pin it */
};

/* Adds a look. Thread: the watchdog's. */
enum tri_pinning_verdict tri_pinning_see(struct tri_pinning *pinning, const struct tri_pinning_look *look);

/* The worker has slept since the last look: what comes from now_ns on is compared with that. Thread: the watchdog's. */
void tri_pinning_rested(struct tri_pinning *pinning, uint64_t now_ns);

#endif
