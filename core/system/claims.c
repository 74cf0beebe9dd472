/*
 * Claims on CPUs.
 *
 * A worker is pinned to the CPU of its set on which the fewest workers are pinned: those of all runtimes of this
 * process, which are counted here, and one more if another process has claimed it. Of equals it is the one whose core,
 * all that share its caches and units (SMT siblings), has the fewest; of these the lowest. So two processes, or two
 * runtimes, take different CPUs while any is free, and every core has a worker before one has two.
 *
 * Processes see each other by locks: who pins to a CPU has an exclusive flock() on the system's own directory of it,
 * /sys/devices/system/cpu/cpuN. Nothing is made for it, so nothing is left, and the system lets go when a process ends
 * in whatever way. Containers do not see each other's locks, and a program that never pins has none: what comes of that
 * is for pinning.c. A lock that cannot be had for another reason (no such directory, no descriptor) is done without.
 *
 * A child that is forked has the descriptors and with them the locks, so it closes them.
 */
#include "claims.h"

#include "sysfile.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <uv.h>

#define NO_LOCK (-1)
#define LOCKED_ELSEWHERE (-2)

struct cpu {
    unsigned count;      /* of our threads that are pinned to it */
    unsigned core_count; /* of all CPUs of the core; kept at its lowest CPU */
    int core;            /* its lowest CPU */
    int lock;            /* a descriptor, or NO_LOCK */
    bool known;          /* its core is */
    bool elsewhere;      /* another process has claimed it: found out during this choice */
};

/* The memory goes when nothing is claimed any more. */
static struct {
    pthread_mutex_t lock;
    struct cpu *cpus;
    int capacity;
    unsigned total;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* -- Children. -- */

static uv_once_t prepared = UV_ONCE_INIT;

static void
before_fork(void)
{
    pthread_mutex_lock(&table.lock);
}

static void
after_fork(void)
{
    pthread_mutex_unlock(&table.lock);
}

static void
after_fork_in_child(void)
{
    for (int i = 0; i < table.capacity; i++) {
        tri_sysfile_close(table.cpus[i].lock);
        table.cpus[i].lock = NO_LOCK;
    }
    pthread_mutex_unlock(&table.lock);
}

static void
prepare(void)
{
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

/* -- What the system says of CPUs. All that follows is under the lock. -- */

/* A list of CPUs begins with the lowest. Without one, or with one that makes no sense, a CPU is a core. */
static int
read_core(const char *root, int cpu)
{
    char path[PATH_MAX], text[32], *end;
    snprintf(path, sizeof(path), "%s/cpu%d/topology/thread_siblings_list", root, cpu);
    tri_sysfile_read(path, text, sizeof(text));
    long core = strtol(text, &end, 10);
    return end == text || core < 0 || core > cpu ? cpu : (int)core;
}

/* A descriptor, NO_LOCK or LOCKED_ELSEWHERE. */
static int
lock_cpu(const char *root, int cpu)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/cpu%d", root, cpu);
    int fd = tri_sysfile_open(path);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd < 0 ? NO_LOCK : fd;
    bool elsewhere = errno == EWOULDBLOCK;
    tri_sysfile_close(fd);
    return elsewhere ? LOCKED_ELSEWHERE : NO_LOCK;
}

static bool
make_room(const struct tri_cpus *cpus)
{
    if (cpus->capacity <= table.capacity)
        return true;
    struct cpu *larger = realloc(table.cpus, (size_t)cpus->capacity * sizeof(*larger));
    if (larger == NULL)
        return false;
    table.cpus = larger;
    for (int i = table.capacity; i < cpus->capacity; i++)
        table.cpus[i] = (struct cpu){.core = i, .lock = NO_LOCK};
    table.capacity = cpus->capacity;
    return true;
}

/* Nothing is counted for a CPU that is new in a set. */
static void
learn_cores(const char *root, const struct tri_cpus *cpus)
{
    for (int i = 0; i < cpus->capacity; i++)
        if (tri_cpus_have(cpus, i) && !table.cpus[i].known) {
            table.cpus[i].core = read_core(root, i);
            table.cpus[i].known = true;
        }
}

static void
drop_if_empty(void)
{
    if (table.total > 0)
        return;
    free(table.cpus);
    table.cpus = NULL;
    table.capacity = 0;
}

/* -- The choice. -- */

static void
count_elsewhere(int cpu, bool elsewhere)
{
    table.cpus[table.cpus[cpu].core].core_count += (unsigned)elsewhere - table.cpus[cpu].elsewhere;
    table.cpus[cpu].elsewhere = elsewhere;
}

/* Has a fewer pinned workers than b, or its core? */
static bool
is_freer(const struct cpu *a, const struct cpu *b)
{
    unsigned on_a = a->count + a->elsewhere, on_b = b->count + b->elsewhere;
    return on_a != on_b ? on_a < on_b : table.cpus[a->core].core_count < table.cpus[b->core].core_count;
}

static int
freest(const struct tri_cpus *cpus)
{
    int best = -1;
    for (int cpu = 0; cpu < cpus->capacity; cpu++)
        if (tri_cpus_have(cpus, cpu) && (best < 0 || is_freer(&table.cpus[cpu], &table.cpus[best])))
            best = cpu;
    return best;
}

/* Locks a CPU if we have not yet. false: another process has. */
static bool
try_lock(const char *root, int cpu)
{
    if (table.cpus[cpu].lock >= 0)
        return true;
    int lock = lock_cpu(root, cpu);
    if (lock == LOCKED_ELSEWHERE)
        return false;
    table.cpus[cpu].lock = lock;
    return true;
}

static int
choose(const char *root, const struct tri_cpus *cpus)
{
    for (int i = 0; i < table.capacity; i++)
        count_elsewhere(i, false);
    for (int cpu; (cpu = freest(cpus)) >= 0; count_elsewhere(cpu, true))
        if (table.cpus[cpu].elsewhere || try_lock(root, cpu))
            return cpu;
    return -1;
}

static int
count_in(int cpu)
{
    if (cpu >= 0) {
        table.cpus[cpu].count++;
        table.cpus[table.cpus[cpu].core].core_count++;
        table.total++;
    }
    return cpu;
}

static void
count_out(int cpu)
{
    table.cpus[table.cpus[cpu].core].core_count--;
    table.total--;
    if (--table.cpus[cpu].count > 0 || table.cpus[cpu].lock < 0)
        return;
    flock(table.cpus[cpu].lock, LOCK_UN); /* also if somebody has copied the descriptor */
    tri_sysfile_close(table.cpus[cpu].lock);
    table.cpus[cpu].lock = NO_LOCK;
}

static bool
is_free(const char *root, const struct tri_cpus *cpus, int cpu)
{
    return tri_cpus_have(cpus, cpu) && table.cpus[cpu].count == 0 && try_lock(root, cpu);
}

static int
move(const char *root, const struct tri_cpus *cpus, int cpu, int wanted)
{
    if (cpu != wanted && is_free(root, cpus, wanted)) {
        count_in(wanted);
        if (cpu >= 0)
            count_out(cpu);
        return wanted;
    }
    if (tri_cpus_have(cpus, cpu))
        return cpu;
    if (cpu >= 0)
        count_out(cpu);
    return count_in(choose(root, cpus));
}

int
tri_claim_move(const char *root, const struct tri_cpus *cpus, int cpu, int wanted)
{
    uv_once(&prepared, prepare);
    if (cpus->set == NULL && cpu < 0)
        return -1;
    pthread_mutex_lock(&table.lock);
    if (make_room(cpus)) {
        learn_cores(root, cpus);
        cpu = move(root, cpus, cpu, wanted);
    }
    drop_if_empty();
    pthread_mutex_unlock(&table.lock);
    return cpu;
}

int
tri_claim_take(const char *root, const struct tri_cpus *cpus)
{
    return tri_claim_move(root, cpus, -1, -1);
}

void
tri_claim_return(int cpu)
{
    if (cpu < 0)
        return;
    pthread_mutex_lock(&table.lock);
    count_out(cpu);
    drop_if_empty();
    pthread_mutex_unlock(&table.lock);
}
