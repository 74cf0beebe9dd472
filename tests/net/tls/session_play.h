/*
 * Sessions in memory: connections that begin with one, and whether it was shown and resumed.
 */
#ifndef TESTS_NET_TLS_SESSION_PLAY_H
#define TESTS_NET_TLS_SESSION_PLAY_H

#include "layer_play.h"

#include <openssl/ssl.h>

/* What both ends may speak: one version at a time. EACH_VERSION is before a block that is done for each. */
extern enum tr_tls_version session_version;

#define EACH_VERSION                                                                                                   \
    for (session_version = TR_TLS_1_2; session_version != TR_TLS_DEFAULT;                                              \
         session_version = session_version == TR_TLS_1_2 ? TR_TLS_1_3 : TR_TLS_DEFAULT)

/* A connection, and what was seen of it. */
struct meeting {
    const char *host; /* NULL: server.example; "": none */
    bool any_name;
    const tr_tls_session *session;
    bool offered;            /* the first message of the client has a part of the session in it */
    bool resumed;            /* as both say */
    tr_status result;        /* what the client has found */
    tr_status of_client;     /* what the server has found */
    char fingerprint[2][96]; /* of the server's, as the client sees it, and of the client's */
    unsigned chain;          /* certificates of the server's */
};

/* The context of these options, for that version. */
tr_tls_context *session_context(struct tr_tls_context_options options);

/* OpenSSL's session, which a program does not see. */
SSL_SESSION *session_inside(const tr_tls_session *session);

/* Makes both ends, and the client says its first word. */
void session_begin(struct layer_duo *duo, struct meeting *meeting, tr_tls_context *client, tr_tls_context *server);

/* Connects, sends a word each way, and gives what can be resumed next; NULL: nothing. */
tr_tls_session *session_meet(struct meeting *meeting, tr_tls_context *client, tr_tls_context *server);

/* Of a first meeting for "server.example". */
tr_tls_session *session_of(tr_tls_context *client, tr_tls_context *server);

/* Is it resumed? Demands that the server saw it, or not. */
bool session_resumes_as(struct meeting meeting, tr_tls_context *client, tr_tls_context *server, bool offered);

/* The same for "server.example", which sees it. */
bool session_resumes(const tr_tls_session *session, tr_tls_context *client, tr_tls_context *server);

#endif
