/*
 * CPU affinity, for Linux and for systems where a thread cannot be pinned.
 *
 * A container or taskset may leave a process few of many CPUs, so CPUs are counted within the set that the calling
 * thread may use; threads inherit it. A kernel with more CPUs than a set holds refuses it: then a larger set is tried.
 *
 * Which CPU a worker is pinned to is decided for the whole process, by counting how many are pinned to each: so the
 * workers of several small runtimes do not all sit on the first CPU.
 */
#include "affinity.h"

#if defined(__linux__)
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/status_from.h>

#define CPUS_FIRST 1024
#define CPUS_LAST (1024 * 1024)

/* How many threads are pinned to each CPU. The memory goes when nothing is claimed any more. */
static struct {
    pthread_mutex_t lock;
    unsigned *counts; /* by CPU */
    int capacity;
    unsigned total;
} claims = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct tri_cpus
tri_cpus_own(void)
{
    for (int capacity = CPUS_FIRST; capacity <= CPUS_LAST; capacity *= 2) {
        struct tri_cpus cpus = {CPU_ALLOC(capacity), CPU_ALLOC_SIZE(capacity), capacity};
        if (cpus.set == NULL)
            break;
        if (sched_getaffinity(0, cpus.size, cpus.set) == 0)
            return cpus;
        CPU_FREE(cpus.set);
        if (errno != EINVAL)
            break;
    }
    return (struct tri_cpus){0};
}

struct tri_cpus
tri_cpus_copy(const struct tri_cpus *cpus)
{
    struct tri_cpus copy = *cpus;
    if (cpus->set == NULL)
        return copy;
    copy.set = CPU_ALLOC(cpus->capacity);
    if (copy.set == NULL)
        return (struct tri_cpus){0};
    memcpy(copy.set, cpus->set, cpus->size);
    return copy;
}

void
tri_cpus_fini(struct tri_cpus *cpus)
{
    if (cpus->set != NULL)
        CPU_FREE(cpus->set);
    *cpus = (struct tri_cpus){0};
}

void
tri_cpus_use(const struct tri_cpus *cpus)
{
    if (cpus->set != NULL)
        sched_setaffinity(0, cpus->size, cpus->set); /* if they were taken away since: where the system lets us */
}

unsigned
tri_affinity_count(void)
{
    struct tri_cpus cpus = tri_cpus_own();
    if (cpus.set == NULL)
        return 1;
    int count = CPU_COUNT_S(cpus.size, (cpu_set_t *)cpus.set);
    tri_cpus_fini(&cpus);
    return count > 0 ? (unsigned)count : 1;
}

/* Under the lock, as the following. */
static bool
make_room(int capacity)
{
    if (capacity <= claims.capacity)
        return true;
    unsigned *counts = realloc(claims.counts, (size_t)capacity * sizeof(*counts));
    if (counts == NULL)
        return false;
    memset(counts + claims.capacity, 0, (size_t)(capacity - claims.capacity) * sizeof(*counts));
    claims.counts = counts;
    claims.capacity = capacity;
    return true;
}

static int
least_claimed(const struct tri_cpus *cpus)
{
    int best = -1;
    for (int cpu = 0; cpu < cpus->capacity; cpu++)
        if (CPU_ISSET_S(cpu, cpus->size, (cpu_set_t *)cpus->set) &&
            (best < 0 || claims.counts[cpu] < claims.counts[best]))
            best = cpu;
    return best;
}

static int
claim(const struct tri_cpus *cpus)
{
    int cpu = make_room(cpus->capacity) ? least_claimed(cpus) : -1;
    if (cpu < 0)
        return -1;
    claims.counts[cpu]++;
    claims.total++;
    return cpu;
}

int
tri_affinity_claim(void)
{
    struct tri_cpus cpus = tri_cpus_own();
    if (cpus.set == NULL)
        return -1;
    pthread_mutex_lock(&claims.lock);
    int cpu = claim(&cpus);
    pthread_mutex_unlock(&claims.lock);
    tri_cpus_fini(&cpus);
    return cpu;
}

void
tri_affinity_return(int cpu)
{
    if (cpu < 0)
        return;
    pthread_mutex_lock(&claims.lock);
    claims.counts[cpu]--;
    if (--claims.total == 0) {
        free(claims.counts);
        claims.counts = NULL;
        claims.capacity = 0;
    }
    pthread_mutex_unlock(&claims.lock);
}

tr_status
tri_affinity_pin(int cpu)
{
    if (cpu < 0 || cpu >= CPUS_LAST)
        return TR_EINVAL;
    cpu_set_t *set = CPU_ALLOC(cpu + 1);
    if (set == NULL)
        return TR_ENOMEM;
    size_t size = CPU_ALLOC_SIZE(cpu + 1);
    CPU_ZERO_S(size, set);
    CPU_SET_S(cpu, size, set);
    tr_status status = sched_setaffinity(0, size, set) == 0 ? TR_OK : tri_status_from_errno(errno);
    CPU_FREE(set);
    return status;
}

#else
#include <uv.h>

struct tri_cpus
tri_cpus_own(void)
{
    return (struct tri_cpus){0};
}

struct tri_cpus
tri_cpus_copy(const struct tri_cpus *cpus)
{
    return *cpus;
}

void
tri_cpus_fini(struct tri_cpus *cpus)
{
    (void)cpus;
}

void
tri_cpus_use(const struct tri_cpus *cpus)
{
    (void)cpus;
}

unsigned
tri_affinity_count(void)
{
    return uv_available_parallelism();
}

int
tri_affinity_claim(void)
{
    return -1;
}

void
tri_affinity_return(int cpu)
{
    (void)cpu;
}

tr_status
tri_affinity_pin(int cpu)
{
    (void)cpu;
    return TR_ENOTSUPPORTED;
}

#endif
