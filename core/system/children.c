/*
 * The functions of libc that start a child without fork(): posix_spawn(), posix_spawnp(), system(), popen().
 *
 * A thread of ours may be pinned to one CPU, and takes no signals. A child inherits both, and passes them on: a program
 * that is started in a handler would run on one CPU for ever, and ignore SIGTERM. After fork() a handler of
 * pthread_atfork() puts the child right (thread.c). These four start it by clone() with the parent's memory and run no
 * such handlers, and no attribute of posix_spawn() names CPUs. Only the thread that calls has a say: so the library
 * defines the four functions itself. On a thread of ours they give it the CPUs and the signals of the program's own
 * thread, call libc's function, and take them back. On every other thread they only call libc's function.
 *
 *   - The CPUs are the thread's own for the call; it may move while the child starts. Of a worker nobody else changes
 *     them at that time (mask.h).
 *   - posix_spawn() has an attribute for signals, which is set if the caller has not set it. The thread blocks as ever.
 *   - popen() has none, so the thread takes the program's signals while the child starts; with system() until the child
 *     has ended, since it hands on what the thread blocks.
 *   - A thread on which somebody has changed the blocked signals keeps them: it has prepared them for its child.
 *
 * libc's functions are those that follow ours in the order of the libraries. In a program without any shared library
 * there is no such order: then they are found by the names that the GNU libc gives them besides, which the linker takes
 * into the program only if it is asked to (pkg-config --static does); system() has no such name, and fails there with
 * ENOSYS. What calls vfork() or clone() itself is not reached.
 */
#include "mask.h"
#include "origin.h"

#include <troupe/core/thread.h>

#if defined(__linux__)
#include <ck_pr.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>

#define SHOWN __attribute__((visibility("default")))

typedef int spawn_function(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                           char *const[], char *const[]);

extern spawn_function __posix_spawn __attribute__((weak));
extern spawn_function __posix_spawnp __attribute__((weak));
extern FILE *_IO_popen(const char *, const char *) __attribute__((weak));

/* libc's functions, found when they are first needed. Atomic. */
static struct {
    void *spawn, *spawnp, *system, *popen;
} libc;

/* NULL: the program has no such function. */
static void *
find(void **slot, const char *name, void *inside)
{
    void *function = ck_pr_load_ptr(slot);
    if (function != NULL)
        return function;
    function = dlsym(RTLD_NEXT, name);
    if (function == NULL)
        function = inside;
    ck_pr_store_ptr(slot, function);
    return function;
}

/* Before main(): in the child of a fork() the linker's own locks may be held. */
__attribute__((constructor)) static void
find_all(void)
{
    find(&libc.spawn, "posix_spawn", (void *)__posix_spawn);
    find(&libc.spawnp, "posix_spawnp", (void *)__posix_spawnp);
    find(&libc.system, "system", NULL);
    find(&libc.popen, "popen", (void *)_IO_popen);
}

/* -- What the thread has while a child starts. -- */

/* To be put back. */
struct own {
    unsigned *mask; /* mask.h; NULL: nobody else changes its CPUs */
    struct tri_cpus cpus;
    sigset_t signals;
    bool unblocked;
};

/* The watchdog must not change them during the call, so that the child has these and no others. */
static void
use_programs_cpus(const struct tri_origin *origin, struct own *own)
{
    own->mask = tri_thread_mask();
    if (own->mask != NULL)
        tri_mask_take(own->mask);
    own->cpus = tri_cpus_own();
    if (own->cpus.set != NULL) /* else they could not be put back */
        tri_cpus_use(&origin->cpus);
}

static void
use_programs_signals(const struct tri_origin *origin, struct own *own)
{
    own->unblocked = tri_thread_blocks_as_started();
    if (own->unblocked)
        pthread_sigmask(SIG_SETMASK, &origin->signals, &own->signals);
}

static void
use_own(struct own *own)
{
    int error = errno;
    if (own->unblocked)
        pthread_sigmask(SIG_SETMASK, &own->signals, NULL);
    tri_cpus_use(&own->cpus);
    tri_cpus_fini(&own->cpus);
    if (own->mask != NULL)
        tri_mask_release(own->mask);
    errno = error;
}

/* -- posix_spawn() -- */

/* The attributes with the program's signals: the caller's with them if it has not set any. */
static int
add_signals(const struct tri_origin *origin, posix_spawnattr_t *attributes)
{
    short flags = 0;
    posix_spawnattr_getflags(attributes, &flags);
    if ((flags & POSIX_SPAWN_SETSIGMASK) != 0 || !tri_thread_blocks_as_started())
        return 0;
    int error = posix_spawnattr_setflags(attributes, (short)(flags | POSIX_SPAWN_SETSIGMASK));
    return error != 0 ? error : posix_spawnattr_setsigmask(attributes, &origin->signals);
}

static int
spawn(spawn_function *function, pid_t *child, const char *path, const posix_spawn_file_actions_t *actions,
      const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[])
{
    const struct tri_origin *origin = tri_thread_origin();
    struct own own = {0};
    posix_spawnattr_t own_attributes;
    if (function == NULL)
        return ENOSYS;
    if (origin == NULL)
        return function(child, path, actions, attributes, arguments, environment);
    int error = posix_spawnattr_init(&own_attributes); /* it holds no memory, in the GNU libc as in musl */
    if (error == 0 && attributes != NULL)
        own_attributes = *attributes;
    if (error == 0)
        error = add_signals(origin, &own_attributes);
    if (error != 0)
        return error;
    use_programs_cpus(origin, &own);
    error = function(child, path, actions, &own_attributes, arguments, environment);
    use_own(&own);
    return error;
}

SHOWN int
posix_spawn(pid_t *restrict child, const char *restrict path, const posix_spawn_file_actions_t *restrict actions,
            const posix_spawnattr_t *restrict attributes, char *const arguments[restrict],
            char *const environment[restrict])
{
    spawn_function *function = (spawn_function *)find(&libc.spawn, "posix_spawn", (void *)__posix_spawn);
    return spawn(function, child, path, actions, attributes, arguments, environment);
}

SHOWN int
posix_spawnp(pid_t *restrict child, const char *restrict file, const posix_spawn_file_actions_t *restrict actions,
             const posix_spawnattr_t *restrict attributes, char *const arguments[restrict],
             char *const environment[restrict])
{
    spawn_function *function = (spawn_function *)find(&libc.spawnp, "posix_spawnp", (void *)__posix_spawnp);
    return spawn(function, child, file, actions, attributes, arguments, environment);
}

/* -- system() and popen() -- */

SHOWN int
system(const char *command)
{
    int (*function)(const char *) = (int (*)(const char *))find(&libc.system, "system", NULL);
    const struct tri_origin *origin = tri_thread_origin();
    struct own own = {0};
    if (function == NULL) {
        errno = ENOSYS;
        return command == NULL ? 0 : -1;
    }
    if (origin == NULL || command == NULL)
        return function(command);
    use_programs_cpus(origin, &own);
    use_programs_signals(origin, &own);
    int status = function(command);
    use_own(&own);
    return status;
}

SHOWN FILE *
popen(const char *command, const char *mode)
{
    FILE *(*function)(const char *, const char *) =
        (FILE * (*)(const char *, const char *)) find(&libc.popen, "popen", (void *)_IO_popen);
    const struct tri_origin *origin = tri_thread_origin();
    struct own own = {0};
    if (function == NULL) {
        errno = ENOSYS;
        return NULL;
    }
    if (origin == NULL)
        return function(command, mode);
    use_programs_cpus(origin, &own);
    use_programs_signals(origin, &own);
    FILE *file = function(command, mode);
    use_own(&own);
    return file;
}
#endif

void
tri_children_link(void)
{
}
