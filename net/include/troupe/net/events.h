/*
 * The events of a socket. They are given in one of two ways: as callbacks inside the socket's own actor, or as messages
 * to an owner.
 *
 * The order is that of net.Socket in Node 20, the same in both ways:
 *   - 'lookup' for each address, then 'connect' and 'ready', or else 'error'; if the connection is to be secure from
 *     the beginning, our own 'secure' between the two, or else 'error';
 *   - any number of 'data', 'fd', 'drain' and 'timeout', and our own 'goaway'; 'secure' where a connection becomes so;
 *   - 'end' at most once;
 *   - 'error' at most once, and directly before 'close';
 *   - 'close' exactly once, last.
 * No event comes before the call that caused it has returned.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 * workers start or after they have ended. Callbacks run on the socket's worker. (A struct tr_owner is something else:
 * an actor that gets events.)
 */
#ifndef TROUPE_NET_EVENTS_H
#define TROUPE_NET_EVENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/buffer.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>
#include <troupe/net/address.h>

TR_DECLARATIONS_BEGIN

typedef struct tr_socket tr_socket; /* opaque */

/*
 * Callbacks, each inside the socket's actor. Any may be NULL. What a callback gets is borrowed for the call, except for
 * descriptors.
 * Memory:  the struct must outlive every socket that uses it: usually it is a static constant.
 */
struct tr_socket_events {
    /* A host name was looked up, before connecting. It comes for each address that may be tried, as
     * tr_connect_options.race says. If the look-up failed, error says why and address is NULL; else error is NULL. host
     * is what was asked for. */
    void (*lookup)(tr_socket *socket, const struct tr_error *error, const struct tr_address *address, const char *host);

    /* The connection is established. Accepted sockets begin connected: they give it only with options.emit_connect. */
    void (*connect)(tr_socket *socket);

    /* Directly after connect; with tr_connect_options.tls after secure, unless that has destroyed the socket. */
    void (*ready)(tr_socket *socket);

    /* Bytes came; with an encoding, text. data is borrowed for the call: hold it to keep it. Without this callback the
     * data is lost. */
    void (*data)(tr_socket *socket, tr_slice data);

    /* A descriptor came over a unix socket with options.receive_fds. It is the callback's; without this callback it is
     * closed. If this process has no number left for one, it is lost, and the socket fails with TR_EMFILE before the
     * bytes that came with it are given. */
    void (*fd)(tr_socket *socket, int fd);

    /* The peer sent its FIN, and all data before it was given. Unless allow_half_open, the socket ends its own side as
     * well, after what is queued. As in Node, a connection that is reset together with its last bytes has ended, too;
     * with options.report_resets that is an error. */
    void (*end)(tr_socket *socket);

    /* All that was queued has gone to the kernel. It comes once, and always, after writes that returned TR_QUEUED, but
     * not if our side was ended in the meantime. */
    void (*drain)(tr_socket *socket);

    /* Nothing moved for the time of tr_socket_set_timeout(); the connection stays. */
    void (*timeout)(tr_socket *socket);

    /* The server that accepted it drains, see tr_server_drain(): the time to say goodbye, and to end when it is said.
     * At most once in a drain. */
    void (*goaway)(tr_socket *socket);

    /* The connection failed; close follows directly. */
    void (*error)(tr_socket *socket, const struct tr_error *error);

    /* The socket is closed and its descriptor gone. had_error: error came before. */
    void (*close)(tr_socket *socket, bool had_error);

    /* A message from another actor, other than the operations of remote.h. The callback has the message until it
     * returns. Without this callback such messages are dropped. With it, those that come after destroying and before
     * close are dead letters. It is not an event: it comes to sockets with an owner, too. */
    void (*message)(tr_socket *socket, tr_message *message);

    /* The connection is secure (tls.h): what comes and is written from now on is protected. What was written since that
     * was asked for is sent when this has returned; so the peer can be looked at before, and the socket destroyed. */
    void (*secure)(tr_socket *socket);
};

/*
 * An actor that gets a socket's events as messages instead of the callbacks: the tag is TR_TAG_SOCKET_EVENT + enum
 * tr_event, message->from is the socket. It may live on any worker, and drives the socket with <troupe/net/remote.h>.
 *
 * Credit is how many events the owner may have that it has not answered with tr_remote_credit().
 *   - When no credit is left, the socket waits after its last event, as if that event's callback had not returned yet:
 *     it gives no events and reads nothing, so TCP's flow control slows the peer down.
 *   - Operations that the owner sends before the credit take place "inside" that event. So with a credit of 1 the
 *     socket behaves as with callbacks; a larger credit lets the two work at the same time.
 *   - After its peer's end the socket ends its own side (see allow_half_open) when the owner has answered all events.
 *     So what the owner writes in answer to them is sent.
 *   - Close must be answered like any other event: until then the socket's actor stays, to be connected again.
 *   - Descriptors that came with one message are given together, so they may be more than the credit.
 *   - A socket that waits for credit for longer than options.watchdog_ms of the runtime is named on stderr, once.
 *
 * An event for which there is no memory destroys the socket with TR_ENOMEM. If it is TR_EVENT_CONNECTION, the server
 * counts and reports the connection like any other that was lost for lack of memory. The close event is never lost like
 * that.
 *
 * A socket whose owner has ended is destroyed, and not kept, after the operations that the owner had sent: when an
 * event cannot be delivered, or, if the socket waits for an answer, about a second after the owner's end.
 */
struct tr_owner {
    tr_ref actor;    /* TR_NOBODY: no owner, callbacks */
    uint32_t credit; /* default TR_OWNER_CREDIT */
};

#define TR_OWNER_CREDIT 16u
#define TR_TAG_SOCKET_EVENT (TR_TAG_RESERVED + 0x2000u)

enum tr_event {
    TR_EVENT_CONNECTION, /* the first of an accepted socket: a struct tr_connection. Comes instead of `connection` */
    TR_EVENT_LOOKUP,     /* a pointer to a struct tr_lookup_event */
    TR_EVENT_CONNECT,    /* no payload */
    TR_EVENT_READY,      /* no payload */
    TR_EVENT_DATA,       /* a slice */
    TR_EVENT_FD,         /* a descriptor: take it with tr_event_take_fd(), or it is closed with the message */
    TR_EVENT_END,        /* no payload */
    TR_EVENT_DRAIN,      /* no payload */
    TR_EVENT_TIMEOUT,    /* no payload */
    TR_EVENT_ERROR,      /* a struct tr_error */
    TR_EVENT_CLOSE,      /* a bool: had_error */
    TR_EVENT_GOAWAY,     /* no payload */
    TR_EVENT_SECURE,     /* a struct tr_secured (tls.h) */
    TR_EVENTS,           /* how many there are */
};

/* Is the message an event of a socket? Then *event is which one. Thread: the one that has the message. */
static inline bool
tr_event_of(const tr_message *message, enum tr_event *event)
{
    *event = (enum tr_event)(message->tag - TR_TAG_SOCKET_EVENT);
    return message->tag >= TR_TAG_SOCKET_EVENT && message->tag < TR_TAG_SOCKET_EVENT + TR_EVENTS;
}

/* The payload of TR_EVENT_CONNECTION. */
struct tr_connection {
    tr_ref server;
    uint64_t number; /* tr_socket_number() */
};

/* The payload of TR_EVENT_LOOKUP. Memory: the message's. */
struct tr_lookup_event {
    struct tr_error error; /* status TR_OK: address is valid */
    struct tr_address address;
    const char *host; /* in the same memory */
};

/*
 * Takes the descriptor out of a TR_EVENT_FD.
 * Memory:  the descriptor is the caller's.
 * Thread:  the one that has the message.
 * Returns: the descriptor; -1 if the message has none, or it was taken.
 */
int tr_event_take_fd(tr_message *message);

TR_DECLARATIONS_END
#endif
