/*
 * CPU affinity, for Linux and for systems where a thread cannot be pinned.
 *
 * A kernel with more CPUs than a set holds refuses it: then a larger set is tried.
 */
#include "affinity.h"

#if defined(__linux__)
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <troupe/core/status_from.h>

#define CPUS_FIRST 1024
#define CPUS_LAST (1024 * 1024)

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
tri_cpus_count(const struct tri_cpus *cpus)
{
    int count = cpus->set != NULL ? CPU_COUNT_S(cpus->size, (cpu_set_t *)cpus->set) : 0;
    return count > 0 ? (unsigned)count : 1;
}

bool
tri_cpus_have(const struct tri_cpus *cpus, int cpu)
{
    return cpus->set != NULL && cpu >= 0 && cpu < cpus->capacity &&
           CPU_ISSET_S(cpu, cpus->size, (cpu_set_t *)cpus->set);
}

bool
tri_cpus_are(const struct tri_cpus *cpus, int cpu)
{
    return tri_cpus_have(cpus, cpu) && CPU_COUNT_S(cpus->size, (cpu_set_t *)cpus->set) == 1;
}

bool
tri_cpus_equal(const struct tri_cpus *a, const struct tri_cpus *b)
{
    return a->size == b->size && a->set != NULL && b->set != NULL && memcmp(a->set, b->set, a->size) == 0;
}

bool
tri_cpus_read(struct tri_cpus *cpus, int thread)
{
    return cpus->set != NULL && sched_getaffinity(thread, cpus->size, cpus->set) == 0;
}

tr_status
tri_cpus_give(const struct tri_cpus *cpus, int thread)
{
    if (cpus->set == NULL)
        return TR_ENOTSUPPORTED;
    return sched_setaffinity(thread, cpus->size, cpus->set) == 0 ? TR_OK : tri_status_from_errno(errno);
}

tr_status
tri_affinity_pin(int thread, int cpu)
{
    if (cpu < 0 || cpu >= CPUS_LAST)
        return TR_EINVAL;
    cpu_set_t *set = CPU_ALLOC(cpu + 1);
    if (set == NULL)
        return TR_ENOMEM;
    size_t size = CPU_ALLOC_SIZE(cpu + 1);
    CPU_ZERO_S(size, set);
    CPU_SET_S(cpu, size, set);
    tr_status status = sched_setaffinity(thread, size, set) == 0 ? TR_OK : tri_status_from_errno(errno);
    CPU_FREE(set);
    return status;
}

tr_status
tri_cpus_give_but(const struct tri_cpus *cpus, int cpu, int thread)
{
    if (!tri_cpus_have(cpus, cpu) || tri_cpus_are(cpus, cpu))
        return tri_cpus_give(cpus, thread);
    struct tri_cpus others = tri_cpus_copy(cpus);
    if (others.set == NULL)
        return TR_ENOMEM;
    CPU_CLR_S(cpu, others.size, (cpu_set_t *)others.set);
    tr_status status = tri_cpus_give(&others, thread);
    tri_cpus_fini(&others);
    return status;
}

int
tri_affinity_here(void)
{
    return sched_getcpu();
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
tri_cpus_count(const struct tri_cpus *cpus)
{
    (void)cpus;
    return uv_available_parallelism();
}

bool
tri_cpus_have(const struct tri_cpus *cpus, int cpu)
{
    (void)cpus;
    (void)cpu;
    return false;
}

bool
tri_cpus_are(const struct tri_cpus *cpus, int cpu)
{
    (void)cpus;
    (void)cpu;
    return false;
}

bool
tri_cpus_equal(const struct tri_cpus *a, const struct tri_cpus *b)
{
    (void)a;
    (void)b;
    return false;
}

bool
tri_cpus_read(struct tri_cpus *cpus, int thread)
{
    (void)cpus;
    (void)thread;
    return false;
}

tr_status
tri_cpus_give(const struct tri_cpus *cpus, int thread)
{
    (void)cpus;
    (void)thread;
    return TR_ENOTSUPPORTED;
}

tr_status
tri_affinity_pin(int thread, int cpu)
{
    (void)thread;
    (void)cpu;
    return TR_ENOTSUPPORTED;
}

tr_status
tri_cpus_give_but(const struct tri_cpus *cpus, int cpu, int thread)
{
    (void)cpu;
    return tri_cpus_give(cpus, thread);
}

int
tri_affinity_here(void)
{
    return -1;
}

#endif
