/*
 * The resolver: getaddrinfo() on threads of our own.
 *
 * Why getaddrinfo() and not a resolver library: what a name means is the system's to say (nsswitch, the hosts file,
 * mDNS, a company's directory), and the errors shall be the ones that programs know from Node, which asks it too. Why
 * threads of our own: getaddrinfo() blocks, for half a minute if name servers are silent, and libuv's pool is small,
 * shared with tr_offload(), and lets look-ups have no more than half of it.
 *
 * The pool is elastic. A question that finds no idle thread starts one, up to TRI_RESOLVER_THREADS; beyond that it
 * waits. A thread that had nothing to do for IDLE_MS leaves, and all leave when nobody holds the resolver. Each joins
 * the one that left before it, so a single thread is left to be joined by the last release, and when that is done no
 * thread is on its way out any more.
 *
 * The system may take for ever, and the end of a runtime does not wait for that: a thread which still asks for that
 * runtime after GRACE_MS is abandoned. It is detached and belongs to the pool no more, so another may take its place;
 * it owns its look-up, frees it when the system answers after all, and ends.
 *
 * One lock guards everything. It is never held while the system is asked, but always while an answer is sent. Hence
 * the promise of tri_lookup_cancel(): it takes the lock, so an answer was either sent before, or the thread finds the
 * look-up cancelled when it gets the lock. And hence no thread ever sends into a runtime that is gone: a thread sends
 * only for a look-up that is not cancelled, and tri_resolver_forget() cancels all of a runtime before its workers are
 * freed; from killed actors' cancelling, or at the latest from their worker's seal on, an answer is refused. Sending
 * under the lock holds it for an allocation and at most one write to the worker's doorbell, which is short beside any
 * look-up.
 *
 * A look-up is in one list at any time:
 *
 *   tri_resolve -> waiting -> taken (a thread asks for it) -> taken (answered) -> cancel: freed
 *                     |             |
 *               cancel: freed  cancel: unwanted, the thread frees it -> abandoned: in no list
 *
 * Invariants, whenever the lock is free
 *   - idle counts the threads that have no look-up, those that are just starting included;
 *   - as many idle threads as look-ups wait, or as many threads as may be (or as the system gives).
 */
#include "resolver.h"

#include "idna.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <troupe/actors/host.h>
#include <troupe/core/clock.h>
#include <troupe/core/status_from.h>
#include <troupe/core/thread.h>
#include <uv.h>

#define IDLE_MS 2000u
#define GRACE_MS 50u               /* for look-ups that are about to end when their runtime does */
#define STACK_BYTES (256u * 1024u) /* the system's resolvers keep what is large on the heap */

/* Links of a circular list. */
struct link {
    struct link *next, *previous;
};

struct tri_lookup {
    struct link link;   /* first; in one of the lists below unless it is abandoned */
    bool taken;         /* a thread has begun with it */
    bool answered;      /* no thread knows it any more */
    bool unwanted;      /* cancelled while a thread asks: that thread frees it */
    bool abandoned;     /* its runtime has ended too: nobody waits for the thread */
    uv_thread_t thread; /* that asks */

    /* Constant. */
    tr_runtime *runtime;
    tr_ref to;
    uint32_t tag;
    int family, hints;
    uint64_t token;
    char host[];
};

static struct {
    uv_once_t once;
    uv_mutex_t lock;

    /* Under the lock. */
    uv_cond_t work;  /* for idle threads: a look-up waits, or nobody holds the resolver any more */
    uv_cond_t ended; /* for those who end: a thread has left, or is through with an unwanted look-up */
    unsigned holds;
    unsigned threads, idle, waits; /* waits: look-ups in `waiting` */
    struct link waiting;           /* in their order */
    struct link taken;
    bool usable;   /* constant after `once`: the system has given what is needed */
    bool has_left; /* `left` has not been joined */
    uv_thread_t left;
} resolver = {.once = UV_ONCE_INIT};

static void
init_once(void)
{
    resolver.usable =
        uv_mutex_init(&resolver.lock) == 0 && uv_cond_init(&resolver.work) == 0 && uv_cond_init(&resolver.ended) == 0;
    resolver.waiting.next = resolver.waiting.previous = &resolver.waiting;
    resolver.taken.next = resolver.taken.previous = &resolver.taken;
}

static void
lock(void)
{
    uv_mutex_lock(&resolver.lock);
}

static void
unlock(void)
{
    uv_mutex_unlock(&resolver.lock);
}

static void
append(struct link *list, struct link *link)
{
    link->next = list;
    link->previous = list->previous;
    link->previous->next = list->previous = link;
}

static void
take_out(struct link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
}

static void
put_in_line(struct tri_lookup *lookup)
{
    lookup->taken = false;
    append(&resolver.waiting, &lookup->link);
    resolver.waits++;
}

/* Asking the system. */

static int
to_uv(int error, int system)
{
    switch (error) {
    case 0: return 0;
    case EAI_SYSTEM: return uv_translate_sys_error(system);
    case EAI_AGAIN: return UV_EAI_AGAIN;
    case EAI_BADFLAGS: return UV_EAI_BADFLAGS;
    case EAI_FAIL: return UV_EAI_FAIL;
    case EAI_FAMILY: return UV_EAI_FAMILY;
    case EAI_MEMORY: return UV_EAI_MEMORY;
    case EAI_NONAME: return UV_EAI_NONAME;
    case EAI_SERVICE: return UV_EAI_SERVICE;
    case EAI_SOCKTYPE:
        return UV_EAI_SOCKTYPE;
        /* Not every system has these, and some give two of them one number. */
#if defined(EAI_NODATA) && EAI_NODATA != EAI_NONAME
    case EAI_NODATA: return UV_EAI_NODATA;
#endif
#if defined(EAI_ADDRFAMILY) && EAI_ADDRFAMILY != EAI_NONAME
    case EAI_ADDRFAMILY: return UV_EAI_ADDRFAMILY;
#endif
#ifdef EAI_IDN_ENCODE
    case EAI_IDN_ENCODE: return UV_EAI_NONAME;
#endif
#ifdef EAI_CANCELED
    case EAI_CANCELED: return UV_EAI_CANCELED;
#endif
#ifdef EAI_OVERFLOW
    case EAI_OVERFLOW: return UV_EAI_OVERFLOW;
#endif
#ifdef EAI_BADHINTS
    case EAI_BADHINTS: return UV_EAI_BADHINTS;
#endif
#ifdef EAI_PROTOCOL
    case EAI_PROTOCOL: return UV_EAI_PROTOCOL;
#endif
    default: return UV_UNKNOWN;
    }
}

static int
ask(const struct tri_lookup *lookup, struct addrinfo **out)
{
    struct addrinfo hints = {.ai_family = lookup->family, .ai_socktype = SOCK_STREAM, .ai_flags = lookup->hints};
    char name[TRI_IDNA_BYTES];
    *out = NULL;
    int error = tri_idna_to_ascii(lookup->host, name);
    if (error != 0)
        return error;
    errno = 0;
    error = getaddrinfo(name, NULL, &hints, out);
    error = to_uv(error, errno);
    if (error == 0 && *out == NULL)
        error = UV_EAI_NODATA; /* a faulty source of names */
    return error;
}

void
tri_resolver_answer_free(void *pointer)
{
    struct tri_resolver_answer *answer = pointer;
    if (answer == NULL)
        return;
    if (answer->addresses != NULL)
        freeaddrinfo(answer->addresses);
    free(answer);
}

/* Takes the addresses. */
static tr_status
send_answer(const struct tri_lookup *lookup, int error, struct addrinfo *addresses)
{
    struct tri_resolver_answer *answer = malloc(sizeof(*answer));
    if (answer == NULL) {
        if (addresses != NULL)
            freeaddrinfo(addresses);
        return TR_ENOMEM;
    }
    *answer = (struct tri_resolver_answer){.error = error, .addresses = addresses, .token = lookup->token};
    tr_message message = tr_message_pointer(lookup->tag, answer, sizeof(*answer), tri_resolver_answer_free);
    return tri_runtime_send_system(lookup->runtime, lookup->to, &message);
}

static void
free_lookup(struct tri_lookup *lookup, struct addrinfo *addresses)
{
    if (addresses != NULL)
        freeaddrinfo(addresses);
    free(lookup);
}

static void
settle(struct tri_lookup *lookup, int error, struct addrinfo *addresses)
{
    if (lookup->unwanted) {
        take_out(&lookup->link);
        free_lookup(lookup, addresses);
        uv_cond_broadcast(&resolver.ended);
    } else if (send_answer(lookup, error, addresses) != TR_ENOMEM) {
        lookup->answered = true;
    } else {
        take_out(&lookup->link); /* its asker would wait for ever: it is asked once more */
        put_in_line(lookup);
    }
}

/* The threads. They hold the lock except where they wait and where they ask. */

static bool
await_lookup(void)
{
    while (resolver.waits == 0)
        if (resolver.holds == 0 ||
            uv_cond_timedwait(&resolver.work, &resolver.lock, IDLE_MS * (uint64_t)1000000) == UV_ETIMEDOUT)
            return resolver.waits > 0;
    return true;
}

/* false: the thread was abandoned, and has given the lock back. */
static bool
serve_next(void)
{
    struct tri_lookup *lookup = (struct tri_lookup *)resolver.waiting.next;
    take_out(&lookup->link);
    append(&resolver.taken, &lookup->link);
    lookup->taken = true;
    lookup->thread = uv_thread_self();
    resolver.waits--;
    resolver.idle--;
    unlock();

    struct addrinfo *addresses;
    int error = ask(lookup, &addresses);

    lock();
    if (lookup->abandoned) {
        unlock();
        free_lookup(lookup, addresses);
        return false;
    }
    resolver.idle++;
    settle(lookup, error, addresses);
    return true;
}

static void
leave(void)
{
    bool join = resolver.has_left;
    uv_thread_t before = resolver.left;
    resolver.has_left = true;
    resolver.left = uv_thread_self();
    resolver.idle--;
    resolver.threads--;
    uv_cond_broadcast(&resolver.ended);
    unlock();
    if (join)
        uv_thread_join(&before);
}

static void
thread_main(void *argument)
{
    (void)argument;
    lock();
    while (await_lookup())
        if (!serve_next())
            return;
    leave();
}

static int
start_thread(void)
{
    uv_thread_t thread; /* leave() tells it to whoever joins */
    int error = tri_thread_start(&thread, "troupe/lookup", STACK_BYTES, thread_main, NULL);
    if (error == 0) {
        resolver.threads++;
        resolver.idle++;
    }
    return error;
}

/* Sees to it that a thread takes the look-up which was just put in line. */
static int
call_thread(void)
{
    int error = 0;
    if (resolver.waits > resolver.idle && resolver.threads < TRI_RESOLVER_THREADS)
        error = start_thread();
    uv_cond_signal(&resolver.work);
    return resolver.threads > 0 ? 0 : error; /* the others come to it in time */
}

/* For askers. */

bool
tri_resolver_hold(void)
{
    uv_once(&resolver.once, init_once);
    if (!resolver.usable)
        return false;
    lock();
    resolver.holds++;
    unlock();
    return true;
}

void
tri_resolver_release(void)
{
    lock();
    assert(resolver.holds > 0);
    resolver.holds--;
    uv_cond_broadcast(&resolver.work);
    while (resolver.holds == 0 && resolver.threads > 0)
        uv_cond_wait(&resolver.ended, &resolver.lock);
    bool join = resolver.holds == 0 && resolver.has_left;
    uv_thread_t left = resolver.left;
    if (join)
        resolver.has_left = false;
    unlock();
    if (join)
        uv_thread_join(&left);
}

static struct tri_lookup *
new_lookup(const char *host, size_t size)
{
    struct tri_lookup *lookup = malloc(sizeof(*lookup) + size + 1);
    if (lookup == NULL)
        return NULL;
    memset(lookup, 0, sizeof(*lookup));
    memcpy(lookup->host, host, size + 1);
    return lookup;
}

tr_status
tri_resolve(tr_runtime *runtime, tr_ref to, uint32_t tag, uint64_t token, const char *host, int family, int hints,
            tri_lookup **out)
{
    size_t size = host != NULL ? strlen(host) : 0;
    if (size == 0 || size > TRI_RESOLVER_HOST_BYTES)
        return TR_EBADHOST;
    if (to == TR_NOBODY || tr_ref_worker(to) >= tr_runtime_workers(runtime))
        return TR_EBADREF;
    struct tri_lookup *lookup = new_lookup(host, size);
    if (lookup == NULL)
        return TR_ENOMEM;
    lookup->runtime = runtime;
    lookup->to = to;
    lookup->tag = tag;
    lookup->token = token;
    lookup->family = family;
    lookup->hints = hints;

    lock();
    assert(resolver.holds > 0);
    put_in_line(lookup);
    int error = call_thread();
    if (error != 0) {
        take_out(&lookup->link);
        resolver.waits--;
    }
    unlock();
    if (error != 0)
        free(lookup);
    else
        *out = lookup;
    return tri_status_from_uv(error);
}

static void
cancel(struct tri_lookup *lookup)
{
    if (lookup->taken && !lookup->answered) {
        lookup->unwanted = true;
        return;
    }
    take_out(&lookup->link);
    if (!lookup->taken)
        resolver.waits--;
    free(lookup);
}

void
tri_lookup_cancel(tri_lookup *lookup)
{
    if (lookup == NULL)
        return;
    lock();
    cancel(lookup);
    unlock();
}

static void
cancel_all(struct link *list, const tr_runtime *runtime)
{
    for (struct link *link = list->next, *next; link != list; link = next) {
        struct tri_lookup *lookup = (struct tri_lookup *)link;
        next = link->next;
        if (lookup->runtime == runtime)
            cancel(lookup);
    }
}

static struct tri_lookup *
first_asked_for(const tr_runtime *runtime)
{
    for (struct link *link = resolver.taken.next; link != &resolver.taken; link = link->next)
        if (((struct tri_lookup *)link)->runtime == runtime)
            return (struct tri_lookup *)link;
    return NULL;
}

static void
await_last_answers(const tr_runtime *runtime)
{
    uint64_t end = tri_clock_now_ns() + GRACE_MS * (uint64_t)1000000, now;
    while (first_asked_for(runtime) != NULL && (now = tri_clock_now_ns()) < end)
        uv_cond_timedwait(&resolver.ended, &resolver.lock, end - now);
}

static void
abandon(struct tri_lookup *lookup)
{
    take_out(&lookup->link);
    lookup->abandoned = true;
    pthread_detach(lookup->thread);
    resolver.threads--;
}

unsigned
tri_resolver_forget(tr_runtime *runtime)
{
    unsigned left_behind = 0;
    lock();
    cancel_all(&resolver.waiting, runtime);
    cancel_all(&resolver.taken, runtime);
    await_last_answers(runtime);
    for (struct tri_lookup *lookup; (lookup = first_asked_for(runtime)) != NULL; left_behind++)
        abandon(lookup);
    while (resolver.waits > resolver.idle && resolver.threads < TRI_RESOLVER_THREADS && start_thread() == 0) {
    }
    unlock();
    return left_behind;
}
