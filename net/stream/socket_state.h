/*
 * The state of a socket: one struct, what its flags say, and what every part of a socket needs of it.
 *
 *   phase          flags                                         who sets them
 *   spawned        none
 *   connecting     CONNECTING, TO_PATH; before that STARTS       connect.c; turn.c takes STARTS
 *   open           CONNECTED, HANDLE                             state.c
 *     reading      READING; PAUSED                               reader.c, pipe.c; PAUSED: tri_reader_pause()
 *     writing      WRITING; OWES_DRAIN                           turn.c; writer.c
 *     our end      ENDING, then ENDED                            end.c, then steps.c
 *     their end    PEER_ENDED                                    reader.c
 *   destroyed      DESTROYED; FAILED, RESETS                     destroy.c; while it lingers the descriptor is open
 *   closed         CLOSED; HANDLE goes before                    steps.c; close.c
 *   a new life     none of these, but PAUSED as it was            state.c: tri_socket_reopen()
 *   stopping       STOPS, DRAINING; killed: SILENT               close.c
 *   gone           GONE                                          close.c
 *   secure         SECURE, in all that follows connecting        secure.c
 *
 * At any time: INSIDE (turn.h, and the actor's messages), LIVE and SPECIAL (state.c, computed from what else is known),
 * TIMED and IDLE (idle.c), RECEIVES (options.c), PRESSED (consumer.c), HALTED (halt.c). What the user wishes is a field
 * of its own (options.c, socket_info.c). Of the 32 bits three are free.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_SOCKET_STATE_H
#define TROUPE_NET_SOCKET_STATE_H

#include "held.h"
#include "progress.h"
#include "record_layer.h"
#include "sockets.h"
#include "tags.h"

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <troupe/actors/host.h>
#include <troupe/core/compiler.h>
#include <troupe/core/status_from.h>
#include <troupe/net/proxy.h>
#include <troupe/net/socket.h>
#include <troupe/net/trace.h>
#include <uv.h>

#define TRI_HIGH_WATER 16384u /* bytes that may wait for the connection before a write says TR_QUEUED: Node's */

enum tri_socket_flag {
    TRI_SOCKET_TO_PATH = 1 << 0,     /* it connects to a path */
    TRI_SOCKET_CONNECTING = 1 << 1,  /* from tr_socket_connect() to the connect event */
    TRI_SOCKET_CONNECTED = 1 << 2,   /* it is or was connected: the descriptor is open unless it is DESTROYED */
    TRI_SOCKET_READING = 1 << 3,     /* it shall be read */
    TRI_SOCKET_WRITING = 1 << 4,     /* what waits goes on when the kernel has room */
    TRI_SOCKET_PAUSED = 1 << 5,      /* the user wants no data */
    TRI_SOCKET_PEER_ENDED = 1 << 6,  /* nothing more comes: the end event was given, or is due */
    TRI_SOCKET_ENDING = 1 << 7,      /* our side takes no more writes */
    TRI_SOCKET_ENDED = 1 << 8,       /* our FIN is sent */
    TRI_SOCKET_DRAINING = 1 << 9,    /* closes as soon as our side has ended */
    TRI_SOCKET_DESTROYED = 1 << 10,  /* the descriptor is closed, or there never was one */
    TRI_SOCKET_FAILED = 1 << 11,     /* an error event is due, or was given */
    TRI_SOCKET_SILENT = 1 << 12,     /* no event any more: it was killed, or never came to life */
    TRI_SOCKET_OWES_DRAIN = 1 << 13, /* a write returned TR_QUEUED */
    TRI_SOCKET_INSIDE = 1 << 14,     /* a callback of it runs: what is due waits for its end */
    TRI_SOCKET_CLOSED = 1 << 15,     /* the close event is being given, or was */
    TRI_SOCKET_GONE = 1 << 16,       /* the actor ends as soon as `later` allows */
    TRI_SOCKET_RESETS = 1 << 17,     /* closes with a reset */
    TRI_SOCKET_LIVE = 1 << 18,       /* counted among those that keep the program alive */
    TRI_SOCKET_HANDLE = 1 << 19,     /* libuv has the poll handle */
    TRI_SOCKET_RECEIVES = 1 << 20,   /* takes descriptors */
    TRI_SOCKET_SPECIAL = 1 << 21,    /* struct tri_extra says more than the timeout: tri_socket_update_special() */
    TRI_SOCKET_TIMED = 1 << 22,      /* has a timeout */
    TRI_SOCKET_IDLE = 1 << 23,       /* its timer runs: noting the time is enough */
    TRI_SOCKET_STARTS = 1 << 24,     /* connecting begins when `later` runs */
    TRI_SOCKET_STOPS = 1 << 25,      /* the actor was asked to stop: no new life */
    TRI_SOCKET_PRESSED = 1 << 26,    /* not read: who consumes its data is crowded */
    TRI_SOCKET_HALTED = 1 << 27,     /* not read: the runtime is at its memory limit */
    TRI_SOCKET_SECURE = 1 << 28,     /* a layer lies before its descriptor: secure.h */
};

/* What the user wishes of a socket, at any time and in every life. */
enum tri_socket_wish {
    TRI_WISH_HALF_OPEN = 1 << 0,  /* the peer's end does not end our side */
    TRI_WISH_KEEP = 1 << 1,       /* it stays after its close event */
    TRI_WISH_NO_DELAY = 1 << 2,   /* it has no delay */
    TRI_WISH_KEEP_ALIVE = 1 << 3, /* the system sends probes; the delay is in struct tri_extra */
    TRI_WISH_BACKGROUND = 1 << 4, /* it does not keep the program alive */
};

/*
 * What is due, in the order in which it is done: steps.c has one function for each. One that is due when another of a
 * higher number is done waits for the next turn of the loop.
 */
enum tri_socket_step {
    TRI_STEP_DRAINING,    /* draining begins */
    TRI_STEP_START,       /* connecting begins */
    TRI_STEP_LOOKED_UP,   /* `lookup` */
    TRI_STEP_TRY,         /* the attempts begin */
    TRI_STEP_ATTEMPTED,   /* the attempts are over */
    TRI_STEP_CONNECT,     /* `connect` */
    TRI_STEP_SECURE,      /* `secure` */
    TRI_STEP_FLUSH,       /* what waited for the connection, or for that, is sent */
    TRI_STEP_FLUSH_DRAIN, /* `drain` of that, and its callbacks: before `ready`, as in Node */
    TRI_STEP_FLUSH_TELL,
    TRI_STEP_READY,     /* `ready` */
    TRI_STEP_READ,      /* reading begins */
    TRI_STEP_RESUMED,   /* the same as HELD: resumed before anything was to be told, which comes after, as in Node */
    TRI_STEP_DRAIN,     /* `drain` */
    TRI_STEP_TELL,      /* callbacks of writes */
    TRI_STEP_HELD,      /* what came and could not be given */
    TRI_STEP_INNER,     /* what came and is inside its layer */
    TRI_STEP_LAST,      /* what the decoder has left */
    TRI_STEP_END,       /* `end` */
    TRI_STEP_AFTER_END, /* our side ends with the peer's */
    TRI_STEP_GOAWAY,    /* `goaway` */
    TRI_STEP_FIN,       /* our side has ended: FIN, or closing */
    TRI_STEP_TIMEOUT,   /* `timeout` */
    TRI_STEP_SLOW,      /* the peer is too slow: it is destroyed */
    TRI_STEP_ENDS,      /* it is destroyed: callbacks that come before `error` */
    TRI_STEP_ERROR,     /* `error` */
    TRI_STEP_LATE,      /* callbacks of what was refused since it is destroyed */
    TRI_STEP_LOST,      /* the descriptor is closed: callbacks of what was lost with it */
    TRI_STEP_CLOSE,     /* `close` */
    TRI_STEP_AFTER,     /* callbacks that come after it */
    TRI_STEP_OVER,      /* the end of this life */
    TRI_STEPS,
};

#define TRI_STEP(step) (1u << TRI_STEP_##step)
#define TRI_ALL_STEPS ((1u << TRI_STEPS) - 1)

/* Due as well, but no step, since it is done also while the socket waits for its owner: the kernel holds bytes for
 * those that were to follow (MSG_MORE), and must send them when the bracket ends. */
#define TRI_DUE_PUSH (1u << 31)
static_assert(TRI_STEPS <= 31, "the bits of the steps leave one"); /* one more step needs a wider `due` */

/* Can the kernel hold bytes of this descriptor back, and send them when it is asked? */
enum tri_holding { TRI_HOLDING_UNKNOWN, TRI_HOLDS, TRI_HOLDS_NOT };

/* The step that failed; steps.c has the names. */
enum tri_socket_call {
    TRI_CALL_DESTROY,
    TRI_CALL_LOOKUP,
    TRI_CALL_BIND,
    TRI_CALL_CONNECT,
    TRI_CALL_READ,
    TRI_CALL_WRITE,
    TRI_CALL_OPEN,
    TRI_CALL_FIRST_BYTE,
};

/*
 * Where a socket comes from: what counts it among a server's connections, or what it needs until it is connected. That
 * hears of its end.
 */
struct tri_origin {
    const struct tri_origin_calls *calls;
    tr_ref server; /* TR_NOBODY: it connects */
};

struct tri_origin_calls {
    /* The socket has no descriptor any more, or will have none. */
    void (*closed)(struct tri_origin *origin, tr_socket *socket);

    /* Its last event was given: it forgets its origin. NULL: nobody counts that. */
    void (*over)(struct tri_origin *origin);
};

typedef void (*tri_step_function)(tr_socket *socket);

/* What a socket does. When it does that is decided without knowing it. */
struct tri_course {
    const tri_step_function *steps;                 /* TRI_STEPS of them */
    uv_poll_cb ready;                               /* the descriptor is ready */
    uv_close_cb closed;                             /* libuv has let go of it */
    void (*pipe)(tr_socket *socket, tr_slice data); /* what is received goes into the socket's pipe */
    void (*emptied)(tr_socket *socket);             /* all that was written has gone, and pipes end here */
    const struct tr_behavior *behavior;             /* by which a socket is known among actors */
};

/* The state of a socket's actor. */
struct tr_socket {
    tr_actor *actor;
    const struct tr_socket_events *events; /* never NULL */
    void *data;
    struct tri_sockets *home;
    struct tri_origin *origin; /* NULL: none, or that is over */
    struct tri_writer *writer; /* NULL: nothing waits to be written or told */
    struct tri_extra *extra;   /* NULL: nothing of what it holds */
    struct tri_later later;
    uint64_t bytes_read;
    uint64_t bytes_written;
    uint32_t flags;            /* enum tri_socket_flag */
    uint32_t due;              /* bits of enum tri_socket_step, TRI_DUE_PUSH */
    tr_status error;           /* TR_OK: none; told if FAILED, else what a write got before it was destroyed */
    uint16_t error_system : 8; /* an errno: those of Linux end at 133 */
    uint16_t error_call : 3;   /* enum tri_socket_call */
    uint16_t wishes : 5;       /* enum tri_socket_wish */
    uint16_t begun : 1;        /* it connects, or has a descriptor, or had: of this life */
    uint16_t unreadable : 1;   /* it was given without its readable side */
    uint16_t end_told : 1;     /* `end` was given */
    uint16_t ends_first : 1;   /* our side was ended before tr_socket_connect() */
    uint16_t holding : 2;      /* enum tri_holding */
    uint16_t records : 1;      /* SOCK_SEQPACKET: what does not fit into a read is lost */
    uint16_t polled : 3;       /* what libuv waits for: bits of enum uv_poll_event */
    uint16_t obeys : 1;        /* INSIDE, and what runs is an order from afar */
    uint16_t adopted : 1;      /* the descriptor was given: others may have it, too */
    uint16_t turns : 4;        /* for which what is due has waited for messages */
    int fd;                    /* -1: none */
    uint32_t moved_ms;         /* TIMED: when bytes last moved, on the clock of core/delay.h */
    uv_poll_t poll;            /* HANDLE; its `data`, which libuv leaves alone: tr_socket_number(), SECURE: the layer */
};

/* A pipe, at its first socket. */
struct tri_pipe {
    struct tri_word word; /* first; to the second: how it has ended */
    tr_ref to;
    uint64_t number;
    uint64_t waiting; /* what was sent and not heard of: bytes, and TR_WRITE_COST_BYTES for each piece */
    uint32_t window;
    bool keep_open;
};

/* The second socket keeps up so badly that the first is not to be read now. */
static inline bool
tri_pipe_is_full(const struct tri_pipe *pipe)
{
    return pipe->waiting > pipe->window;
}

/* A socket that is destroyed and still reads, to be closed without a reset: linger.c. */
struct tri_linger {
    tr_socket *socket;
    struct tri_timer timer;
    uint64_t ends_ms;
    uint64_t heard_ms; /* when bytes last came */
};

/* What most sockets do not need. */
struct tri_extra {
    tr_socket *socket;

    struct tri_timer idle;
    uint64_t timeout_ms; /* 0: none */
    struct tri_progress progress;

    struct tri_pace *pace; /* what is demanded of the peer; NULL: nothing */

    struct tri_linger *linger; /* it is destroyed, and its descriptor still open; else NULL */
    uint64_t linger_ms, linger_quiet_ms;

    struct tri_timer retry; /* until then nothing is written: the system has run out of something */

    tr_ref owner;         /* TR_NOBODY: callbacks */
    int64_t credit;       /* what is left of the owner's; below 0 when one read brought more events than that */
    uint32_t full_credit; /* when it has answered all events */
    bool holds_end;       /* our side has not ended with the peer's, since the owner has events to answer */
    struct tri_timeout owner_watch; /* looks after an owner that does not answer */
    struct tri_word *last_word;     /* for the close event, if there is no memory then; of an owned socket */
    uint64_t waits_ms;              /* since when the socket has waited for an answer, tri_clock_ms() */
    bool named;                     /* it was said on stderr that it waits */
    struct tri_held held;           /* came and could not be given */
    struct tr_decoder decoder;
    enum tr_encoding encoding;
    uint32_t high_water;
    uint64_t write_limit;
    uint64_t keep_alive_delay_ms;
    enum tr_socket_type type;
    const char *code;             /* of an error of the user's */
    struct tr_proxy *proxy;       /* with which the connection began; the beginning of its memory; NULL: none */
    tr_ref consumer;              /* whose mailbox reading heeds; TR_NOBODY: nobody's */
    unsigned reads_under_way;     /* that it was not asked about */
    struct tri_pipe *pipe;        /* where data goes; NULL: to the user */
    struct tri_pipe_end *sources; /* pipes that end here */
    bool drops;                   /* data goes nowhere */
    bool reports_resets;          /* asked for: a reset is an error, whatever came before it */
    bool unheard;                 /* PAUSED because nobody listens yet: tri_socket_heard() */
    bool has_state;               /* the user's memory follows, at TRI_EXTRA_STATE */
};

/* Where that begins. It is no member, since its alignment would make the struct larger for those who have none. */
#define TRI_EXTRA_STATE                                                                                                \
    ((sizeof(struct tri_extra) + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t))

struct tri_writer; /* queue.h */

extern const struct tr_socket_events tri_no_events;

static inline bool
tri_socket_has_any(const tr_socket *socket, uint32_t flags)
{
    return (socket->flags & flags) != 0;
}

static inline void
tri_socket_clear(tr_socket *socket, uint32_t flags)
{
    socket->flags &= ~flags;
}

static inline bool
tri_socket_wishes(const tr_socket *socket, uint8_t wishes)
{
    return (socket->wishes & wishes) != 0;
}

static inline void
tri_socket_set_wish(tr_socket *socket, uint8_t wish, bool is_one)
{
    socket->wishes = (is_one ? socket->wishes | wish : socket->wishes & ~wish) & 0x1f; /* as wide as the field */
}

static inline bool
tri_socket_is_accepted(const tr_socket *socket)
{
    return socket->origin != NULL && socket->origin->server != TR_NOBODY;
}

/* Of an accepted one. Otherwise it is 0, as all of the struct is in the beginning. */
static inline void
tri_socket_set_number(tr_socket *socket, uint64_t number)
{
    socket->poll.data = (void *)(uintptr_t)number;
}

static inline bool
tri_socket_is_secure(const tr_socket *socket)
{
    return tri_socket_has_any(socket, TRI_SOCKET_SECURE);
}

/* NULL: it is plain. */
static inline struct tri_record_layer *
tri_socket_layer(const tr_socket *socket)
{
    return tri_socket_is_secure(socket) ? socket->poll.data : NULL;
}

static inline uint64_t
tri_socket_number(const tr_socket *socket)
{
    return tri_socket_is_secure(socket) ? tri_socket_layer(socket)->number : (uintptr_t)socket->poll.data;
}

/* Something came that could not be given. */
static inline bool
tri_socket_holds(const tr_socket *socket)
{
    return TRI_UNLIKELY(tri_socket_has_any(socket, TRI_SOCKET_SPECIAL)) && socket->extra->held.first != NULL;
}

/* The descriptor is open and connected. */
static inline bool
tri_socket_is_open(const tr_socket *socket)
{
    return (socket->flags & (TRI_SOCKET_CONNECTED | TRI_SOCKET_DESTROYED)) == TRI_SOCKET_CONNECTED;
}

/* Nothing more comes from the peer: it has ended, or is not heard at all. */
static inline bool
tri_socket_is_read_out(const tr_socket *socket)
{
    return tri_socket_has_any(socket, TRI_SOCKET_PEER_ENDED) || socket->unreadable;
}

static inline struct tri_worker *
tri_socket_worker(const tr_socket *socket)
{
    return socket->home->worker;
}

/* tri_trace_socket_data(socket, bytes) and its like: of each row of the table. */
#define TRI_TRACE_OF_SOCKET(id, name, actor, flags, arg, message, doc)                                                 \
    TRI_TRACE_FUNCTION_OF(TRI_CATEGORY_SOCKETS, tr_socket, tri_socket_worker, id, name, flags, arg, message)
TRI_TRACE_SOCKET_EVENTS(TRI_TRACE_OF_SOCKET)

/* At the beginning of each public function of a socket: see TRI_CHECK_SELF(). NULL is no mistake here. */
#ifdef NDEBUG
#define TRI_CHECK_SOCKET(socket) ((void)0)
#else
#define TRI_CHECK_SOCKET(socket) tri_socket_check(socket, __func__)
void tri_socket_check(const tr_socket *socket, const char *function);
#endif

/* The struct of what most sockets do not need, made if need be; and made, with room for the user's state, for a socket
 * that has none yet. NULL without memory. */
struct tri_extra *tri_socket_extra(tr_socket *socket);
struct tri_extra *tri_socket_new_extra(tr_socket *socket, size_t state_size);

/*
 * What is special about a socket has changed: notes in its flags whether anything is. Every message checks that;
 * reading the struct itself would be one more cache miss, of each of many thousand sockets with no more than a timeout.
 */
void tri_socket_update_special(tr_socket *socket);

/* The socket of that name, if it may be acted on by a call (host.h, the rule of calls and messages); else NULL. */
tr_socket *tri_socket_reach(struct tri_sockets *home, tr_ref ref);

/* The owner has used up its credit: the socket waits, and gives, reads and writes nothing. */
static inline bool
tri_socket_lacks_credit(const tr_socket *socket)
{
    return TRI_UNLIKELY(tri_socket_has_any(socket, TRI_SOCKET_SPECIAL)) && socket->extra->owner != TR_NOBODY &&
           socket->extra->credit <= 0;
}

/* Its last event was given: it counts among its server's connections no more. */
void tri_socket_leave_origin(tr_socket *socket);

/* Begins a new life: as before the first connect. */
void tri_socket_reopen(tr_socket *socket);

/* Counts it among those that keep the program alive, or no more, as its flags say. */
void tri_socket_count_live(tr_socket *socket);

#endif
