/*
 * Clusters: processes that share what they listen on, as in Node's `cluster`. A crash is a crash of one process only,
 * and the process is replaced.
 *
 * The parent has no threads and no runtime. It forks the children, keeps the descriptors that listen, and waits. Each
 * child may start a runtime, and calls tr_runtime_listen() and tr_server_listen() as any program does; these ask the
 * parent:
 *
 *   - Children that listen on the same address, port or path share it. With port 0 each child that asks for one gets
 *     the same port; who asks a second time gets another one, which again is the same in all children that do.
 *   - With listen.exclusive the child listens by itself. If another one listens there, with or without the parent, that
 *     is TR_EADDRINUSE. Port 0 is then a port of its own.
 *   - They must agree on backlog, ipv6_only and the rights of a path: TR_EBACKLOGDIFFERS, TR_EIPV6ONLYDIFFERS,
 *     TR_ERIGHTSDIFFER.
 *   - The file of a path is the parent's. A path that does not begin with "/" is made whole in the child, where there
 *     is room for that.
 *   - The parent closes a descriptor, and removes its file, when the last child has closed it. If the last child has
 *     died, or is being replaced, the descriptor stays until a child listens there again, for backoff_max_ms and
 *     healthy_ms at the most: connections wait meanwhile, and with port 0 the port stays the same.
 *   - listen.from_fd is not asked for. A descriptor that was opened before tr_cluster_run() is there in all children.
 *   - If the parent has ended, listening fails with TR_EPIPE.
 *
 * A process that a child forks is no child: there the functions for children return TR_EINVAL, and it listens by
 * itself.
 *
 * Who gets a connection is options.scheduling. Where the parent accepts, it keeps a connection until the child has
 * begun with it: what a child was sent and had not begun when it died goes to another child. It sends a child no more
 * than TR_CLUSTER_AHEAD connections at a time for each address; those wait if the child is busy, or has paused its
 * server.
 *
 * How a child ends, and what follows:
 *   - It returns 0: it is not replaced.
 *   - It returns something else, or a signal ends it: it is replaced. If it had lived for healthy_ms, at once; else
 *     after a time that begins with backoff_min_ms and doubles with each such end, up to backoff_max_ms.
 *   - After `tries` such ends, one after the other, it is given up: standard error has a line, given_up is called.
 *   - The parent ends: tr_cluster_child_wait() returns in the children.
 *   - It sends the parent what this library does not send: standard error has a line, it is killed, and replaced.
 *
 * Node's documentation, `cluster`: "How it works", server.listen({fd}), listen(handle), listen(0); worker.send();
 * cluster.schedulingPolicy. Node replaces no worker by itself, and closes what listens with the last worker.
 *
 * Memory:  a pointer is borrowed for the call, unless its function says otherwise.
 * NULL:    functions that return a status return TR_EINVAL for a NULL that they need; the others do nothing, or return
 *          zero.
 * Thread:  "parent" is the thread that is in tr_cluster_run(): they are for its callbacks. "any" is every thread of the
 *          child.
 */
#ifndef TROUPE_NET_CLUSTER_H
#define TROUPE_NET_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

typedef struct tr_cluster tr_cluster;             /* the parent's; opaque */
typedef struct tr_cluster_child tr_cluster_child; /* a child's; opaque */

#define TR_CLUSTER_CHILDREN_MAX 1024u
#define TR_CLUSTER_MESSAGE_MAX 65536u    /* bytes of a message */
#define TR_CLUSTER_PARENT UINT32_MAX     /* in the place of a child's number */
#define TR_CLUSTER_AHEAD 4u              /* connections that a child has been sent and has not begun, per address */
#define TR_CLUSTER_BACKOFF_MIN_MS 100u   /* defaults */
#define TR_CLUSTER_BACKOFF_MAX_MS 10000u /* */
#define TR_CLUSTER_HEALTHY_MS 5000u      /* */
#define TR_CLUSTER_TRIES 8u              /* */
#define TR_CLUSTER_STOP_MS 5000u         /* */

/* Who gets a connection. */
enum tr_cluster_scheduling {
    TR_CLUSTER_ROUND_ROBIN,  /* the parent accepts; the children take turns. Node's default (SCHED_RR) */
    TR_CLUSTER_LEAST_LOADED, /* the parent accepts; the child with the fewest connections, of all its servers */
    TR_CLUSTER_BY_KERNEL,    /* each child accepts; the kernel wakes whom it likes (SCHED_NONE) */
};

/* How a child has ended. */
struct tr_cluster_end {
    int pid;
    int status; /* what it returned, 0 to 255; -1: a signal ended it */
    int signal; /* which; 0: none */
    bool asked; /* it had been asked to stop */
};

/*
 * Callbacks in the parent. Any may be NULL. In each of them every function for the parent may be called. They must not
 * block, and start no threads: connections wait for them.
 */
struct tr_cluster_events {
    /* A child was forked. */
    void (*started)(tr_cluster *cluster, unsigned number, int pid, void *data);

    /* A child has ended. */
    void (*ended)(tr_cluster *cluster, unsigned number, const struct tr_cluster_end *end, void *data);

    /* A child has ended too often too soon, and will not be replaced. */
    void (*given_up)(tr_cluster *cluster, unsigned number, void *data);

    /* A message of a child. The bytes are borrowed; fd is the callback's, who closes it; -1: none came. Without this
     * callback messages are dropped. */
    void (*message)(tr_cluster *cluster, unsigned from, const void *bytes, size_t size, int fd, void *data);
};

struct tr_cluster_options {
    int (*child)(tr_cluster_child *self, void *data); /* runs in each child; returns its exit status */
    const struct tr_cluster_events *events;           /* may be NULL */
    void *data;                                       /* of all callbacks */

    /* How many, up to TR_CLUSTER_CHILDREN_MAX. 0: one for each CPU that this process may use, no more than its control
     * groups' quota, as tr_runtime_start() counts workers. They are numbered from 0; who replaces a child has its
     * number. */
    unsigned children;
    enum tr_cluster_scheduling scheduling;

    uint32_t backoff_min_ms; /* default TR_CLUSTER_BACKOFF_MIN_MS */
    uint32_t backoff_max_ms; /* default TR_CLUSTER_BACKOFF_MAX_MS */
    uint32_t healthy_ms;     /* default TR_CLUSTER_HEALTHY_MS */
    unsigned tries;          /* default TR_CLUSTER_TRIES */

    /* How long children may take to stop. At half of it they get a SIGTERM, at the end a SIGKILL. Default
     * TR_CLUSTER_STOP_MS. */
    uint32_t stop_ms;

    bool restart_on_hangup; /* SIGHUP is tr_cluster_restart() */
};

/*
 * Forks the children and stays until all of them are over: each has returned 0, was given up, or has ended after
 * tr_cluster_stop() or one of SIGTERM and SIGINT.
 *
 *   - In a child options->child() is called; when it returns, the child calls exit() with what it returned. What is in
 *     stdio's buffers is written before a fork.
 *   - The parent blocks SIGCHLD, SIGTERM and SIGINT, and SIGHUP with restart_on_hangup, until it returns. Children have
 *     the signals that the caller had.
 *   - It uses no CPU while nothing happens.
 *   - It waits for its own children only: those that the program has started besides are the program's.
 *
 * Memory:  the options are copied; events must outlive the call.
 * Thread:  setup: in a process that has no other threads, and none of the library's.
 * Returns: TR_OK              all have ended
 *          TR_EINVAL          options or child is NULL, or no such scheduling
 *          TR_EBADLIMIT       children is above TR_CLUSTER_CHILDREN_MAX, or a time above 2^31 - 1
 *          TR_EALREADY        this process is a child of a cluster, or runs one
 *          TR_EGIVENUP        a child was given up
 *          TR_ETIMEDOUT_STOP  a child had to be killed when all were to stop
 *          TR_EMFILE, TR_ENOMEM
 */
tr_status tr_cluster_run(const struct tr_cluster_options *options);

/* Asks all children to stop; tr_cluster_run() returns when they have ended. Thread: parent. */
void tr_cluster_stop(tr_cluster *cluster);

/*
 * Replaces the children, one after the other: each is asked to stop, and when it has ended and the next of its number
 * listens, or has lived for healthy_ms, it is the next one's turn. Connections wait, and none is refused. A call while
 * it goes on begins again.
 * Thread:  parent.
 */
void tr_cluster_restart(tr_cluster *cluster);

/*
 * Sends a message to a child, whole or not at all, perhaps with a descriptor. What waits for a child when that ends is
 * lost.
 *
 * Memory:  the bytes are copied; fd is duplicated, and still the caller's; -1: none.
 * Thread:  parent. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL    cluster is NULL, bytes is NULL with a size, or no such child
 *          TR_EMSGSIZE  above TR_CLUSTER_MESSAGE_MAX
 *          TR_EBADF     fd is not -1 and no open descriptor
 *          TR_EGONE     it is not there now, or was asked to stop
 *          TR_EFULL     it does not keep up: nothing was sent
 *          TR_ENOMEM, TR_EMFILE
 */
tr_status tr_cluster_send(tr_cluster *cluster, unsigned number, const void *bytes, size_t size, int fd);

/* How many children there are to be; the process of one, 0 if it is not there now. Thread: parent. */
unsigned tr_cluster_children(const tr_cluster *cluster);
int tr_cluster_pid(const tr_cluster *cluster, unsigned number);

/* The child's number, from 0, and how many there are to be. Thread: any. */
unsigned tr_cluster_child_number(const tr_cluster_child *child);
unsigned tr_cluster_child_count(const tr_cluster_child *child);

struct tr_runtime;

/*
 * As tr_runtime_wait(), and returns also when the parent asks the child to stop, or has ended. A child has one runtime
 * with which it calls this or tr_cluster_child_deliver().
 *
 * Thread:  any that is no worker, one at a time; not in an offloaded function.
 * Returns: above 0: the signal's number
 *          0: the parent asks it to stop or has ended, or tr_runtime_quit() was called
 *          below 0: a status: TR_EINVAL (NULL, or the child has another runtime), TR_EWRONGTHREAD, TR_ENOMEM,
 *          TR_EMFILE, TR_ESTOPPING
 */
int tr_cluster_child_wait(tr_cluster_child *child, struct tr_runtime *runtime);

/* What came from the parent or from another child: the payload of a message. */
struct tr_cluster_message {
    unsigned from; /* a child's number, or TR_CLUSTER_PARENT */
    int fd;        /* -1: none, or it was taken */
    size_t size;
    const void *bytes; /* behind this struct, aligned for every type */
};

/*
 * From now on what the parent and other children send to this child is sent to an actor, as messages with this tag,
 * whose payload, tr_message_data(), is a struct tr_cluster_message. Until then it waits. Another call replaces the
 * actor. What comes faster than the actor handles it waits, and those who send get TR_EFULL at last; what comes for an
 * actor that is gone is dropped, and its descriptor closed.
 *
 * Thread:  any that is no worker.
 * Returns: TR_OK
 *          TR_EINVAL        NULL, or the child has another runtime
 *          TR_EBADREF       not the name of an actor of this runtime
 *          TR_EBADTAG       the tag is TR_TAG_RESERVED or above
 *          TR_EWRONGTHREAD  on a worker
 *          TR_ENOMEM, TR_EMFILE
 *          TR_ESTOPPING     the runtime is stopping
 */
tr_status tr_cluster_child_deliver(tr_cluster_child *child, struct tr_runtime *runtime, tr_ref to, uint32_t tag);

/*
 * Takes the descriptor out of such a message: for tr_socket_adopt(), or close(2). -1: there is none.
 * Memory:  the descriptor is the caller's.
 * Thread:  the one that has the message.
 */
int tr_cluster_take_fd(tr_message *message);

/*
 * Sends a message to the parent (TR_CLUSTER_PARENT) or to a child, also itself, whole or not at all, perhaps with a
 * descriptor. What one sends to another arrives in the order of the sends. What waits for a child when that ends, or is
 * sent to one that is not there, is lost; so is what waits for room in another child when the sender ends.
 *
 * Memory:  the bytes are copied; fd is duplicated, and still the caller's; -1: none.
 * Thread:  any. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL    child is NULL, bytes is NULL with a size, or no such child
 *          TR_EMSGSIZE  above TR_CLUSTER_MESSAGE_MAX
 *          TR_EBADF     fd is not -1 and no open descriptor
 *          TR_EPIPE     the parent has ended
 *          TR_EFULL     who gets it does not keep up: nothing was sent
 *          TR_ENOMEM, TR_EMFILE
 */
tr_status tr_cluster_child_send(tr_cluster_child *child, unsigned to, const void *bytes, size_t size, int fd);

TR_DECLARATIONS_END
#endif
