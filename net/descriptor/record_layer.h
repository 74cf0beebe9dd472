/*
 * What may lie between a connection's bytes and its descriptor: a layer that makes records of them, such as TLS.
 *
 *   socket --plain bytes--> layer --records--> descriptor
 *
 * A layer belongs to one socket, and knows nothing of it. Its kind is a table of functions: each gets the descriptor
 * and makes the system calls itself, as those of plain.h do. What the functions read and take are plain bytes; what the
 * descriptor sees is called the wire. The order in which they are called, and when, is stream/secure.c's matter.
 *
 * A handshake comes before the first plain byte. Later a layer may have something to say of its own, such as the answer
 * to a renewal of keys: it says so at once if the kernel has room, and keeps it otherwise (`owes`), since reading must
 * not wait for writing. At the end it says goodbye, so that the peer can tell the end of the stream from a loss.
 *
 * The program may be asked something in a handshake, and may end the connection then: `gone`, within advance().
 *
 * Errors: negative, and as in plain.h the system's, or TRI_LAYER_BROKEN for a fault of the records, which failure()
 * names. They are final, but for a lack (verdict.h, SHORT), after which the same call is made again; and they are given
 * again by each later call.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_RECORD_LAYER_H
#define TROUPE_NET_RECORD_LAYER_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <troupe/core/buffer.h>
#include <troupe/core/status.h>

#define TRI_RECORD_BYTES 16384u /* plain bytes that one record carries at most */

#define TRI_LAYER_BROKEN (-(1 << 16)) /* in place of an error of the system's */

enum tri_layer_advance { TRI_LAYER_DONE, TRI_LAYER_WANTS_BYTES, TRI_LAYER_WANTS_ROOM };

enum tri_layer_state {
    TRI_LAYER_WAITS,  /* what was written before it goes first, as it is */
    TRI_LAYER_SHAKES, /* the handshake is under way */
    TRI_LAYER_OPEN,   /* it carries bytes, both ways as far as they are open */
};

struct tri_record_layer;

struct tri_record_layer_kind {
    tr_status late; /* what it is called that a handshake has taken too long */
    tr_status cut;  /* likewise that the stream has ended without the peer's goodbye */

    /* Goes on with the handshake as far as it can: enum tri_layer_advance, or an error. The peer's end is one, too. */
    int (*advance)(struct tri_record_layer *layer, int fd);

    /* Reads up to size bytes, at least 1. Gives how many; 0 at the end of the stream, again and again, and then `whole`
     * says whether the peer has said goodbye; EAGAIN, negative, only if nothing more is inside and the wire is empty.
     * It never fails for want of room. */
    ssize_t (*read_plain)(struct tri_record_layer *layer, int fd, void *memory, size_t size);

    /* Makes one record of 1 to TRI_RECORD_BYTES bytes. Gives size when all of the record is in the kernel. 0: there is
     * no room, and the layer has the record; then, as after a lack, the next call has the same size and means the same
     * record, whatever the memory says by then. But 0 with `amid`: it has none of it, and only what the peer goes on to
     * say lets it write; the call itself has read all that was there. */
    ssize_t (*write_record)(struct tri_record_layer *layer, int fd, const void *data, size_t size);

    /* Sends what it owes. 1: nothing is left, `owes` is false; 0: there is no room. */
    ssize_t (*push)(struct tri_record_layer *layer, int fd);

    /* Says that our side has ended; after the last record, and when it owes nothing. 1: that is in the kernel; 0: there
     * is no room, or `amid`, and it is called again. */
    ssize_t (*goodbye)(struct tri_record_layer *layer, int fd);

    /* Takes a hold of bytes of the wire that were read before: they come before those of the descriptor, in the order
     * of the calls. Before the handshake. TR_OK, TR_ENOMEM. */
    tr_status (*take_early)(struct tri_record_layer *layer, tr_slice bytes);

    /* What is wrong, after TRI_LAYER_BROKEN; before it TR_OK. *code: the exact name, a constant; NULL: the status's. */
    tr_status (*failure)(const struct tri_record_layer *layer, const char **code);

    /* Bytes of the wire, both ways together: to see whether anything has moved. */
    uint64_t (*moved)(const struct tri_record_layer *layer);

    void (*free)(struct tri_record_layer *layer);
};

/* At the beginning of what a kind keeps; zero but for `kind`. */
struct tri_record_layer {
    const struct tri_record_layer_kind *kind;

    /* The socket's: secure.c. */
    uint64_t number;         /* tr_socket_number(), whose place the layer has taken */
    struct tri_shake *shake; /* what the handshake needs; NULL: it is over */

    /* The kind's. */
    int16_t reason;
    uint16_t own; /* what it means only the kind knows */

    /* The socket's. */
    uint16_t committed;      /* bytes of the record that could not be sent whole; 0: none */
    uint16_t state : 2;      /* enum tri_layer_state */
    uint16_t wants_room : 1; /* the handshake waits for room in the kernel, not for bytes */
    uint16_t inner : 1;      /* bytes may be inside, where polling does not see them: the kind says so if it has read */
    uint16_t leaves : 1;     /* our side has ended: goodbye is to be said */
    uint16_t left : 1;       /* it was */
    uint16_t cut_fails : 1;  /* the stream's end without the peer's goodbye is an error */
    uint16_t begins : 1;     /* the connection begins with it: `ready` and the reading follow `secure` */
    uint16_t gone : 1;       /* the descriptor is: no call touches it any more, one that is under way included */

    /* The kind's. */
    uint16_t owes : 1;  /* it has something to send of its own; never after goodbye */
    uint16_t whole : 1; /* the peer has said goodbye */
    uint16_t amid : 1;  /* a write waits for the rest of something that the peer says */
};

static_assert(sizeof(struct tri_record_layer) <= 32, "a secure socket pays for each byte");

#endif
