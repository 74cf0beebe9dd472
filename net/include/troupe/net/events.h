/*
 * The events of a socket, and the two ways in which they are told: callbacks inside the socket's own actor, or messages
 * to an owner.
 *
 * The order is that of Node's net.Socket (its documentation of v10 and the behaviour of v20), the same in both ways:
 * 'lookup' for each address, then 'connect' and 'ready' or else 'error'; any number of 'data', 'fd', 'drain' and
 * 'timeout'; 'end' at most once; 'error' at most once and directly before 'close'; 'close' exactly once, last. No event
 * comes before the call that caused it has returned.
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
 * Callbacks, each inside the socket's actor. Any may be NULL. The struct must outlive every socket that uses it:
 * usually it is a static constant.
 */
struct tr_socket_events {
    /* A host name was looked up, before connecting (v10). address is NULL if it failed; host is what was asked. As in
     * Node 20 it comes for each address that may be tried: tr_connect_options.race says which are. */
    void (*lookup)(tr_socket *socket, const struct tr_error *error, const struct tr_address *address, const char *host);

    /* The connection is established (all eras). Accepted sockets begin connected: they tell it only with
     * options.emit_connect, as v0.2 did. */
    void (*connect)(tr_socket *socket);

    /* Directly after connect (v10). */
    void (*ready)(tr_socket *socket);

    /* Bytes came (all eras); with an encoding, text. data is lent for the call: hold it to keep it. Without this
     * callback data is lost. */
    void (*data)(tr_socket *socket, tr_slice data);

    /* A descriptor came over a unix socket with options.receive_fds (v0.4, v0.5). The callback owns it; without this
     * callback it is closed. If this process has no number left for one, it is lost, and the socket fails with
     * TR_EMFILE before the bytes that came with it are given. */
    void (*fd)(tr_socket *socket, int fd);

    /* The peer sent its FIN and all data before it was delivered (all eras). Unless allow_half_open, the socket ends
     * its own side as well, after what is queued. As in Node, a connection that is reset together with its last bytes
     * has ended, too; with options.report_resets that is an error. */
    void (*end)(tr_socket *socket);

    /* All that was queued has gone to the kernel. Once, and always, after writes that returned TR_QUEUED (all eras);
     * not any more when our side was ended meanwhile. */
    void (*drain)(tr_socket *socket);

    /* Nothing moved for the time of tr_socket_set_timeout(); the connection stays (all eras). */
    void (*timeout)(tr_socket *socket);

    /* The connection failed; close follows directly (all eras). */
    void (*error)(tr_socket *socket, const struct tr_error *error);

    /* The socket is closed and its descriptor gone; had_error tells whether error came before (all eras). */
    void (*close)(tr_socket *socket, bool had_error);

    /* A message of another actor, other than the operations of remote.h. The callback owns it until it returns. Without
     * this callback such messages are dropped; with it those that come between destroying and close are dead letters.
     * Not an event: it comes to sockets with an owner, too. */
    void (*message)(tr_socket *socket, tr_message *message);
};

/*
 * An actor that gets a socket's events as messages, in place of the callbacks: the tag is TR_TAG_SOCKET_EVENT + enum
 * tr_event, message->from is the socket. It may live on any worker and drives the socket with <troupe/net/remote.h>.
 *
 * Credit is how many events it may have that it has not answered with tr_remote_credit(). When there is none left the
 * socket stands still after its last event, as if that event's callback had not returned yet: it gives nothing more,
 * reads nothing more, and the peer feels it. Operations that the owner sends before the credit take place "inside" that
 * event. So with a credit of 1 the socket behaves as with callbacks; a larger credit lets the two work at the same
 * time. After its peer's end the socket ends its own side (see allow_half_open) when the owner has answered all events,
 * so what it writes in answer to them is sent. Close is an event like any other and is to be answered, too: the
 * socket's actor stays until then, to be connected again. Descriptors that came with one message are told together, so
 * they may be more than the credit. A socket that waits for credit for longer than options.watchdog_ms of the runtime
 * is named on stderr, once.
 *
 * An event for which there is no memory destroys the socket with TR_ENOMEM, and a connection fails as one for which
 * there is no memory; the close event is never lost so.
 *
 * A socket whose owner is gone is destroyed, and not kept, after the operations that the owner had sent: when an event
 * finds nobody, or, if it waits for an answer, about a second after the owner's end.
 */
struct tr_owner {
    tr_ref actor;    /* TR_NOBODY: no owner, callbacks */
    uint32_t credit; /* default TR_OWNER_CREDIT */
};

#define TR_OWNER_CREDIT 16u
#define TR_TAG_SOCKET_EVENT (TR_TAG_RESERVED + 0x2000u)

enum tr_event {
    TR_EVENT_CONNECTION, /* the first of an accepted socket: a struct tr_connection. Takes the place of `connection` */
    TR_EVENT_LOOKUP,     /* a pointer to a struct tr_lookup_event */
    TR_EVENT_CONNECT,    /* no payload */
    TR_EVENT_READY,      /* no payload */
    TR_EVENT_DATA,       /* a slice */
    TR_EVENT_FD,         /* a descriptor: take it with tr_event_take_fd() or it is closed with the message */
    TR_EVENT_END,        /* no payload */
    TR_EVENT_DRAIN,      /* no payload */
    TR_EVENT_TIMEOUT,    /* no payload */
    TR_EVENT_ERROR,      /* a struct tr_error */
    TR_EVENT_CLOSE,      /* a bool: had_error */
    TR_EVENTS,           /* how many there are */
};

/* Is it an event of a socket's? Then *event says which. Thread: owner of the message. */
static inline bool
tr_event_of(const tr_message *message, enum tr_event *event)
{
    *event = (enum tr_event)(message->tag - TR_TAG_SOCKET_EVENT);
    return message->tag >= TR_TAG_SOCKET_EVENT && message->tag < TR_TAG_SOCKET_EVENT + TR_EVENTS;
}

struct tr_connection {
    tr_ref server;
    uint64_t number; /* tr_socket_number() */
};

struct tr_lookup_event {
    struct tr_error error; /* status TR_OK: address is known */
    struct tr_address address;
    const char *host; /* lies in the same memory */
};

/* Takes the descriptor out of a TR_EVENT_FD; -1 if message is none, or it was taken. Thread: owner of the message. */
int tr_event_take_fd(tr_message *message);

TR_DECLARATIONS_END
#endif
