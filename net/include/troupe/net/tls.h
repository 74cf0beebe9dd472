/*
 * TLS: what a program tells about itself and whom it believes, made once and shared by everything.
 *
 *     tr_tls_context_new -> any sockets, servers, workers and threads -> tr_tls_context_release
 *
 *   - A context never changes. For a new certificate make a new context and use that instead.
 *   - Versions are 1.2 and 1.3. Renegotiation, compression and early data of 1.3 do not exist here: a client that sends
 *     early data has it refused, and goes on without.
 *   - The library beneath is OpenSSL 3. Where Troupe was built without it (TROUPE_TLS) all of this can be compiled and
 *     linked: tr_tls_supported() is false, and what returns a status returns TR_ENOTSUPPORTED, also of plain sockets.
 *
 * Memory:  contexts, tickets and sessions have a reference count: hold one to keep it. The last release frees it.
 *          OpenSSL keeps memory of its own until the process ends.
 * NULL:    functions that return a status return TR_EINVAL for a NULL that they need; the others do nothing, or return
 *          NULL or false.
 * Thread:  any, for all functions.
 */
#ifndef TROUPE_NET_TLS_H
#define TROUPE_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/buffer.h>
#include <troupe/core/declare.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

typedef struct tr_tls_context tr_tls_context; /* opaque */
typedef struct tr_tls_tickets tr_tls_tickets; /* opaque */
typedef struct tr_tls_session tr_tls_session; /* opaque */

enum tr_tls_version {
    TR_TLS_DEFAULT, /* lowest: 1.2; highest: 1.3 */
    TR_TLS_1_2,
    TR_TLS_1_3,
};

/* Is the peer asked for a certificate, and must it be good? */
enum tr_tls_verify {
    TR_TLS_VERIFY_DEFAULT, /* of a client REQUIRE; of a server NONE, or REQUEST if it is given CAs */
    TR_TLS_VERIFY_NONE,    /* a server asks for none; a client takes any */
    TR_TLS_VERIFY_REQUEST, /* asked for and checked, and whatever it is the handshake goes on: the program looks */
    TR_TLS_VERIFY_REQUIRE, /* without one, or with one that is not good, the handshake fails */
};

/* PEM (RFC 7468): a file, or bytes in memory. All zero: none. */
struct tr_pem {
    const char *file;
    const void *memory;
    size_t size; /* of memory; a file, too, may have up to TR_PEM_BYTES */
};

#define TR_PEM_BYTES 8388608u

/* Who we are: a certificate and its key. */
struct tr_tls_identity {
    struct tr_pem chain; /* our certificate first, then those that lead to the CA, which itself is not needed */
    struct tr_pem key;   /* all zero: it is in the PEM of the chain. What else is in that PEM is passed over */

    /* Asked once if the key is encrypted: writes the passphrase, of up to `room` bytes, to out and returns its length;
     * -1: there is none. What it wrote is wiped after use. Called while tr_tls_context_new() runs. */
    int (*passphrase)(char *out, size_t room, void *data);
    void *passphrase_data;
};

#define TR_TLS_PASSPHRASE_BYTES 1024u /* room for a passphrase */

/* A name of a server's, by which clients ask for a context (SNI, RFC 6066). */
struct tr_tls_name {
    const char *pattern; /* "a.example", or "*.example": any one label, but not none; an exact name goes before */
    tr_tls_context *context;
};

/* All zero: a client that believes the system's CAs. All of it is copied or held. */
struct tr_tls_context_options {
    bool serves; /* it is to be a server's: it must have an identity */

    /* At most one of each kind of key, such as RSA and ECDSA: what the peer can check is shown. Of a client, too: shown
     * to servers that ask for it. Certificates must be valid now. */
    const struct tr_tls_identity *identities;
    unsigned identity_count;

    /* Who is believed. A server names those of `ca` to its clients. */
    const struct tr_pem *ca; /* one or more certificates in each */
    unsigned ca_count;
    const char *ca_directory; /* its files *.pem and *.crt, and those that `openssl rehash` names; all read now */
    bool system_ca;           /* the system's in addition; a client that is given neither of these has it anyway */
    const struct tr_pem *crl; /* revocation lists, one or more in each; with any of them the peer must be in none */
    unsigned crl_count;
    bool crl_whole_chain; /* and so must those between it and the CA; else its own issuer's list is enough */
    enum tr_tls_verify verify;
    unsigned depth; /* certificates between the peer's and the CA's, up to 100; 0: TR_TLS_DEPTH */

    enum tr_tls_version lowest, highest;

    /* In OpenSSL's words; NULL: what docs/api/tls.md says. A word that means nothing is refused, not passed over. */
    const char *ciphers;    /* of 1.2 */
    const char *suites;     /* of 1.3 */
    const char *groups;     /* of key exchange */
    const char *signatures; /* that may prove an identity */

    /* Protocols above (RFC 7301), in order of preference: a server's own order counts. A server that has none of those
     * that a client names refuses it; who names none is served. */
    const char *const *alpn;
    unsigned alpn_count;

    /* Other contexts of a server, for clients that ask for their names. Certificate, CAs, verification, versions,
     * ciphers and alpn are then those of the other; its own names and choose are not looked at, and tickets and cache
     * stay those of this one. */
    const struct tr_tls_name *names;
    unsigned name_count;
    bool names_only; /* who asks for a name that is not among these, or for none, is refused with an alert */

    /* Of a server: asked after `names` for the context of a name, in lower case; NULL: this context, or with names_only
     * refused. Called on any worker, several at once. The context is held before the caller goes on: the program
     * keeps it as long as choose may answer it. One that does not serve counts as NULL. It may use other sockets, and
     * end the connection that asks. */
    tr_tls_context *(*choose)(const char *server_name, void *data);
    void *choose_data;

    /* Resumption, of a server. A session is resumed by any worker, and by another context with the same tickets if that
     * asks its clients for the same (verify, CAs, revocation lists) and its first certificate is for the same names;
     * and only if the client asks for the same name as before. Of a client that has shown a good certificate a session,
     * and all that follow from it, end with that, and no later than session_lifetime_s after it was shown. */
    tr_tls_tickets *tickets;     /* held; NULL: its own, which rotate each TR_TLS_ROTATE_S */
    bool no_tickets;             /* all is kept here, in the cache */
    uint32_t session_cache;      /* sessions that are kept for clients without tickets; 0: TR_TLS_SESSION_CACHE */
    uint32_t session_lifetime_s; /* up to 604800 (RFC 8446, section 4.6.1); 0: TR_TLS_SESSION_S. Of a client: that long
                                  * it begins with a session of 1.2; with 1.3 as long as the server says */

    /* A file to which the secrets of all connections are appended, in the form of SSLKEYLOGFILE, for Wireshark; it is
     * made with mode 0600. NULL: none; the environment is not asked. Who reads it reads the connections. */
    const char *key_log;
};

#define TR_TLS_DEPTH 10u
#define TR_TLS_SESSION_CACHE 20480u
#define TR_TLS_SESSION_S 7200u
#define TR_TLS_ROTATE_S 3600u

/* Why a context was refused, for people: "server.key, line 14: bad base64 decode". Control characters are '?', and no
 * part of a key or a passphrase is in it. */
struct tr_tls_refusal {
    char text[256];
    unsigned long reason; /* OpenSSL's number; 0: none */
};

/* Was Troupe built with TLS? */
bool tr_tls_supported(void);

/*
 * Makes a context. Reads all files, and asks for passphrases, on the calling thread: that takes milliseconds, and some
 * fifty of them for the system's CAs, which OpenSSL decodes one by one.
 *
 * Memory:  one hold is the caller's. refusal may be NULL; after success its text is empty. Nothing is changed by a call
 *          that fails, but what is in refusal.
 * Thread:  any.
 * Returns: TR_OK
 *          TR_EINVAL        out or options is NULL; an array is NULL and its count is not 0; a struct tr_pem has file
 *                           and memory, or PEM itself as its file; two identities have the same kind of key; a value
 *                           that verify cannot have; a server that requires certificates and believes nobody; a client
 *                           with tickets
 *          TR_ENOENT        a file or a directory does not exist, or there are no CAs of the system's
 *          TR_EACCES        a file may not be read, or key_log not be written
 *          TR_EISDIR, TR_ENOTDIR, TR_EIO and others of reading a file
 *          TR_EFBIG         it has more than TR_PEM_BYTES
 *          TR_ENOTPEM       not PEM, broken PEM, or nothing in it that is wanted there
 *          TR_EPASSPHRASE   a key is encrypted, and there is no passphrase, or another one
 *          TR_ETLSNOKEY     a server without an identity, or an identity without a certificate or a private key
 *          TR_EKEYMISMATCH  a key that does not belong to its certificate
 *          TR_ECERTEXPIRED  a certificate of a chain has expired
 *          TR_ECERTNOTYET   a certificate of a chain is not yet valid
 *          TR_EWEAKKEY      a key of a chain is too short (RSA: below 2048 bits), or it is signed with SHA-1
 *          TR_EBADCIPHERS   a word of ciphers, suites, groups or signatures means nothing
 *          TR_EBADVERSIONS  no such version, or lowest is above highest
 *          TR_EBADALPN      the name of a protocol is NULL, empty or above 255 bytes, or all are above 65535
 *          TR_EBADNAMES     a name that no host can have, or one that is there twice; a context that does not serve; a
 *                           client with names or choose
 *          TR_EBADLIMIT     depth or session_lifetime_s is too large
 *          TR_ENOMEM        OpenSSL sometimes calls the lack of memory something else
 *          TR_ENOTSUPPORTED Troupe was built without TLS
 */
tr_status tr_tls_context_new(const struct tr_tls_context_options *options, struct tr_tls_refusal *refusal,
                             tr_tls_context **out);

/* Adds a hold and returns the context. Each hold must be released once. NULL is allowed. Thread: any. */
tr_tls_context *tr_tls_context_hold(tr_tls_context *context);

/* Releases one hold; the last release frees the context. NULL is allowed. Thread: any. */
void tr_tls_context_release(tr_tls_context *context);

/*
 * Ticket keys (RFC 5077): what a server gives its clients to resume with is encrypted with these. Contexts that share
 * them resume each other's sessions: make one, and give it to every context that comes after another.
 *
 * A key has 80 bytes: a name of 16, then 32 for HMAC-SHA256, then 32 for AES-256, as in files of nginx. The first key
 * encrypts, all decrypt. Given keys are shared by the processes of a cluster, and stay until others are set. Without
 * keys they are random, and a new one takes the place of the first each rotate_s seconds: the two before it still
 * decrypt.
 */
#define TR_TLS_TICKET_KEY_BYTES 80u
#define TR_TLS_TICKET_KEYS 16u

/*
 * Makes ticket keys: `count` of them, one after the other. NULL, 0: random ones, which rotate each rotate_s seconds; 0:
 * TR_TLS_ROTATE_S. With given keys rotate_s is not used.
 *
 * Memory:  one hold is the caller's. The keys are copied, and wiped when they go.
 * Thread:  any.
 * Returns: TR_OK
 *          TR_EINVAL        out is NULL; keys is NULL and count is not 0, or the other way round
 *          TR_EBADLIMIT     count is above TR_TLS_TICKET_KEYS
 *          TR_ENOMEM
 *          TR_EIO           there are no random numbers
 *          TR_ENOTSUPPORTED Troupe was built without TLS
 */
tr_status tr_tls_tickets_new(const void *keys, unsigned count, uint32_t rotate_s, tr_tls_tickets **out);

/*
 * Replaces all keys by these; from then on they do not rotate. Servers may be running: each handshake has the keys of
 * before or of after.
 *
 * Thread:  any.
 * Returns: TR_OK
 *          TR_EINVAL        NULL, or count is 0
 *          TR_EBADLIMIT     count is above TR_TLS_TICKET_KEYS
 *          TR_ENOTSUPPORTED Troupe was built without TLS
 */
tr_status tr_tls_tickets_set(tr_tls_tickets *tickets, const void *keys, unsigned count);

/* Adds a hold and returns the tickets. Each hold must be released once. NULL is allowed. Thread: any. */
tr_tls_tickets *tr_tls_tickets_hold(tr_tls_tickets *tickets);

/* Releases one hold; the last release frees the keys. NULL is allowed. Thread: any. */
void tr_tls_tickets_release(tr_tls_tickets *tickets);

/*
 * Sessions: what a client begins another connection to the same server with (tr_tls_options.session), without asking it
 * for its certificate again. tr_socket_tls_session() gives one.
 *   - It is bound to what it was made for: the name that was expected, or any_name and the name that was asked for, and
 *     a context that asks its peers for the same (verify, depth, CAs, revocation lists, and the names of its own first
 *     certificate). Who begins with it for another name, or by a context that asks for something else, makes a whole
 *     handshake, and the server learns nothing of the session.
 *   - What was found of the server's certificate stays as it was: tr_socket_peer() and tr_socket_verify_result() say
 *     the same of a connection that was resumed. One whose certificate has expired since is not offered any more, and
 *     neither is one that is older than the server said, or with 1.2 than session_lifetime_s of the client's context.
 *   - It can be used more than once. But who watches the wire sees with 1.3 that the same was used again (RFC 8446,
 *     appendix C.4): take a new one of each connection.
 *
 * It never changes. Thread: any, several at once.
 */

/*
 * The session as bytes, to keep it in a file or to give it to another process. They are a secret: who has them can
 * resume it, and with 1.2 read the connection itself, if that was recorded.
 *
 * Memory:  *out is the caller's. It is wiped when it is released for the last time.
 * Thread:  any.
 * Returns: TR_OK
 *          TR_EINVAL        NULL
 *          TR_ENOMEM
 *          TR_ENOTSUPPORTED Troupe was built without TLS
 */
tr_status tr_tls_session_bytes(const tr_tls_session *session, tr_slice *out);

/*
 * A session of such bytes, whatever wrote them: they are believed in what they say of the server's certificate. Of the
 * server's chain only its own certificate comes back.
 *
 * Memory:  one hold is the caller's; the bytes are copied.
 * Thread:  any.
 * Returns: TR_OK
 *          TR_EINVAL        NULL
 *          TR_EBADSESSION   they are no session, or none that could be resumed
 *          TR_ENOMEM        OpenSSL sometimes calls the lack of memory something else
 *          TR_ENOTSUPPORTED Troupe was built without TLS
 */
tr_status tr_tls_session_from(const void *bytes, size_t size, tr_tls_session **out);

/* Adds a hold and returns the session. Each hold must be released once. NULL is allowed. Thread: any. */
tr_tls_session *tr_tls_session_hold(tr_tls_session *session);

/* Releases one hold; the last release wipes and frees the session. NULL is allowed. Thread: any. */
void tr_tls_session_release(tr_tls_session *session);

/* Certificates that a peer has shown. */

/* Of subject and issuer: "CN", "O" and others; of `names`: "DNS", "IP Address", "URI", "email". */
struct tr_certificate_entry {
    const char *name, *value;
};

/* Texts are UTF-8; control characters in them, NUL included, are written as \x00. */
struct tr_certificate {
    const struct tr_certificate_entry *subject, *issuer; /* in the order of the certificate */
    const struct tr_certificate_entry *names;            /* subjectAltName; of other kinds than those above: left out */
    unsigned subject_count, issuer_count, name_count;
    char valid_from[32], valid_to[32]; /* "Nov 28 17:37:00 2026 GMT" */
    int64_t not_before_s, not_after_s; /* since 1970 */
    char serial[64];                   /* hexadecimal, in capitals; cut, if it is longer than any may be */
    char fingerprint256[96];           /* SHA-256 of der: "1F:0A:..." */
    const void *der;
    size_t der_size;
};

/* What a peer has shown: its own certificate first, then what it has sent to lead to a CA, as it was sent. */
struct tr_peer {
    const struct tr_certificate *chain;
    unsigned count;
    bool verified;    /* the chain is good, and so is the name */
    tr_status result; /* TR_OK, or why it is not */
    const char *code; /* of result: Node's name of it, a constant */
};

/* Frees what a peer has shown, all in it included. NULL is allowed. Thread: any. */
void tr_peer_free(struct tr_peer *peer);

/* What a secure connection has become. */
struct tr_tls_info {
    enum tr_tls_version version;
    const char *cipher;               /* by its name at IANA, a constant: "TLS_AES_128_GCM_SHA256" */
    char alpn[256], server_name[256]; /* "": none was agreed on; none was asked for. In a name that a client has asked
                                       * for all but printable ASCII is '?' */
    bool resumed;                     /* both ends had a session of an earlier connection */
    uint64_t wire_read, wire_written; /* bytes of records, since it began to become secure */
};

/* Secure sockets. */

struct tr_socket;

/* Who begins a handshake is the client, whoever has connected. */
enum tr_tls_role {
    TR_TLS_BY_ORIGIN, /* a socket that a server accepted serves, all others are clients */
    TR_TLS_CLIENT,
    TR_TLS_SERVER,
};

#define TR_TLS_HANDSHAKE_MS 10000u
#define TR_TLS_NO_LIMIT UINT32_MAX

/* How a socket becomes secure: tr_connect_options.tls, tr_socket_set_secure(). All is copied, and context and session
 * are held as long as they are needed. */
struct tr_tls_options {
    tr_tls_context *context; /* needed */
    enum tr_tls_role role;

    /* Of a client: whom it expects. It asks for that name (SNI), and the certificate must be for it (RFC 6125); an
     * address is checked, and not asked for (RFC 6066); a dot at the end of a name is neither. NULL: with
     * tr_connect_options the host; else any_name must be true, since nobody knows the name. */
    const char *server_name;
    bool any_name; /* the certificate may be for any name: only who has signed it is checked */

    const char *const *alpn; /* of a client, in place of the context's; NULL: those */
    unsigned alpn_count;

    /* Of a client, to be resumed; NULL: none. One that cannot be is ignored, and so is one that was made for another
     * (tr_tls_session): a whole handshake takes place then, and `resumed` is false. */
    tr_tls_session *session;

    /* How long the handshake may take, from when it begins; up to 2^31 - 1, or TR_TLS_NO_LIMIT; 0:
     * TR_TLS_HANDSHAKE_MS. Then error comes: TR_ETLSTIMEOUT. While an owner's credit is used up the time stands. */
    uint32_t handshake_timeout_ms;

    /* The peer's FIN without its close_notify, by which an attacker can cut a stream, is an error: TR_ETRUNCATED. Else
     * it is an end, which tr_socket_truncated() tells apart. */
    bool truncation_fails;

    /* Of tr_socket_set_secure(): the end of what a data event has brought, if it belongs to the handshake. It must be
     * bytes as they came, not text of an encoding. */
    tr_slice received;
};

#define TR_TLS_HANDSHAKES 128u

/* Whether a server is secure, and how: tr_server_options.tls. */
struct tr_tls_accept {
    tr_tls_context *context; /* which serves; held. NULL: connections are plain, and the rest is not looked at */

    /* How long a handshake may take, from the moment in which its worker gets the connection, or with
     * tr_server_options.proxy its header is complete; up to 2^31 - 1, or TR_TLS_NO_LIMIT; 0: TR_TLS_HANDSHAKE_MS. */
    uint32_t handshake_timeout_ms;

    /* How many handshakes of this server may be under way at a time on each worker; 0: TR_TLS_HANDSHAKES. One begins
     * with the first byte of its client; further ones wait in line, and cost no more than a plain connection. */
    uint32_t handshakes;

    bool truncation_fails; /* as in struct tr_tls_options, of each connection */
};

/*
 * Makes a plain socket secure, as after STARTTLS: "setSecure" of the v0.2 document. What was written before goes as it
 * is; then comes the handshake, then `secure`, or error, whose call is "handshake"; what is written after this call
 * waits for that, and is protected. What came and was not given yet, because of a pause or as half a character, is the
 * handshake's: plain text that was sent behind it makes the handshake fail and is never data.
 *   - A pause does not hold the handshake up; a cork does, if writes were corked before.
 *   - While the socket connects it may be called, too: secure comes before ready. In the callback of connect it no
 *     longer connects: ready comes first.
 *   - In secure, and until then, the peer has got nothing of what waits.
 *   - TR_OK says that it begins. A handshake that fails, be it at once for what is in `received`, is told by error, and
 *     that comes when the callback which made this call has returned, never within the call. What is written in between
 *     is TR_QUEUED or TR_OK if the handshake still goes on, and TR_EDESTROYED if it has failed.
 *
 * Memory:  all is copied or held.
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL         NULL, no context, no such role, received or alpn is NULL and not empty, or a client with
 *                            the context of a server
 *          TR_EDESTROYED     the socket was destroyed
 *          TR_ENOTCONN       it is not connected, and does not connect
 *          TR_EALREADY       it is secure, or becomes so
 *          TR_EWRITEAFTEREND our side has ended, or the peer's
 *          TR_EBADHANDLE     it keeps records, takes descriptors, or was adopted without TR_READABLE
 *          TR_EBADHOST       a client without server_name and any_name, or that is no name of a host
 *          TR_EBADALPN       a protocol cannot be one
 *          TR_ETLSNOKEY      it is to serve, and the context does not
 *          TR_EBADLIMIT      handshake_timeout_ms
 *          TR_ENOMEM
 *          TR_ENOTSUPPORTED  Troupe was built without TLS
 */
tr_status tr_socket_set_secure(struct tr_socket *socket, const struct tr_tls_options *options);

/* The payload of TR_EVENT_SECURE. */
struct tr_secured {
    tr_status result; /* as tr_socket_verify_result() */
    enum tr_tls_version version;
    bool resumed;
};

/* Is it secure? From `secure` on, also in error and close. A plain one, and NULL, are not. Thread: owner. */
bool tr_socket_secure(const struct tr_socket *socket);

/* The peer has shown a certificate, and its chain and name are good. Thread: owner. */
bool tr_socket_verify_peer(const struct tr_socket *socket);

/*
 * What the check of the peer's certificate has found. With TR_TLS_VERIFY_REQUIRE a secure socket's is TR_OK, since
 * anything else was an error, by whose status and code it is told; in the events of that error and of `close` this says
 * the same, and tr_socket_peer() whom the connection was refused to, while tr_socket_secure() is false. *code is the
 * exact name, Node's where Node has one, a constant; NULL with TR_OK. code may be NULL.
 *
 * Thread:  owner.
 * Returns: TR_OK           chain and name are good
 *          TR_ENOENT       the peer has shown none, or was not asked for one
 *          TR_ENOTCONN     it is not secure, and that is not for the peer's certificate; NULL
 *          TR_ECERTEXPIRED, TR_ECERTNOTYET, TR_ESELFSIGNED, TR_ESELFSIGNEDCHAIN, TR_ENOISSUER, TR_EUNVERIFIED,
 *          TR_EREVOKED, TR_EALTNAME, TR_EUNTRUSTED: why not
 */
tr_status tr_socket_verify_result(const struct tr_socket *socket, const char **code);

/* The peer has sent its FIN, and no close_notify before it: bytes may be missing. In `end` and after it. Thread:
 * owner. */
bool tr_socket_truncated(const struct tr_socket *socket);

/*
 * The peer's certificates ("getPeerCertificate"); in `error` and `close` also those for which it was refused.
 *
 * Memory:  *out is the caller's: tr_peer_free().
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL   NULL
 *          TR_ENOENT   the peer has shown none
 *          TR_ENOTCONN it is not secure, and that is not for the peer's certificate
 *          TR_ENOMEM
 */
tr_status tr_socket_peer(const struct tr_socket *socket, struct tr_peer **out);

/* What the connection has become. TR_OK; TR_EINVAL: NULL; TR_ENOTCONN: it is not secure. Thread: owner. */
tr_status tr_socket_tls_info(const struct tr_socket *socket, struct tr_tls_info *out);

/*
 * What this connection can be resumed with, by another one: the newest. With 1.2 it is there from `secure` on; with 1.3
 * the server sends it behind its handshake, once or several times, so it is best asked for in `end` or `close`, or when
 * data has come. However the socket ends, by tr_socket_destroy() as well, the session stays of use.
 *
 * Memory:  one hold is the caller's: tr_tls_session_release().
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL   NULL
 *          TR_ENOENT   the server has given none, or this side serves
 *          TR_ENOTCONN it is not secure
 *          TR_ENOMEM
 */
tr_status tr_socket_tls_session(const struct tr_socket *socket, tr_tls_session **out);

/*
 * `size` bytes that only the two ends of this connection know (RFC 5705; of 1.3 RFC 8446, section 7.5). context NULL:
 * none, which 1.2 tells from an empty one.
 *
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL   socket, label or out is NULL, size is 0, or context is NULL and context_size is not 0
 *          TR_ENOTCONN it is not secure
 *          TR_ETLS     OpenSSL has none for that label
 *          TR_ENOMEM
 */
tr_status tr_socket_export_key(const struct tr_socket *socket, const char *label, const void *context,
                               size_t context_size, void *out, size_t size);

/*
 * New keys for what is written from now on (RFC 8446, section 4.6.3); `both`: the peer is asked to do the same.
 *
 * Thread:  owner.
 * Returns: TR_OK
 *          TR_EINVAL         NULL
 *          TR_EDESTROYED     the socket was destroyed
 *          TR_ENOTCONN       it is not secure
 *          TR_ENOTSUPPORTED  1.2 has no such thing
 *          TR_EAGAIN         another one, or a record, is half in the kernel, or half of a message of the peer's has
 *                            come: later
 *          TR_EWRITEAFTEREND our side was ended (tr_socket_end()), even if what was written before still waits
 *          TR_ENOMEM, TR_ETLS
 */
tr_status tr_socket_update_keys(struct tr_socket *socket, bool both);

TR_DECLARATIONS_END
#endif
