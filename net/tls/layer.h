/*
 * TLS as a layer of records (record_layer.h): what a secure socket asks beside that.
 *
 * Thread: the worker of the socket; of tri_tls_open() any.
 */
#ifndef TROUPE_NET_TLS_LAYER_H
#define TROUPE_NET_TLS_LAYER_H

#include "record_layer.h"

#include <troupe/net/tls.h>

/* What a connection is to be. All is copied, and the context held. */
struct tri_tls_wish {
    tr_tls_context *context;
    bool serves;

    /* Of a client: by what it asks (SNI), and what the peer's certificate must be for; an address is checked and not
     * sent. NULL: neither. */
    const char *server_name;
    bool any_name; /* it asks by that name, and takes a certificate for any */

    const char *const *alpn; /* of a client, in place of the context's; NULL: those */
    unsigned alpn_count;
    const tr_tls_session *session; /* of a client, to resume if it can; NULL: none */
};

/*
 * Makes a layer, which is freed by its kind. Nothing is sent yet.
 * Returns: TR_OK
 *          TR_ENOMEM
 *          TR_EINVAL        it is to be a client, with the context of a server, which believes whom a server does
 *          TR_ETLSNOKEY     it is to serve, and the context does not
 *          TR_EBADHOST      server_name is no name of a host
 *          TR_EBADALPN      the name of a protocol is NULL, empty or above 255 bytes, or all are above 65535
 *          TR_ENOTSUPPORTED Troupe was built without TLS
 */
tr_status tri_tls_open(const struct tri_tls_wish *wish, struct tri_record_layer **out);

bool tri_is_tls(const struct tri_record_layer *layer);

/* Can it be a server's? TR_OK; TR_ETLSNOKEY; TR_ENOTSUPPORTED. Thread: any. */
tr_status tri_tls_check_server(const tr_tls_context *context);

/* For which the client has asked (SNI), in lower case, as far as that is known: also in a handshake, and when that has
 * failed. "": none. */
void tri_tls_server_name(const struct tri_record_layer *layer, char name[256]);

/* The rest is for a layer of TLS whose handshake is over; tri_tls_verify_result() and tri_tls_peer() for any: without
 * that they say TR_ENOTCONN, unless the handshake has failed for the peer's certificate. */

/* What it has become. */
void tri_tls_info(const struct tri_record_layer *layer, struct tr_tls_info *out);

/* TR_OK: the peer has shown a certificate, and its chain and its name are good; TR_ENOENT: it has shown none, or was
 * not asked; TR_ENOTCONN; else why it is not good. *code: the exact name, a constant; NULL: the status's. */
tr_status tri_tls_verify_result(const struct tri_record_layer *layer, const char **code);

/* What the peer has shown: free it with tr_peer_free(). TR_OK; TR_ENOENT: no certificate; TR_ENOTCONN; TR_ENOMEM. */
tr_status tri_tls_peer(const struct tri_record_layer *layer, struct tr_peer **out);

/* What a client can resume later, the newest. TR_OK; TR_ENOENT: the server has given nothing, or it serves itself;
 * TR_ENOMEM. */
tr_status tri_tls_session(const struct tri_record_layer *layer, tr_tls_session **out);

/* Keying material (RFC 5705) of `size` bytes. context NULL: none, which 1.2 tells from an empty one. TR_OK; TR_ETLS:
 * OpenSSL gives none for that label; TR_ENOMEM. */
tr_status tri_tls_export_key(const struct tri_record_layer *layer, const char *label, const void *context,
                             size_t context_size, void *out, size_t size);

/* New keys for what we write, and, if both, the peer is asked for the same. The layer owes the message then. TR_OK;
 * TR_ENOTSUPPORTED: 1.2 has none; TR_EAGAIN: one is still to be sent, or a record that the kernel has in part, or the
 * peer is in the middle of a message;
 * TR_EWRITEAFTEREND: goodbye was said; TR_ENOMEM; TR_ETLS. */
tr_status tri_tls_update_keys(struct tri_record_layer *layer, bool both);

#endif
