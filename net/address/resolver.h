/*
 * Look-ups of names: each answers with a message to an actor, none waits for another, each can be cancelled.
 *
 * The threads that wait for the system's answers belong to the process, not to a runtime. They are there while somebody
 * holds the resolver and asks.
 */
#ifndef TROUPE_NET_RESOLVER_H
#define TROUPE_NET_RESOLVER_H

#include <stdint.h>
#include <troupe/actors/runtime.h>
#include <troupe/core/message.h>
#include <troupe/core/status.h>

struct addrinfo;

#define TRI_RESOLVER_THREADS 64u     /* so many look-ups at once; more wait for their turn, first come, first served */
#define TRI_RESOLVER_HOST_BYTES 255u /* the longest host */

/* What the message of an answer points to; whoever takes the pointer frees it with tri_resolver_answer_free(). */
struct tri_resolver_answer {
    int error;                  /* 0 or one of libuv's, such as UV_EAI_AGAIN */
    struct addrinfo *addresses; /* in the system's order; NULL exactly when error is not 0; belongs to the answer */
    uint64_t token;             /* the asker's */
};

typedef struct tri_lookup tri_lookup; /* opaque */

/*
 * Somebody will ask. The last release waits for the threads to end, but for those that were abandoned: afterwards no
 * other thread and no memory is left.
 * false: the system had no lock for it when it was first asked for, and everything else needs a hold.
 * Thread: any; a release not from a running worker, since it may wait as long as a name server takes.
 */
bool tri_resolver_hold(void);
void tri_resolver_release(void);

/*
 * Asks for the stream addresses of a host, which is a name or an address. The resolver is held.
 *
 * family is an AF_, hints are AI_ flags, both as getaddrinfo() takes them. The answer is a message to the actor `to` of
 * that runtime, with that tag, and a pointer to a struct tri_resolver_answer with that token.
 *
 * Owner:   *out is the asker's, until tri_lookup_cancel(); the host is copied.
 * Thread:  any. Never blocks.
 * Returns: TR_OK; TR_EBADHOST, the host is empty or longer than TRI_RESOLVER_HOST_BYTES; TR_EBADREF, `to` is not the
 *          name of an actor of this runtime; TR_ENOMEM; what the system says when it gives not even one thread, such
 *          as TR_EAGAIN. Then there is no answer.
 */
tr_status tri_resolve(tr_runtime *runtime, tr_ref to, uint32_t tag, uint64_t token, const char *host, int family,
                      int hints, tri_lookup **out);

/*
 * The asker is through with this look-up, whose handle is gone then. Called once for each, also when its answer has
 * come.
 *
 * Once it has returned no answer is sent. One that was sent before may still be in the asker's mailbox; its token
 * tells. A question that is with the system already goes on there, on a thread of its own, and its answer is thrown
 * away.
 *
 * Thread: any; NULL does nothing. The actor that gets the answer has to have it called before its worker ends, at the
 * latest when it is killed.
 */
void tri_lookup_cancel(tri_lookup *lookup);

/*
 * The runtime has ended, its actors are dead and its workers will be freed: cancels all that they have asked for and
 * did not cancel, whose handles are gone then. Threads which the system lets wait are abandoned, if need be after 50
 * ms: they touch nothing any more but the resolver's lock and what is their own, and end when the system answers.
 * Thread: any. Returns how many threads were abandoned.
 */
unsigned tri_resolver_forget(tr_runtime *runtime);

/* Frees an answer and its addresses; NULL does nothing. The messages' destructor. Thread: any. */
void tri_resolver_answer_free(void *answer);

#endif
