/*
 * CPU affinity, for Linux and for systems where a thread cannot be pinned.
 *
 * A container or taskset may leave a process few of many CPUs, so CPUs are counted and numbered within the set that the
 * calling thread may use; threads inherit it. A kernel with more CPUs than a set holds refuses it: then a larger set is
 * tried.
 */
#include "affinity.h"

#if defined(__linux__)
#include <errno.h>
#include <sched.h>
#include <troupe/core/status_from.h>

#define CPUS_FIRST 1024
#define CPUS_LAST (1024 * 1024)

struct cpu_list {
    cpu_set_t *set;
    size_t size;  /* bytes of the set */
    int capacity; /* CPUs that it can name */
};

/* Gives the set of the calling thread; .set is NULL if the system does not tell. To be freed with CPU_FREE(). */
static struct cpu_list
allowed_cpus(void)
{
    for (int capacity = CPUS_FIRST; capacity <= CPUS_LAST; capacity *= 2) {
        struct cpu_list list = {CPU_ALLOC(capacity), CPU_ALLOC_SIZE(capacity), capacity};
        if (list.set == NULL || sched_getaffinity(0, list.size, list.set) == 0)
            return list;
        CPU_FREE(list.set);
        if (errno != EINVAL)
            break;
    }
    return (struct cpu_list){0};
}

unsigned
tri_affinity_count(void)
{
    struct cpu_list list = allowed_cpus();
    if (list.set == NULL)
        return 1;
    int count = CPU_COUNT_S(list.size, list.set);
    CPU_FREE(list.set);
    return count > 0 ? (unsigned)count : 1;
}

static int
nth_of(const struct cpu_list *list, unsigned nth)
{
    int count = CPU_COUNT_S(list->size, list->set);
    if (count == 0)
        return -1;
    nth %= (unsigned)count;
    for (int cpu = 0; cpu < list->capacity; cpu++)
        if (CPU_ISSET_S(cpu, list->size, list->set) && nth-- == 0)
            return cpu;
    return -1;
}

int
tri_affinity_cpu(unsigned nth)
{
    struct cpu_list list = allowed_cpus();
    if (list.set == NULL)
        return -1;
    int cpu = nth_of(&list, nth);
    CPU_FREE(list.set);
    return cpu;
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

unsigned
tri_affinity_count(void)
{
    return uv_available_parallelism();
}

int
tri_affinity_cpu(unsigned nth)
{
    (void)nth;
    return -1;
}

tr_status
tri_affinity_pin(int cpu)
{
    (void)cpu;
    return TR_ENOTSUPPORTED;
}

#endif
