#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#if defined(__linux__)
#include <sys/epoll.h>
#include <sys/sendfile.h>
#endif

/* Any thread, with atomic operations. */
static struct plan {
    unsigned seen, met;
    unsigned first, last; /* which calls fail; 0: none */
    int error, flags;
    void (*hook)(void); /* NULL: the call fails */
} plans[FAULT_CALLS];

static _Thread_local bool spared;

void
fault_plan(enum fault_call call, unsigned nth, unsigned times, int error)
{
    struct plan *plan = &plans[call];
    __atomic_store_n(&plan->first, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&plan->seen, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&plan->met, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&plan->error, error, __ATOMIC_SEQ_CST);
    __atomic_store_n(&plan->flags, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&plan->hook, NULL, __ATOMIC_SEQ_CST);
    __atomic_store_n(&plan->last, times > ~0u - nth ? ~0u : nth + times - 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&plan->first, nth, __ATOMIC_SEQ_CST);
}

void
fault_plan_flags(unsigned nth, int flags)
{
    fault_plan(FAULT_RECVMSG, nth, 1, 0);
    __atomic_store_n(&plans[FAULT_RECVMSG].flags, flags, __ATOMIC_SEQ_CST);
}

void
fault_plan_hook(enum fault_call call, unsigned nth, void (*hook)(void))
{
    struct plan *plan = &plans[call];
    fault_plan(call, ~0u, 1, 0);
    __atomic_store_n(&plan->hook, hook, __ATOMIC_SEQ_CST);
    __atomic_store_n(&plan->last, nth, __ATOMIC_SEQ_CST);
    __atomic_store_n(&plan->first, nth, __ATOMIC_SEQ_CST);
}

void
fault_clear(void)
{
    for (int call = 0; call < FAULT_CALLS; call++)
        __atomic_store_n(&plans[call].first, 0, __ATOMIC_SEQ_CST);
}

unsigned
fault_seen(enum fault_call call)
{
    return __atomic_load_n(&plans[call].seen, __ATOMIC_SEQ_CST);
}

unsigned
fault_met(enum fault_call call)
{
    return __atomic_load_n(&plans[call].met, __ATOMIC_SEQ_CST);
}

void
fault_spare_me(bool spare)
{
    spared = spare;
}

/* Is this call one of those that the plan means? */
static bool
is_meant(enum fault_call call)
{
    struct plan *plan = &plans[call];
    unsigned first = __atomic_load_n(&plan->first, __ATOMIC_SEQ_CST);
    if (first == 0 || spared)
        return false;
    unsigned now = __atomic_add_fetch(&plan->seen, 1, __ATOMIC_SEQ_CST);
    if (now < first || now > __atomic_load_n(&plan->last, __ATOMIC_SEQ_CST))
        return false;
    __atomic_add_fetch(&plan->met, 1, __ATOMIC_SEQ_CST);
    void (*hook)(void) = __atomic_load_n(&plan->hook, __ATOMIC_SEQ_CST);
    if (hook != NULL)
        hook();
    return hook == NULL;
}

static bool
fails(enum fault_call call)
{
    if (!is_meant(call))
        return false;
    errno = __atomic_load_n(&plans[call].error, __ATOMIC_SEQ_CST);
    return true;
}

/* Defines what the linker calls in place of a function that returns -1 on failure. */
#define WRAP(type, name, call, parameters, arguments)                                                                  \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        return fails(call) ? (type)-1 : __real_##name arguments;                                                       \
    }

WRAP(ssize_t, tri_call_read, FAULT_READ, (int fd, void *data, size_t size), (fd, data, size))
WRAP(ssize_t, tri_call_write, FAULT_WRITE, (int fd, const void *data, size_t size), (fd, data, size))
WRAP(ssize_t, writev, FAULT_WRITEV, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WRAP(ssize_t, sendmsg, FAULT_SENDMSG, (int fd, const struct msghdr *header, int flags), (fd, header, flags))
WRAP(ssize_t, sendfile, FAULT_SENDFILE, (int to, int from, off_t *offset, size_t size), (to, from, offset, size))
WRAP(ssize_t, pread, FAULT_PREAD, (int fd, void *data, size_t size, off_t offset), (fd, data, size, offset))
WRAP(int, accept4, FAULT_ACCEPT, (int fd, struct sockaddr *peer, socklen_t *size, int flags), (fd, peer, size, flags))
WRAP(int, socket, FAULT_SOCKET, (int family, int type, int protocol), (family, type, protocol))
WRAP(int, bind, FAULT_BIND, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
WRAP(int, listen, FAULT_LISTEN, (int fd, int backlog), (fd, backlog))
WRAP(int, connect, FAULT_CONNECT, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
WRAP(int, getsockopt, FAULT_GETSOCKOPT, (int fd, int level, int option, void *value, socklen_t *size),
     (fd, level, option, value, size))
WRAP(int, setsockopt, FAULT_SETSOCKOPT, (int fd, int level, int option, const void *value, socklen_t size),
     (fd, level, option, value, size))
WRAP(int, getsockname, FAULT_GETSOCKNAME, (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size))
WRAP(int, getpeername, FAULT_GETPEERNAME, (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size))
WRAP(int, fstat, FAULT_FSTAT, (int fd, struct stat *status), (fd, status))
WRAP(int, shutdown, FAULT_SHUTDOWN, (int fd, int how), (fd, how))
#if defined(__linux__)
WRAP(int, renameat2, FAULT_RENAME, (int from, const char *old, int to, const char *new, unsigned flags),
     (from, old, to, new, flags))
WRAP(int, epoll_ctl, FAULT_EPOLL_CTL, (int epoll, int operation, int fd, struct epoll_event *event),
     (epoll, operation, fd, event))
#endif

/* All that fcntl() is called with here fits into a pointer. */
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int
__wrap_fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return fails(FAULT_FCNTL) ? -1 : __real_fcntl(fd, command, argument);
}

ssize_t __real_recvmsg(int fd, struct msghdr *header, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *header, int flags);
ssize_t
__wrap_recvmsg(int fd, struct msghdr *header, int flags)
{
    if (!is_meant(FAULT_RECVMSG))
        return __real_recvmsg(fd, header, flags);
    int error = __atomic_load_n(&plans[FAULT_RECVMSG].error, __ATOMIC_SEQ_CST);
    if (error != 0) {
        errno = error;
        return -1;
    }
    header->msg_control = NULL;
    header->msg_controllen = 0;
    ssize_t size = __real_recvmsg(fd, header, flags);
    header->msg_flags |= __atomic_load_n(&plans[FAULT_RECVMSG].flags, __ATOMIC_SEQ_CST);
    return size;
}

/* Memory. */

#define WRAP_MEMORY(name, parameters, arguments)                                                                       \
    void *__real_##name parameters;                                                                                    \
    void *__wrap_##name parameters;                                                                                    \
    void *__wrap_##name parameters                                                                                     \
    {                                                                                                                  \
        return fails(FAULT_MEMORY) ? NULL : __real_##name arguments;                                                   \
    }

WRAP_MEMORY(malloc, (size_t size), (size))
WRAP_MEMORY(calloc, (size_t count, size_t size), (count, size))
WRAP_MEMORY(realloc, (void *memory, size_t size), (memory, size))
WRAP_MEMORY(aligned_alloc, (size_t alignment, size_t size), (alignment, size))

int __real_posix_memalign(void **out, size_t alignment, size_t size);
int __wrap_posix_memalign(void **out, size_t alignment, size_t size);
int
__wrap_posix_memalign(void **out, size_t alignment, size_t size)
{
    return fails(FAULT_MEMORY) ? ENOMEM : __real_posix_memalign(out, alignment, size);
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *
__wrap_strdup(const char *text)
{
    return fails(FAULT_MEMORY) ? NULL : __real_strdup(text);
}
