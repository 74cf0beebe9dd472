/*
 * A socket as its own files see it: one struct, and who does what.
 *
 *   socket.c   life: begin, settle, destroy, closed; the public functions that only look or set
 *   reader.c   from the kernel to `data` and `end`; pause and resume
 *   writer.c   from `write` to the kernel; drain, callbacks, the end of our side
 *   connect.c  look-up and connect, for sockets that begin here
 *   deal.c     accepted connections
 *   idle.c     the timeout
 *   tune.c     options of the descriptor
 *   remote.c   the same operations as messages
 */
#ifndef TROUPE_NET_SOCKET_INTERNAL_H
#define TROUPE_NET_SOCKET_INTERNAL_H

#include "address_internal.h"
#include "tags.h"
#include "trace_events.h"
#include "worker_net.h"

#include <assert.h>
#include <stddef.h>
#include <troupe/actors/host.h>
#include <troupe/core/order.h>
#include <troupe/core/status_from.h>
#include <troupe/net/socket.h>
#include <uv.h>

#define TRI_HIGH_WATER 16384u /* bytes that may wait for the connection before a write says TR_QUEUED: Node's */

enum tri_socket_flag {
    TRI_SOCKET_ACCEPTED = 1 << 0,    /* a server's; otherwise it connects itself */
    TRI_SOCKET_CONNECTING = 1 << 1,  /* from tr_connect() to the connect event */
    TRI_SOCKET_CONNECTED = 1 << 2,   /* it is or was connected */
    TRI_SOCKET_READING = 1 << 3,     /* libuv reads it */
    TRI_SOCKET_PAUSED = 1 << 4,      /* the user wants no data */
    TRI_SOCKET_PEER_ENDED = 1 << 5,  /* the end event was given */
    TRI_SOCKET_ENDING = 1 << 6,      /* our side takes no more writes */
    TRI_SOCKET_ENDED = 1 << 7,       /* our FIN is sent */
    TRI_SOCKET_HALF_OPEN = 1 << 8,   /* the peer's end does not end our side */
    TRI_SOCKET_DRAINING = 1 << 9,    /* closes as soon as our side has ended */
    TRI_SOCKET_DESTROYED = 1 << 10,  /* the handle is closing */
    TRI_SOCKET_FAILED = 1 << 11,     /* an error event is due, or was given */
    TRI_SOCKET_SILENT = 1 << 12,     /* no event any more: it was killed, or never came to life */
    TRI_SOCKET_OWES_DRAIN = 1 << 13, /* a write returned TR_QUEUED */
    TRI_SOCKET_INSIDE = 1 << 14,     /* a callback of it runs: what is due waits for its end */
    TRI_SOCKET_DUE = 1 << 15,        /* something is to be settled */
    TRI_SOCKET_START = 1 << 16,      /* the connection is to be begun */
    TRI_SOCKET_CLOSED = 1 << 17,     /* the close event is over */
    TRI_SOCKET_NO_DELAY = 1 << 18,   /* asked for before connect */
};

/* The step that failed; socket.c has the names. */
enum tri_socket_call {
    TRI_CALL_DESTROY,
    TRI_CALL_LOOKUP,
    TRI_CALL_BIND,
    TRI_CALL_CONNECT,
    TRI_CALL_READ,
    TRI_CALL_WRITE,
};

/*
 * The state of a socket's actor. The handle is last, so that an actor takes only the room of the kind that it is;
 * reader and writer know it as a stream.
 */
struct tr_socket {
    tr_actor *actor;
    const struct tr_socket_events *events; /* never NULL */
    void *data;
    struct tri_net *net;
    union {
        struct tri_share *share;     /* ACCEPTED */
        struct tri_connect *connect; /* otherwise; NULL when that is over */
    };
    struct tri_writer *writer; /* NULL: nothing waits to be written or told */
    struct tri_rare *rare;     /* NULL: no timeout, nothing held back */
    struct tri_later later;
    uint64_t bytes_read;
    uint64_t bytes_written;
    uint32_t flags;        /* enum tri_socket_flag */
    tr_status error;       /* if FAILED */
    uint16_t error_system; /* an errno */
    uint8_t error_call;    /* enum tri_socket_call */
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
    };
};

/* What most sockets do not need. */
struct tri_rare {
    tr_socket *socket;
    struct tri_idle idle;
    uint64_t timeout_ms; /* 0: none */
    size_t queue_seen;   /* libuv's write queue when the idle time began */
    tr_slice held;       /* came while the socket was paused; size 0: nothing */
};

/* One write that waits, or whose callback waits. */
struct tri_write {
    struct tri_write *next;
    tr_slice slice; /* what is left of it */
    void (*done)(tr_socket *socket, void *argument, tr_status status);
    void *argument;
    tr_status status;
};

struct tri_writes {
    struct tri_write *first, *last;
};

/* Exists while something waits. */
struct tri_writer {
    struct tri_writes queue; /* not in the kernel yet; the first in_flight of them are libuv's */
    struct tri_writes told;  /* over: their callbacks are to be called */
    size_t in_flight;
    uint64_t buffered; /* bytes of the queue */
    uv_write_t request;
};

/* socket.c */

/* The two ways in which a socket's actor begins: deal.c and connect.c. */
extern const struct tr_behavior tri_socket_accepted, tri_socket_connecting;

/* Sets up what all sockets have; the handle is initialised afterwards. TR_OK, TR_ENOMEM. */
tr_status tri_socket_init(tr_socket *socket, tr_actor *actor, const struct tr_socket_events *events, void *data);

/* Brackets a callback of the socket that comes from libuv. After leave the socket may be gone. */
struct tri_actor_frame tri_socket_enter(tr_socket *socket, uint32_t tag);
void tri_socket_leave(tr_socket *socket, struct tri_actor_frame frame);

/* Something is to be settled, as soon as the socket's callbacks have returned. */
void tri_socket_due(tr_socket *socket);

/* Closes the handle; close follows. TR_OK for status: without an error event. Again: nothing. */
void tri_socket_close(tr_socket *socket, tr_status status, int system, enum tri_socket_call call);

/* The same with an error of libuv's. */
void tri_socket_fail(tr_socket *socket, int uv_error, enum tri_socket_call call);

static inline bool
tri_socket_is(const tr_socket *socket, uint32_t flags)
{
    return (socket->flags & flags) != 0;
}

static inline void
tri_socket_trace(const tr_socket *socket, uint16_t id, uint16_t flags, uint32_t arg)
{
    struct tri_trace_stream *stream = socket->net->worker->trace;
    if (TRI_UNLIKELY(stream != NULL))
        tri_trace_write(stream, id, flags, arg, tr_self(socket->actor), 0);
}

/* What is owned by one thread is touched by no other. */
static inline void
tri_socket_check(const tr_socket *socket)
{
    assert(tri_worker_current() == socket->net->worker);
    (void)socket;
}

/* The struct of what most sockets do not need, made if need be. NULL without memory. */
struct tri_rare *tri_socket_rare(tr_socket *socket);

/* reader.c */

/* Lets libuv read; the second, only if the user wants data. */
void tri_reader_begin(tr_socket *socket);
void tri_reader_start(tr_socket *socket);

/* Gives what was held back while the socket was paused. */
void tri_reader_settle(tr_socket *socket);

/* writer.c */

/* The connection is there: sends what waits for it, and calls back what went at once. */
void tri_writer_connected(tr_socket *socket);

/* Calls the callbacks that are due. */
void tri_writer_tell(tr_socket *socket);

/* Everything that waits has failed: its callbacks get this status. */
void tri_writer_fail(tr_socket *socket, tr_status status);

/* Drops everything that waits without a word. */
void tri_writer_drop(tr_socket *socket);

static inline bool
tri_writer_is_empty(const tr_socket *socket)
{
    return socket->writer == NULL || socket->writer->queue.first == NULL;
}

/* connect.c */
void tri_connect_start(tr_socket *socket);
void tri_connect_free(tr_socket *socket);

/* remote.c */
void tri_remote_to_socket(tr_socket *socket, tr_message *message);

/* The callback of a write that another actor asked for: it must always be called. */
void tri_remote_written(tr_socket *socket, void *argument, tr_status status);

/* idle.c */

/* Bytes have moved: the idle time begins anew. */
void tri_idle_moved_slow(tr_socket *socket);

static inline void
tri_idle_moved(tr_socket *socket)
{
    if (TRI_UNLIKELY(socket->rare != NULL))
        tri_idle_moved_slow(socket);
}

void tri_idle_end(tr_socket *socket);

#endif
